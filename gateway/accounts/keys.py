"""API keys: shown once, kept as a hash, scoped, each of one account. One platform key kind makes accounts."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from db import sql
from db.engine import DB
from db.ids import new_id
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now
from processors.values import Secret

RANDOM_BYTES: Final = 24

INSERT = """
    insert into tollbridge.api_key (id, account, name, hash, hint, scopes, made_by, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
REVOKE = """
    update tollbridge.api_key set revoked_at = $3
    where id = $1 and account is not distinct from $2 and revoked_at is null returning name
"""
# A key is older than those that it makes, so this ends.
BEHIND = """
    with recursive behind (id, steps) as (
        select $2, 0
        union all
        select k.made_by, b.steps + 1 from behind b join tollbridge.api_key k on k.id = b.id
        where k.account = $1 or k.account is null
    )
    select id from behind order by steps desc limit 1
"""
COLUMNS = "id, account, name, hint, scopes, created_at, revoked_at"


class Scope(StrEnum):
    """What a key opens. None includes another."""

    CHECKOUT = "checkout"
    """Checkout sessions."""
    SERVER = "server"
    """What a company's own backend does: checkout, invoices, payment methods, access."""
    FINANCE = "finance"
    """What finance staff do: invoices, cases, refunds."""
    ADMIN = "admin"
    """The account's configuration, its keys, its deliveries."""
    PLATFORM = "platform"
    """Making accounts; alone, and of no account."""


ACCOUNT_SCOPES: Final = frozenset(Scope) - {Scope.PLATFORM}


class ApiKey(msgspec.Struct, frozen=True):
    """What may be shown of a key; `hint` is its last four letters."""

    id: str
    account: str | None
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None


def digest(key: str) -> bytes:
    """The form that a key is kept in, or another secret of ours: 192 random bits or more, so a plain hash is enough."""
    return hashlib.sha256(key.encode()).digest()


async def create(by: Author, account: str | None, name: str, scopes: Collection[str]) -> tuple[ApiKey, Secret]:
    """A new key and its text, which is never seen again; `account` None makes a platform key.

    Raises FieldError, NotThereError.
    """
    wanted = _scopes(account, scopes)
    if not name or len(name) > 100:
        raise FieldError("name", "must have 1 to 100 letters")
    async with DB.transaction():
        mode = await _mode(account)
        key, text, now = new_id("key"), f"tb_{mode}_{secrets.token_hex(RANDOM_BYTES)}", await business_now()
        shown = ApiKey(key, account, name, text[-4:], wanted, now, None)
        await sql.rows(INSERT, key, account, name, digest(text), shown.hint, [str(s) for s in wanted], by.name, now)
        after = {"name": name, "hint": shown.hint, "scopes": [str(s) for s in wanted]}
        await by.note(account, "key.created", key, name=name, after=after)
    return shown, Secret(text)


async def listed(account: str | None) -> list[ApiKey]:
    """The keys of an account, revoked ones too, the newest first; None lists the platform's."""
    wanted = f"select {COLUMNS} from tollbridge.api_key where account is not distinct from $1"  # noqa: S608
    return [shown(row) for row in await sql.rows(f"{wanted} order by created_at desc, id desc", account)]


async def revoke(by: Author, account: str | None, key: str) -> ApiKey:
    """Shut a key out from now on; one that is shut out already stays so. Raises NotThereError."""
    async with DB.transaction():
        row = await sql.row(REVOKE, key, account, await business_now())
        if row is not None:
            await by.note(
                account, "key.revoked", key, name=row["name"], before={"revoked": False}, after={"revoked": True}
            )
    return await show(account, key)


async def show(account: str | None, key: str) -> ApiKey:
    """Raises NotThereError."""
    wanted = f"select {COLUMNS} from tollbridge.api_key where id = $1 and account is not distinct from $2"  # noqa: S608
    row = await sql.row(wanted, key, account)
    if row is None:
        raise NotThereError("key", key)
    return shown(row)


async def person_behind(account: str, actor: str) -> str:
    """Who answers for what an actor of this account does: of a key, whoever made it, who has seen its text; else the
    actor."""
    return str(await sql.value(BEHIND, account, actor))


def shown(row: Mapping[str, Any]) -> ApiKey:
    """A key's row, without its hash."""
    return msgspec.convert(dict(row), ApiKey)


def _scopes(account: str | None, scopes: Collection[str]) -> tuple[Scope, ...]:
    if account is None:
        if set(scopes) - {Scope.PLATFORM}:
            raise FieldError("scopes", "a platform key has the scope platform and no other")
        return (Scope.PLATFORM,)
    if not scopes or not set(scopes) <= ACCOUNT_SCOPES:
        raise FieldError("scopes", f"must be some of {', '.join(sorted(ACCOUNT_SCOPES))}")
    return tuple(sorted({Scope(scope) for scope in scopes}))


async def _mode(account: str | None) -> str:
    if account is None:
        return "platform"
    livemode = await sql.value("select livemode from tollbridge.account where id = $1", account)
    if livemode is None:
        raise NotThereError("account", account)
    return "live" if livemode else "test"
