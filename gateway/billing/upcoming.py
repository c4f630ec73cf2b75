"""The next invoice of a subscription as Stripe would make it now: nothing of it exists yet (docs: create_preview)."""

from __future__ import annotations

from typing import Any

from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoice_detail import AmountShape, LinesShape
from gateway.billing.shapes import AutomaticTax
from processors.values import Unprinted

NONE_COMES = "invoice_upcoming_none"
"""Stripe's code for a subscription of which no invoice comes any more."""


class UpcomingShape(Unprinted, frozen=True):
    """A preview. `created` is when it will come: at the end of the period that runs."""

    currency: str = ""
    subtotal: int = 0
    total: int = 0
    amount_due: int = 0
    created: int = 0
    due_date: int | None = None
    total_taxes: list[AmountShape] | None = None
    total_discount_amounts: list[AmountShape] | None = None
    automatic_tax: AutomaticTax = AutomaticTax()
    lines: LinesShape = LinesShape()


async def preview(stripe: StripeClient, subscription: str) -> UpcomingShape | None:
    """The next invoice with what has been used so far; None where there will be none. Raises StripeError."""
    params: dict[str, Any] = {"subscription": subscription}
    try:
        return await stripe.post("/v1/invoices/create_preview", UpcomingShape, params)
    except StripeRefusedError as error:
        if error.code == NONE_COMES:
            return None
        raise
