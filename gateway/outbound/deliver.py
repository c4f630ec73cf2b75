"""Delivering: one endpoint at a time is held by one worker, and gets what is due to it, some at once.

Each endpoint has a job of its own, so that a dead one costs one slot for one time-out, and then rests: what is due to
others never waits behind it. A delivery that fails comes again, later each time, for three days of business time; then
it is given up, and a case says so. Days in which nothing was sent (the account was disabled, nobody worked) are no
tries: without enough of these neither it nor its endpoint is given up. At least once: the answer to a POST may be lost,
so receivers go by `webhook-id`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import asyncpg
import msgspec
import structlog

from db import cases, outbox, sql
from db.engine import DB
from db.states import EventDeliveryState
from gateway.accounts.webhook_endpoints import signing_secrets
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.outbound.body import COLUMNS, event, signed
from gateway.outbound.post import TIMEOUT_S, Answer, Poster
from gateway.runtime import Runtime
from gateway.turns.cases import open_case

log = structlog.get_logger()

AT_ONCE: Final = 10
MOST_ROUNDS: Final = 50
CLAIM_MARGIN_S: Final = 30.0
TRIED_FOR: Final = timedelta(days=3)
WAITS_S: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000)
"""Between tries, by how many there were; the last one repeats (the schedule that Standard Webhooks recommend)."""
LEAST_TRIES: Final = len(WAITS_S)
"""Of a delivery before it is given up, however long ago it began: each wait but the last."""
RESTS_S: Final = (5, 30, 120, 600, 1800)
"""How long an endpoint rests after rounds in a row in which it answered nothing; the last one repeats."""
LEAST_SILENT: Final = 48
"""Such rounds before it is disabled where so much waits that nothing is tried often: they take it a day."""
JITTER: Final = 0.1
GONE: Final = 410
"""By Standard Webhooks an endpoint says with it that it wants nothing more."""

CLAIM: Final = """
    update tollbridge.webhook_endpoint e
    set claimed_by = $2, claim_until = clock_timestamp() + make_interval(secs => $3)
    from tollbridge.account a
    where e.id = $1 and e.enabled and a.id = e.account and a.enabled
      and (e.claimed_by is null or e.claim_until < clock_timestamp())
      and (e.rests_until is null or e.rests_until <= $4)
      and exists (select 1 from tollbridge.event_delivery d
                  where d.endpoint = $1 and d.state = 'pending' and d.due_at <= $4)
    returning e.id, e.account, e.url, e.silent, e.failing_since
"""
DUE: Final = f"""
    select d.id as delivery, d.tries, d.begun_at, {COLUMNS}
    from tollbridge.event_delivery d join tollbridge.outbound_event t on t.id = d.event
    join tollbridge.account a on a.id = d.account
    where d.endpoint = $1 and d.state = 'pending' and d.due_at <= $2 order by d.due_at, t.sequence, d.id limit $3
"""  # noqa: S608 (columns are a constant of ours)
STORE: Final = """
    update tollbridge.event_delivery d
    set state = v.state, tries = d.tries + 1, tried_at = $1::timestamptz, status = v.status, error = v.error,
        due_at = v.due_at, finished_at = case when v.state = 'pending' then null else $1::timestamptz end
    from unnest($2::text[], $3::integer[], $4::text[], $5::integer[], $6::text[], $7::timestamptz[])
        as v (id, tries, state, status, error, due_at)
    where d.id = v.id and d.tries = v.tries and d.state = 'pending'
"""
# Whoever holds it now keeps it: only what was seen of the endpoint's health is stored then.
LET_GO: Final = """
    update tollbridge.webhook_endpoint set failing_since = $3, silent = $4, rests_until = $5, enabled = enabled and $6,
        claimed_by = case when claimed_by = $2 then null else claimed_by end,
        claim_until = case when claimed_by = $2 then null else claim_until end
    where id = $1
"""
LOST: Final = """
    select e.id from tollbridge.webhook_endpoint e
    where e.enabled and (e.rests_until is null or e.rests_until <= $1)
      and (e.claimed_by is null or e.claim_until < clock_timestamp())
      and exists (select 1 from tollbridge.event_delivery d
                  where d.endpoint = e.id and d.state = 'pending' and d.due_at <= $1)
      and exists (select 1 from tollbridge.account a where a.id = e.account and a.enabled)
    order by e.id limit $2
