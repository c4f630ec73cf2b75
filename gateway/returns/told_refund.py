"""A refund as its processor tells of it: one of ours, or one that somebody made there past us."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import uuid5

import asyncpg

from db import poke, sql
from db.engine import DB
from db.ids import NAMESPACE, new_id
from db.poke import Kind
from db.states import RefundOrigin
from gateway import ledger
from gateway.domain.case_kinds import CaseKind
from gateway.returns.outcomes import store_part_outcome
from gateway.returns.refund_rows import NewRefund, RefundAsked, insert_refund
from gateway.turns.cases import open_case
from processors.events import RefundState
from processors.outcome import RefundFailed, RefundPending, RefundSucceeded

OURS: Final = """
    select id, account, refund from tollbridge.refund_part
    where connection = $1 and ((reference = $2 and $2 <> '') or processor_id = $3) order by id
"""
ON_THE_WIRE: Final = """
    select 1 from tollbridge.refund_part
    where attempt = $1 and amount = $2 and state in ('sending', 'unknown') and processor_id is null and not is_external
"""
PART: Final = """
    insert into tollbridge.refund_part (id, account, refund, number, attempt, connection, charge_id, amount, currency,
        state, is_external, idempotency_key, reference, created_at, sent_at)
    values ($1, $2, $3, 1, $4, $5, $6, $7, $8, 'requested', true, $9, $10, $11, $11) on conflict do nothing returning id
"""
# The invoice has taken what it wanted, and so much is left over.
EXCESS: Final = """
    select i.status = 'paid' and tollbridge.held_money(i.account, i.id) >= $3
        and exists (select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                    and r.target = 'invoice' and r.state = 'recorded')
        and not exists (select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                        and r.target = 'balance' and r.state in ('sending', 'unknown'))
    from tollbridge.invoice i where i.account = $1 and i.id = $2
"""
# The invoice that the money of this capture pays, where it is another one than it came for and has room for so much.
PAYS: Final = """
    select r.invoice from tollbridge.recording r cross join lateral tollbridge.paying(r.account, r.invoice) p
    where r.attempt = $2 and r.state = 'recorded' and r.target = 'invoice' and r.invoice <> $3 and p.attempt = $2
        and p.room >= $4 and not exists (select 1 from tollbridge.paying($1, $3) own
                                         where own.attempt = $2 and own.room >= $4)
    order by 1 limit 1
"""
CURRENCY: Final = "select currency from tollbridge.attempt where id = $1"
LOCK: Final = "select surplus from tollbridge.attempt where id = $1 for update"


class MayBeOursError(Exception):
    """A refund of ours of this amount is on the wire: whether this is it must be known first."""


async def store_told(attempt: asyncpg.Record, connection: str, told: RefundState, now: datetime) -> bool:
    """Store what a processor tells of a refund of this capture, in the caller's transaction; whether it is of any
    meaning to us. Raises MayBeOursError.

    Ours is known by our reference first, then by the processor's id. What we know nothing of began there: the money is
    on its way, or is back already, so it stands in our books at once; its credit note waits for whoever may have made
    one.
    """
    DB.current("a refund that was told of")
    account = attempt["account"]
    # Two notices of one refund may come at once: the second must see what the first has stored.
    await sql.rows(LOCK, attempt["id"])
    found = await sql.row(OURS, connection, told.reference, told.processor_id)
    if found is not None:
        if found["account"] != account:
            return False
        await store_part_outcome(account, found["id"], told.outcome, now, wake=True, proven=True)
        return True
    unnamed = not told.reference and not told.external
    if unnamed and await sql.row(ON_THE_WIRE, attempt["id"], told.amount.amount) is not None:
        raise MayBeOursError(told.processor_id)
    # A failure is kept too: the notice of the success before it may be slower.
    if not told.processor_id or not isinstance(told.outcome, RefundSucceeded | RefundPending | RefundFailed):
        return False
    if told.amount.currency != await sql.value(CURRENCY, attempt["id"]):
        reason = f"the refund {told.processor_id} is in {told.amount.currency}, and its charge is not"
        await open_case(account, CaseKind.NOTICE_MISMATCH, attempt["id"], reason, now, invoice=attempt["invoice"])
        return True
    await _take_in(attempt, connection, told, now)
    return True


async def _take_in(attempt: asyncpg.Record, connection: str, told: RefundState, now: datetime) -> None:
    account, invoice = attempt["account"], attempt["invoice"]
    base = f"{connection}:{told.processor_id}"[:200]
    money = (told.amount.amount, told.amount.currency)
    # Staff gave back what was too much: that is the return which it waited for, and no credit note wants it.
    excess = await sql.value(EXCESS, account, invoice, told.amount.amount)
    origin = RefundOrigin.SURPLUS if excess else RefundOrigin.PROCESSOR
    if not excess:
        invoice = await sql.value(PAYS, account, attempt["id"], invoice, told.amount.amount) or invoice
    asked = RefundAsked(invoice, attempt=attempt["id"], note="made at the processor")
    row = await insert_refund(account, asked, NewRefund(base, origin, *money, wants_note=False), now)
    key = uuid5(NAMESPACE, f"refund\n{account}\n{base}")
    place = (attempt["id"], connection, told.charge_id or attempt["processor_id"] or "")
    part = await sql.value(PART, new_id("rfp"), account, row["id"], *place, *money, key, base, now)
    if part is None:
        return
    await store_part_outcome(account, part, told.outcome, now, wake=False, proven=True)
    if await ledger.went_back_too_much(attempt["id"]):
        reason = f"with the refund {told.processor_id} made there, more went back than was captured"
        await open_case(account, CaseKind.OVERPAID_TO_CUSTOMER, attempt["id"], reason, now, invoice=invoice)
    await poke.poke(Kind.INVOICE, account, [invoice], now, stale=True)
    await poke.poke(Kind.REFUND, account, [row["id"]], now)
