"""A credit note of ours for money that is back with the payer: drawn up, made once, looked for where no answer came.

Pure; for refunds and disputes alike.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from db.states import CreditNoteState
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind

NOTE_AGAIN_AFTER = timedelta(seconds=60)
"""A credit note whose answer was lost is looked for after so long: by then Stripe has made it, or never will."""
NOTE_TRIES_TO_CASE = 6


class NoteView(msgspec.Struct, frozen=True):
    """A credit note of ours: drawn up, and perhaps standing at Stripe."""

    id: str
    state: CreditNoteState
    amount: int
    tries: int = 0
    sent_at: datetime | None = None
    stripe_id: str = ""


class DrawUpNote(msgspec.Struct, frozen=True):
    """Find the parameters of its credit note, which Stripe's preview accepts. A gate: nothing is sent before."""


class IssueNote(msgspec.Struct, frozen=True):
    """Make its credit note at Stripe, for `amount`."""

    amount: int


class FindNote(msgspec.Struct, frozen=True):
    """List the invoice's credit notes: ours may stand there, though its answer was lost."""


NoteStep: TypeAlias = DrawUpNote | IssueNote | FindNote | OpenCase | WaitUntil


def note_step(note: NoteView | None, amount: int, asked: AbstractSet[str], now: datetime) -> NoteStep:
    """What brings a credit note for `amount` to stand. `asked`: the cases that a human has, or has answered."""
    if note is None:
        return DrawUpNote()
    match note.state:
        case CreditNoteState.SENDING | CreditNoteState.UNKNOWN:
            at = (note.sent_at or now) + NOTE_AGAIN_AFTER * 2 ** min(note.tries - 1, 10)
            if note.tries >= NOTE_TRIES_TO_CASE and CaseKind.CREDIT_NOTE_REFUSED not in asked:
                return OpenCase(CaseKind.CREDIT_NOTE_REFUSED, "the money went back, and Stripe gives no answer")
            return WaitUntil(at, "Stripe's answer was lost") if at > now else FindNote()
        case CreditNoteState.REFUSED:
            reason = "the money went back, and Stripe takes no credit note"
            refused = CaseKind.CREDIT_NOTE_REFUSED
            return WaitUntil(None, reason) if refused in asked else OpenCase(refused, reason)
        case _:
            return IssueNote(amount)
