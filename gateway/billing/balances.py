"""A customer's balance at Stripe, which the next finalized invoice takes up (docs: billing/customer/balance)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.billing.client import StripeClient

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
    metadata: dict[str, str] | None = None


async def credit(
    stripe: StripeClient, customer: str, amount: int, currency: str, about: str, metadata: Mapping[str, str], key: str
) -> BalanceShape:
    """Give a customer credit. Stripe writes what it owes the customer as a negative amount. Raises StripeError."""
    params = {"amount": -amount, "currency": currency, "description": about, "metadata": dict(metadata)}
    return await stripe.post(f"/v1/customers/{customer}/balance_transactions", BalanceShape, params, key=key)
