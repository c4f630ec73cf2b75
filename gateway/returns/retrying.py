"""Trying again what came to nothing: a refund at its processors, and the credit note of a refund or a dispute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import asyncpg

from db import cases, poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Approval, CreditNoteState, RefundState
from gateway.accounts.audit import Author, bounded
from gateway.accounts.errors import NotThereError
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.domain.dispute_view import DisputeView
from gateway.returns.dispute_view import VIEW, seen
from gateway.returns.errors import NotRefundableError, RefundStateError
from gateway.returns.refund_rows import BY_ITSELF, locked
from gateway.returns.refundable import Refundable, lock_invoice, locked_captures, refundable
from gateway.returns.request import NO_ROOM
from gateway.returns.spreading import spread_over_captures
from processors.money import Money

NOT_MADE: Final = ("failed", "refused")
NOTE_REFUSED: Final = "credit_note_refused"
"""Stored as what failed: Stripe's preview takes no such credit note."""
# Its state at once: whoever waits for its end must not take the old one for it. A note that was refused is drawn anew.
REFUND_AGAIN: Final = """
    update tollbridge.refund set failure = '', message = '', state = $3, resolved_at = null, approval = $5,
        wants_note = wants_note or $4, credit_note = case when $4 then null else credit_note end
    where account = $1 and id = $2
"""
DISPUTE_AGAIN: Final = "update tollbridge.dispute set failure = '', credit_note = null where account = $1 and id = $2"
LOCK_DISPUTE: Final = "select 1 from tollbridge.dispute where account = $1 and id = $2 for no key update"
NOTE_STATE: Final = "select state from tollbridge.credit_note where account = $1 and id = $2"
ANSWERED: Final = {
    Kind.REFUND: (CaseKind.REFUND_FAILED, CaseKind.REFUND_REFUSED, CaseKind.CREDIT_NOTE_REFUSED),
    Kind.DISPUTE: (CaseKind.CREDIT_NOTE_REFUSED,),
}
"""The cases that trying again answers."""


async def retry(by: Author, account: str, refund: str) -> None:
    """Try again what failed or was refused, under new keys; or only its credit note, where the money is back.

    Raises NotThereError, FieldError for too long a reason, RefundStateError, NotRefundableError.
    """
    bounded(by.reason)
    now = await business_now()
    async with DB.transaction():
        row = await sql.row("select invoice from tollbridge.refund where account = $1 and id = $2", account, refund)
        if row is None:
            raise NotThereError("refund", refund)
        await locked_captures(account, row["invoice"])
        await lock_invoice(account, row["invoice"])
        row = await locked(account, refund)
        if row["approval"] == Approval.DENIED:
            raise RefundStateError("its approval was denied: ask for another one")
        if row["failure"] == "made_elsewhere":
            raise RefundStateError(f"{row['message']}: ask for another one")
        parts = await sql.rows("select state, amount from tollbridge.refund_part where refund = $1", refund)
        missing = row["amount"] - sum(p["amount"] for p in parts if p["state"] not in NOT_MADE)
        note = await sql.value(NOTE_STATE, account, row["credit_note"])
        if note == CreditNoteState.VOID:
            raise RefundStateError("its credit note was voided: ask for another one")
        note_failed = _is_refused(row["failure"], note)
        # What only waits for its payment has no parts yet.
        parts_failed = missing > 0 and (row["failure"] or any(p["state"] in NOT_MADE for p in parts))
        if not parts_failed and not note_failed:
            raise RefundStateError(f"nothing of it failed: it is {row['state']}")
        # Others may have gone instead meanwhile.
        left = await refundable(account, row["invoice"], row["attempt"])
        if missing:
            _judge(row, left, missing)
        waits = missing > 0 and _of_people(row) and left.wants_approval(missing)
        if waits and missing < row["amount"]:
            raise RefundStateError(
                "a part of it is back, and the rest is for two people: ask for another one over that"
            )
        if missing and await spread_over_captures(account, row, now, missing):
            raise NotRefundableError(NO_ROOM, Money(left.amount, left.currency))
        state = RefundState.REQUESTED if missing else RefundState.SUCCEEDED
        approval = Approval.WAITING if waits else row["approval"]
        await sql.rows(REFUND_AGAIN, account, refund, state, note_failed, approval)
        await _go_on(by, Kind.REFUND, account, refund, {"amount": missing, "approval": approval}, now)


def _of_people(row: asyncpg.Record) -> bool:
    """Whether somebody has asked for it alone."""
    return bool(row["approval"] == Approval.NONE and row["requested_by"] != BY_ITSELF)


def _judge(row: asyncpg.Record, left: Refundable, missing: int) -> None:
    """What is missing is returned as if it were asked for now: what no invoice took may be gone by another way, and is
    not taken from what has paid one."""
    if left.refused:
        raise RefundStateError(left.refused)
    if not row["wants_note"] and missing > left.without_note:
        raise NotRefundableError(NO_ROOM, Money(left.without_note, left.currency))


async def retry_dispute(by: Author, account: str, dispute: str) -> None:
    """Try again the credit note of a dispute that was lost, which Stripe has refused.

    Raises NotThereError, RefundStateError.
    """
    now = await business_now()
    async with DB.transaction():
        await sql.rows(LOCK_DISPUTE, account, dispute)
        row = await sql.row(VIEW, account, dispute)
        if row is None:
            raise NotThereError("dispute", dispute)
        view = seen(row)
        if why_not := _nothing_to_retry(view):
            raise RefundStateError(why_not)
        await sql.rows(DISPUTE_AGAIN, account, dispute)
        await _go_on(by, Kind.DISPUTE, account, dispute, {"amount": view.to_credit}, now)


async def can_retry_dispute(account: str, dispute: str) -> bool:
    """Whether a credit note of a dispute, which must exist, was refused and is still due."""
    row = await sql.row(VIEW, account, dispute)
    assert row is not None, "disputes are never deleted"
    return not _nothing_to_retry(seen(row))


def _nothing_to_retry(view: DisputeView) -> str:
    """Why there is nothing to try again; empty where there is."""
    if not _is_refused(view.failure, view.note.state if view.note else None):
        return f"no credit note of it was refused: it is {view.state}"
    return "" if view.to_credit else f"nothing of it is left to credit: it is {view.state}"


async def is_settled(account: str, dispute: str) -> bool:
    """Whether all that is gone for a dispute, which must exist, is credited, or Stripe has refused to."""
    row = await sql.row(VIEW, account, dispute)
    assert row is not None, "disputes are never deleted"
    view = seen(row)
    return not view.to_credit or _is_refused(view.failure, view.note.state if view.note else None)


def _is_refused(failure: str, note: str | None) -> bool:
    """Whether Stripe takes no credit note: its preview has said so, or the call that was to make it."""
    return failure == NOTE_REFUSED or note == CreditNoteState.REFUSED


async def _go_on(by: Author, kind: Kind, account: str, subject: str, after: Mapping[str, Any], now: datetime) -> None:
    await cases.close_by_itself(account, subject, ANSWERED[kind], now, "tried again")
    await by.note(account, f"{kind}.retried", subject, after=dict(after))
    await poke.poke(kind, account, [subject], now, urgent=True)
