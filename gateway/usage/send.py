"""`advance` of an account's usage stream: what was accepted is sent to Stripe's meters, each event once.

An event is marked as being sent before it is, and goes under its own identifier. A worker that dies between the call
and our row leaves it so: the next one sends it again, and Stripe answers that it has it. That protects for 24 hours
after Stripe may have heard it first. What has not been answered by then is never sent again, since it might be counted,
and billed, twice: it is a case for a human, who can compare both sides.

Stripe takes one call at a time for a customer and meter (docs: recording-usage-api), so a customer's events of one
name follow one another, in their order; after one that failed the later ones wait.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim, WakeUp
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError, StripeNotSentError, StripeRefusedError, StripeUnknownError
from gateway.billing.meters import send_usage
from gateway.billing.pace import MOST_WAIT_S, Lane, in_lane
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.domain.usage import SENT_AGAIN_FOR, Meter, payload
from gateway.runtime import Runtime, UnknownAccountError
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S, RETRY_S, held, rest, take_turn
from gateway.usage import flush, meters, refused

BATCH: Final = 80
"""Events in one round: fewer than the connections that one client opens."""
BEGUN_WITHIN_S: Final = 15.0
"""No call of a round begins later than this: with its wait for its turn it still ends within the claim."""
LONGEST_TURN: Final = 50
"""Rounds after which it lets go, and is woken again."""
MOST_ROUNDS: Final = LONGEST_TURN + 50
LOOK_AGAIN: Final = timedelta(minutes=1)
"""When others went through, those that did not are tried again after this."""
LONGEST_REST: Final = timedelta(minutes=5)

# Stripe has it, perhaps, and does not know it any more. What a restored database calls accepted may have been sent.
UNSURE: Final = """
    ((e.state = 'sending' and e.sent_at <= tollbridge.business_now() - $3::interval)
     or (e.state = 'accepted' and e.created_at <= tollbridge.business_now() - $3::interval and exists (
            select 1 from tollbridge.downtime d where d.connection = '' and d.until_at > e.created_at)))
"""
VIEW: Final = f"""
    select poked, stale, failures, rests_until,
        (select a.enabled from tollbridge.account a where a.id = $1) as enabled, exists (
        select 1 from tollbridge.usage_event e
        where e.account = $1 and {UNSURE}) as lost
    from tollbridge.usage_stream where account = $1 and id = $2
"""  # noqa: S608 (a constant of ours)
# Not what this turn has tried already, nor what comes after it for the same customer and meter.
BEGIN: Final = """
    with picked as (
        select u.id, u.sent_at is null as new from tollbridge.usage_event u
        where u.account = $1 and u.state in ('accepted', 'sending') and u.turn is distinct from $2
          and not exists (select 1 from tollbridge.usage_event o
                          where o.account = u.account and o.customer = u.customer and o.event_name = u.event_name
                            and o.state in ('accepted', 'sending') and o.turn = $2 and o.id < u.id)
        order by u.id limit $4 for no key update of u
    )
    update tollbridge.usage_event u set state = 'sending', sent_at = coalesce(u.sent_at, $3), turn = $2
    from picked where u.id = picked.id
    returning u.id, u.identifier, u.customer, u.event_name, u.value, u.used_at, picked.new
"""
UNCONFIRMED: Final = f"""
    update tollbridge.usage_event e set state = 'unconfirmed', resolved_at = $2
    where e.account = $1 and {UNSURE} returning id
"""  # noqa: S608 (a constant of ours)
# Refused now, but an earlier call was not answered.
DOUBTFUL: Final = """
    update tollbridge.usage_event set state = 'unconfirmed', resolved_at = $3
    where account = $1 and id = any($2) and state = 'sending' returning id
"""
SENT: Final = """
    update tollbridge.usage_event set state = 'sent', resolved_at = $3
    where account = $1 and id = any($2) and state = 'sending'
