"""Stripe's payloads, as far as we read them: answers in our API version's shape, events of any since 2022-11-15.

Everything we do not need is left out, and everything that may be absent has a default, so that a new field or an old
endpoint breaks nothing.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from gateway.billing.client import from_unix
from gateway.billing.usage_lines import UsageLines
from gateway.domain.billed import BilledInvoice, InvoiceStatus, StripePayment

SESSION_KEY = "tollbridge_session"
"""The metadata key on a subscription that names the checkout session which made it (law 11)."""


class SubscriptionDetails(msgspec.Struct, frozen=True):
    subscription: str | dict[str, Any] | None = None
    metadata: dict[str, str] | None = None


class Parent(msgspec.Struct, frozen=True):
    subscription_details: SubscriptionDetails | None = None


class PaymentIntentShape(msgspec.Struct, frozen=True):
    id: str
    status: str = ""


class PaymentTarget(msgspec.Struct, frozen=True):
    type: str = ""
    payment_intent: str | PaymentIntentShape | None = None


class InvoicePaymentShape(msgspec.Struct, frozen=True):
    invoice: str | dict[str, Any] | None = None
    status: str = ""
    amount_paid: int | None = None
    payment: PaymentTarget = PaymentTarget()

    @property
    def of_stripe(self) -> bool:
        """Whether it is Stripe's own money.

        Only payments of type payment_intent and charge are: whether marking an invoice paid out of band leaves a
        payment of type payment_record is not settled by Stripe's documents, and such a one is never Stripe's.
        """
        return self.payment.type in ("payment_intent", "charge")


class InvoicePayments(msgspec.Struct, frozen=True):
    data: list[InvoicePaymentShape] = []


class FinalizationError(msgspec.Struct, frozen=True):
    message: str | None = None
    code: str | None = None


class Transitions(msgspec.Struct, frozen=True):
    paid_at: int | None = None
    marked_uncollectible_at: int | None = None
    voided_at: int | None = None
    finalized_at: int | None = None


class AutomaticTax(msgspec.Struct, frozen=True):
    enabled: bool = False
    status: str | None = None


class InvoiceShape(msgspec.Struct, frozen=True):
    """An invoice as our API version gives it, with `payments` expanded."""

    id: str
    status: InvoiceStatus | None = None
    deleted: bool = False
    collection_method: str = "charge_automatically"
    customer: str | dict[str, Any] | None = None
    currency: str = ""
    amount_due: int = 0
    amount_paid: int = 0
    amount_remaining: int = 0
    amount_overpaid: int = 0
    total: int = 0
    starting_balance: int = 0
    ending_balance: int | None = None
    pre_payment_credit_notes_amount: int = 0
    post_payment_credit_notes_amount: int = 0
    auto_advance: bool = False
    automatic_tax: AutomaticTax = AutomaticTax()
    billing_reason: str | None = None
    number: str | None = None
    created: int = 0
    due_date: int | None = None
    automatically_finalizes_at: int | None = None
    status_transitions: Transitions = Transitions()
    parent: Parent | None = None
    subscription: str | dict[str, Any] | None = None
    """Only before 2025-03-31."""
    payments: InvoicePayments | None = None
    lines: UsageLines | None = None
    metadata: dict[str, str] = {}
    last_finalization_error: FinalizationError | None = None
    hosted_invoice_url: str | None = None

    @property
    def is_held(self) -> bool:
        """Stripe does not finalize it by itself. A draft that was deleted is held by nobody."""
        return not self.auto_advance and not self.deleted

    @property
    def subscription_id(self) -> str:
        if self.parent is not None and self.parent.subscription_details is not None:
            return id_of(self.parent.subscription_details.subscription)
        return id_of(self.subscription)


def id_of(value: str | dict[str, Any] | None) -> str:
    """The id of a reference, expanded or not."""
    if isinstance(value, dict):
        return str(value.get("id", ""))
    return value or ""


def billed(shape: InvoiceShape) -> BilledInvoice:
    """The invoice in the domain's words."""
    created = from_unix(shape.created)
    assert created is not None
    return BilledInvoice(
        id=shape.id,
        status="deleted" if shape.deleted else shape.status or "draft",
        collection_method=shape.collection_method,
        customer=id_of(shape.customer),
        subscription=shape.subscription_id,
        currency=shape.currency,
        amount_due=shape.amount_due,
        amount_paid=shape.amount_paid,
        amount_remaining=shape.amount_remaining,
        total=shape.total,
        pre_payment_credit=shape.pre_payment_credit_notes_amount,
        post_payment_credit=shape.post_payment_credit_notes_amount,
        auto_advance=shape.auto_advance,
        billing_reason=shape.billing_reason or "",
        number=shape.number or "",
        created=created,
        due_date=from_unix(shape.due_date),
        finalizes_at=from_unix(shape.automatically_finalizes_at),
        paid_at=from_unix(shape.status_transitions.paid_at),
        finalized_at=from_unix(shape.status_transitions.finalized_at),
        stripe_payment=_stripe_payment(shape),
        stripe_took=sum(one.amount_paid or 0 for one in _own_payments(shape) if one.status == "paid"),
        metadata=shape.metadata,
        session=_session(shape),
        finalization_error=_finalization_error(shape),
        location_filled=_location_filled(shape),
        overpaid=shape.amount_overpaid,
        page=shape.hosted_invoice_url or "",
        balance_used=0 if shape.ending_balance is None else shape.ending_balance - shape.starting_balance,
        uncollectible_at=from_unix(shape.status_transitions.marked_uncollectible_at),
        bills_usage=_bills_usage(shape),
    )


