"""An account's key at Stripe: what it may look like, whose it is, and that a new one is of the same account there."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

import asyncpg

from db import sql
from db.encryption import Keyring
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.accounts.errors import CheckFailedError, FieldError, NotThereError
from gateway.billing.client import OWN_ACCOUNT, StripeClient
from gateway.billing.errors import StripeError, StripeForbiddenError, StripeRefusedError
from gateway.billing.shapes import AccountShape
from gateway.runtime import Runtime
from processors.values import Secret

STRIPE_KEY: Final = re.compile(r"(?:sk|rk)_(test|live)_[!-~]{1,255}")
NAMED: Final = "select * from tollbridge.account where id = $1 or name = $1"


def livemode_of(api_key: Secret) -> bool:
    """Whether a Stripe key is live; raises FieldError for what is no secret or restricted key."""
    match = STRIPE_KEY.fullmatch(api_key.reveal())
    if match is None:
        raise FieldError(
            "api_key", "must be a Stripe secret or restricted key (sk_test_…, rk_test_…, sk_live_…, rk_live_…)"
        )
    return match[1] == "live"


def key_hash(keyring: Keyring, api_key: Secret) -> str:
    return keyring.token_hash("account", api_key.reveal())


def refuse_other_mode(name: str, livemode: bool, api_key: Secret) -> None:
    """Raises FieldError for a key of the other mode."""
    if livemode_of(api_key) != livemode:
        mode = "live" if livemode else "test"
        raise FieldError("api_key", f"account {name} was made with a {mode} key and stays so")


async def refuse_anothers(keyring: Keyring, account: str, api_key: Secret | None, api_base: str | None = None) -> None:
    """Ask Stripe whose a new key is, and the old one where nobody has asked of that yet: one that belongs to another
    Stripe account would collect that one's invoices. Outside any transaction, and before anything is changed.

    Raises FieldError, NotThereError, CheckFailedError where Stripe does not take the key, StripeError for no answer.
    """
    row = await sql.row("select * from tollbridge.account where id = $1", account)
    if row is None:
        raise NotThereError("account", account)
    if api_key is None:
        return
    # What is no key at all has no hash.
    refuse_other_mode(row["name"], row["livemode"], api_key)
    if row["api_key_hash"] == key_hash(keyring, api_key):
        return
    owner = row["stripe_account"] or await _owner_so_far(keyring, row)
    if owner:
        base = row["api_base"] if api_base is None else api_base
        _refuse_another(row["name"], owner, await _asked(api_key.reveal(), base, row["name"]))


async def check(runtime: Runtime, by: Author, account: str) -> str:
    """Ask Stripe who the key belongs to, and keep the answer. Returns Stripe's account id.

    Raises NotThereError, FieldError where the key is now that of another Stripe account, CheckFailedError,
    and StripeError where nobody answered.
    """
    row = await sql.row(NAMED, account)
    if row is None:
        raise NotThereError("account", account)
    if not row["enabled"]:
        raise CheckFailedError(f"account {row['name']} is disabled")
    found = await _owner(await runtime.stripe(row["id"]), row["name"])
    if row["stripe_account"]:
        _refuse_another(row["name"], row["stripe_account"], found)
    else:
        await _keep(by, row, found)
    return found


async def _owner_so_far(keyring: Keyring, row: asyncpg.Record) -> str:
    """Whose the old key is, where nobody has asked yet: what is stored here is of that Stripe account. Empty where the
    old one is taken no more, so that nobody can tell."""
    old = keyring.decrypt(bytes(row["api_key"]), table="account", column="api_key", row=row["id"]).decode()
    with suppress(CheckFailedError, StripeError):
        return await _asked(old, row["api_base"], row["name"])
    return ""


async def _asked(api_key: str, base: str, name: str) -> str:
    stripe = StripeClient(api_key, base=base)
    try:
        return await _owner(stripe, name)
    finally:
        await stripe.close()


async def _owner(stripe: StripeClient, name: str) -> str:
    try:
        return (await stripe.get(OWN_ACCOUNT, AccountShape)).id
    except (StripeForbiddenError, StripeRefusedError) as error:
        raise CheckFailedError(f"Stripe refuses the key of account {name}: {error}") from error


def _refuse_another(name: str, owner: str, found: str) -> None:
    if found != owner:
        raise FieldError("api_key", f"the key is that of {found}; account {name} is {owner}")


async def _keep(by: Author, row: asyncpg.Record, found: str) -> None:
    account = row["id"]
    async with DB.transaction():
        try:
            await sql.rows("update tollbridge.account set stripe_account = $2 where id = $1", account, found)
        except asyncpg.UniqueViolationError:
            detail = f"Stripe account {found} is that of another account here: both would charge its invoices"
            raise FieldError("api_key", detail) from None
        was, is_now = {"stripe_account": ""}, {"stripe_account": found}
        await by.note(account, "account.checked", account, name=row["name"], before=was, after=is_now)
