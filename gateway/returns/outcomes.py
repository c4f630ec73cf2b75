"""Storing what came of a refund's part: the one place through which every answer, look-up and notice goes.

It may be called at any time, twice, late, and by somebody who holds no claim: the row decides what is still possible.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import REFUND_TRANSITIONS, REFUND_UNRESOLVED, MovementKind, RefundOrigin, RefundPartState, known
from gateway import ledger
from gateway.connections import capabilities_of
from gateway.domain.case_kinds import CaseKind
from gateway.returns.beside import poke_disputes
from gateway.turns.cases import open_case
from processors.money import Money
from processors.outcome import (
    NotSent,
    RefundFailed,
    RefundOutcome,
    RefundPending,
    RefundRefused,
    RefundSucceeded,
    Unknown,
)

STATE_OF: Final[dict[type, RefundPartState]] = {
    RefundSucceeded: RefundPartState.SUCCEEDED,
    RefundPending: RefundPartState.PENDING,
    RefundFailed: RefundPartState.FAILED,
    RefundRefused: RefundPartState.REFUSED,
    NotSent: RefundPartState.REQUESTED,
    Unknown: RefundPartState.UNKNOWN,
}
# The capture is locked first, as by whoever asks what of it is refundable.
CAPTURE: Final = "select attempt from tollbridge.refund_part where account = $1 and id = $2"
LOCK_CAPTURE: Final = "select 1 from tollbridge.attempt where account = $1 and id = $2 for no key update"
LOCK: Final = """
    select p.*, r.origin, r.invoice, a.surplus, c.adapter
    from tollbridge.refund_part p join tollbridge.refund r on r.id = p.refund
        join tollbridge.attempt a on a.id = p.attempt join tollbridge.connection c on c.id = p.connection
    where p.account = $1 and p.id = $2 for no key update of p
"""
STORE: Final = """
    update tollbridge.refund_part set state = $3, processor_id = coalesce($4, processor_id), refusal = $5, code = $6,
        message = $7, retry_after = $8, resolve_at = $9, resolved_at = $10,
        request = case when $3 in ('sending', 'unknown', 'pending') then request end
    where account = $1 and id = $2
"""
LOOKED: Final = """
    update tollbridge.refund_part
    set lookups = lookups + 1, looked_at = coalesce($4, looked_at), resolve_at = $3 where account = $1 and id = $2
"""
MOVED: Final = """
    select 1 from tollbridge.movement
    where connection = $1 and processor_id = $2 and kind in ('refund', 'surplus_returned')
"""
NOT_SENT_AGAIN: Final = timedelta(seconds=30)
NOT_SENT_AT_MOST: Final = timedelta(hours=1)
TAKEN: Final = "select 1 from tollbridge.refund_part where connection = $1 and processor_id = $2 and id <> $3"


async def store_part_outcome(
    account: str, part: str, outcome: RefundOutcome, now: datetime, *, wake: bool, proven: bool = False
) -> None:
    """Store an outcome in a transaction of its own, or in the caller's. `wake`: poke the refund where anything changed.

    `proven`: the processor itself says how it stands (a look-up, a notice); without it "not sent" and "refused" are
    the end of one call only, and end the part only while that was its sole one.
    """
    if DB.in_transaction():
        await _store(account, part, outcome, now, wake=wake, proven=proven)
        return
    async with DB.transaction():
        await _store(account, part, outcome, now, wake=wake, proven=proven)


async def _store(account: str, part: str, outcome: RefundOutcome, now: datetime, *, wake: bool, proven: bool) -> None:
    await sql.rows(LOCK_CAPTURE, account, await sql.value(CAPTURE, account, part))
    row = await sql.row(LOCK, account, part)
    assert row is not None, "outcomes are of parts that exist"
    if not await _apply(row, outcome, now, proven=proven):
        return
    # What went back, or did not, is news of its invoice.
    await poke.poke(Kind.INVOICE, account, [row["invoice"]], now)
    if wake:
        await poke.poke(Kind.REFUND, account, [row["refund"]], now)
    await poke_disputes(account, row["invoice"], now, capture=row["attempt"])


async def looked(account: str, part: str, now: datetime, *, saw_nothing: bool) -> None:
    """A look-up that settles nothing: the next comes later."""
    async with DB.transaction():
        row = await sql.row(LOCK, account, part)
        if row is not None and row["state"] in REFUND_UNRESOLVED:
            await _put_off(row, now, saw_nothing=saw_nothing)


async def _apply(row: asyncpg.Record, outcome: RefundOutcome, now: datetime, *, proven: bool) -> bool:
    """Whether it told anything new."""
    was, then = known(RefundPartState, row["state"]), STATE_OF[type(outcome)]
    if was == then:
        if was in REFUND_UNRESOLVED:
            await _put_off(row, now)
        return False
    of_one_call = then is RefundPartState.UNKNOWN or (isinstance(outcome, NotSent | RefundRefused) and not proven)
    if of_one_call and was is not RefundPartState.SENDING:
        if was in REFUND_UNRESOLVED:
            await _put_off(row, now)
        return False
    if was is RefundPartState.FAILED and isinstance(outcome, RefundSucceeded):
        return await _was_there(row, outcome, now)
    if then not in REFUND_TRANSITIONS[was]:
        return False
    if isinstance(outcome, RefundSucceeded | RefundPending | RefundFailed):
        if (odd := await _odd(row, outcome)) is not None:
            await open_case(row["account"], CaseKind.NOTICE_MISMATCH, row["refund"], odd, now, invoice=row["invoice"])
            if was in REFUND_UNRESOLVED:
                await _put_off(row, now)
            return True
        moved = _moves(was, outcome)
        if moved is not None:
            await _move(row, moved, outcome, now)
    await _write(row, then, outcome, now)
    return True


async def _was_there(row: asyncpg.Record, outcome: RefundSucceeded, now: datetime) -> bool:
    """A success is heard of after the failure that followed it: both moved money, and the failure is the last word.

    Whether that was news.
    """
    if await _odd(row, outcome) is not None or await sql.row(MOVED, row["connection"], outcome.processor_id):
        return False
    await _move(row, MovementKind.REFUND, outcome, now)
    await _move(row, MovementKind.REFUND_FAILED, outcome, now)
    return True


async def _odd(row: asyncpg.Record, outcome: RefundSucceeded | RefundPending | RefundFailed) -> str | None:
    """Why what the processor tells can't be of this part."""
    told, asked = outcome.amount, Money(row["amount"], row["currency"])
    if told != asked:
        return f"the processor returned {told.amount} {told.currency}, and was asked for {asked.amount}"
    if row["processor_id"] not in (None, outcome.processor_id):
        return f"the processor calls the refund {outcome.processor_id}, and called it {row['processor_id']} before"
    if await sql.row(TAKEN, row["connection"], outcome.processor_id, row["id"]) is not None:
        return f"the processor's refund {outcome.processor_id} is another one of ours"
    return None