def _bills_usage(shape: InvoiceShape) -> bool:
    """Whether what its subscription has used is on it; of the first invoice nothing can be."""
    made_by_subscription = (shape.billing_reason or "").startswith("subscription")
    first = shape.billing_reason == "subscription_create"
    shown = shape.lines is not None and shape.lines.bill_usage(shape.created)
    return made_by_subscription and not first and shown


TAKING = ("processing", "requires_capture", "succeeded")
"""States of a payment intent in which Stripe has, or is about to have, the money; its payment may not be `paid` yet."""


def _own_payments(shape: InvoiceShape) -> list[InvoicePaymentShape]:
    return [payment for payment in shape.payments.data if payment.of_stripe] if shape.payments else []


def _stripe_payment(shape: InvoiceShape) -> StripePayment:
    """Whether Stripe took, or is taking, money for it itself."""
    found = StripePayment.NONE
    for payment in _own_payments(shape):
        if payment.status == "paid":
            return StripePayment.PAID
        intent = payment.payment.payment_intent
        if isinstance(intent, PaymentIntentShape) and intent.status in TAKING:
            found = StripePayment.PROCESSING
    return found


def _session(shape: InvoiceShape) -> str:
    details = shape.parent.subscription_details if shape.parent else None
    return (details.metadata or {}).get(SESSION_KEY, "") if details is not None else ""


NO_LOCATION = "customer_tax_location_invalid"
LOCATION_MISSING = (
    "the customer's address: Stripe can't compute the tax without it (the country; in the United States the ZIP code "
    "too, in Canada the province or postal code)"
)
"""The field that is missing, and what of it (docs: tax/customer-locations)."""


def _finalization_error(shape: InvoiceShape) -> str:
    error = shape.last_finalization_error
    if shape.automatic_tax.status == "requires_location_inputs":
        return LOCATION_MISSING
    if error is None or _location_filled(shape):
        return ""
    return error.message or error.code or "finalization failed"


def _location_filled(shape: InvoiceShape) -> bool:
    """It could not be finalized for lack of the customer's location, which is known by now: Stripe computes the draft's
    tax anew whenever the customer changes, and leaves the last error standing until it is finalized."""
    error = shape.last_finalization_error
    return error is not None and error.code == NO_LOCATION and shape.automatic_tax.status == "complete"


