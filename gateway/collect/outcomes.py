"""Storing what came of an attempt: the one place through which every answer, look-up and notice goes.

It may be called at any time, twice, late, and by somebody who holds no claim: the row decides what is still possible.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import UNRESOLVED, AttemptState, MethodStatus, MovementKind, known, may_follow
from gateway import ledger
from gateway.collect.declines import judge
from gateway.collect.gone import mark_revoked
from gateway.connections import capabilities_of
from gateway.domain.case_kinds import CaseKind
from gateway.returns.beside import poke_waiting_refunds
from gateway.turns.cases import open_case
from processors.money import Money, to_text
from processors.outcome import (
    Advice,
    Canceled,
    ChargeOutcome,
    Decline,
    DeclineClass,
    Declined,
    NotSent,
    Pending,
    Rejected,
    RequiresAction,
    Succeeded,
    Unknown,
)

STATE_OF: dict[type, AttemptState] = {
    Succeeded: AttemptState.SUCCEEDED,
    Declined: AttemptState.DECLINED,
    Rejected: AttemptState.REJECTED,
    Pending: AttemptState.PENDING,
    RequiresAction: AttemptState.REQUIRES_ACTION,
    Canceled: AttemptState.CANCELED,
    NotSent: AttemptState.NOT_SENT,
    Unknown: AttemptState.UNKNOWN,
}

LOCK = """
    select a.*, c.adapter, c.declines, p.revoke_asked_at is not null and p.status <> 'revoked' as method_is_leaving
    from tollbridge.attempt a join tollbridge.connection c on c.id = a.connection
        join tollbridge.payment_method p on p.id = a.payment_method
    where a.account = $1 and a.id = $2 for no key update of a
"""
STORE = """
    update tollbridge.attempt set state = $3, processor_id = coalesce($4, processor_id), amount_captured = $5,
        surplus = $6, surplus_at = case when $6 then coalesce(surplus_at, tollbridge.business_now()) end,
        surplus_reason = case when $6 and not surplus then 'the invoice was paid by another capture'
                         else surplus_reason end,
        decline_class = $7, advice = $8, processor_code = $9, network_code = $10, message = $11,
        action_url = $12, retry_after = $13, resolve_at = $14, resolved_at = $15, network_advice = $16,
        request = case when $15::timestamptz is null then request end
    where account = $1 and id = $2
"""
GROWN = "update tollbridge.attempt set amount_captured = $3 where account = $1 and id = $2"
LOOK_AGAIN = """
    update tollbridge.attempt set lookups = lookups + 1, looked_at = coalesce($4, looked_at), resolve_at = $3
    where account = $1 and id = $2
"""
# Nobody worked for a while since it was charged last.
MAY_BE_FORGOTTEN = """
    select exists (select 1 from tollbridge.payment_method p join tollbridge.downtime d on d.connection = ''
        and d.until_at > greatest(p.created_at, (
            select max(t.sent_at) from tollbridge.attempt t
            where t.account = p.account and t.payment_method = p.id and t.state = 'succeeded'))
        where p.account = $1 and p.id = $2)
"""
STOP_METHOD = """
    update tollbridge.payment_method set status = $3, stopped_reason = $4
    where account = $1 and id = $2 and status = 'active'
"""
OTHERS = """
    select id from tollbridge.invoice
    where account = $1 and id <> $3 and status in ('draft', 'open')
      and customer = any(array(select o.customer from tollbridge.payment_method o
                               where o.account = $1 and o.fingerprint = (select p.fingerprint
                                     from tollbridge.payment_method p where p.account = $1 and p.id = $2)))
    order by id
