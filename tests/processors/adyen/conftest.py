"""An adapter, and an Adyen that speaks from a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx

from processors.adyen.client import AdyenAdapter
from tests.processors.adyen.shapes import BASE, make_adapter


@pytest.fixture
def adyen() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router


@pytest.fixture
async def adapter() -> AsyncIterator[AdyenAdapter]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield make_adapter(client)
