"""A runtime over an empty database, and an author."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db.encryption import Keyring, generate_key
from gateway.accounts import accounts
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.runtime import Runtime, running
from gateway.settings import Settings
from processors.values import Secret

STRIPE_KEY = Secret("sk_test_4711")


@pytest.fixture
async def runtime(database: str) -> AsyncIterator[Runtime]:
    keyring = Keyring.parse(f"one:{generate_key()}", generate_key())
    async with running(Settings(), keyring) as runtime:
        yield runtime


@pytest.fixture
def by() -> Author:
    return Author("test:ada", "because")


@pytest.fixture
async def account(runtime: Runtime, by: Author) -> Account:
    return await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY)
