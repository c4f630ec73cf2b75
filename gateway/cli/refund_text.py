"""Refunds and credit notes as commands print them."""

from __future__ import annotations

from db.states import Approval
from gateway.cli.output import OUT, fields, money, table, when
from gateway.readers.refunds import PartBody, RefundBody
from gateway.returns.preview import Preview


def stands(refund: RefundBody) -> str:
    """Its state, and what it waits for."""
    return "waits for approval" if refund.approval == Approval.WAITING else str(refund.state)


def print_refund(refund: RefundBody) -> None:
    """Everything that is known of it. Times are in UTC."""
    note = refund.credit_note
    fields(
        {
            "refund": refund.id,
            "invoice": refund.invoice,
            "amount": money(refund.amount, refund.currency),
            "state": stands(refund),
            "why": ": ".join(text for text in (refund.failure, refund.message) if text),
            "began": refund.origin,
            "asked by": refund.requested_by,
            "denied by" if refund.approval == Approval.DENIED else "approved by": refund.approved_by,
            "note": refund.note,
            "asked at": when(refund.created),
            "ended at": when(refund.resolved),
            "credit note": "" if note is None else f"{note.number or note.id} {note.state} {note.stripe_id or ''}",
        }
    )
    OUT.print("\n[bold]At processors[/bold]")
    rows = [
        (p.number, p.state, money(p.amount, refund.currency), p.connection, _why(p), p.processor_id, p.reference)
        for p in refund.parts
    ]
    columns = ("#", "state", "amount", "connection", "why it ended so", "processor id", "reference")
    table(columns, rows, "Nothing was sent.")


def print_preview(preview: Preview) -> None:
    """What would be returned, and what stands in the way."""
    taxed = "by line, so that tax follows" if preview.by_lines else "after tax, which stays as it is"
    if not preview.credited:
        taxed = "not at all: the invoice did not take this money"
    elif not preview.lines:
        taxed = "once the payment has come"
    fields(
        {
            "invoice": preview.invoice,
            "amount": money(preview.amount, preview.currency),
            "tax of it": money(preview.tax, preview.currency),
            "credited": "" if preview.refused else taxed,
            "can be returned": money(preview.refundable, preview.currency),
            "in the way": "; ".join(preview.obstacles),
            "refused by Stripe": preview.refused,
        }
    )


def _why(part: PartBody) -> str:
    return ": ".join(text for text in (part.refusal or part.code, part.message) if text)
