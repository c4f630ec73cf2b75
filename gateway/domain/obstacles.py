"""What stands in the way of a charge that is due: a pause, an amount out of bounds, a processor that is silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from db.states import WaitsFor
from gateway.domain.actions import WaitUntil
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.switching import why_stripes
from gateway.domain.view import InvoiceView, MethodView, Pause
from processors.money import to_text

STRIPE_PAYMENT_WAIT: Final = timedelta(hours=1)
CUSTOMER_DELETED: Final = "its customer was deleted in Stripe"
PAUSED: Final = "the collection of its subscription is paused"
"""In Stripe; a pause of ours names its own reason."""
PAID_AT_STRIPE: Final = "Stripe itself is collecting a payment on it"
PAYS_THERE: Final = "the payer pays on Stripe's page"
NOT_ANSWERING: Final = "the processor does not answer; it is tried again soon"


class OutOfBounds(msgspec.Struct, frozen=True):
    """An amount that the processor does not take, and the case that says so."""

    kind: CaseKind
    reason: str


def pause_of(view: InvoiceView, now: datetime) -> Pause | None:
    """The pause that holds at `now`, if any."""
    pause = view.pause
    return pause if pause is not None and (pause.until is None or pause.until > now) else None


def in_pause() -> WaitUntil:
    """Nothing of a subscription that Stripe has paused is collected."""
    return WaitUntil(None, PAUSED, waits_for=WaitsFor.PAUSE)


def told(pause: Pause) -> str:
    """A pause in words."""
    return f"its collection is paused: {pause.reason}"


def standstill(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> WaitUntil | None:
    """Why nothing is charged for an open invoice now, whatever its plan; None where the plan holds."""
    if invoice.collection_method != "send_invoice":
        return WaitUntil(None, why_stripes(view))
    if view.customer_deleted:
        return WaitUntil(None, CUSTOMER_DELETED)
    if made_in_pause(view, invoice):
        return in_pause()
    if invoice.stripe_payment is not StripePayment.NONE:
        return WaitUntil(now + STRIPE_PAYMENT_WAIT, PAID_AT_STRIPE)
    if view.wanted <= 0:
        return WaitUntil(now + STRIPE_PAYMENT_WAIT, "nothing remains to be paid")
    if view.hold == "held":
        # Its draft was finalized by somebody else; the payer has not agreed to anything yet all the same.
        return WaitUntil(None, "held until its checkout is confirmed")
    if (pause := pause_of(view, now)) is not None:
        return WaitUntil(pause.until, told(pause), attempt=pause.until is not None)
    if CaseKind.AMOUNT_INEXPRESSIBLE in view.open_cases:
        return WaitUntil(None, "the processor can't take this amount")
    return None


def made_in_pause(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Older invoices are collected during a pause as before (docs: billing/subscriptions/pause-payment)."""
    since = view.subscription.paused_since if view.subscription is not None else None
    return since is not None and invoice.created >= since


def out_of_bounds(method: MethodView, amount: int, currency: str) -> OutOfBounds | None:
    """Why the method's processor would not take this amount, if so."""
    if method.minimum is not None and amount < method.minimum:
        least = to_text(method.minimum, currency)
        return OutOfBounds(CaseKind.BELOW_PROCESSOR_MINIMUM, f"the processor takes {least} or more")
    agreed = method.agreed_maximum
    if agreed is not None and amount > agreed:
        most, wanted = to_text(agreed, currency), to_text(amount, currency)
        reason = f"the payer has agreed to {most} at once, and {wanted} are due: it is not charged in parts"
        return OutOfBounds(CaseKind.ABOVE_AGREED_MAXIMUM, reason)
    if method.maximum is not None and amount > method.maximum:
        most = to_text(method.maximum, currency)
        return OutOfBounds(CaseKind.ABOVE_PROCESSOR_MAXIMUM, f"the processor takes {most} or less")
    return None


def waits_until(method: MethodView, now: datetime) -> datetime | None:
    """When the method's processor may be asked again, where it has stopped answering."""
    at = method.usable_from
    return at if at is not None and at > now else None
