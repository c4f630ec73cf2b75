"""An account's key at Stripe: whose it is, and what becomes of one that is rolled, or whose account is disabled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from db import sql
from gateway.accounts import accounts, stripe_key
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.audit import Author
from gateway.accounts.errors import CheckFailedError, FieldError
from gateway.billing.errors import StripeKeyRefusedError
from gateway.billing.shapes import AccountShape
from gateway.moment import moment
from gateway.runtime import Runtime, UnknownAccountError
from gateway.sandbox.stripe import StripeSandbox, create_app
from processors.values import Secret
from tests.accounts.conftest import STRIPE_KEY
from tests.api.seed import NOW, add_invoice
from tests.support.serving import serving


@pytest.fixture
async def local() -> AsyncIterator[tuple[StripeSandbox, AccountChange]]:
    """The local Stripe, and the change that leads an account to it."""
    sandbox = StripeSandbox()
    async with serving(create_app(sandbox)) as url:
        yield sandbox, AccountChange(api_base=url)


Local = tuple[StripeSandbox, AccountChange]


async def test_a_check_asks_stripe_and_keeps_the_answer(runtime: Runtime, by: Author, local: Local) -> None:
    added = await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, change=local[1])
    found = await stripe_key.check(runtime, by, added.id)
    assert found.startswith("acct_")
    assert (await accounts.show(added.id)).stripe_account == found
    assert await stripe_key.check(runtime, by, added.id) == found
    await accounts.update(runtime.keyring, by, added.id, AccountChange(enabled=False))
    with pytest.raises(CheckFailedError, match="disabled"):
        await stripe_key.check(runtime, by, added.id)


async def test_the_key_of_another_stripe_account_is_refused(runtime: Runtime, by: Author, local: Local) -> None:
    sandbox, there = local
    added = await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, change=there)
    await stripe_key.check(runtime, by, added.id)
    with pytest.raises(FieldError, match="is that of acct_"):
        await accounts.update(runtime.keyring, by, added.id, AccountChange(api_key=Secret("sk_test_another")))
    rolled = Secret(sandbox.keys.roll(STRIPE_KEY.reveal()).key)
    await accounts.update(runtime.keyring, by, added.id, AccountChange(api_key=rolled))
    assert await stripe_key.check(runtime, by, added.id)
    with pytest.raises(CheckFailedError, match="does not take the key"):
        await accounts.update(runtime.keyring, by, added.id, AccountChange(api_key=STRIPE_KEY))


async def test_a_key_that_is_rolled_while_a_job_runs_is_read_again(runtime: Runtime, by: Author, local: Local) -> None:
    sandbox, there = local
    added = await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, change=there)
    with moment():
        stripe = await runtime.stripe(added.id)
        account = (await stripe.get("/v1/account", AccountShape)).id
        rolled = Secret(sandbox.keys.roll(STRIPE_KEY.reveal()).key)
        with pytest.raises(StripeKeyRefusedError):
            await stripe.get("/v1/account", AccountShape)
        await accounts.update(runtime.keyring, by, added.id, AccountChange(api_key=rolled))
        assert (await stripe.get("/v1/account", AccountShape)).id == account
        assert (await (await runtime.stripe(added.id)).get("/v1/account", AccountShape)).id == account


async def test_a_disabled_accounts_key_is_used_by_nobody(runtime: Runtime, by: Author, local: Local) -> None:
    sandbox, there = local
    added = await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, change=there)
    with moment():
        stripe = await runtime.stripe(added.id)
        await stripe.get("/v1/account", AccountShape)
    await accounts.update(runtime.keyring, by, added.id, AccountChange(enabled=False))
    with moment(), pytest.raises(UnknownAccountError, match="disabled"):
        await runtime.stripe(added.id)
    assert len(sandbox.calls) == 1


async def test_what_failed_for_the_key_is_due_once_there_is_another(
    runtime: Runtime, by: Author, account: Account
) -> None:
    later = NOW + timedelta(days=700)
    await add_invoice(account.id, "in_1", failures=3, due_at=later)
    await add_invoice(account.id, "in_2", due_at=later)
    await accounts.update(runtime.keyring, by, account.id, AccountChange(api_key=Secret("sk_test_rolled")))
    due = {row["id"]: row["due_at"] for row in await sql.rows("select id, due_at from tollbridge.invoice")}
    assert due["in_1"] < later == due["in_2"]