"""


class Held(msgspec.Struct, frozen=True):
    """An endpoint that we hold for one round, and how it did before."""

    id: str
    account: str
    url: str
    holder: str
    silent: int
    failing_since: datetime | None


class Tried(msgspec.Struct, frozen=True):
    """One delivery, what came of it, and what becomes of it: due again at `due_at`, or ended."""

    delivery: str
    tries: int
    answer: Answer
    state: EventDeliveryState
    due_at: datetime | None


async def waiting_endpoints(now: datetime, limit: int) -> list[str]:
    """Endpoints to which something is due, and on which nobody works."""
    return [row["id"] for row in await sql.rows(LOST, now, limit)]


class Deliverer:
    """Delivers for one process."""

    def __init__(self, runtime: Runtime, poster: Poster) -> None:
        self._runtime = runtime
        self._poster = poster

    async def deliver(self, endpoint: str) -> None:
        """Send what is due to an endpoint, in rounds, until nothing is, or somebody else holds it."""
        for _ in range(MOST_ROUNDS):
            now = await business_now()
            held = await _claim(endpoint, now)
            if held is None:
                return
            await self._round(held, now)
        async with DB.transaction():
            await outbox.wake([endpoint])

    async def _round(self, held: Held, now: datetime) -> None:
        due = await sql.rows(DUE, held.id, now, AT_ONCE)
        secrets = await signing_secrets(self._runtime.keyring, held.id, now)

        async def send(row: asyncpg.Record) -> Tried:
            told = event(row)
            body = msgspec.json.encode(told)
            answer = await self._poster.post(held.url, signed(told.id, body, secrets), body)
            return _judged(row, answer, now)

        tried = await asyncio.gather(*(send(row) for row in due))
        await _store(held, tried, now)
        refused = sum(not one.answer.is_taken for one in tried)
        say = log.warning if refused else log.info
        say("events_sent", endpoint=held.id, taken=len(tried) - refused, refused=refused)


async def _claim(endpoint: str, now: datetime) -> Held | None:
    holder = uuid4().hex
    row = await sql.row(CLAIM, endpoint, holder, TIMEOUT_S + CLAIM_MARGIN_S, now)
    if row is None:
        return None
    return Held(row["id"], row["account"], row["url"], holder, row["silent"], row["failing_since"])


def _judged(row: asyncpg.Record, answer: Answer, now: datetime) -> Tried:
    delivery, tries, last = row["delivery"], row["tries"], row["begun_at"] + TRIED_FOR
    if answer.is_taken:
        return Tried(delivery, tries, answer, EventDeliveryState.DELIVERED, None)
    if now >= last and tries + 1 >= LEAST_TRIES:
        return Tried(delivery, tries, answer, EventDeliveryState.GIVEN_UP, None)
    wait = timedelta(seconds=WAITS_S[min(tries, len(WAITS_S) - 1)] * random.uniform(1 - JITTER, 1 + JITTER))
    # The last try is made when the time is over, not some hours before.
    due_at = min(now + wait, last) if now < last else now + wait
    return Tried(delivery, tries, answer, EventDeliveryState.PENDING, due_at)


async def _store(held: Held, tried: Sequence[Tried], now: datetime) -> None:
    """Keep what came of a round, and let go."""
    taken, gone = any(one.answer.is_taken for one in tried), any(one.answer.status == GONE for one in tried)
    failing_since = None if taken or not tried else held.failing_since or now
    silent = held.silent + 1 if tried and all(one.answer.status is None for one in tried) else 0
    rests_until = now + timedelta(seconds=RESTS_S[min(silent, len(RESTS_S)) - 1]) if silent else None
    enough = silent >= LEAST_SILENT or any(one.tries + 1 >= LEAST_TRIES for one in tried)
    dead = failing_since is not None and now - failing_since >= TRIED_FOR and enough
    async with DB.transaction():
        # The endpoint before its deliveries, as whoever removes it locks them.
        still = not (dead or gone)
        await sql.rows(LET_GO, held.id, held.holder, failing_since, silent, rests_until, still)
        await sql.rows(
            STORE,
            now,
            [one.delivery for one in tried],
            [one.tries for one in tried],
            [one.state for one in tried],
            [one.answer.status for one in tried],
            [sql.storable(one.answer.error, 200) for one in tried],
            [one.due_at for one in tried],
        )
        if not still:
            # One case for one endpoint: what it missed is shown once it is enabled again (`webhook_endpoints.alter`).
            why = "the endpoint is disabled, which has a case of its own"
            await cases.close_by_itself(held.account, held.id, [CaseKind.EVENT_UNDELIVERED], now, why)
            reason = "it answered 410: it wants nothing more" if gone else "nothing has reached it for three days"
            await open_case(held.account, CaseKind.ENDPOINT_DISABLED, held.id, reason, now)
        elif any(one.state is EventDeliveryState.GIVEN_UP for one in tried):
            reason = "an event was refused or unanswered for three days"
            await open_case(held.account, CaseKind.EVENT_UNDELIVERED, held.id, reason, now)
