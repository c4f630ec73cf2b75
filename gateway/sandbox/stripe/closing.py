"""How an open invoice ends: paid, void or uncollectible. What leads there is in `collection.py` and `invoices.py`.

Rules and texts: docs invoicing/integration/workflow-transitions, invoicing/partial-payments; error texts as recorded.
"""

from __future__ import annotations

from gateway.sandbox.stripe import balances, payments
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import set_delinquent
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.standing import review_of
from gateway.sandbox.stripe.store import Account

NOT_OPEN = "You can only pass in open invoices. This invoice isn't open."


def settle(account: Account, invoice: Obj, by: str) -> None:
    """→ paid. invoice.paid for every route; invoice.payment_succeeded is the caller's, for Stripe payments only."""
    with updating(account, invoice, "invoice.updated"):
        if by == "out_of_band":
            invoice["_off_stripe"] = invoice.get("_off_stripe", 0) + invoice["amount_remaining"]
            invoice["_out_of_band"] = invoice["amount_remaining"]
        invoice |= {
            "status": "paid",
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "auto_advance": False,
            "next_payment_attempt": None,
            "_paid_by": by,
        }
        invoice["status_transitions"]["paid_at"] = account.now()
        record(account, "invoice.paid", invoice)
    set_delinquent(account, invoice["customer"], False)
    review_of(account, invoice)


def receive(account: Account, invoice: Obj, amount: int, by: str) -> None:
    """Money has come in: a part of what is due, all of it, or more, which the customer's balance takes."""
    if by == "payment_record":
        invoice["_off_stripe"] = invoice.get("_off_stripe", 0) + amount
    over = amount - invoice["amount_remaining"]
    if over < 0:
        with updating(account, invoice, "invoice.updated"):
            invoice["amount_paid"] += amount
            invoice["amount_remaining"] -= amount
        payments.follow_remaining(account, invoice)
        return
    if over:
        invoice["amount_overpaid"] += over
    payments.cancel(account, invoice, "automatic")
    settle(account, invoice, by)
    customer = account.customers[invoice["customer"]]
    if over:
        record(account, "invoice.overpaid", invoice)
        if not customer.get("deleted"):
            balances.move(account, customer, -over, "invoice_overpaid", invoice=invoice["id"])


def void(account: Account, invoice: Obj) -> None:
    """open or uncollectible → void. Whether a used balance comes back is `account.void_returns_balance`."""
    for status in ("paid", "open"):
        if invoice["status"] == "paid" or payments.has(account, invoice, status):
            raise invalid(f"Invoices with `{status}` payments cannot be voided.")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(NOT_OPEN)
    payments.cancel(account, invoice, "void_invoice")
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["voided_at"] = account.now()
        record(account, "invoice.voided", invoice)
    used = invoice["ending_balance"] - invoice["starting_balance"]
    if used and account.void_returns_balance:
        customer = account.customers[invoice["customer"]]
        if not customer.get("deleted"):
            balances.move(account, customer, -used, "unapplied_from_invoice", invoice=invoice["id"])
    review_of(account, invoice)


def mark_uncollectible(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "uncollectible":
        raise invalid("This invoice has already been marked uncollectible.")
    if invoice["status"] != "open":
        raise invalid(NOT_OPEN)
    if payments.has(account, invoice, "open"):
        raise invalid("Invoices with `open` payments cannot be marked uncollectible.")
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
        record(account, "invoice.marked_uncollectible", invoice)
    review_of(account, invoice)


def credited_to_zero(account: Account, invoice: Obj) -> None:
    """A credit note took the rest: Stripe settles the invoice by itself."""
    payments.cancel(account, invoice, "automatic")
    settle(account, invoice, "credit_note")
