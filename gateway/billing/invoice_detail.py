"""What of an invoice only people look at: its lines, what taxes and discounts come to, its pages.

Collection needs none of it, so it stands apart from `InvoiceShape`; both read the same stored answers.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.billing.shapes import AutomaticTax

HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Where the sandbox's Stripe stands, whose pages have no TLS."""


def page_of(url: str | None) -> str | None:
    """An address that Stripe gave, where a person may be led to it: https, or http on this very machine. What else it
    may say (`javascript:`) would run in our page."""
    try:
        parts = urlsplit(url or "")
        leads = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
    except ValueError:
        return None
    return url if leads and parts.netloc else None


class PeriodShape(msgspec.Struct, frozen=True):
    start: int = 0
    end: int = 0


class AmountShape(msgspec.Struct, frozen=True):
    """A tax or a discount, in minor units."""

    amount: int = 0


class TaxShape(AmountShape, frozen=True):
    """`inclusive`: the line's amount holds it already."""

    tax_behavior: str = ""


class LineShape(msgspec.Struct, frozen=True):
    id: str = ""
    description: str | None = None
    amount: int = 0
    quantity: int | None = None
    period: PeriodShape = PeriodShape()
    taxes: list[TaxShape] | None = None
    discount_amounts: list[AmountShape] | None = None


class LinesShape(msgspec.Struct, frozen=True):
    data: list[LineShape] = []
    has_more: bool = False


class InvoiceDetailShape(msgspec.Struct, frozen=True):
    """An invoice as our API version gives it."""

    id: str
    status: str | None = None
    currency: str = ""
    subtotal: int = 0
    total: int = 0
    amount_due: int = 0
    amount_remaining: int = 0
    due_date: int | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    total_taxes: list[AmountShape] | None = None
    total_discount_amounts: list[AmountShape] | None = None
    automatic_tax: AutomaticTax = AutomaticTax()
    lines: LinesShape = LinesShape()
