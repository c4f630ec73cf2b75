"""How an invoice comes to be paid: by a payment at Stripe, tried here; or settled by what others say of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.sandbox.stripe import payments
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.standing import review, subscription_of
from gateway.sandbox.stripe.store import Account


def review_subscription(account: Account, invoice: Obj) -> None:
    subscription = subscription_of(account, invoice)
    if subscription is not None:
        review(account, subscription)


def settle(account: Account, invoice: Obj, by: str) -> None:
    """→ paid. invoice.paid for every route; invoice.payment_succeeded is the caller's, for Stripe payments only."""
    with updating(account, invoice, "invoice.updated"):
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
    review_subscription(account, invoice)


def usable_payment_method(account: Account, invoice: Obj) -> str | None:
    """The default of invoice, subscription or customer, in this order; ``pm_…`` names only."""
    subscription = subscription_of(account, invoice) or {}
    customer = account.customers[invoice["customer"]]
    settings = customer.get("invoice_settings") or {}
    sources: list[Any] = [
        invoice["default_payment_method"],
        subscription.get("default_payment_method"),
        settings.get("default_payment_method"),
    ]
    return next((name for name in sources if name), None)


def collect_automatically(account: Account, invoice: Obj) -> None:
    """What Stripe does itself for charge_automatically. Later retries (Smart Retries) are not played."""
    method = usable_payment_method(account, invoice)
    outcome = "declined" if method is None else attempt(account, invoice, method)
    if method is None:
        _failed(account, invoice)
    elif outcome == "declined":
        review_subscription(account, invoice)


def attempt(account: Account, invoice: Obj, payment_method: str) -> str:
    """One Stripe payment: succeeded (the invoice is paid), processing (still open), declined."""
    outcome = payments.charge(account, invoice, payment_method)
    if outcome == "declined":
        _failed(account, invoice)
        return outcome
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if outcome == "processing":
        when = account.now() + payments.PROCESSING_S
        account.clock.at(when, partial(_processed, account, invoice))
    else:
        settle(account, invoice, "stripe_payment")
        record(account, "invoice.payment_succeeded", invoice)
    return outcome


def _processed(account: Account, invoice: Obj) -> None:
    intent = payments.intent_of(account, invoice)
    if invoice["status"] == "open" and intent is not None and intent["status"] == "processing":
        payments.succeed(account, invoice)
        settle(account, invoice, "stripe_payment")
        record(account, "invoice.payment_succeeded", invoice)


def _failed(account: Account, invoice: Obj) -> None:
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1, "next_payment_attempt": None}
        record(account, "invoice.payment_failed", invoice)
    review_subscription(account, invoice)
