"""What we know of the endpoints at Stripe that send us an account's events; and their end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from db import cases, sql
from db.engine import DB
from gateway.accounts import accounts, webhook_secrets
from gateway.accounts.audit import Author
from gateway.accounts.errors import CheckFailedError
from gateway.billing import webhook_endpoints
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError
from gateway.billing.webhook_endpoints import Endpoint
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.inbox.table import subscribed, subscribed_beside
from gateway.runtime import Runtime, UnknownAccountError
from gateway.turns.cases import open_case
from processors.values import Unprinted

log = structlog.get_logger()

BESIDE_FOR: Final = timedelta(hours=24)
"""How long the old one stands beside the new one; what it still has to deliver then, catch-up brings."""
NOT_NOW: Final = timedelta(hours=1)
"""Until it is tried again where Stripe did not let us remove it, or what is to take its place does not serve."""

ALL_EVENTS: Final = "*"
"""Stripe's word for them, in what an endpoint has enabled."""

ALONE_FOR: Final = timedelta(minutes=10)
"""Longer than a set-up takes: some ten calls, each within its time-out."""

BEGIN: Final = """
    update tollbridge.account set setting_up_until = clock_timestamp() + $2::interval
    where id = $1 and (setting_up_until is null or setting_up_until < clock_timestamp())
    returning setting_up_until
"""
# Whoever took longer than that may have been followed by somebody else.
END: Final = "update tollbridge.account set setting_up_until = null where id = $1 and setting_up_until = $2"
KNOWN: Final = "select * from tollbridge.stripe_endpoint where account = $1 order by retire_at nulls first, thin, id"
INSERT: Final = """
    insert into tollbridge.stripe_endpoint (account, id, thin, api_version, secret, adopted, created_at, retire_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
RETIRE: Final = """
    update tollbridge.stripe_endpoint set retire_at = $3 where account = $1 and thin = $2 and retire_at is null
"""
FORGET: Final = "delete from tollbridge.stripe_endpoint where account = $1 and id = $2 returning secret"
DUE: Final = """
    select e.* from tollbridge.stripe_endpoint e join tollbridge.account a on a.id = e.account and a.enabled
    where e.retire_at <= $1 order by e.retire_at limit 10
"""
POSTPONE: Final = "update tollbridge.stripe_endpoint set retire_at = $3 where account = $1 and id = $2"


class Known(Unprinted, frozen=True):
    """One that we have made, or found and adopted. `secret`: the id of its signing secret, where it is here."""

    id: str
    thin: bool
    api_version: str
    secret: str | None
    adopted: bool
    created_at: datetime
    retire_at: datetime | None

    @property
    def let_in(self) -> bool:
        """Its deliveries are, as far as we know: which secret is that of one that was made by hand is not told."""
        return self.adopted or self.secret is not None


@asynccontextmanager
async def alone(account: str) -> AsyncGenerator[None, None]:
    """One set-up at a time for an account: two would each take the other's endpoint for one whose secret was lost.

    Raises CheckFailedError. Whoever died meanwhile is waited for at most as long as a set-up may take.
    """
    until = await sql.value(BEGIN, account, ALONE_FOR)
    if until is None:
        raise CheckFailedError("somebody else sets up this account's webhook at the same time; ask again")
    try:
        yield
    finally:
        await sql.rows(END, account, until)


async def known(account: str) -> list[Known]:
    """The endpoints of an account that we know of; those that stay come first."""
    return [msgspec.convert(dict(row), Known) for row in await sql.rows(KNOWN, account)]


async def put(account: str, one: Endpoint, secret: str | None, *, retire_at: datetime | None = None) -> None:
    """Another one; without `secret` it was made by hand. In the caller's transaction.

    Raises asyncpg.UniqueViolationError where the account has one of this kind that stays.
    """
    now = await business_now()
    await sql.rows(INSERT, account, one.id, one.thin, one.api_version, secret, secret is None, now, retire_at)


async def retire(account: str, *, thin: bool) -> None:
    """The one of a kind that stays goes a while later."""
    await sql.rows(RETIRE, account, thin, await business_now() + BESIDE_FOR)


async def forget(by: Author, account: str, endpoint: str) -> None:
    """One that is not at Stripe any more, and its signing secret. In the caller's transaction."""
    row = await sql.row(FORGET, account, endpoint)
    if row is None:
        return
    await by.note(account, "stripe_endpoint.removed", endpoint)
    if row["secret"] is not None:
        await webhook_secrets.retire(by, account, row["secret"])
    await cases.close_by_itself(account, endpoint, [CaseKind.ENDPOINT_NOT_REPLACED], await business_now())


def address(runtime: Runtime, name: str) -> str:
    """Where Stripe is to send the events of the account of this name."""
    return f"{runtime.settings.base_url}/webhooks/stripe/{name}"


def events_of(*, thin: bool) -> dict[bool, list[str]]:
    """The events that each kind of endpoint (thin or not) must send of an account that wants them thin, or not."""
    return {True: subscribed(thin=True)} if thin else {False: subscribed(), True: subscribed_beside()}


async def retire_due(runtime: Runtime, now: datetime) -> int:
    """Remove at Stripe what another one has taken the place of; returns how many. Twice does no harm."""
    DB.assert_no_transaction("removing endpoints")
    removed = 0
    for row in await sql.rows(DUE, now):
        account, endpoint = row["account"], row["id"]
        try:
            stripe = await runtime.stripe(account)
            if lacking := await _lacking(runtime, stripe, account):
                await _keep(account, endpoint, lacking, now)
                continue
            await webhook_endpoints.remove(stripe, endpoint, thin=row["thin"])
        except (StripeError, UnknownAccountError) as error:
            log.warning("endpoint_not_removed", account=account, id=endpoint, error=type(error).__name__)
            await sql.rows(POSTPONE, account, endpoint, now + NOT_NOW)
            continue
        async with DB.transaction():
            await forget(Author("timer"), account, endpoint)
        removed += 1
    return removed


async def _lacking(runtime: Runtime, stripe: StripeClient, account: str) -> str:
    """Why those that stay do not bring us every event by themselves; empty where they do. Raises StripeError."""
    shown, rows = await accounts.show(account), await known(account)
    given = {one.id for one in shown.webhook_secrets} - {row.secret for row in rows}
    staying = {row.thin: row for row in rows if row.retire_at is None}
    for thin, events in events_of(thin=False not in staying).items():
        row, url = staying.get(thin), address(runtime, shown.name)
        if not events:
            continue
        if row is None:
            return "no other one is known here"
        if row.secret is None and not (row.adopted and given):
            return f"the signing secret of {row.id} is not here"
        one = next((each for each in await webhook_endpoints.listed(stripe, thin=thin) if each.id == row.id), None)
        if one is None:
            return f"{row.id} is not at Stripe"
        if not one.enabled:
            return f"{row.id} is disabled at Stripe"
        if one.url != url:
            return f"{row.id} does not send to {url}"
        if ALL_EVENTS not in one.events and (missing := set(events) - one.events):
            return f"{row.id} does not send {', '.join(sorted(missing))}"
    return ""


async def _keep(account: str, endpoint: str, lacking: str, now: datetime) -> None:
    """It is the one by which the account hears at all: it stays until what was to take its place does."""
    log.warning("endpoint_not_replaced", account=account, id=endpoint)
    async with DB.transaction():
        await sql.rows(POSTPONE, account, endpoint, now + NOT_NOW)
        reason = f"{endpoint} was to be removed, and what was to take its place does not serve: {lacking}"
        await open_case(account, CaseKind.ENDPOINT_NOT_REPLACED, endpoint, reason, now)
