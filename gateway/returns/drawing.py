"""Drawing up a credit note: the parameters that Stripe's preview accepts and that come to the amount exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.billing import credit_notes
from gateway.billing.client import StripeClient
from gateway.billing.credit_notes import CreditNoteShape
from gateway.billing.errors import StripeRefusedError
from gateway.domain.credit_lines import BilledLine, proposals


class LineCredit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What somebody wants credited of one invoice line: an `amount` of it, before exclusive tax, or a `quantity`."""

    invoice_line_item: str
    amount: int | None = None
    quantity: int | None = None


class Wanted(msgspec.Struct, frozen=True):
    """A credit note as it is wanted. Without `lines` it is spread over the invoice's.

    `out_of_band`: it goes back to the payer outside Stripe; False on an invoice that is still open.
    """

    invoice: str
    amount: int
    out_of_band: bool = True
    lines: tuple[LineCredit, ...] = ()
    reason: str = ""
    memo: str = ""


class Drawn(msgspec.Struct, frozen=True):
    """What Stripe will be asked for, exactly, and what it says that this comes to."""

    params: dict[str, Any]
    preview: CreditNoteShape


async def draw_up(stripe: StripeClient, wanted: Wanted) -> Drawn:
    """Find the parameters; reads only. Raises StripeError, and StripeRefusedError where no such note can be made.

    Stripe refuses a preview whose out-of-band amount is not exactly what its lines come to, so each is a question with
    yes or no. What can't be said line by line (lines credited by quantity before, rounding) is adjusted after tax.
    """
    if wanted.lines:
        return await _asked(stripe, _params(wanted, [_row(line) for line in wanted.lines]))
    lines = await billed_lines(stripe, wanted.invoice)
    for shares in proposals(lines, wanted.amount):
        rows = [{"type": "invoice_line_item", "invoice_line_item": line, "amount": part} for line, part in shares]
        try:
            drawn = await _asked(stripe, _params(wanted, rows))
        except StripeRefusedError:
            continue
        if drawn.preview.total == wanted.amount:
            return drawn
    return await _asked(stripe, _params(wanted, None))


async def billed_lines(stripe: StripeClient, invoice: str) -> list[BilledLine]:
    """The lines of an invoice, with what credit notes have left of each; raises StripeError."""
    return await credit_notes.lines_of(stripe, invoice, await credit_notes.of_invoice(stripe, invoice))


async def amount_of_lines(stripe: StripeClient, wanted: Wanted) -> int:
    """What `wanted.lines` come to, with their taxes; raises StripeError."""
    lines = {line.id: line for line in await billed_lines(stripe, wanted.invoice)}
    refused: StripeRefusedError | None = None
    for amount in _guesses(lines, wanted.lines):
        try:
            await draw_up(stripe, msgspec.structs.replace(wanted, amount=amount))
        except StripeRefusedError as error:
            refused = refused or error
        else:
            return amount
    raise refused or StripeRefusedError("there are no such lines on this invoice", status=400, param="lines")


def _guesses(lines: dict[str, BilledLine], wanted: Sequence[LineCredit]) -> Iterator[int]:
    total = 0
    for one in wanted:
        line = lines.get(one.invoice_line_item)
        if line is None:
            return
        part = one.amount if one.amount is not None else round(line.amount * (one.quantity or 0) / line.quantity)
        total += line.gross_of(part)
    yield from (amount for amount in (total, total + 1, total - 1) if amount > 0)


async def _asked(stripe: StripeClient, params: dict[str, Any]) -> Drawn:
    return Drawn(params, await credit_notes.preview(stripe, params))


def _row(line: LineCredit) -> dict[str, Any]:
    return {"type": "invoice_line_item", **msgspec.to_builtins(line)}


def _params(wanted: Wanted, lines: list[dict[str, Any]] | None) -> dict[str, Any]:
    params: dict[str, Any] = {"invoice": wanted.invoice, "email_type": "none"}
    params |= {"amount": wanted.amount} if lines is None else {"lines": lines}
    if wanted.out_of_band:
        params["out_of_band_amount"] = wanted.amount
    if wanted.reason:
        params["reason"] = wanted.reason
    if wanted.memo:
        params["memo"] = wanted.memo
    return params
