"""The life of an invoice from its finalization: open, paid, void, uncollectible. Before that: `drafts.py`.

Rules and texts: docs invoicing/integration/workflow-transitions, billing/invoices/subscription, customer balance;
error texts as recorded.
"""

from __future__ import annotations

from functools import partial

from gateway.sandbox.stripe import payments, usage_lines
from gateway.sandbox.stripe.collection import (
    attempt,
    collect_automatically,
    review_subscription,
    settle,
    usable_payment_method,
)
from gateway.sandbox.stripe.errors import card_declined, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.money import MINIMUM
from gateway.sandbox.stripe.objects import Obj, public
from gateway.sandbox.stripe.standing import subscription_of
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import UNKNOWN_LOCATION, location
from gateway.sandbox.stripe.totals import recompute

NOT_OPEN = "You can only pass in open invoices. This invoice isn't open."
NEEDS_DUE = "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'."


def finalize(account: Account, invoice: Obj, *, auto_advance: bool | None = None, collect: bool = True) -> None:
    """draft → open, or at once paid where nothing, or less than Stripe's minimum, is due."""
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    customer = account.customers[invoice["customer"]]
    if invoice["automatic_tax"]["enabled"] and location(account, customer) is None:
        _fail_finalization(account, invoice)
    with updating(account, invoice, "invoice.updated"):
        usage_lines.close(account, invoice, subscription_of(account, invoice))
        recompute(account, invoice)
        _take_balance(account, invoice, customer)
        now = account.now()
        invoice |= {
            "status": "open",
            "auto_advance": invoice["auto_advance"] if auto_advance is None else auto_advance,
            "automatically_finalizes_at": None,
            "effective_at": now,
            "hosted_invoice_url": f"https://invoice.stripe.com/i/{account.id}/test_{invoice['id']}?s=ap",
            "invoice_pdf": f"https://pay.stripe.com/invoice/{account.id}/test_{invoice['id']}/pdf?s=ap",
            "last_finalization_error": None,
            "number": invoice["number"] or _number(account, customer),
        }
        invoice["status_transitions"]["finalized_at"] = now
        account.drafts_of_customer[customer["id"]].pop(invoice["id"], None)
        if invoice["amount_due"]:
            payments.open_default(account, invoice)
        record(account, "invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        invoice["attempted"] = True  # recorded: attempted=true, attempt_count=0
        settle(account, invoice, "nothing_due")
        return
    if invoice["collection_method"] == "send_invoice":
        account.clock.at(max(invoice["due_date"], now), partial(_due, account, invoice))
        if account.sends_invoice_mails and customer.get("email") and invoice["auto_advance"]:
            record(account, "invoice.sent", invoice)
    elif collect and invoice["auto_advance"]:
        collect_automatically(account, invoice)
    review_subscription(account, invoice)


def _fail_finalization(account: Account, invoice: Obj) -> None:
    error = {"code": "customer_tax_location_invalid", "message": UNKNOWN_LOCATION, "type": "invalid_request_error"}
    invoice["last_finalization_error"] = error
    invoice["automatic_tax"]["status"] = "requires_location_inputs"
    record(account, "invoice.finalization_failed", invoice)
    raise invalid(UNKNOWN_LOCATION, code="customer_tax_location_invalid")


def _take_balance(account: Account, invoice: Obj, customer: Obj) -> None:
    """The customer balance goes in before the amount due; what is too small to charge goes out to it."""
    balance = customer["balance"]
    due = max(0, invoice["total"] + balance)
    ending = min(0, invoice["total"] + balance)
    if 0 < due < MINIMUM.get(invoice["currency"], 0):
        ending, due = ending + due, 0
    invoice |= {"starting_balance": balance, "ending_balance": ending, "amount_due": due, "amount_remaining": due}
    if ending != balance:
        with updating(account, customer, "customer.updated"):
            customer["balance"] = ending


def _number(account: Account, customer: Obj) -> str:
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    return number


def _due(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "open":
        review_subscription(account, invoice)


def pay(account: Account, invoice: Obj, *, out_of_band: bool, payment_method: str | None) -> None:
    """Pay on a draft finalizes first; uncollectible can still be paid; paid, void and unknown cannot."""
    if invoice["status"] == "draft":
        finalize(account, invoice, collect=False)
        if invoice["status"] == "paid":
            return
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    if invoice["status"] == "void":
        raise invalid(NOT_OPEN)
    if out_of_band:
        payments.out_of_band(account, invoice)
        settle(account, invoice, "out_of_band")
        return
    method = payment_method or usable_payment_method(account, invoice)
    if method is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please attach a payment method "
            "and set it as the default, or pass one with `payment_method`.",
        )
    intent = payments.intent_of(account, invoice)
    if intent is not None and intent["status"] == "processing":
        raise invalid(
            "This invoice has a payment that is still processing.", code="invoice_payment_intent_requires_action"
        )
    if attempt(account, invoice, method) == "declined":
        raise card_declined(public(payments.intent_of(account, invoice)))


def void(account: Account, invoice: Obj) -> None:
    """open or uncollectible → void. Whether a used balance comes back is `account.void_returns_balance`."""
    if invoice["status"] == "paid":
        raise invalid("Invoices with `paid` payments cannot be voided.")
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
            with updating(account, customer, "customer.updated"):
                customer["balance"] -= used
    review_subscription(account, invoice)


def mark_uncollectible(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "uncollectible":
        raise invalid("This invoice has already been marked uncollectible.")
    if invoice["status"] != "open":
        raise invalid(NOT_OPEN)
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
        record(account, "invoice.marked_uncollectible", invoice)
    review_subscription(account, invoice)


def credited_to_zero(account: Account, invoice: Obj) -> None:
    """A credit note took the rest: Stripe settles the invoice by itself."""
    payments.cancel(account, invoice, "automatic")
    settle(account, invoice, "credit_note")
