"""What the system itself can do about a case, and which role that needs. Pure.

Where a kind has none of these, its words (`case_kinds.REPAIR`) say what a human does elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from gateway.domain.case_kinds import CaseKind
from gateway.domain.roles import Action


class CaseRepair(StrEnum):
    """Each is a story that stands for itself: the API and the command line have it, too."""

    COLLECT = "collect"
    ASK_PROCESSOR = "ask_processor"
    RETRY = "retry"
    """A refund, or the credit note of a refund or a dispute."""
    APPROVE = "approve"
    DENY = "deny"
    RESOLVE_NOTE = "resolve_note"
    CLASS_DECLINE = "class_decline"
    CHECK_CONNECTION = "check_connection"
    REPLAY_DELIVERY = "replay_delivery"
    ENABLE_ENDPOINT = "enable_endpoint"
    SET_UP_WEBHOOK = "set_up_webhook"
    COMPARE_BOOKS = "compare_books"


class Offer(msgspec.Struct, frozen=True):
    """How a repair is offered. `subjects`: the prefixes of ids it is for, all if there is none; `ask`: what is asked
    before it."""

    label: str
    action: Action
    subjects: tuple[str, ...] = ()
    ask: str = ""


OFFERS: Final[Mapping[CaseRepair, Offer]] = {
    CaseRepair.COLLECT: Offer("Collect now", Action.COLLECT, ("in",), "Try to charge the payer now?"),
    CaseRepair.ASK_PROCESSOR: Offer("Ask the processor now", Action.COLLECT, ("att", "in")),
    CaseRepair.RETRY: Offer("Try again", Action.REFUND, ("rfd", "dsp"), "Try it again now?"),
    CaseRepair.APPROVE: Offer("Approve the refund", Action.APPROVE, ("rfd",), "Return this money to the payer?"),
    CaseRepair.DENY: Offer("Deny the refund", Action.APPROVE, ("rfd",), "Return nothing, for good?"),
    CaseRepair.RESOLVE_NOTE: Offer("Resolve the credit note", Action.REFUND, ("crn",)),
    CaseRepair.CLASS_DECLINE: Offer("Say what the code means", Action.CONFIGURE),
    CaseRepair.CHECK_CONNECTION: Offer("Check the connection", Action.CONFIGURE, ("con", "att", "rfd")),
    CaseRepair.REPLAY_DELIVERY: Offer("Replay the delivery", Action.REPLAY, ("dlv",)),
    CaseRepair.ENABLE_ENDPOINT: Offer("Enable the endpoint", Action.CONFIGURE, ("whe",)),
    CaseRepair.SET_UP_WEBHOOK: Offer("Set the webhook up again", Action.CONFIGURE),
    CaseRepair.COMPARE_BOOKS: Offer("Compare the books again", Action.RECONCILE),
}
REPAIRS: Final[Mapping[str, tuple[CaseRepair, ...]]] = {
    CaseKind.ADVANCE_FAILED: (CaseRepair.COLLECT,),
    CaseKind.ATTEMPT_REJECTED: (CaseRepair.CHECK_CONNECTION,),
    CaseKind.ABOVE_AGREED_MAXIMUM: (CaseRepair.COLLECT,),
    CaseKind.BOOKS_DIFFER: (CaseRepair.COMPARE_BOOKS,),
    CaseKind.BREAK_TO_EXPLAIN: (CaseRepair.COMPARE_BOOKS,),
    CaseKind.CATCH_UP_FAILED: (CaseRepair.CHECK_CONNECTION,),
    CaseKind.COLLECTION_EXHAUSTED: (CaseRepair.COLLECT,),
    CaseKind.CONNECTION_LOCKED: (CaseRepair.CHECK_CONNECTION,),
    CaseKind.CREDIT_NOTE_REFUSED: (CaseRepair.RETRY,),
    CaseKind.CREDIT_NOTE_UNMATCHED: (CaseRepair.RESOLVE_NOTE,),
    CaseKind.DECLINE_UNMAPPED: (CaseRepair.CLASS_DECLINE,),
    CaseKind.DELIVERY_PARKED: (CaseRepair.REPLAY_DELIVERY,),
    CaseKind.ENDPOINT_DISABLED: (CaseRepair.ENABLE_ENDPOINT,),
    CaseKind.ENDPOINT_NOT_REPLACED: (CaseRepair.SET_UP_WEBHOOK,),
    CaseKind.OUTCOME_UNKNOWN: (CaseRepair.ASK_PROCESSOR,),
    CaseKind.PENDING_TOO_LONG: (CaseRepair.ASK_PROCESSOR,),
    CaseKind.RECONCILIATION_FAILED: (CaseRepair.COMPARE_BOOKS,),
    CaseKind.REFUND_FAILED: (CaseRepair.RETRY,),
    CaseKind.REFUND_NOT_SENT: (CaseRepair.CHECK_CONNECTION,),
    CaseKind.REFUND_REFUSED: (CaseRepair.RETRY,),
    CaseKind.REFUND_WAITS: (CaseRepair.APPROVE, CaseRepair.DENY),
}


def repairs_of(kind: str, subject: str) -> list[CaseRepair]:
    """What can be done about a case of a kind (one that this version may not know) and the object it is about."""
    return [one for one in REPAIRS.get(kind, ()) if _fits(OFFERS[one], subject)]


def _fits(offer: Offer, subject: str) -> bool:
    prefix = subject.partition("_")[0] if "_" in subject else ""
    return not offer.subjects or prefix in offer.subjects


BESIDE_A_BUTTON: Final[Mapping[str, str]] = {
    CaseKind.ABOVE_AGREED_MAXIMUM: "Have the payer give another method, or agree to more; or record what is paid by "
    "hand, or mark the invoice in Stripe.",
    CaseKind.ENDPOINT_NOT_REPLACED: "Set the webhook up again: that mends the one that is to stay, or makes another. "
    "The old one stays at Stripe until then.",
    CaseKind.REFUND_WAITS: "Somebody else than who asked decides whether it is made. Nothing goes back until then.",
}
"""What to do, where the words for the API and the command line name a command that is a button here."""


def said_here(kind: str, action: str) -> str:
    """What to do about a case, for people who have buttons; `action` is what the case itself says."""
    return BESIDE_A_BUTTON.get(kind, action)
