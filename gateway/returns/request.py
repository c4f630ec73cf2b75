"""Refunds that people ask for: stored with what they are taken from reserved, approved or denied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import named_id, new_id
from db.poke import Kind
from db.states import DISPUTE_OPEN, RefundOrigin
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now
from gateway.domain.policy import Policy
from gateway.returns.drawing import LineCredit
from gateway.returns.errors import NotRefundableError, RefundStateError
from gateway.returns.spreading import lock_captures, spread_over_captures
from processors.money import Money

INVOICE: Final = """
    select i.*, a.policies, tollbridge.held_money(i.account, i.id) as held_money,
        exists (select 1 from tollbridge.attempt t where t.account = i.account and t.invoice = i.id
                and t.state in ('sending', 'pending', 'requires_action', 'unknown')) as awaits_capture,
        exists (select 1 from tollbridge.movement m where m.account = i.account and m.invoice = i.id
                and m.kind = 'receipt') as has_receipt,
        exists (select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                and r.target = 'balance' and r.state in ('sending', 'unknown')) as credit_unknown,
        exists (select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                and r.target = 'invoice' and r.state in ('sending', 'unknown')) as recording_unknown,
        exists (select 1 from tollbridge.credit_note n where n.account = i.account and n.invoice = i.id
                and n.origin = 'reversal' and n.state = 'issued') as reopened
    from tollbridge.invoice i join tollbridge.account a on a.id = i.account
    where i.account = $1 and i.id = $2
"""
CAPTURES: Final = """
    select t.id, t.surplus, c.room as refundable, c.room_if_won as refundable_if_won,
        array(select d from tollbridge.dispute d where d.attempt = t.id
              and (d.state in ('opened', 'funds_withdrawn') or d.withdrawn > 0) order by d.id) as disputes,
        array(select distinct r.invoice from tollbridge.recording r where r.attempt = t.id and r.invoice <> $2
                and t.invoice = $2 and r.state = 'recorded' and r.target = 'invoice' order by 1) as pays
    from tollbridge.paying($1, $2) c join tollbridge.attempt t on t.id = c.attempt order by t.number
