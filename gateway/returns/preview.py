"""What a refund would be: what can be returned and why not more, and the credit note as Stripe would make it."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.accounts.errors import FieldError
from gateway.billing.errors import StripeRefusedError
from gateway.returns.drawing import Wanted, amount_of_lines, draw_up
from gateway.returns.refund_rows import RefundAsked
from gateway.returns.refundable import refundable
from gateway.runtime import Runtime


class Preview(msgspec.Struct, frozen=True):
    """A refund that nobody has made. Amounts in minor units.

    `tax` is what of the amount is tax, by line; `by_lines` is False for an adjustment after tax. `obstacles`: why not
    more can be returned. `refused`: why Stripe would make no such credit note; then nothing would be sent.
    """

    invoice: str
    amount: int
    currency: str
    refundable: int
    tax: int
    by_lines: bool
    obstacles: list[str]
    refused: str = ""
    object: Literal["refund_preview"] = "refund_preview"


async def preview_refund(runtime: Runtime, account: str, asked: RefundAsked) -> Preview:
    """Ask Stripe, which stores nothing. Raises NotThereError, FieldError, StripeError."""
    left = await refundable(account, asked.invoice, asked.attempt)
    stripe = await runtime.stripe(account)
    wanted = Wanted(asked.invoice, asked.amount or left.amount, lines=asked.lines, reason=asked.reason)
    try:
        if asked.lines and asked.amount is None:
            wanted = msgspec.structs.replace(wanted, amount=await amount_of_lines(stripe, wanted))
        if wanted.amount <= 0:
            raise FieldError(
                "amount", "nothing can be returned now: " + "; ".join(left.obstacles or ("nothing is left",))
            )
        drawn = await draw_up(stripe, wanted)
    except StripeRefusedError as error:
        return _shown(asked, wanted.amount, left.currency, left.amount, left.obstacles, refused=str(error))
    tax, by_lines = drawn.preview.tax, "lines" in drawn.params
    return _shown(asked, wanted.amount, left.currency, left.amount, left.obstacles, tax=tax, by_lines=by_lines)


def _shown(
    asked: RefundAsked,
    amount: int,
    currency: str,
    refundable: int,
    obstacles: tuple[str, ...],
    *,
    tax: int = 0,
    by_lines: bool = False,
    refused: str = "",
) -> Preview:
    return Preview(asked.invoice, amount, currency, refundable, tax, by_lines, list(obstacles), refused)
