"""The merchant's own webhook endpoints: where events go, which ones, and the secrets that they are signed with.

A secret is made by us, shown once and kept encrypted. When another takes its place, both sign until the old one has run
out, so that a receiver can change over without losing an event.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from db import cases, sql
from db.encryption import Keyring
from db.engine import DB
from db.ids import new_id
from gateway.accounts.audit import CHANGED, SET, Author, differences
from gateway.accounts.errors import FieldError, NotThereError, UnresolvedUrlError
from gateway.addresses import AddressError, UnresolvedError, host_of, refuse_private
from gateway.clock import business_now
from gateway.domain.case_kinds import REPAIR, CaseKind
from gateway.domain.news_types import NewsType
from gateway.runtime import Runtime
from processors.values import Secret

SECRET_BYTES: Final = 32
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (not a secret)
ROLLS_FOR: Final = timedelta(hours=24)
LONGEST_ROLL: Final = timedelta(days=7)
LONGEST_DESCRIPTION: Final = 500
MOST: Final = 100
"""So many endpoints an account may have: every event is told to each."""
SELECT: Final = """
    select t.*, (select max(s.expires_at) from tollbridge.webhook_endpoint_secret s
                 where s.endpoint = t.id and s.expires_at > $2) as old_secret_expires_at
    from tollbridge.webhook_endpoint t where t.account = $1
"""
INSERT: Final = """
    insert into tollbridge.webhook_endpoint (id, account, url, types, description, created_at)
    values ($1, $2, $3, $4, $5, $6)
"""
# Whoever enables it again has mended it: it is tried at once.
UPDATE: Final = """
    update tollbridge.webhook_endpoint set url = $3, types = $4, description = $5, enabled = $6,
        failing_since = case when $7 then null else failing_since end, silent = case when $7 then 0 else silent end,
        rests_until = case when $7 then null else rests_until end
    where account = $1 and id = $2
"""
LOCK: Final = "select * from tollbridge.webhook_endpoint where account = $1 and id = $2 for no key update"
GIVEN_UP: Final = """
    select count(*) from tollbridge.event_delivery where endpoint = $1 and state = 'given_up' and finished_at >= $2
"""
SECRETS: Final = """
    select id, secret from tollbridge.webhook_endpoint_secret
    where endpoint = $1 and (expires_at is null or expires_at > $2) order by created_at desc, id desc
"""


class Endpoint(msgspec.Struct, frozen=True):
    """What may be shown of an endpoint."""

    id: str
    account: str
    url: str
    types: tuple[str, ...]
    description: str
    enabled: bool
    failing_since: datetime | None
    old_secret_expires_at: datetime | None
    created_at: datetime


class EndpointChange(msgspec.Struct, frozen=True):
    """What is None stays."""

    url: str | None = None
    types: Sequence[str] | None = None
    description: str | None = None
    enabled: bool | None = None


async def listed(account: str) -> list[Endpoint]:
    """An account's endpoints, the newest first."""
    rows = await sql.rows(f"{SELECT} order by t.created_at desc, t.id desc", account, await business_now())
    return [_endpoint(row) for row in rows]


async def show(account: str, endpoint: str) -> Endpoint:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} and t.id = $3", account, await business_now(), endpoint)
    if row is None:
        raise NotThereError("webhook endpoint", endpoint)
    return _endpoint(row)


async def add(runtime: Runtime, by: Author, account: str, change: EndpointChange) -> tuple[Endpoint, Secret]:
    """Add an endpoint; its secret is shown this once. Raises FieldError."""
    await refuse_wrong(runtime, change)
    return await insert(runtime, by, account, change)


