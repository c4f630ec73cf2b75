"""Credit notes at Stripe: previewed, made once, listed by invoice (docs: api/credit_notes).

Facts that the rest stands on: what an amount lowers of what is still due is its `pre_payment_amount`, the excess its
`post_payment_amount`; `out_of_band_amount` is never inferred, and must come to the latter where nothing is refunded or
credited through Stripe. An open invoice is credited without it (assumed: it would be refused).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.billing.client import StripeClient
from gateway.billing.shapes import id_of
from gateway.domain.credit_lines import BilledLine

NOTE_KEY: Final = "tollbridge_credit_note"
"""The metadata key that names our row, by which a note is known as ours after its answer was lost (law 11)."""
MOST_PAGES: Final = 50


class TaxRateDetails(msgspec.Struct, frozen=True):
    tax_rate: str = ""


class TaxShape(msgspec.Struct, frozen=True):
    amount: int = 0
    tax_behavior: str = "exclusive"
    tax_rate_details: TaxRateDetails | None = None


class DiscountShape(msgspec.Struct, frozen=True):
    amount: int = 0


class LineShape(msgspec.Struct, frozen=True):
    """A line of an invoice or of a credit note."""

    id: str
    amount: int = 0
    discount_amounts: list[DiscountShape] | None = None
    taxes: list[TaxShape] | None = None
    quantity: int | None = None
    invoice_line_item: str | None = None
    description: str | None = None

    @property
    def net(self) -> int:
        """Less its discounts; exclusive tax comes on top."""
        return self.amount - sum(discount.amount for discount in self.discount_amounts or [])

    @property
    def added(self) -> tuple[int, ...]:
        """What comes on top of `amount`, one by one: exclusive taxes, and discounts below zero."""
        taxes = (tax.amount for tax in self.taxes or [] if tax.tax_behavior == "exclusive")
        return (*taxes, *(-discount.amount for discount in self.discount_amounts or []))


class Lines(msgspec.Struct, frozen=True):
    data: list[LineShape] = []
    has_more: bool = False


class CreditNoteShape(msgspec.Struct, frozen=True):
    """A credit note, or the preview of one."""

    id: str
    total: int = 0
    currency: str = ""
    created: int = 0
    number: str = ""
    status: str = "issued"
    invoice: str | dict[str, Any] | None = None
    pre_payment_amount: int = 0
    post_payment_amount: int = 0
    out_of_band_amount: int | None = None
    reason: str | None = None
    memo: str | None = None
    metadata: dict[str, str] | None = None
    total_taxes: list[TaxShape] | None = None
    lines: Lines = Lines()

    @property
    def invoice_id(self) -> str:
        return id_of(self.invoice)

    @property
    def tax(self) -> int:
        return sum(tax.amount for tax in self.total_taxes or [])


class _Notes(msgspec.Struct, frozen=True):
    data: list[CreditNoteShape] = []
    has_more: bool = False


async def preview(stripe: StripeClient, params: Mapping[str, Any]) -> CreditNoteShape:
    """What a credit note with these parameters would be; raises StripeError, so also where Stripe would refuse it."""
    wanted = {name: value for name, value in params.items() if name != "metadata"}
    return await stripe.get("/v1/credit_notes/preview", CreditNoteShape, wanted)


async def create(stripe: StripeClient, params: Mapping[str, Any], key: str) -> CreditNoteShape:
    """Make it; there is no way back. Raises StripeError."""
    return await stripe.post("/v1/credit_notes", CreditNoteShape, params, key=key)


async def of_invoice(stripe: StripeClient, invoice: str) -> list[CreditNoteShape]:
    """All credit notes of an invoice, newest first; raises StripeError."""
    found: list[CreditNoteShape] = []
    params: dict[str, Any] = {"invoice": invoice, "limit": 100}
    for _ in range(MOST_PAGES):
        page = await stripe.get("/v1/credit_notes", _Notes, params)
        found += page.data
        if not page.has_more or not page.data:
            break
        params["starting_after"] = page.data[-1].id
    return found


async def lines_of(stripe: StripeClient, invoice: str, notes: Sequence[CreditNoteShape]) -> list[BilledLine]:
    """The invoice's lines, less what these notes of it have credited; raises StripeError."""
    shapes: list[LineShape] = []
    params: dict[str, Any] = {"limit": 100}
    for _ in range(MOST_PAGES):
        page = await stripe.get(f"/v1/invoices/{invoice}/lines", Lines, params)
        shapes += page.data
        if not page.has_more or not page.data:
            break
        params["starting_after"] = page.data[-1].id
    credited: dict[str, int] = {}
    for note in notes:
        for line in note.lines.data if note.status == "issued" else []:
            if line.invoice_line_item:
                credited[line.invoice_line_item] = credited.get(line.invoice_line_item, 0) + line.amount
    return [
        BilledLine(one.id, one.amount, one.added, one.quantity or 1, credited.get(one.id, 0), one.description or "")
        for one in shapes
    ]
