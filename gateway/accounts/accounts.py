"""Accounts: one Stripe account each, test or live by its key for ever."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import msgspec

from db import poke, sql
from db.encryption import Keyring
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from gateway.accounts import webhook_secrets
from gateway.accounts.audit import CHANGED, SET, Author, differences
from gateway.accounts.errors import FieldError, NameTakenError, NotThereError
from gateway.accounts.settlement import check_connections
from gateway.accounts.stripe_key import key_hash, livemode_of, refuse_anothers, refuse_other_mode
from gateway.accounts.validation import converted
from gateway.accounts.webhook_secrets import WebhookSecret
from gateway.clock import business_now
from gateway.domain.policy import Policy, PolicyError
from processors.values import Secret

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
RESERVED: Final = frozenset({"stripe"})
"""`/webhooks/stripe/…` is Stripe's own address."""

INSERT = """
    insert into tollbridge.account (id, name, livemode, api_key, api_key_hash, api_base, portal_url, policies, enabled,
        created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
UPDATE = """
    update tollbridge.account set api_key = $2, api_key_hash = $3, api_base = $4, portal_url = $5, policies = $6,
        enabled = $7
    where id = $1
"""
LIVE = "select id from tollbridge.invoice where account = $1 and status in ('draft', 'open')"
UNPAID = """
    select distinct subscription from tollbridge.invoice
    where account = $1 and status in ('open', 'uncollectible') and subscription <> ''
    union
    select id from tollbridge.subscription where account = $1 and ended_at is null and (
        began_without_invoice or access_reason in ('payment_method_stored', 'payment_method_missing',
                                                   'invoice_disputed', 'dispute_lost')
        or access_invoice in (select id from tollbridge.invoice where account = $1 and amount_due = 0))
