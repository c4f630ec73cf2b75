"""The initial invoice as a checkout shows it: what Stripe last said, and when. We compute nothing but sums."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.billing.invoice_detail import InvoiceDetailShape, LineShape

MOST_LINES = 10
"""So many lines stand in an invoice of Stripe's; further ones are said to exist."""


class Line(msgspec.Struct, frozen=True):
    """One line, in Stripe's minor units; `tax` is what Stripe put on it."""

    id: str
    description: str
    amount: int
    quantity: int | None
    tax: int
    period_start: int
    period_end: int


class InitialInvoice(msgspec.Struct, frozen=True):
    """The initial invoice. Amounts are integers in Stripe's minor units, times Unix seconds.

    `as_of` is when Stripe said this. `due_date` of a draft is what it will be. `location_required`: tax can't be
    computed before the payer's address, or at least the IP address, is known.
    """

    id: str
    status: str
    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int
    amount_due: int
    amount_remaining: int
    lines: list[Line]
    has_more_lines: bool
    due_date: int | None
    as_of: int
    location_required: bool


def initial_invoice(snapshot: bytes, read_at: datetime) -> InitialInvoice:
    """The view of a stored answer of Stripe's."""
    shape = msgspec.json.decode(snapshot, type=InvoiceDetailShape)
    return InitialInvoice(
        id=shape.id,
        status=shape.status or "draft",
        currency=shape.currency,
        subtotal=shape.subtotal,
        discount=sum(d.amount for d in shape.total_discount_amounts or []),
        tax=sum(t.amount for t in shape.total_taxes or []),
        total=shape.total,
        amount_due=shape.amount_due,
        amount_remaining=shape.amount_remaining,
        lines=[shown_line(line) for line in shape.lines.data[:MOST_LINES]],
        has_more_lines=shape.lines.has_more,
        due_date=shape.due_date,
        as_of=int(read_at.timestamp()),
        location_required=shape.automatic_tax.status == "requires_location_inputs",
    )


def shown_line(line: LineShape) -> Line:
    """A line as it stands in JSON."""
    return Line(
        id=line.id,
        description=line.description or "",
        amount=line.amount,
        quantity=line.quantity,
        tax=sum(t.amount for t in line.taxes or []),
        period_start=line.period.start,
        period_end=line.period.end,
    )
