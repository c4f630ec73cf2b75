"""Rows of refunds, credit notes, remainders and recordings as `decide` sees them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg
import msgspec

from db.states import (
    CarryState,
    CreditNoteOrigin,
    CreditNoteState,
    RecordingState,
    RecordingTarget,
    RefundOrigin,
    RefundState,
    RemainderState,
    known,
)
from gateway.domain.view import CarryRow, LentView, NoteRow, RecordingView, RefundRow, RemainderRow


class Surplus(msgspec.Struct, frozen=True):
    """Of a capture that no invoice takes: what can be returned, what is here, and what disputes have taken."""

    returnable: int = 0
    kept: int = 0
    disputed: int = 0


def surpluses(row: asyncpg.Record) -> dict[str, Surplus]:
    """The captures of an invoice that it does not take, by their attempts."""
    return msgspec.json.decode(row["surpluses"] or "{}", type=dict[str, Surplus])


def refund(row: asyncpg.Record, attempts: Sequence[asyncpg.Record], fallen: Collection[str] = ()) -> RefundRow:
    """A refund of the invoice's money."""
    surplus = {attempt["id"] for attempt in attempts if attempt["surplus"]}
    return RefundRow(
        id=row["id"],
        origin=known(RefundOrigin, row["origin"]),
        state=known(RefundState, row["state"]),
        amount=row["amount"],
        created_at=row["created_at"],
        attempt=row["attempt"] or "",
        wants_note=row["wants_note"],
        linked=row["credit_note"] is not None,
        of_surplus=row["attempt"] in surplus,
        asked=bool(row["failure"]),
        fallen=row["id"] in fallen,
    )


def note(row: asyncpg.Record, beside: asyncpg.Record) -> NoteRow:
    """A credit note; `beside` is the row of its invoice, with the refunds and disputes that it may belong to."""
    of_it = [refund["id"] for refund in beside["refunds"] if refund["credit_note"] == row["id"]]
    return NoteRow(
        id=row["id"],
        origin=known(CreditNoteOrigin, row["origin"]),
        state=known(CreditNoteState, row["state"]),
        out_of_band=row["out_of_band"],
        post_payment=row["post_payment"],
        created_at=row["issued_at"] or row["created_at"],
        linked=bool(of_it) or row["id"] in beside["disputed_notes"],
        asked=bool(row["error"]),
        deserted=any(refund in beside["fallen_refunds"] for refund in of_it),
        amount=row["amount"],
        tries=row["tries"],
        sent_at=row["sent_at"],
        why=row["error"],
    )


def remainder(row: asyncpg.Record, notes: Sequence[asyncpg.Record]) -> RemainderRow:
    """What was credited of an invoice and another bills; `notes` are those of the first."""
    return RemainderRow(
        id=row["id"],
        invoice=row["invoice"],
        amount=row["amount"],
        state=known(RemainderState, row["state"]),
        credited=any(note["id"] == row["credit_note"] and note["state"] == "issued" for note in notes),
        issued_as=row["issued_as"] or "",
        one_line=row["one_line"],
        tries=row["tries"],
        sent_at=row["sent_at"],
        why=row["error"],
    )


def carry(row: asyncpg.Record, notes: Sequence[asyncpg.Record]) -> CarryRow:
    """What was credited of it and is carried over."""
    return CarryRow(
        id=row["id"],
        amount=row["amount"],
        state=known(CarryState, row["state"]),
        credited=any(note["id"] == row["credit_note"] and note["state"] == "issued" for note in notes),
        tries=row["tries"],
        sent_at=row["sent_at"],
        why=row["error"],
    )


def lent(row: asyncpg.Record) -> LentView | None:
    """Money of the invoice whose place this one took."""
    lent = None if row["lent"] is None else msgspec.json.decode(row["lent"], type=LentView)
    return lent if lent is not None and lent.amount > 0 else None


def recording(row: asyncpg.Record) -> RecordingView:
    """One telling of Stripe."""
    payment = row["attempt"] or row["receipt"]
    state, target = known(RecordingState, row["state"]), known(RecordingTarget, row["target"])
    return RecordingView(row["id"], payment, row["amount"], state, row["resolved_at"], target)
