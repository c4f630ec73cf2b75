"""The Stripe invoice as the rules need it: what was read, in our words. `gateway.billing` makes it from the payload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import msgspec

from processors.values import Usage

InvoiceStatus = Literal["draft", "open", "paid", "uncollectible", "void", "deleted"]
RHYTHM: Final = frozenset({"subscription_create", "subscription_cycle"})
"""Stripe's reasons for an invoice that comes with a period; the rest (a threshold, a change, by hand) come at will."""


class StripePayment(StrEnum):
    """Whether Stripe itself is collecting this invoice."""

    NONE = "none"
    PROCESSING = "processing"
    PAID = "paid"


class BilledInvoice(msgspec.Struct, frozen=True):
    """One Stripe invoice at one moment. Amounts are in Stripe's minor units."""

    id: str
    status: InvoiceStatus
    collection_method: str
    customer: str
    subscription: str
    currency: str
    amount_due: int
    amount_paid: int
    amount_remaining: int
    total: int
    pre_payment_credit: int
    post_payment_credit: int
    auto_advance: bool
    billing_reason: str
    number: str
    created: datetime
    due_date: datetime | None
    finalizes_at: datetime | None
    paid_at: datetime | None
    stripe_payment: StripePayment
    metadata: Mapping[str, str] = {}
    session: str = ""
    """The checkout session that its subscription says it was made by: a hint, to be held against our own row."""
    finalization_error: str = ""
    location_filled: bool = False
    """What its finalization failed of, the customer's location, is filled in now."""
    uncollectible_at: datetime | None = None
    finalized_at: datetime | None = None
    bills_usage: bool = False
    """It bills what was used, which Stripe counts once more when it finalizes it."""
    stripe_took: int = 0
    """What Stripe took for it by itself."""
    overpaid: int = 0
    """What Stripe took more than the invoice, and credited to the customer's balance."""
    page: str = ""
    """Stripe's own page of it, on which whoever has the address can pay; empty before it is finalized."""
    balance_used: int = 0
    """The customer's credit that it took up when it was finalized; less than nothing: what the customer owed."""

    @property
    def usage(self) -> Usage:
        """How the card schemes call a charge for it: what comes with the subscription's rhythm, or anything else."""
        return Usage.RECURRING if self.billing_reason in RHYTHM else Usage.UNSCHEDULED

    @property
    def is_closed(self) -> bool:
        """Nothing can be paid on it any more."""
        return self.status in ("void", "deleted")

    @property
    def is_credited(self) -> bool:
        """Settled by a credit note before anything was paid."""
        return self.status == "paid" and self.amount_due == 0 and self.pre_payment_credit > 0


ATTEMPT_KEY = "tollbridge_attempt"
"""The metadata key on a Stripe invoice that names the attempt which paid it."""
RECEIPT_KEY = "tollbridge_receipt"
"""The same for a payment that was recorded by hand."""

REMAINDER_KEY = "tollbridge_remainder"
"""On an invoice of which a part was credited: the invoice that bills that; there `REST_OF_KEY` points back."""
REST_OF_KEY = "tollbridge_remainder_of"


class HowPaid(StrEnum):
    """By what means an invoice became paid (law 6)."""

    OURS = "ours"
    STRIPE_PAYMENT = "stripe_payment"
    CREDITED = "credited"
    BY_HAND = "by_hand"
    ZERO = "zero"


def how_paid(invoice: BilledInvoice, *, we_may_have: bool) -> HowPaid:
    """By what means `invoice` became paid.

    `we_may_have`: a call of ours to mark it paid went out and was not definitely refused. Stripe gives no code for
    "already paid" (a 400 without one), so the invoice itself is read and this function alone judges it.
    Stripe's own payment is judged first: where both happened, the payer has paid there and our capture is surplus.
    """
    if invoice.stripe_payment is StripePayment.PAID:
        return HowPaid.STRIPE_PAYMENT
    if invoice.amount_due == 0:
        # Nothing was due, so nothing was paid, whatever we may have sent.
        return HowPaid.CREDITED if invoice.pre_payment_credit > 0 else HowPaid.ZERO
    if we_may_have and (ATTEMPT_KEY in invoice.metadata or RECEIPT_KEY in invoice.metadata):
        return HowPaid.OURS
    return HowPaid.BY_HAND