"""
TRY_AGAIN = "update tollbridge.delivery set try_at = $2 where account = $1 and state = 'stored' and try_at > $2"
LISTED = "select * from tollbridge.account order by created_at desc, id desc"


class Account(msgspec.Struct, frozen=True):
    """What may be shown of an account. `policies` holds what differs from the defaults."""

    id: str
    name: str
    livemode: bool
    stripe_account: str
    api_base: str
    portal_url: str
    policies: dict[str, Any]
    enabled: bool
    created_at: datetime
    webhook_secrets: tuple[WebhookSecret, ...] = ()

    @property
    def policy(self) -> Policy:
        """The policies with their defaults."""
        return msgspec.convert(self.policies, Policy)


class AccountChange(msgspec.Struct, frozen=True):
    """Fields to set; None leaves a field as it is. Policies are merged by name, None among them restores a default."""

    api_key: Secret | None = None
    api_base: str | None = None
    portal_url: str | None = None
    policies: Mapping[str, Any] | None = None
    enabled: bool | None = None


async def add(
    keyring: Keyring,
    by: Author,
    name: str,
    api_key: Secret,
    *,
    secrets: Sequence[Secret] = (),
    change: AccountChange | None = None,
) -> Account:
    """A new account; raises FieldError, NameTakenError."""
    change = change or AccountChange()
    check_name(name)
    if name in RESERVED:
        raise FieldError("name", f"{name!r} is taken by an address of ours")
    livemode = livemode_of(api_key)
    policies = merged_policies({}, change.policies or {})
    account, now = new_id("acc"), await business_now()
    api_base, portal_url = _url(change.api_base or "", "api_base", livemode), change.portal_url or ""
    _url(portal_url, "portal_url", livemode)
    async with DB.transaction():
        await _refuse_live_beside_moved_clock(livemode)
        try:
            sealed = keyring.encrypt(api_key.reveal().encode(), table="account", column="api_key", row=account)
            enabled = change.enabled is not False
            values = (api_base, portal_url, _json(policies), enabled, now)
            await sql.rows(INSERT, account, name, livemode, sealed, key_hash(keyring, api_key), *values)
        except asyncpg.UniqueViolationError as error:
            _refuse_same_key(error)
            raise NameTakenError("name", f"there is an account {name!r} already") from None
        after = {"name": name, "livemode": livemode, "api_key": SET, "api_base": api_base, "portal_url": portal_url}
        await by.note(account, "account.added", account, name=name, after={**after, "policies": policies})
        for place, secret in enumerate(secrets):
            await webhook_secrets.add(keyring, by, account, secret, param=f"webhook_secrets.{place}")
    return await show(account)


async def update(keyring: Keyring, by: Author, account: str, change: AccountChange) -> Account:
    """Change what `change` gives; the same again changes and notes nothing.

    Raises NotThereError, FieldError; for a new key, of which Stripe is asked, also CheckFailedError and StripeError.
    """
    await refuse_anothers(keyring, account, change.api_key, change.api_base)
    return await alter(keyring, by, account, change)


async def alter(keyring: Keyring, by: Author, account: str, change: AccountChange) -> Account:
    """The same without asking Stripe: for who asked before, and holds a transaction now."""
    async with DB.transaction():
        row = await sql.row("select * from tollbridge.account where id = $1 for no key update", account)
        if row is None:
            raise NotThereError("account", account)
        before = _fields(row)
        after = dict(before)
        sealed = bytes(row["api_key"])
        if change.api_base not in (None, row["api_base"]) and change.api_key is None:
            raise FieldError("api_base", "give the Stripe key too, which is sent there")
        if change.api_key is not None:
            refuse_other_mode(row["name"], row["livemode"], change.api_key)
            old = keyring.decrypt(sealed, table="account", column="api_key", row=account).decode()
            if old != change.api_key.reveal():
                plain = change.api_key.reveal().encode()
                sealed = keyring.encrypt(plain, table="account", column="api_key", row=account)
                after["api_key"] = CHANGED
        for field in ("api_base", "portal_url"):
            if (value := getattr(change, field)) is not None:
                after[field] = _url(value, field, row["livemode"])
        if change.policies is not None:
            after["policies"] = merged_policies(before["policies"], change.policies)
            await check_connections(account, msgspec.convert(after["policies"], Policy))
        if change.enabled is not None:
            after["enabled"] = change.enabled
        was, is_now = differences(before, after)
        if is_now:
            values = (after["api_base"], after["portal_url"], _json(after["policies"]), after["enabled"])
            hashed = row["api_key_hash"] if change.api_key is None else key_hash(keyring, change.api_key)
            try:
                await sql.rows(UPDATE, account, sealed, hashed, *values)
            except asyncpg.UniqueViolationError as error:
                _refuse_same_key(error)
                raise
            await by.note(account, "account.updated", account, name=row["name"], before=was, after=is_now)
            if "policies" in is_now:
                await _poke_open(account)
            if is_now.keys() & {"api_key", "api_base", "enabled"} and after["enabled"]:
                await _try_again(account)
    return await show(account)


async def show(account: str) -> Account:
    """By id or name; raises NotThereError."""
    row = await sql.row("select * from tollbridge.account where id = $1 or name = $1", account)
    if row is None:
        raise NotThereError("account", account)
    return _shown(row, await webhook_secrets.listed([row["id"]]))


async def listed() -> list[Account]:
    """Every account, the newest first."""
    rows = await sql.rows(LISTED)
    secrets = await webhook_secrets.listed([row["id"] for row in rows])
    return [_shown(row, secrets) for row in rows]


async def policy_of(account: str) -> Policy:
    """The policies of an account, by its id."""
    policies = await sql.value("select policies from tollbridge.account where id = $1", account)
    return msgspec.json.decode(policies, type=Policy)


async def _poke_open(account: str) -> None:
    """Another ladder or margin may leave a try for what had none, and a debt close access or open it again.

    In the caller's transaction; subscriptions are locked before invoices.
    """
    now = await business_now()
    unpaid = [row["subscription"] for row in await sql.rows(UNPAID, account)]
    await poke.poke(Kind.SUBSCRIPTION, account, unpaid, now)
    await poke.poke(Kind.INVOICE, account, [row["id"] for row in await sql.rows(LIVE, account)], now)


async def _try_again(account: str) -> None:
    """What failed for the key, or waited for the account to be enabled, waits no longer: the sweep finds it.

    In the caller's transaction; deliveries are locked before objects.
    """
    now = await business_now()
    await sql.rows(TRY_AGAIN, account, now)
    await poke.try_again(account, now)


def _refuse_same_key(error: asyncpg.UniqueViolationError) -> None:
    """One Stripe account under two names would be charged twice."""
    if error.constraint_name == "account_api_key_hash_key":
        raise FieldError("api_key", "another account has this key already") from None


def check_name(name: str) -> None:
    """Raises FieldError for a name that would not fit into an address."""
    if not NAME.fullmatch(name):
        raise FieldError("name", "must be 1 to 63 of a-z, 0-9, '-' and '_', and begin with a letter or digit")


def merged_policies(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The stored policies after a change; raises FieldError naming the policy."""
    merged = {name: value for name, value in {**before, **change}.items() if value is not None}
    policy = converted(merged, Policy, under="policies")
    try:
        policy.validate()
    except PolicyError as error:
        raise FieldError(f"policies.{error.param}", str(error).partition(": ")[2]) from None
    return merged


def _fields(row: Any) -> dict[str, Any]:
    return {
        "api_key": SET,
        "api_base": row["api_base"],
        "portal_url": row["portal_url"],
        "policies": msgspec.json.decode(row["policies"]),
        "enabled": row["enabled"],
    }


def _shown(row: Any, secrets: Mapping[str, tuple[WebhookSecret, ...]]) -> Account:
    fields = {name: row[name] for name in Account.__struct_fields__ if name not in ("policies", "webhook_secrets")}
    policies = msgspec.json.decode(row["policies"])
    return Account(**fields, policies=policies, webhook_secrets=secrets.get(row["id"], ()))


async def _refuse_live_beside_moved_clock(livemode: bool) -> None:
    # The lock makes a clock control wait, which then sees this account and is refused by the database.
    offset = await sql.value("select offset_s from tollbridge.business_clock for share")
    if livemode and offset:
        raise FieldError("api_key", "a live account can't join a database whose business time was moved")


def _url(value: str, field: str, livemode: bool) -> str:
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        good = False
    if not good:
        raise FieldError(field, "must be an http or https address")
    if livemode and parts.scheme != "https":
        raise FieldError(field, "must be https where the account is live")
    return value.rstrip("/")


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
