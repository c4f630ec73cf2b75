"""How a stored payment method stands, in words for people who look after invoices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.states import MethodStatus
from processors.outcome import DeclineClass
from processors.values import Card

STOPPED: Final[Mapping[str, str]] = {
    "suspended": "the payer has suspended it at the processor, or the processor has",
    "revocation": "it is about to be removed",
    DeclineClass.EXPIRED: "it has expired",
    DeclineClass.INVALID_PAYMENT_METHOD: "the processor does not know it, or not as it was given",
    DeclineClass.ACCOUNT_CLOSED: "the account behind it is closed",
    DeclineClass.REVOKED: "the payer has withdrawn the permission to charge it",
    DeclineClass.NOT_PERMITTED: "its bank does not permit such charges",
    DeclineClass.FRAUD: "its bank suspects fraud",
    DeclineClass.LOST_STOLEN: "it was reported lost or stolen",
    DeclineClass.AUTHENTICATION_REQUIRED: "its bank wants the payer to confirm, which only the payer can",
}
"""Why one is kept and not charged. A class that does not stop a method has no words here: it is shown as it is."""


def standing(
    status: MethodStatus, *, first: bool = False, stopped_reason: str | None = None, revocation: str | None = None
) -> str:
    """In a sentence without its full stop."""
    if status is MethodStatus.REVOKED:
        return "Removed: deleted at the processor, or about to be, and never charged again"
    if revocation is not None:
        waits = "once the charge to it that is under way has ended" if revocation == "deferred" else "in a moment"
        return f"Being removed: it is deleted at the processor {waits}"
    if status is MethodStatus.STOPPED:
        why = STOPPED.get(stopped_reason or "", (stopped_reason or "it was declined for good").replace("_", " "))
        return f"Not charged: {why}"
    return "Charged first" if first else "Ready; charged where those before it can't be"


def named(card: Card) -> str:
    """What a payer recognises it by: `Visa ending in 4242`. It never holds more."""
    if card.label:
        return card.label
    brand = card.brand.replace("_", " ")
    brand = brand[:1].upper() + brand[1:] if brand else "Payment method"
    return f"{brand} ending in {card.last4}" if card.last4 else brand


def expires(card: Card) -> str:
    """Its month, as it stands on the card; empty where there is none."""
    return f"{card.exp_month:02}/{card.exp_year}" if card.exp_month and card.exp_year else ""