_RANK = {"draft": 0, "deleted": 1, "open": 2, "uncollectible": 3, "paid": 4, "void": 4}
"""Only drafts are deleted: who shows an invoice that is final says that it was not, whatever a 404 made us believe."""


def invoice_digest(shape: InvoiceShape) -> str:
    """A fingerprint of what could matter to us, by which an event is known as an echo of what we have read.

    It begins with the rank of the status, which only ever grows. Amounts of a paid invoice are left out: before
    2025-03-31 one paid out of band reads as if nothing were paid (Stripe's changelog, basil).
    """
    status = "deleted" if shape.deleted else shape.status or "draft"
    parts: list[object] = [status, shape.collection_method, sorted(shape.metadata.items())]
    if status in ("draft", "open", "uncollectible"):
        parts += [shape.amount_remaining, shape.amount_due, shape.total, shape.auto_advance, shape.due_date]
    parts += [shape.pre_payment_credit_notes_amount, shape.post_payment_credit_notes_amount]
    return f"{_RANK[status]}:{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]}"


def is_echo(event_digest: str, mirror_digest: str) -> bool:
    """Whether an event tells our row nothing new: the same fingerprint, or a status that was left behind for good."""
    if not mirror_digest or not event_digest:
        return False
    return event_digest == mirror_digest or int(event_digest[0]) < int(mirror_digest[0])


class PauseCollection(msgspec.Struct, frozen=True):
    behavior: str = ""


class PriceShape(msgspec.Struct, frozen=True):
    id: str = ""
    product: str | dict[str, Any] | None = None


class SubscriptionItem(msgspec.Struct, frozen=True):
    price: PriceShape = PriceShape()


class SubscriptionItems(msgspec.Struct, frozen=True):
    data: list[SubscriptionItem] = []


class SubscriptionShape(msgspec.Struct, frozen=True):
    """A subscription; `latest_invoice` may be expanded."""

    id: str
    status: str = ""
    customer: str | dict[str, Any] | None = None
    currency: str = ""
    collection_method: str = "charge_automatically"
    days_until_due: int | None = None
    cancel_at_period_end: bool = False
    cancel_at: int | None = None
    ended_at: int | None = None
    trial_end: int | None = None
    pause_collection: PauseCollection | None = None
    latest_invoice: str | dict[str, Any] | None = None
    schedule: str | dict[str, Any] | None = None
    items: SubscriptionItems = SubscriptionItems()
    metadata: dict[str, str] = {}

    @property
    def prices(self) -> list[str]:
        return sorted({item.price.id for item in self.items.data} - {""})

    @property
    def products(self) -> list[str]:
        return sorted({id_of(item.price.product) for item in self.items.data} - {""})

    @property
    def digest(self) -> str:
        """Of what its invoices must hear of."""
        parts = (
            self.status,
            self.collection_method,
            self.days_until_due,
            self.cancel_at_period_end,
            self.cancel_at,
            self.ended_at,
            self.trial_end,
            self.pause_collection.behavior if self.pause_collection else "",
            id_of(self.schedule),
        )
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


class TaxShape(msgspec.Struct, frozen=True):
    automatic_tax: str = ""


class InvoiceSettings(msgspec.Struct, frozen=True):
    default_payment_method: str | dict[str, Any] | None = None


class StripeMethodShape(msgspec.Struct, frozen=True):
    """A payment method at Stripe. `customer`: whose it is, None for nobody's."""

    id: str
    customer: str | dict[str, Any] | None = None


class CustomerShape(msgspec.Struct, frozen=True):
    id: str
    deleted: bool = False
    invoice_settings: InvoiceSettings | None = None
    currency: str | None = None
    metadata: dict[str, str] = {}
    tax: TaxShape | None = None


class AccountShape(msgspec.Struct, frozen=True):
    id: str
    country: str | None = None
    default_currency: str | None = None