"""
INSERT: Final = """
    insert into tollbridge.refund (id, account, invoice, origin, base, state, amount, currency, attempt, reason, memo,
        note, lines, wants_note, credit_note, requested_by, approval, created_at)
    values ($1, $2, $3, $4, $5, 'requested', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    on conflict (account, base) do nothing returning id
"""
GIVEN: Final = "update tollbridge.refund set approval = 'given', approved_by = $3 where account = $1 and id = $2"
DENIED: Final = """
    update tollbridge.refund set approval = 'denied', approved_by = $3, failure = 'denied', state = 'refused',
        resolved_at = $4 where account = $1 and id = $2
"""
LOCK: Final = "select * from tollbridge.refund where account = $1 and id = $2 for no key update"
CreditReason: TypeAlias = Literal["duplicate", "fraudulent", "order_change", "product_unsatisfactory", ""]
"""What Stripe knows as a credit note's reason (docs: api/credit_notes)."""
MADE: Final = "select created_at from tollbridge.refund where account = $1 and id = $2"
SAME_FOR: Final = timedelta(hours=24)
"""As long as replies are kept."""
NO_ROOM: Final = "there is not so much left to return"


class RefundAsked(msgspec.Struct, frozen=True):
    """A refund as somebody asks for it. `amount` in minor units; None for all that can be returned.

    `attempt`: of this capture alone, which may be money that the invoice did not take (no credit note then).
    """

    invoice: str
    amount: int | None = None
    lines: tuple[LineCredit, ...] = ()
    reason: str = ""
    memo: str = ""
    note: str = ""
    attempt: str | None = None


class Refundable(msgspec.Struct, frozen=True):
    """What can be returned of an invoice, and what stands in the way of more."""

    amount: int
    currency: str
    obstacles: tuple[str, ...] = ()


async def refundable(account: str, invoice: str, attempt: str | None = None) -> Refundable:
    """What can be returned now; raises NotThereError."""
    row = await _invoice(account, invoice)
    captures = _of(await sql.rows(CAPTURES, account, invoice), attempt)
    return Refundable(sum(c["refundable"] for c in captures), row["currency"], tuple(_obstacles(row, captures)))


async def ask_refund(by: Author, account: str, asked: RefundAsked, key: str = "") -> str:
    """Store a refund, with its parts reserved, and wake a worker; its id.

    `key` is the caller's own: the same request under it, within a day, is the same refund, also where the reply to the
    first was lost. Raises NotThereError, FieldError, NotRefundableError, RefundStateError.
    """
    now = await business_now()
    refund = _id_of(by, account, asked, key) if key else new_id("rfd")
    async with DB.transaction():
        # Captures are locked before all else, as by whoever stores an outcome.
        captures = _of(await locked_captures(account, asked.invoice), asked.attempt)
        made_at = await sql.value(MADE, account, refund)
        if made_at is not None:
            if now - made_at < SAME_FOR:
                return refund
            refund = new_id("rfd")
        row = await _invoice(account, asked.invoice)
        if asked.attempt is not None and not captures:
            raise FieldError("attempt", "the invoice has no such capture")
        surplus = bool(captures) and all(c["surplus"] for c in captures)
        _refuse(row, surplus=surplus, capture=asked.attempt is not None)
        left = sum(c["refundable"] for c in captures)
        deferred = row["status"] != "paid" and not surplus
        if deferred and asked.amount is None:
            raise FieldError("amount", "is needed while the payment is under way")
        in_the_end = _in_the_end(_policy(row), captures)
        amount = asked.amount if asked.amount is not None else in_the_end
        deferred = deferred or left < amount <= in_the_end
        if amount <= 0 or (amount > left and not deferred):
            raise NotRefundableError("; ".join([NO_ROOM, *_obstacles(row, captures)]), Money(left, row["currency"]))
        # Of this capture, and no more than what the invoice did not take of it: no credit note is due.
        excess = asked.attempt is not None and row["status"] == "paid" and row["held_money"] >= amount
        approval = _policy(row).wants_approval(amount, row["currency"])
        stored = await insert_refund(
            account,
            refund,
            refund,
            asked,
            RefundOrigin.SURPLUS if excess else RefundOrigin.REQUEST,
            amount,
            row["currency"],
            now,
            wants_note=not surplus and not excess,
            requested_by=by.name,
            approval="waiting" if approval else "",
        )
        if not deferred and await spread_over_captures(account, stored, now):
            raise NotRefundableError(NO_ROOM, Money(left, row["currency"]))
        after = {"invoice": asked.invoice, "amount": amount, "currency": row["currency"], "approval": approval}
        await by.note(account, "refund.requested", refund, after=after)
        await poke.poke(Kind.REFUND, account, [refund], now, urgent=True)
    return refund


def _id_of(by: Author, account: str, asked: RefundAsked, key: str) -> str:
    told = msgspec.json.encode(asked).decode()
    return named_id("rfd", "refund asked", account, by.name, key, told)


async def insert_refund(
    account: str,
    refund: str,
    base: str,
    asked: RefundAsked,
    origin: RefundOrigin,
    amount: int,
    currency: str,
    now: datetime,
    *,
    wants_note: bool,
    credit_note: str | None = None,
    requested_by: str = "",
    approval: str = "",
) -> asyncpg.Record:
    """The row, in the caller's transaction; the same `base` again is the row that stands."""
    lines = msgspec.json.encode(asked.lines).decode() if asked.lines else ""
    texts = (asked.reason, asked.memo, asked.note, lines)
    asked_for = (amount, currency, asked.attempt, *texts, wants_note, credit_note, requested_by, approval, now)
    await sql.rows(INSERT, refund, account, asked.invoice, origin, base, *asked_for)
    row = await sql.row("select * from tollbridge.refund where account = $1 and base = $2", account, base)
    assert row is not None, "it was inserted, or was there"
    return row


async def approve(by: Author, account: str, refund: str, *, give: bool) -> None:
    """Say yes or no to a refund that waits for a second pair of eyes; raises NotThereError, RefundStateError."""
    now = await business_now()
    async with DB.transaction():
        row = await locked(account, refund)
        if row["approval"] != "waiting":
            raise RefundStateError("it does not wait for approval")
        if give and row["requested_by"] == by.name:
            raise RefundStateError("whoever asked for a refund does not approve it: somebody else must")
        await sql.rows(GIVEN if give else DENIED, account, refund, by.name, *([] if give else [now]))
        if not give:
            await sql.rows(
                """update tollbridge.refund_part set state = 'refused', refusal = 'denied', resolved_at = $3
                   where account = $1 and refund = $2 and state = 'requested'""",
                account,
                refund,
                now,
            )
        await by.note(account, "refund.approved" if give else "refund.denied", refund)
        await poke.poke(Kind.REFUND, account, [refund], now, urgent=True)


def _refuse(row: asyncpg.Record, *, surplus: bool, capture: bool) -> None:
    """Raise what stands in the way. `capture`: a certain one was asked for, and not what pays the invoice."""
    if row["stale"] and row["status"] != "paid":
        raise RefundStateError("Stripe is about to be asked what the invoice is; ask again")
    if row["credit_unknown"] or (row["recording_unknown"] and not surplus):
        raise RefundStateError("Stripe's answer about its payment is not known yet; ask again")
    if row["reopened"] and row["held_money"] > 0 and not capture:
        raise RefundStateError("what was taken back came again, and is about to pay the invoice that took its place")
    if surplus or row["status"] == "paid" or row["awaits_capture"]:
        return
    if row["state"] == "captured":
        raise RefundStateError("Stripe is about to be told of its payment; ask again")
    raise RefundStateError(f"nothing was paid for it that could go back: it is {row['status']} in Stripe")


def _obstacles(row: asyncpg.Record, captures: Sequence[asyncpg.Record]) -> list[str]:
    """Why not everything that was paid can be returned, in words."""
    found = []
    for dispute in (dispute for c in captures for dispute in c["disputes"]):
        if dispute["state"] in DISPUTE_OPEN:
            found.append(f"the dispute {dispute['id']} is open: what it is about can't be refunded")
        else:
            found.append(
                f"the dispute {dispute['id']} ended as {dispute['state']}: what it took is back with the payer"
            )
    found += [f"what came for it pays {invoice}: return it there" for c in captures for invoice in c["pays"]]
    if row["has_receipt"]:
        found.append("a payment was recorded by hand: return it where it came from, and credit it in Stripe")
    if row["awaits_capture"]:
        found.append("a payment is still under way")
    return found


def _in_the_end(policy: Policy, captures: Sequence[asyncpg.Record]) -> int:
    """What can be returned, by the policy also only once a dispute that is open is won."""
    if_won = policy.refund_in_dispute == "queue"
    return sum(c["refundable_if_won"] if if_won else c["refundable"] for c in captures)


def _of(captures: Sequence[asyncpg.Record], attempt: str | None) -> list[asyncpg.Record]:
    return [c for c in captures if (c["id"] == attempt if attempt is not None else not c["surplus"])]


async def locked_captures(account: str, invoice: str) -> list[asyncpg.Record]:
    """What pays an invoice, locked; in the caller's transaction, before all else."""
    await lock_captures(account, invoice)
    return await sql.rows(CAPTURES, account, invoice)


async def _invoice(account: str, invoice: str) -> asyncpg.Record:
    row = await sql.row(INVOICE, account, invoice)
    if row is None:
        raise NotThereError("invoice", invoice)
    return row


async def locked(account: str, refund: str) -> asyncpg.Record:
    """The row of a refund, locked; raises NotThereError."""
    row = await sql.row(LOCK, account, refund)
    if row is None:
        raise NotThereError("refund", refund)
    return row


def _policy(row: asyncpg.Record) -> Policy:
    return msgspec.json.decode(row["policies"], type=Policy)