async def insert(
    runtime: Runtime, by: Author, account: str, change: EndpointChange, secret: Secret | None = None
) -> tuple[Endpoint, Secret]:
    """Add one whose values were found right (`refuse_wrong`), signed with a secret of ours or the one that is given."""
    if not change.url:
        raise FieldError("url", "this parameter is required")
    new, now = new_id("whe"), await business_now()
    async with DB.transaction():
        await sql.rows("select id from tollbridge.account where id = $1 for no key update", account)
        if await sql.value("select count(*) from tollbridge.webhook_endpoint where account = $1", account) >= MOST:
            raise FieldError("url", f"an account has at most {MOST} endpoints")
        kept = (change.url, list(change.types or ()), change.description or "")
        await sql.rows(INSERT, new, account, *kept, now)
        kept_secret = await _keep_secret(runtime.keyring, account, new, secret or _made_up(), now)
        after = {"url": host_of(change.url), "types": kept[1], "description": kept[2], "secret": SET}
        await by.note(account, "webhook_endpoint.added", new, after=after)
    return await show(account, new), kept_secret


async def update(runtime: Runtime, by: Author, account: str, endpoint: str, change: EndpointChange) -> Endpoint:
    """Change an endpoint; raises NotThereError, FieldError."""
    await refuse_wrong(runtime, change)
    return await alter(by, account, endpoint, change)


async def alter(by: Author, account: str, endpoint: str, change: EndpointChange) -> Endpoint:
    """Change one to values that were found right (`refuse_wrong`)."""
    async with DB.transaction():
        row = await sql.row(LOCK, account, endpoint)
        if row is None:
            raise NotThereError("webhook endpoint", endpoint)
        before = {name: row[name] for name in ("url", "types", "description", "enabled")}
        given = {name: getattr(change, name) for name in before}
        after = before | {name: value for name, value in given.items() if value is not None}
        after["types"] = list(after["types"])
        was, now = differences(before, after)
        if now:
            mended = after["enabled"] and bool({"enabled", "url"} & now.keys())
            await sql.rows(UPDATE, account, endpoint, *after.values(), mended)
            told = _hosts_alone(was, now)
            await by.note(account, "webhook_endpoint.updated", endpoint, before=told[0], after=told[1])
            if mended:
                await _enabled_again(account, endpoint, row["failing_since"])
    return await show(account, endpoint)


