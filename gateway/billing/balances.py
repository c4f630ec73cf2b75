"""A customer's balance at Stripe, which the next finalized invoice takes up (docs: billing/customer/balance)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway.billing.client import StripeClient
from gateway.billing.shapes import id_of

RECORDING_KEY: Final = "tollbridge_recording"
"""The metadata key that names our row, by which a transaction is known as ours after its answer was lost (law 11)."""


PAYMENT_KEY: Final = "tollbridge_payment"
"""What the payment is called everywhere (our reference at the processor, or that of a transfer): a database that was
restored has forgotten its rows, and finds that again. `INVOICE_KEY` is the invoice that it came for."""
INVOICE_KEY: Final = "tollbridge_invoice"


class BalanceShape(msgspec.Struct, frozen=True):
    """One change of a balance."""

    id: str
    amount: int = 0
    type: str = ""
    invoice: str | dict[str, Any] | None = None
    metadata: dict[str, str] | None = None


CARRY_KEY: Final = "tollbridge_carry"
"""The same for what an invoice was too small to be charged for; and the subject of its credit note, which a database
that was restored from a backup knows too."""
CARRY_OF_KEY: Final = "tollbridge_carry_of"


async def credit(
    stripe: StripeClient, customer: str, amount: int, currency: str, about: str, metadata: Mapping[str, str], key: str
) -> BalanceShape:
    """Give a customer credit. Stripe writes what it owes the customer as a negative amount. Raises StripeError."""
    params = {"amount": -amount, "currency": currency, "description": about, "metadata": dict(metadata)}
    return await stripe.post(f"/v1/customers/{customer}/balance_transactions", BalanceShape, params, key=key)


def returned_by_void(transactions: Iterable[BalanceShape], invoice: str) -> int:
    """How much of the balance that `invoice` had used its voiding gave back.

    Stripe's documents don't say whether voiding does that, so nothing is assumed: what the customer's own transactions
    say came back has come back, and nothing else has.
    """
    given = (t for t in transactions if t.type == "unapplied_from_invoice" and id_of(t.invoice) == invoice)
    return -sum(t.amount for t in given)


async def owe(
    stripe: StripeClient, customer: str, amount: int, currency: str, about: str, metadata: Mapping[str, str], key: str
) -> BalanceShape:
    """Have a customer owe an amount with the next invoice: Stripe writes it above zero. Raises StripeError."""
    params = {"amount": amount, "currency": currency, "description": about, "metadata": dict(metadata)}
    return await stripe.post(f"/v1/customers/{customer}/balance_transactions", BalanceShape, params, key=key)