"""


async def store_outcome(
    account: str, attempt: str, outcome: ChargeOutcome, now: datetime, *, wake: bool, proven: bool = False
) -> None:
    """Store an outcome in a transaction of its own. `wake`: poke the invoice where anything changed, for a caller
    without its claim.

    `proven`: the processor itself says how the charge stands (a look-up, a notice). Without it, "not sent" and
    "rejected" are the end of one call only, and end the attempt only while that was its sole one.
    """
    async with DB.transaction():
        row = await sql.row(LOCK, account, attempt)
        assert row is not None, "outcomes are of attempts that exist"
        if await _apply(row, outcome, now, proven=proven) and wake:
            await poke.poke(Kind.INVOICE, account, [row["invoice"]], now)


async def _apply(row: asyncpg.Record, outcome: ChargeOutcome, now: datetime, *, proven: bool) -> bool:
    """Whether it told anything new."""
    was, then = known(AttemptState, row["state"]), STATE_OF[type(outcome)]
    if isinstance(outcome, Succeeded) and was in (AttemptState.SUCCEEDED, AttemptState.REVERSED):
        # Of one that was taken back too: what it took is in the ledger, and giving it again is a move of its own.
        more = await _more_captured(row, outcome, now)
        await ledger.follow(row)
        return more or was is AttemptState.REVERSED
    if was == then:
        # The same again: only the next look is put off.
        if was in UNRESOLVED:
            await _schedule(row, was, now)
        return False
    of_one_call = then is AttemptState.UNKNOWN or (isinstance(outcome, NotSent | Rejected) and not proven)
    # What the processor has acknowledged is there, even if a look-up does not show it (law 4).
    denied = isinstance(outcome, NotSent) and was in (AttemptState.PENDING, AttemptState.REQUIRES_ACTION)
    if denied or (of_one_call and was is not AttemptState.SENDING):
        if was in UNRESOLVED:
            await _schedule(row, was, now)
        return False
    if not may_follow(was, then):
        if was is AttemptState.SUCCEEDED and then in (AttemptState.DECLINED, AttemptState.CANCELED):
            await mismatch(row, f"the processor now says {then} of a payment that it said had succeeded", now)
            return True
        return False
    if isinstance(outcome, Succeeded) and outcome.captured.currency != row["currency"]:
        await mismatch(row, f"captured in {outcome.captured.currency}, charged in {row['currency']}", now)
        if was in UNRESOLVED:
            await _schedule(row, was, now)
        return True
    if isinstance(outcome, Declined):
        outcome = msgspec.structs.replace(outcome, decline=await judge(row, outcome.decline, now))
    await _store(row, then, outcome, now)
    match outcome:
        case Succeeded():
            await _captured(row, outcome, now)
            # A notice of its return may have been quicker.
            await ledger.follow(row)
        case Declined(decline=decline):
            await stop_method(row, decline, now)
        case Rejected(code=code, message=message):
            await _case(row, CaseKind.ATTEMPT_REJECTED, f"{code}: {message}", now)
        case _:
            pass
    return True


async def _store(row: asyncpg.Record, then: AttemptState, outcome: ChargeOutcome, now: datetime) -> None:
    decline = outcome.decline if isinstance(outcome, Declined) else None
    captured = outcome.captured.amount if isinstance(outcome, Succeeded) else row["amount_captured"]
    surplus = then is AttemptState.SUCCEEDED and await ledger.another_has_paid(row)
    unresolved = then in UNRESOLVED
    await sql.rows(
        STORE,
        row["account"],
        row["id"],
        then,
        getattr(outcome, "processor_id", "") or None,
        captured,
        surplus,
        decline.decline_class if decline else "",
        decline.advice if decline else "",
        sql.storable(decline.processor_code if decline else getattr(outcome, "code", ""), 500),
        sql.storable(decline.network_code if decline else "", 500),
        sql.storable(_message(outcome), 500),
        outcome.url if isinstance(outcome, RequiresAction) else "",
        _retry_after(outcome, now),
        now + _wait(row["adapter"], then, row["lookups"]) if unresolved else None,
        None if unresolved else now,
        sql.storable(decline.network_advice if decline else "", 500),
    )
    if row["method_is_leaving"] and not unresolved:
        # Its deletion had to wait for this end.
        await poke.poke(Kind.METHOD, row["account"], [row["payment_method"]], now)
    if not unresolved:
        # A refund may have waited for this end.
        await poke_waiting_refunds(row["account"], row["invoice"], now)


async def _captured(row: asyncpg.Record, outcome: Succeeded, now: datetime, occurrence: str = "") -> None:
    money, at = outcome.captured, outcome.occurred_at
    place = ledger.of(row)
    await ledger.move(place, MovementKind.CAPTURE, outcome.processor_id, money, at, now, occurrence=occurrence)


async def _more_captured(row: asyncpg.Record, outcome: Succeeded, now: datetime) -> bool:
    """A success that was known, told again: the same, or more money. Each amount stands in the ledger once.

    What is too much is found by `decide`, which sees what the ledger holds. Returns whether it was more, or other.
    """
    if outcome.captured.currency != row["currency"]:
        await mismatch(row, f"captured in {outcome.captured.currency}, charged in {row['currency']}", now)
    elif outcome.processor_id != row["processor_id"]:
        await _captured(row, outcome, now)
    elif outcome.captured.amount > row["amount_captured"]:
        more = Money(outcome.captured.amount - row["amount_captured"], row["currency"])
        grown = msgspec.structs.replace(outcome, captured=more)
        await _captured(row, grown, now, occurrence=f"grown to {outcome.captured.amount}")
        if await ledger.another_has_paid(row):
            # The ledger has it, and what is too much goes back; the attempt itself is no second full success (law 1).
            return True
        await sql.rows(GROWN, row["account"], row["id"], outcome.captured.amount)
    elif outcome.captured.amount < row["amount_captured"]:
        less = to_text(outcome.captured.amount, outcome.captured.currency)
        await mismatch(row, f"the processor now says that only {less} was captured", now)
    else:
        return False
    return True


async def stop_method(row: asyncpg.Record, decline: Decline, now: datetime) -> None:
    """Anything but "try later" stops the token: it is kept and shown, and not charged again.

    Where the processor says that the agreement itself is gone, so is the token, as if a notice had told of it. But in a
    database that may be a restored one, we may have deleted it ourselves, and have forgotten it.
    The other invoices of all who have this card hear of it, since they would have been charged to it.
    """
    if decline.decline_class is DeclineClass.REVOKED:
        ours = await sql.value(MAY_BE_FORGOTTEN, row["account"], row["payment_method"])
        await mark_revoked(row["account"], row["payment_method"], now, by_payer=not ours)
        return
    if decline.advice is not Advice.RETRY_LATER:
        account, method = row["account"], row["payment_method"]
        await sql.rows(STOP_METHOD, account, method, MethodStatus.STOPPED, decline.decline_class)
        others = [r["id"] for r in await sql.rows(OTHERS, account, method, row["invoice"])]
        await poke.poke(Kind.INVOICE, account, others, now)


async def looked(account: str, attempt: str, now: datetime, *, saw_nothing: bool, withdrawing: bool = False) -> None:
    """A look-up that settles nothing: the next comes later. `saw_nothing`: it was answered, and no charge is there.

    `withdrawing`: a withdrawal failed. Whether it holds is unknown, and is not left until the payer has paid.
    """
    async with DB.transaction():
        row = await sql.row(LOCK, account, attempt)
        if row is not None and row["state"] in UNRESOLVED:
            state = AttemptState.UNKNOWN if withdrawing else known(AttemptState, row["state"])
            await _schedule(row, state, now, saw_nothing=saw_nothing)


async def _schedule(row: asyncpg.Record, state: AttemptState, now: datetime, *, saw_nothing: bool = False) -> None:
    again_at = now + _wait(row["adapter"], state, row["lookups"] + 1)
    await sql.rows(LOOK_AGAIN, row["account"], row["id"], again_at, now if saw_nothing else None)


def _wait(adapter: str, state: AttemptState, lookups: int) -> timedelta:
    capabilities = capabilities_of(adapter)
    unknown = state is AttemptState.UNKNOWN
    waits = capabilities.unknown_schedule if unknown else capabilities.pending_schedule
    return waits[min(lookups, len(waits) - 1)]


def _retry_after(outcome: ChargeOutcome, now: datetime) -> datetime | None:
    if isinstance(outcome, NotSent) and outcome.retry_after is not None:
        return now + outcome.retry_after
    if isinstance(outcome, Declined):
        return outcome.decline.not_before
    return None


def _message(outcome: ChargeOutcome) -> str:
    match outcome:
        case Declined(decline=decline):
            return decline.processor_message
        case Rejected(message=text) | NotSent(reason=text) | Unknown(reason=text):
            return text
        case _:
            return ""


async def mismatch(row: asyncpg.Record, reason: str, now: datetime) -> None:
    """What the processor tells does not fit what we hold: nothing is changed, and a human compares."""
    await _case(row, CaseKind.NOTICE_MISMATCH, reason, now)


async def _case(row: asyncpg.Record, kind: CaseKind, reason: str, now: datetime) -> None:
    await open_case(row["account"], kind, row["id"], reason, now, invoice=row["invoice"])
