"""Finalizing and paying an invoice. Before: `drafts.py`; how it is collected and ends: `collection.py`, `closing.py`.

Rules and texts: docs invoicing/integration/workflow-transitions, billing/invoices/subscription, customer balance;
error texts as recorded.
"""

from __future__ import annotations

from gateway.sandbox.stripe import balances, dunning, hosting, payments, usage_lines
from gateway.sandbox.stripe.closing import NOT_OPEN, settle
from gateway.sandbox.stripe.collection import attempt, collect_automatically, usable_payment_method
from gateway.sandbox.stripe.errors import Refusal, card_error, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.money import MINIMUM
from gateway.sandbox.stripe.objects import Obj, public
from gateway.sandbox.stripe.payment_methods import for_payment
from gateway.sandbox.stripe.standing import review_of, subscription_of
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import UNKNOWN_LOCATION, location
from gateway.sandbox.stripe.totals import recompute

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
            **hosting.of_invoice(account, invoice),
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
        dunning.watch_due(account, invoice)
        if account.sends_invoice_mails and customer.get("email") and invoice["auto_advance"]:
            record(account, "invoice.sent", invoice)
    elif collect and invoice["auto_advance"]:
        collect_automatically(account, invoice)
    review_of(account, invoice)


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
    applied, small = min(0, invoice["total"] + balance) - balance, 0
    if 0 < due < MINIMUM.get(invoice["currency"], 0):
        small, due = due, 0
    ending = balance + applied + small
    invoice |= {"starting_balance": balance, "ending_balance": ending, "amount_due": due, "amount_remaining": due}
    if applied or small:
        with updating(account, customer, "customer.updated"):
            for amount, type in ((applied, "applied_to_invoice"), (small, "invoice_too_small")):
                if amount:
                    balances.book(account, customer, amount, type, invoice=invoice["id"])


def _number(account: Account, customer: Obj) -> str:
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    return number


def pay(
    account: Account, invoice: Obj, *, out_of_band: bool, payment_method: str | None, off_session: bool = True
) -> None:
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
    method = usable_payment_method(account, invoice)
    if payment_method is not None:
        method = for_payment(account, payment_method, invoice["customer"])
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
    outcome = attempt(account, invoice, method, off_session=off_session)
    if outcome in ("declined", "requires_action"):
        raise unpaid(account, invoice, outcome)


def unpaid(account: Account, invoice: Obj, outcome: str) -> Refusal:
    """The 402 of a payment that was declined, or that the payer has yet to authenticate."""
    intent = payments.intent_of(account, invoice) or {}
    if outcome == "requires_action":
        return card_error(
            "This payment requires additional user action before it can be completed successfully. Payment can be "
            "completed using the PaymentIntent associated with the invoice.",
            "invoice_payment_intent_requires_action",
            payment_intent=public(intent),
        )
    error = intent["last_payment_error"]
    return card_error(
        error["message"],
        error["code"],
        error.get("decline_code"),
        charge=intent["latest_charge"],
        payment_intent=public(intent),
        payment_method=error["payment_method"],
    )