"""
# Those that Stripe has not heard of are as they were ($4); those that did not go out at all ($5) may go in this turn.
UNSENT: Final = """
    update tollbridge.usage_event set
        state = case when id = any($4) then 'accepted' else state end,
        sent_at = case when not (id = any($4)) then sent_at end,
        turn = case when not (id = any($5)) then turn end
    where account = $1 and id = any($2) and state = 'sending' and turn = $3
"""
RESTS: Final = "update tollbridge.usage_stream set rests_until = $3 where account = $1 and id = $2"
LEFT: Final = """
    select exists (select 1 from tollbridge.usage_event where account = $1 and state in ('accepted', 'sending'))
"""


class Sending(msgspec.Struct, frozen=True):
    """One event on its way. `new`: this is the first time."""

    id: str
    identifier: str
    customer: str
    event_name: str
    value: str
    used_at: datetime
    new: bool


class Came(msgspec.Struct, frozen=True):
    """What came of an event: Stripe has it, or `error`. Not `tried`: no call was begun."""

    event: Sending
    error: StripeError | None = None
    tried: bool = True

    @property
    def went(self) -> bool:
        """Stripe has answered for it: it has it, or does not want it."""
        return self.error is None or isinstance(self.error, StripeRefusedError)

    @property
    def is_doubtful(self) -> bool:
        """It is refused, and Stripe may have it from an earlier call all the same."""
        return isinstance(self.error, StripeRefusedError) and not self.event.new

    @property
    def unheard(self) -> bool:
        """Stripe knows nothing of it: 429, 401 and 403 say that nothing was taken."""
        return self.event.new and not self.went and not isinstance(self.error, StripeUnknownError)


async def advance_usage(runtime: Runtime, wake_up: WakeUp) -> None:
    """Send what waits, and read the meters again where they may have changed."""
    hold_s = BEGUN_WITHIN_S + MOST_WAIT_S + runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S
    rounds = itertools.count(1)

    async def go_round(claim: Claim) -> bool:
        row, now = await held(claim, hold_s, VIEW, SENT_AGAIN_FOR), await business_now()
        if not row["enabled"]:
            # A turn takes many rounds, and has read its account once.
            raise UnknownAccountError(f"account {claim.account} was disabled in the middle of its usage")
        if row["lost"]:
            await _give_up(claim, now)
            return False
        if row["rests_until"] is not None and now < row["rests_until"]:
            return await poke.release(claim, seen=row["poked"], due_at=row["rests_until"], tried=False)
        if next(rounds) > LONGEST_TURN:
            return await _breathe(claim, row["poked"], now)
        stripe, began = await runtime.stripe(claim.account), time.monotonic()
        events = await _begin(claim, hold_s, now)
        if events:
            with in_lane(Lane.CATCH_UP):
                came = await _send(stripe, claim.account, events, began + BEGUN_WITHIN_S)
            await _store(claim, came, row["failures"])
            _raise_if_nothing_went(came)
            return False
        if row["stale"]:
            await meters.refresh(runtime, claim.account, poked=row["poked"])
            return False
        due_at = now + LOOK_AGAIN if await sql.value(LEFT, claim.account) else None
        return await rest(claim, seen=row["poked"], due_at=due_at, failures=row["failures"], now=now)

    await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round)


async def _give_up(claim: Claim, now: datetime) -> None:
    """What may not be sent any more is a human's."""
    async with DB.transaction():
        await flush.poke_waiting(claim.account, now)
        lost = await sql.rows(UNCONFIRMED, claim.account, now, SENT_AGAIN_FOR)
        await _ask_human(claim.account, lost, "was not known within 24 hours", now)


async def _ask_human(account: str, lost: Sequence[asyncpg.Record], why: str, now: datetime) -> None:
    if lost:
        named = f"{len(lost)} events, {lost[0]['id']} among them,"
        reason = f"whether Stripe has {named} {why}: sent again they might count twice"
        await open_case(account, CaseKind.USAGE_UNCONFIRMED, account, reason, now)


async def _breathe(claim: Claim, poked: int, now: datetime) -> bool:
    """Let go in the middle of a long backlog, and be woken at once: a worker that is to stop need not wait for it."""
    async with DB.transaction():
        released = await poke.release(claim, seen=poked, due_at=now)
        if released:
            await poke.wake([WakeUp(claim.kind, claim.account, claim.id)])
    return released


