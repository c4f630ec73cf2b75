"""Whose a key is, is asked before anything is done with it, and once in the account's life."""

from __future__ import annotations

import msgspec
import pytest

from db import sql
from gateway.accounts import accounts
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.audit import Author
from gateway.billing.errors import StripeForbiddenError, StripeNotSentError
from gateway.runtime import Runtime, running
from gateway.sandbox.stripe import StripeSandbox
from processors.values import Secret
from tests.accounts.conftest import STRIPE_KEY
from tests.accounts.test_setup_webhook import account, sandbox

__all__ = ["account", "sandbox"]
OWN, INVOICES = "/v1/account", "/v1/invoices"


async def ask(runtime: Runtime, account: str) -> None:
    await (await runtime.stripe(account)).get(INVOICES, msgspec.Raw)


async def test_it_is_asked_once_and_by_one_process(
    runtime: Runtime, account: Account, sandbox: tuple[StripeSandbox, str]
) -> None:
    for _ in range(2):
        async with running(runtime.settings, runtime.keyring) as process:
            await ask(process, account.id)
            await ask(process, account.id)
    assert [call.path for call in sandbox[0].calls] == [OWN, *[INVOICES] * 4]
    assert (await accounts.show(account.id)).stripe_account == sandbox[0].account(STRIPE_KEY.reveal()).id


async def test_a_second_account_of_one_stripe_account_gets_no_call_through(
    runtime: Runtime, by: Author, account: Account, sandbox: tuple[StripeSandbox, str]
) -> None:
    await ask(runtime, account.id)
    key = Secret(sandbox[0].keys.make(sandbox[0].account(STRIPE_KEY.reveal()).id).key)
    again = await accounts.add(runtime.keyring, by, "again", key, change=AccountChange(api_base=sandbox[1]))
    for _ in range(2):
        with pytest.raises(StripeForbiddenError, match="that of another account here"):
            await ask(runtime, again.id)
    assert [call.path for call in sandbox[0].calls].count(INVOICES) == 1
    cases = await sql.rows("select account, kind from tollbridge.review_case")
    assert [tuple(case) for case in cases] == [(again.id, "stripe_account_twice")]


async def test_a_key_that_may_not_read_its_account_works_unbound(
    runtime: Runtime, by: Author, account: Account, sandbox: tuple[StripeSandbox, str]
) -> None:
    one = sandbox[0].account(STRIPE_KEY.reveal()).id
    key = Secret(sandbox[0].keys.make(one, {"invoice": "read"}).key)
    least = await accounts.add(runtime.keyring, by, "least", key, change=AccountChange(api_base=sandbox[1]))
    await ask(runtime, least.id)
    await ask(runtime, least.id)
    assert [call.path for call in sandbox[0].calls].count(OWN) == 1
    assert (await accounts.show(least.id)).stripe_account == ""


async def test_where_nobody_answers_the_call_itself_is_not_sent(runtime: Runtime, by: Author, account: Account) -> None:
    away = AccountChange(api_key=STRIPE_KEY, api_base="http://127.0.0.1:1")
    await accounts.alter(runtime.keyring, by, account.id, away)
    with pytest.raises(StripeNotSentError):
        await ask(runtime, account.id)
    assert (await accounts.show(account.id)).stripe_account == ""
