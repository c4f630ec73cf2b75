"""What the checkout session that began a subscription means for its invoices: held, let go, or abandoned. Pure."""

from __future__ import annotations

import msgspec

from db.states import SessionState
from gateway.domain.view import Hold


class Session(msgspec.Struct, frozen=True):
    """The checkout session that began the invoice's subscription."""

    state: str
    told_stripe: bool
    payment_method: str
    invoice: str
    paid: bool


def hold(session: Session | None, invoice: str) -> Hold:
    """Whether an invoice waits for its checkout, or was let go by it."""
    if session is None or session.state not in (SessionState.CREATING, SessionState.OPEN, SessionState.PROCESSING):
        return ""
    # Confirmed is not enough: until its payment method is stored, the customer's other ones must not be charged for it.
    if session.state != SessionState.PROCESSING or not session.told_stripe:
        return "held"
    # Only the first draft was held by us, and only that one is ours to finalize whatever its `auto_advance` says.
    return "released" if session.invoice == invoice else ""


def abandoned(session: Session | None) -> bool:
    """Its checkout came to nothing, so its subscription is ended; one that was paid for all the same lives on."""
    return session is not None and not session.paid and session.state in (SessionState.FAILED, SessionState.EXPIRED)


def preferred(session: Session | None, invoice: str) -> str:
    """The payment method that the first invoice is charged to."""
    return session.payment_method if session is not None and session.invoice == invoice else ""