def _moves(was: RefundPartState, outcome: RefundOutcome) -> MovementKind | None:
    """The movement that an outcome is."""
    if isinstance(outcome, RefundSucceeded):
        return MovementKind.REFUND
    if isinstance(outcome, RefundFailed) and was is RefundPartState.SUCCEEDED:
        return MovementKind.REFUND_FAILED
    return None


async def _move(
    row: asyncpg.Record, kind: MovementKind, outcome: RefundSucceeded | RefundPending | RefundFailed, now: datetime
) -> None:
    surplus = row["origin"] == RefundOrigin.SURPLUS or row["surplus"]
    if kind is MovementKind.REFUND and surplus:
        kind = MovementKind.SURPLUS_RETURNED
    at = outcome.occurred_at if isinstance(outcome, RefundSucceeded) else now
    place = ledger.Place(row["account"], row["invoice"], row["connection"], row["attempt"], row["refund"])
    await ledger.move(place, kind, outcome.processor_id, outcome.amount, at, now)


async def _write(row: asyncpg.Record, then: RefundPartState, outcome: RefundOutcome, now: datetime) -> None:
    unresolved = then in REFUND_UNRESOLVED
    resolve_at = now + _wait(row["adapter"], then, row["lookups"]) if unresolved else None
    retry_after = now + outcome.retry_after if isinstance(outcome, NotSent) and outcome.retry_after else None
    if isinstance(outcome, NotSent) and retry_after is None:
        # Less and less often: a processor that is away for days is not asked thousands of times.
        retry_after = now + min(max((now - row["created_at"]) / 4, NOT_SENT_AGAIN), NOT_SENT_AT_MOST)
    ended = not unresolved and then is not RefundPartState.REQUESTED
    await sql.rows(
        STORE,
        row["account"],
        row["id"],
        then,
        getattr(outcome, "processor_id", "") or None,
        outcome.reason if isinstance(outcome, RefundRefused) else "",
        sql.storable(getattr(outcome, "code", ""), 500),
        sql.storable(_message(outcome), 500),
        retry_after,
        resolve_at,
        now if ended else None,
    )


async def _put_off(row: asyncpg.Record, now: datetime, *, saw_nothing: bool = False) -> None:
    wait = _wait(row["adapter"], known(RefundPartState, row["state"]), row["lookups"] + 1)
    await sql.rows(LOOKED, row["account"], row["id"], now + wait, now if saw_nothing else None)


def _wait(adapter: str, state: RefundPartState, lookups: int) -> timedelta:
    capabilities = capabilities_of(adapter)
    pending = state is RefundPartState.PENDING
    waits = capabilities.pending_schedule if pending else capabilities.unknown_schedule
    return waits[min(lookups, len(waits) - 1)]


def _message(outcome: RefundOutcome) -> str:
    match outcome:
        case RefundFailed(message=text) | RefundRefused(message=text) | NotSent(reason=text) | Unknown(reason=text):
            return text
        case _:
            return ""