def _hosts_alone(was: dict[str, Any], now: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A difference as the log tells it."""
    if "url" not in now:
        return was, now
    old, new = host_of(was["url"]), host_of(now["url"])
    return was | {"url": old}, now | {"url": new if new != old else CHANGED}


async def _enabled_again(account: str, endpoint: str, failing_since: datetime | None) -> None:
    """Its case is closed; what was given up meanwhile is not sent by itself, so a case says that from now on."""
    now = await business_now()
    await cases.close_by_itself(account, endpoint, [CaseKind.ENDPOINT_DISABLED], now)
    missed = failing_since and await sql.value(GIVEN_UP, endpoint, failing_since)
    if missed:
        kind, reason = CaseKind.EVENT_UNDELIVERED, f"{missed} events were given up while nothing reached it"
        await cases.open_case(account, kind, endpoint, reason=reason, action=REPAIR[kind], now=now)


async def remove(by: Author, account: str, endpoint: str) -> None:
    """Forget an endpoint, its secrets and what was on its way to it; events stay. Raises NotThereError."""
    async with DB.transaction():
        row = await sql.row(LOCK, account, endpoint)
        if row is None:
            raise NotThereError("webhook endpoint", endpoint)
        for table in ("event_delivery", "webhook_endpoint_secret"):
            await sql.rows(f"delete from tollbridge.{table} where account = $1 and endpoint = $2", account, endpoint)  # noqa: S608
        await sql.rows("delete from tollbridge.webhook_endpoint where account = $1 and id = $2", account, endpoint)
        now = await business_now()
        kinds = [CaseKind.ENDPOINT_DISABLED, CaseKind.EVENT_UNDELIVERED]
        await cases.close_by_itself(account, endpoint, kinds, now)
        before = {"url": host_of(row["url"]), "types": row["types"], "description": row["description"], "secret": SET}
        await by.note(account, "webhook_endpoint.removed", endpoint, before=before)


async def roll_secret(
    runtime: Runtime,
    by: Author,
    account: str,
    endpoint: str,
    keep_old: timedelta = ROLLS_FOR,
    secret: Secret | None = None,
) -> tuple[Endpoint, Secret]:
    """Another secret, shown this once; those before it sign for `keep_old` longer. Raises NotThereError, FieldError."""
    if not timedelta(0) <= keep_old <= LONGEST_ROLL:
        raise FieldError("expires_in", f"between 0 and {int(LONGEST_ROLL.total_seconds())} seconds")
    now = await business_now()
    async with DB.transaction():
        if await sql.row(LOCK, account, endpoint) is None:
            raise NotThereError("webhook endpoint", endpoint)
        await sql.rows(
            """update tollbridge.webhook_endpoint_secret set expires_at = least(coalesce(expires_at, $2), $2)
               where endpoint = $1""",
            endpoint,
            now + keep_old,
        )
        await sql.rows(
            "delete from tollbridge.webhook_endpoint_secret where endpoint = $1 and expires_at <= $2", endpoint, now
        )
        kept = await _keep_secret(runtime.keyring, account, endpoint, secret or _made_up(), now)
        await by.note(
            account, "webhook_endpoint.secret_rolled", endpoint, before={"secret": SET}, after={"secret": CHANGED}
        )
    return await show(account, endpoint), kept


async def signing_secrets(keyring: Keyring, endpoint: str, now: datetime) -> list[Secret]:
    """The secrets that sign for an endpoint now, the newest first."""
    return [
        Secret(keyring.decrypt(row["secret"], table="webhook_endpoint_secret", column="secret", row=row["id"]).decode())
        for row in await sql.rows(SECRETS, endpoint, now)
    ]


def given_secret(secret: Secret, param: str) -> Secret:
    """A secret that somebody else has made; raises FieldError for one that Standard Webhooks would not take."""
    text = secret.reveal()
    try:
        length = len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True))
    except (ValueError, binascii.Error):
        length = 0
    if not text.startswith(SECRET_PREFIX) or not 24 <= length <= 64:
        raise FieldError(param, f"must be {SECRET_PREFIX} and 24 to 64 bytes as base64")
    return secret


def _made_up() -> Secret:
    return Secret(SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode())


async def _keep_secret(keyring: Keyring, account: str, endpoint: str, secret: Secret, now: datetime) -> Secret:
    new = new_id("wes")
    sealed = keyring.encrypt(secret.reveal().encode(), table="webhook_endpoint_secret", column="secret", row=new)
    await sql.rows(
        """insert into tollbridge.webhook_endpoint_secret (id, account, endpoint, secret, created_at)
           values ($1, $2, $3, $4, $5)""",
        new,
        account,
        endpoint,
        sealed,
        now,
    )
    return secret


async def refuse_wrong(runtime: Runtime, change: EndpointChange) -> None:
    """Raise FieldError for a value that can't be; UnresolvedUrlError where there is nothing but a name without address.

    Outside any transaction: a name is resolved.
    """
    DB.assert_no_transaction("looking an endpoint's address up")
    for place, name in enumerate(change.types or ()):
        if name not in set(NewsType):
            raise FieldError(f"types.{place}", "there is no such type of event")
    if change.description is not None and len(change.description) > LONGEST_DESCRIPTION:
        raise FieldError("description", f"at most {LONGEST_DESCRIPTION} letters")
    if change.url is not None:
        try:
            await refuse_private(change.url, private=runtime.settings.outbound_private)
        except UnresolvedError as error:
            raise UnresolvedUrlError("url", str(error)) from None
        except AddressError as error:
            raise FieldError("url", str(error)) from None


def _endpoint(row: asyncpg.Record) -> Endpoint:
    return Endpoint(
        id=row["id"],
        account=row["account"],
        url=row["url"],
        types=tuple(row["types"]),
        description=row["description"],
        enabled=row["enabled"],
        failing_since=row["failing_since"],
        old_secret_expires_at=row["old_secret_expires_at"],
        created_at=row["created_at"],
    )
