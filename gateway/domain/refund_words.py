"""How a refund stands, in words for whoever asked for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from db.states import Approval, RefundOrigin, RefundState
from processors.outcome import RefundRefusal

MEANING: Final[Mapping[RefundState, str]] = {
    RefundState.REQUESTED: "about to be sent, or waits for approval; or was turned away unread, and is tried again",
    RefundState.DEFERRED: "its payment is still under way, or a dispute about it",
    RefundState.SENDING: "on its way to the processor",
    RefundState.PENDING: "the processor has taken it, and is about to carry it out",
    RefundState.UNKNOWN: "the answer was lost: it is being found out, and nothing is sent twice",
    RefundState.SUCCEEDED: "the payer has it; a credit note, where one is due, comes next",
    RefundState.RECORDED: "the payer has it, and its credit note stands in Stripe",
    RefundState.FAILED: "the payer does not have it, or not all of it",
    RefundState.REFUSED: "it was not made; why, it says",
}
BEGAN: Final[Mapping[RefundOrigin, str]] = {
    RefundOrigin.REQUEST: "asked for here",
    RefundOrigin.STRIPE: "a credit note made in Stripe",
    RefundOrigin.PROCESSOR: "made at the processor",
    RefundOrigin.SURPLUS: "money that no invoice takes",
}
WHY: Final[Mapping[str, str]] = {
    RefundRefusal.DISPUTE_OPEN: "the payer disputes the payment, and until that ends it can't be refunded",
    RefundRefusal.TOO_LATE: "the processor refunds no payment as old as this one",
    RefundRefusal.PARTIAL_NOT_ALLOWED: "the processor refunds this payment only as a whole",
    RefundRefusal.INSUFFICIENT_BALANCE: "your balance at the processor does not suffice",
    RefundRefusal.EXCEEDS_CAPTURE: "there is not so much left of the payment",
    RefundRefusal.NOT_CAPTURED: "there is no payment that it could be taken from",
    RefundRefusal.NOT_ENABLED: "refunds are not enabled for you at the processor",
    RefundRefusal.OTHER: "the processor refuses it",
    "denied": "its approval was denied",
    "dispute_lost": "the payer has the money already, by a dispute that was lost",
    "exceeds_refundable": "there is not so much left that can be returned",
    "credit_note_refused": "Stripe would not make its credit note, so nothing was sent",
    "credit_note_voided": "its credit note was voided before anything was sent",
    "made_elsewhere": "it was returned elsewhere meanwhile",
    "not_expressible": "the processor can't take this amount exactly",
}
"""What `failure` of a refund and `refusal` of its parts mean."""
ENDED: Final = frozenset({RefundState.RECORDED, RefundState.FAILED, RefundState.REFUSED})


class Pace(StrEnum):
    """How soon something may change."""

    SOON = "soon"
    LATER = "later"
    """When somebody decides, or a processor does, in hours or days."""
    OVER = "over"


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """A refund, as far as these words go. `note`: the state of its credit note, empty where there is none."""

    state: RefundState
    approval: str
    wants_note: bool = True
    note: str = ""
    failure: str = ""


class Step(msgspec.Struct, frozen=True):
    """A stage on the way. `standing`: done, now, next, or failed; `word` says it."""

    name: str
    standing: str
    word: str


def why(code: str) -> str:
    """A reason in words; what we have none for, as its code says."""
    return WHY.get(code, code.replace("_", " "))


def pace(one: Stood) -> Pace:
    """Whether it is worth looking again."""
    if one.state in ENDED:
        return Pace.OVER
    if one.state is RefundState.SUCCEEDED:
        comes = one.wants_note and one.note not in ("refused", "void") and one.failure != "credit_note_refused"
        return Pace.SOON if comes else Pace.OVER
    waits = one.approval == Approval.WAITING or one.state in (RefundState.DEFERRED, RefundState.PENDING)
    return Pace.LATER if waits else Pace.SOON


def can_be_retried(one: Stood) -> bool:
    """Whether there is something to try again: at the processor, or the credit note alone."""
    if one.approval == Approval.DENIED or one.failure == "made_elsewhere" or one.note == "void":
        return False
    note_refused = one.note == "refused" or one.failure == "credit_note_refused"
    return one.state in (RefundState.FAILED, RefundState.REFUSED) or (
        one.state is RefundState.SUCCEEDED and note_refused
    )


def told(one: Stood) -> str:
    """Where it stands, in a sentence."""
    if one.approval == Approval.WAITING:
        return "Waits until somebody else approves it. Nothing is sent before."
    if one.state is RefundState.SUCCEEDED:
        if not one.wants_note:
            return "The payer has the money. No credit note is due."
        if pace(one) is Pace.OVER:
            return "The payer has the money. Stripe has not made the credit note: a case says why."
        return "The payer has the money. The credit note comes next."
    return {
        RefundState.REQUESTED: "It is about to be sent to the processor.",
        RefundState.DEFERRED: "It waits: the payment it is taken from, or a dispute about it, is still under way.",
        RefundState.SENDING: "It is on its way to the processor.",
        RefundState.PENDING: "The processor has taken it, and is about to carry it out. That may take days.",
        RefundState.UNKNOWN: "The processor's answer was lost. We find out; nothing is sent twice.",
        RefundState.RECORDED: "Done: the payer has the money, and the credit note stands in Stripe.",
        RefundState.FAILED: "It failed: the payer does not have the money, or not all of it.",
        RefundState.REFUSED: "It was not made. Nothing went back.",
    }[one.state]


def steps(one: Stood) -> list[Step]:
    """The way from asking to the credit note, with where it is now; one that failed ends there."""
    names = ["Asked for"]
    if one.approval:
        names.append("Approval")
    names += ["Sent to the processor", "Back with the payer"]
    if one.wants_note:
        names.append("Credit note in Stripe")
    reached = _reached(one, names)
    failed = one.state in (RefundState.FAILED, RefundState.REFUSED)
    failed = failed or (one.state is RefundState.SUCCEEDED and one.wants_note and pace(one) is Pace.OVER)

    if failed:
        last = Step(names[reached], "failed", "denied" if one.approval == Approval.DENIED else "failed")
        return [*(Step(name, "done", "done") for name in names[:reached]), last]
    return [Step(name, *_standing(place, reached)) for place, name in enumerate(names)]


def _standing(place: int, reached: int) -> tuple[str, str]:
    if place == reached:
        return "now", "now"
    return ("done", "done") if place < reached else ("next", "to come")


def _reached(one: Stood, names: list[str]) -> int:
    """The first stage that is not behind it."""
    sent, back = names.index("Sent to the processor"), names.index("Back with the payer")
    if one.approval in (Approval.WAITING, Approval.DENIED):
        return 1
    if one.state in (RefundState.REQUESTED, RefundState.DEFERRED, RefundState.SENDING, RefundState.REFUSED):
        return sent
    if one.state in (RefundState.SUCCEEDED, RefundState.RECORDED):
        return back + 1 if one.state is RefundState.SUCCEEDED else len(names)
    return back
