"""The refund at the processor: intent committed, bytes sent once, outcome stored."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim
from gateway.clock import business_now
from gateway.domain.refunds import PartUnknown, RefusePart, ResolvePart, SendPart
from gateway.domain.resending import visible_from
from gateway.returns.outcomes import looked, store_part_outcome
from gateway.runtime import Runtime
from gateway.turns.calls import ask, send, total_timeout_s
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.errors import MoneyError, RefusedError
from processors.interface import ProcessorAdapter
from processors.money import Money
from processors.outcome import (
    NotFound,
    NotSent,
    RefundFound,
    RefundLookupOutcome,
    Unknown,
)
from processors.values import PreparedCall, RefundQuery, RefundRequest

PART: Final = "select * from tollbridge.refund_part where account = $1 and id = $2"
SENDING: Final = """
    update tollbridge.refund_part set state = 'sending', request = $3, sent_at = coalesce(sent_at, $4), resent_at =
        case when sent_at is not null then $4::timestamptz end, retry_after = null
    where account = $1 and id = $2 and state = 'requested' and tollbridge.refundable(attempt) >= 0 returning id
"""
# What else of the charge goes back, or has gone: what a processor that wants the sum confirmed counts as well.
BEFORE: Final = """
    select coalesce(sum(amount), 0)::bigint from tollbridge.refund_part
    where attempt = $1 and charge_id = $2 and id <> $3 and state not in ('requested', 'failed', 'refused')
"""
RESENT: Final = "update tollbridge.refund_part set resent_at = $3 where account = $1 and id = $2"
REFUSE: Final = """
    update tollbridge.refund_part set state = 'refused', refusal = $3, message = $4, resolved_at = $5
    where account = $1 and id = $2 and state = 'requested'
"""
TABLE: Final = {"table": "refund_part", "column": "request"}


async def send_part(runtime: Runtime, claim: Claim, action: SendPart, poked: int, now: datetime) -> None:
    """Ask for a part. Whatever happens after the first transaction, its row names key and bytes."""
    row = await _part(claim, action.part)
    adapter = await runtime.connections.adapter(claim.account, row["connection"])
    before = await _returned_before(row)
    request = RefundRequest(
        reference=row["reference"],
        idempotency_key=str(row["idempotency_key"]),
        charge_id=row["charge_id"],
        amount=Money(row["amount"], row["currency"]),
        returned_before=before,
    )
    try:
        call = adapter.prepare_refund(request)
    except (MoneyError, RefusedError) as error:
        # Nothing was sent and nothing can be.
        await refuse_part(claim, RefusePart(action.part, "not_expressible"), now, str(error))
        return
    sealed = runtime.keyring.encrypt(msgspec.json.encode(call), **TABLE, row=action.part)
    timeout_s, began = total_timeout_s(runtime, adapter), time.monotonic()
    async with DB.transaction():
        # The capture is locked before the refund, as by whoever stores an outcome meanwhile.
        await sql.rows("select 1 from tollbridge.attempt where id = $1 for no key update", row["attempt"])
        if await poke.hold(claim, timeout_s + CLAIM_MARGIN_S) != poked:
            # Something about it changed since it was looked at (a dispute, say): look again.
            return
        if await _returned_before(row) != before:
            # Another refund of this charge went out meanwhile, and the bytes name the sum without it: look again.
            return
        if await sql.row(SENDING, claim.account, action.part, sealed, now) is None:
            return
    sent = await send(began, lambda: adapter.refund(call), timeout_s)
    await store_part_outcome(claim.account, action.part, sent.outcome, await business_now(), wake=sent.late)


async def resolve_part(runtime: Runtime, claim: Claim, action: ResolvePart, now: datetime) -> None:
    """Find out how a part ended, as law 4 allows."""
    row = await _part(claim, action.part)
    adapter = await runtime.connections.adapter(claim.account, row["connection"])
    timeout_s = total_timeout_s(runtime, adapter)
    async with DB.transaction():
        if action.replay:
            await sql.rows(RESENT, claim.account, action.part, now)
        await poke.hold(claim, timeout_s + CLAIM_MARGIN_S)
    if action.replay:
        plain = runtime.keyring.decrypt(row["request"], **TABLE, row=action.part)
        call = msgspec.json.decode(plain, type=PreparedCall)
        sent = await send(time.monotonic(), lambda: adapter.refund(call), timeout_s)
        await store_part_outcome(claim.account, action.part, sent.outcome, await business_now(), wake=False)
        return
    query = RefundQuery("" if row["is_external"] else row["reference"], row["charge_id"], row["processor_id"] or "")
    found = await ask(adapter.lookup_refund(query), timeout_s)
    await _store_lookup(claim, row, adapter, found, await business_now())


async def refuse_part(claim: Claim, action: RefusePart, now: datetime, message: str = "") -> None:
    """It is not sent."""
    async with DB.transaction():
        # The part is locked before its refund, as by whoever stores an outcome.
        await sql.rows(REFUSE, claim.account, action.part, action.reason, sql.storable(message, 500), now)
        await poke.hold(claim, CLAIM_MARGIN_S)


async def part_unknown(claim: Claim, action: PartUnknown, now: datetime) -> None:
    """The sender's claim ran out with the part on the wire: unknown, never "nothing happened"."""
    outcome = Unknown("the sender stopped before its answer")
    await store_part_outcome(claim.account, action.part, outcome, now, wake=False)


async def _returned_before(row: asyncpg.Record) -> Money:
    returned = await sql.value(BEFORE, row["attempt"], row["charge_id"], row["id"])
    return Money(int(returned), row["currency"])


async def _store_lookup(
    claim: Claim, row: asyncpg.Record, adapter: ProcessorAdapter, found: RefundLookupOutcome, now: datetime
) -> None:
    last_sent = row["resent_at"] or row["sent_at"] or row["created_at"]
    visible = now > visible_from(adapter.capabilities, last_sent)
    match found:
        case RefundFound(outcome=outcome):
            await store_part_outcome(claim.account, row["id"], outcome, now, wake=False, proven=True)
        case NotFound(conclusive=True) if visible and row["state"] == "unknown":
            gone = NotSent("the processor has no such refund")
            await store_part_outcome(claim.account, row["id"], gone, now, wake=False, proven=True)
        case _:
            await looked(claim.account, row["id"], now, saw_nothing=isinstance(found, NotFound))


async def _part(claim: Claim, part: str) -> asyncpg.Record:
    row = await sql.row(PART, claim.account, part)
    assert row is not None, "parts are never deleted"
    return row
