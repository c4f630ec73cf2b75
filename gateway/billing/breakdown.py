"""A finalized invoice's lines as a processor may be told them: from Stripe's stored answer, nothing of ours added."""

from __future__ import annotations

import msgspec

from gateway.billing.invoice_detail import InvoiceDetailShape, LineShape
from processors.breakdown import Breakdown, Line


def breakdown(snapshot: bytes, amount: int) -> Breakdown | None:
    """The lines without tax and the tax of them all; None where they don't come to `amount`, which is charged.

    So where the customer's balance, a credit note or an earlier payment has taken a part, where a line is less than
    nothing, and where Stripe shows only the first of many lines.
    """
    shape = msgspec.json.decode(snapshot, type=InvoiceDetailShape)
    if shape.lines.has_more:
        return None
    nets = [(line.description or "", _net(line)) for line in shape.lines.data]
    lines = tuple(Line(description, net) for description, net in nets if net)
    found = Breakdown(lines, sum(tax.amount for tax in shape.total_taxes or []))
    return found if found.adds_up_to(amount) else None


def _net(line: LineShape) -> int:
    """After discounts, and without the tax that its amount may include (docs: invoices/line_item)."""
    included = sum(tax.amount for tax in line.taxes or [] if tax.tax_behavior == "inclusive")
    return line.amount - sum(discount.amount for discount in line.discount_amounts or []) - included