async def _begin(claim: Claim, hold_s: float, now: datetime) -> list[Sending]:
    """The intent: what is sent now."""
    async with DB.transaction():
        await poke.hold(claim, hold_s)
        rows = await sql.rows(BEGIN, claim.account, claim.holder, now, BATCH)
    return sorted((_event(row) for row in rows), key=lambda event: event.id)


async def _send(stripe: StripeClient, account: str, events: Sequence[Sending], end: float) -> list[Came]:
    """Each customer's events of a name one after another, all others beside."""
    known = await meters.known(account, {event.event_name for event in events})
    lines: dict[tuple[str, str], list[Sending]] = defaultdict(list)
    for event in events:
        lines[event.customer, event.event_name].append(event)
    sent = await asyncio.gather(*(_line(stripe, line, known.get(name), end) for (_, name), line in lines.items()))
    return [came for line in sent for came in line]


async def _line(stripe: StripeClient, events: Sequence[Sending], meter: Meter | None, end: float) -> list[Came]:
    came: list[Came] = []
    for event in events:
        came.append(await _one(stripe, event, meter, end))
        if not came[-1].went:
            break
    waits = StripeNotSentError("an earlier event of its customer did not go through")
    return came + [Came(event, waits, tried=False) for event in events[len(came) :]]


async def _one(stripe: StripeClient, event: Sending, meter: Meter | None, end: float) -> Came:
    if time.monotonic() > end:
        return Came(event, StripeNotSentError("the claim would not have covered the call"), tried=False)
    told = payload(meter, event.customer, event.value)
    try:
        await send_usage(stripe, event.event_name, event.identifier, told, int(event.used_at.timestamp()))
    except StripeError as error:
        return Came(event, error)
    return Came(event)


async def _store(claim: Claim, came: Sequence[Came], failures: int) -> None:
    """Keep the outcomes, whoever holds the stream by now: they are true."""
    account, now = claim.account, await business_now()
    unsent = [one.event.id for one in came if not one.went]
    unheard = [one.event.id for one in came if one.unheard]
    untried = [one.event.id for one in came if not one.tried]
    async with DB.transaction():
        await flush.poke_waiting(account, now, {one.event.customer for one in came})
        if not any(one.went for one in came):
            await sql.rows(RESTS, account, claim.id, _rests_until(came, failures, now))
        await sql.rows(SENT, account, [one.event.id for one in came if one.error is None], now)
        await sql.rows(UNSENT, account, unsent, claim.holder, unheard, untried)
        doubtful = [one.event.id for one in came if one.is_doubtful]
        lost = await sql.rows(DOUBTFUL, account, doubtful, now) if doubtful else []
        await _ask_human(account, lost, "is not known: it was refused after a call that nobody answered", now)
        await refused.at_once(account, [r for one in came if (r := _refusal(one)) is not None], now)


def _rests_until(came: Sequence[Came], failures: int, now: datetime) -> datetime | None:
    """While Stripe is down, or the key may not send, each event that comes in is no reason to try them all."""
    if all(isinstance(one.error, StripeNotSentError) for one in came):
        return None
    return now + min(timedelta(seconds=RETRY_S[min(failures, len(RETRY_S) - 1)]), LONGEST_REST)


def _refusal(came: Came) -> refused.Refusal | None:
    event, error = came.event, came.error
    if not isinstance(error, StripeRefusedError) or came.is_doubtful:
        return None
    return refused.Refusal(event.id, event.identifier, event.event_name, error.code or "refused", str(error))


def _raise_if_nothing_went(came: Sequence[Came]) -> None:
    """The turn has failed, or was turned away: what says most about why."""
    errors = [one.error for one in came if one.error is not None]
    if not any(one.went for one in came):
        raise next((error for error in errors if not isinstance(error, StripeNotSentError)), errors[0])


def _event(row: asyncpg.Record) -> Sending:
    return Sending(*(row[name] for name in Sending.__struct_fields__))
