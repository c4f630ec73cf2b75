"""The hosted invoice page and its PDF: what `hosted_invoice_url` and `invoice_pdf` lead to.

Whoever has the address sees the invoice and can pay it, as a payment at Stripe, until it is paid or void.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape

from gateway.sandbox.kit.asgi import Reply, Request
from gateway.sandbox.stripe import payment_methods, payments
from gateway.sandbox.stripe.collection import attempt
from gateway.sandbox.stripe.money import text
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.page import choices, method_buttons, page, redirect
from gateway.sandbox.stripe.pdf import COLUMNS, document
from gateway.sandbox.stripe.store import Account

SAID = {
    "paid": "This invoice is paid. Thank you.",
    "void": "This invoice was voided.",
    "uncollectible": "This invoice is no longer being collected; it can still be paid.",
}


def rows(invoice: Obj) -> Iterator[tuple[str, str]]:
    """The lines and sums of an invoice, in words."""
    currency = invoice["currency"]
    for line in invoice["lines"]["data"]:
        yield line["description"] or "Item", text(line["amount"], currency)
    yield "Subtotal", text(invoice["subtotal"], currency)
    for discount in invoice["total_discount_amounts"]:
        yield "Discount", text(-discount["amount"], currency)
    for tax in invoice["total_taxes"]:
        yield f"Tax ({tax['tax_behavior']})", text(tax["amount"], currency)
    yield "Total", text(invoice["total"], currency)
    applied = (invoice["ending_balance"] or 0) - invoice["starting_balance"]
    if applied:
        yield "Customer balance", text(-applied, currency)
    for name, title in (("pre_payment_credit_notes_amount", "Credit notes"), ("amount_paid", "Paid")):
        if invoice[name]:
            yield title, text(-invoice[name], currency)
    yield "Amount due", text(invoice["amount_remaining"], currency)


def facts(account: Account, invoice: Obj) -> Iterator[tuple[str, str]]:
    yield "Invoice", invoice["number"]
    yield "From", account.name
    yield "To", invoice["customer_name"] or invoice["customer_email"] or invoice["customer"]
    yield "Date", _day(invoice["status_transitions"]["finalized_at"])
    if invoice["due_date"]:
        yield "Due", _day(invoice["due_date"])
    yield "Status", invoice["status"]


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d %B %Y")


def show(account: Account, invoice: Obj, _: Request) -> Reply:
    details = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _all(account, invoice)
    )
    download = f'<p><a href="{escape(invoice["invoice_pdf"])}">Download PDF</a></p>'
    return page(f"Invoice {invoice['number']}", f"<table>{details}</table>{download}{_payment(account, invoice)}")


def _all(account: Account, invoice: Obj) -> Iterator[tuple[str, str]]:
    yield from facts(account, invoice)
    yield from rows(invoice)


def _payment(account: Account, invoice: Obj) -> str:
    intent = payments.intent_of(account, invoice) or {}
    said = f"<p>{SAID[invoice['status']]}</p>" if invoice["status"] in SAID else ""
    if invoice["status"] not in ("open", "uncollectible"):
        return said
    if intent.get("status") == "processing":
        return f"{said}<p>A payment is being processed. That takes a few days.</p>"
    error = intent.get("last_payment_error")
    if error:
        said += f'<p role="alert">{escape(error["message"])}</p>'
    amount = escape(text(invoice["amount_remaining"], invoice["currency"]))
    buttons = method_buttons(choices(invoice["currency"]).items())
    return f'{said}<h2>Pay {amount} with</h2><form method="post">{buttons}</form>'


def pay(account: Account, invoice: Obj, request: Request) -> Reply:
    name = request.form().get("method", "")
    intent = payments.intent_of(account, invoice)
    if invoice["status"] not in ("open", "uncollectible") or intent is None or intent["status"] == "processing":
        return page("Not possible", "<p>This invoice can't be paid now. <a href=''>Back to the invoice</a></p>", 409)
    if name not in choices(invoice["currency"]):
        return page("Not possible", "<p>There is no such payment method.</p>", 400)
    method = payment_methods.make(account, name, {"email": invoice["customer_email"]})
    address = invoice["hosted_invoice_url"]
    outcome = attempt(account, invoice, method, off_session=False, return_url=address)
    if outcome == "requires_action":
        address = intent["next_action"]["redirect_to_url"]["url"]
    return redirect(address)


def download(account: Account, invoice: Obj, _: Request) -> Reply:
    title = f"{account.name}: invoice {invoice['number']}"
    return _pdf(f"Invoice-{invoice['number']}", title, facts(account, invoice), rows(invoice))


def download_note(account: Account, note: Obj, _: Request) -> Reply:
    """The PDF of a credit note."""
    title = f"{account.name}: credit note {note['number']}"
    about = [("Invoice", account.invoices[note["invoice"]]["number"]), ("Date", _day(note["created"]))]
    return _pdf(f"CreditNote-{note['number']}", title, about, _note_rows(note))


def _note_rows(note: Obj) -> Iterator[tuple[str, str]]:
    for line in note["lines"]["data"]:
        yield line["description"] or "Credit", text(line["amount"], note["currency"])
    for tax in note["total_taxes"]:
        yield f"Tax ({tax['tax_behavior']})", text(tax["amount"], note["currency"])
    yield "Total credited", text(note["total"], note["currency"])


def _pdf(name: str, title: str, about: Iterable[tuple[str, str]], amounts: Iterable[tuple[str, str]]) -> Reply:
    lines = [title, ""] + [f"{key + ':':<10}{value}" for key, value in about] + [""]
    for key, value in amounts:
        room = COLUMNS - len(value) - 2
        lines.append(f"{key[:room]:<{room}}  {value}")
    headers = {
        "content-type": "application/pdf",
        "content-disposition": f'inline; filename="{name}.pdf"',
        "cache-control": "no-store",
    }
    return Reply(200, document(lines), headers)
