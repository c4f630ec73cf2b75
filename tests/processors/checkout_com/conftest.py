"""An adapter, and a Checkout.com that speaks from a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx

from processors.checkout_com.client import CheckoutComAdapter
from tests.processors.checkout_com.shapes import BASE, make_adapter


@pytest.fixture
def checkout() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router


@pytest.fixture
async def adapter() -> AsyncIterator[CheckoutComAdapter]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield make_adapter(client)
