"""What a refund would be: what can be returned and why not more, where it would go, and the credit note as Stripe would
make it."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.accounts.errors import FieldError
from gateway.billing.client import StripeClient
from gateway.billing.credit_notes import LineShape
from gateway.billing.errors import StripeRefusedError
from gateway.returns.drawing import Drawn, Wanted, amount_of_lines, draw_up
from gateway.returns.refund_rows import RefundAsked
from gateway.returns.refundable import Refundable, refundable
from gateway.returns.sources import Source, sources
from gateway.runtime import Runtime


class NoteLine(msgspec.Struct, frozen=True):
    """A line of the credit note. `amount` is less its discounts; `total` with its exclusive taxes."""

    invoice_line_item: str | None
    description: str
    quantity: int | None
    amount: int
    tax: int
    total: int


class Preview(msgspec.Struct, frozen=True):
    """A refund that nobody has made. Amounts in minor units.

    `tax` is what of the amount is tax, by line; `by_lines` is False for an adjustment after tax. `obstacles`: why not
    more can be returned. `refused`: why Stripe would make no such credit note; then nothing would be sent. `captures`:
    what it would be taken from, each going back the way it came. `waits`: the money is not free yet, and it would be
    made once it is; before its payment has come, Stripe may show no lines. `credited`: whether a credit note is made;
    none is for money that the invoice did not take. `needs_approval`: somebody else must agree first.
    """

    invoice: str
    amount: int
    currency: str
    refundable: int
    tax: int
    by_lines: bool
    obstacles: list[str]
    refused: str = ""
    lines: list[NoteLine] = []
    captures: list[Source] = []
    waits: bool = False
    credited: bool = True
    needs_approval: bool = False
    object: Literal["refund_preview"] = "refund_preview"


async def preview_refund(runtime: Runtime, account: str, asked: RefundAsked) -> Preview:
    """Ask Stripe, which stores nothing. Raises NotThereError, FieldError, StripeError."""
    left = await refundable(account, asked.invoice, asked.attempt)
    stripe = await runtime.stripe(account)
    wanted = Wanted(asked.invoice, asked.amount or left.amount, not left.is_deferred, asked.lines, asked.reason)
    try:
        if asked.lines and asked.amount is None:
            wanted = msgspec.structs.replace(wanted, amount=await amount_of_lines(stripe, wanted))
        if wanted.amount <= 0:
            raise FieldError(
                "amount", "nothing can be returned now: " + "; ".join(left.obstacles or ("nothing is left",))
            )
        drawn = await _drawn(stripe, wanted, left)
    except StripeRefusedError as error:
        return await _shown(account, asked, wanted.amount, left, refused=str(error))
    return await _shown(account, asked, wanted.amount, left, drawn)


async def _drawn(stripe: StripeClient, wanted: Wanted, left: Refundable) -> Drawn | None:
    """None where none is made, or Stripe can't show yet what it will be."""
    if not left.wants_note(wanted.amount):
        return None
    try:
        return await draw_up(stripe, wanted)
    except StripeRefusedError:
        if left.is_deferred:
            return None
        raise


async def with_amount(runtime: Runtime, account: str, asked: RefundAsked) -> RefundAsked:
    """With the amount that its lines come to, where only those were given. Raises as `preview_refund`, and
    StripeRefusedError where Stripe would credit no such lines."""
    if not asked.lines or asked.amount is not None:
        return asked
    shown = await preview_refund(runtime, account, asked)
    if shown.refused:
        raise StripeRefusedError(shown.refused, status=400, param="lines")
    return msgspec.structs.replace(asked, amount=shown.amount)


async def _shown(
    account: str, asked: RefundAsked, amount: int, left: Refundable, drawn: Drawn | None = None, refused: str = ""
) -> Preview:
    return Preview(
        asked.invoice,
        amount,
        left.currency,
        left.amount,
        tax=drawn.preview.tax if drawn else 0,
        by_lines=drawn is not None and "lines" in drawn.params,
        obstacles=list(left.obstacles),
        refused=refused,
        lines=[_line(line) for line in drawn.preview.lines.data] if drawn else [],
        captures=await sources(account, asked.invoice, asked.attempt, amount),
        waits=left.waits_for(amount),
        credited=left.wants_note(amount),
        needs_approval=left.wants_approval(amount),
    )


def _line(line: LineShape) -> NoteLine:
    taxes = line.taxes or []
    exclusive = sum(tax.amount for tax in taxes if tax.tax_behavior == "exclusive")
    return NoteLine(
        line.invoice_line_item,
        line.description or "",
        line.quantity,
        line.net,
        sum(tax.amount for tax in taxes),
        line.net + exclusive,
    )
