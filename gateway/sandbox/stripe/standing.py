"""A subscription's status, driven by its invoices.

Only the most recent finalized invoice that is not void counts (docs: billing/subscriptions/overview): open and past
its due date makes past_due, paid or uncollectible makes active, voiding walks back to the one before. Assumed, where
the documents are silent: the same holds with auto_advance=false; a first payment that is still processing (a bank
debit) makes active, since it outlasts the 23 hours of an incomplete subscription; after dunning has made a subscription
unpaid, only a paid invoice makes it active.
"""

from __future__ import annotations

from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account

ENDED = ("canceled", "incomplete_expired")


def subscription_of(account: Account, invoice: Obj) -> Obj | None:
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return account.subscriptions.get(details.get("subscription") or "")


def review_of(account: Account, invoice: Obj) -> None:
    """Review the subscription behind an invoice, if there is one."""
    subscription = subscription_of(account, invoice)
    if subscription is not None:
        review(account, subscription)


def review(account: Account, subscription: Obj) -> None:
    """Set the status that the invoices say, with customer.subscription.updated if it changes."""
    if subscription["status"] in ENDED:
        return
    if subscription["status"] == "paused":
        _review_paused(account, subscription)
        return
    status = _status(account, subscription)
    if status != "unpaid":
        subscription["_unpaid"] = False
    if status != subscription["status"]:
        with updating(account, subscription, "customer.subscription.updated"):
            subscription["status"] = status


def _review_paused(account: Account, subscription: Obj) -> None:
    """A paused subscription resumes when its resumption invoice is paid or uncollectible (docs: resume)."""
    invoice = account.invoices.get(subscription.get("_resumption") or "")
    if invoice is not None and invoice["status"] in ("paid", "uncollectible"):
        resumed(account, subscription)


def resumed(account: Account, subscription: Obj) -> None:
    with updating(account, subscription, "customer.subscription.updated"):
        subscription |= {"status": "active", "_resumption": None}
        record(account, "customer.subscription.resumed", subscription)


def _status(account: Account, subscription: Obj) -> str:
    calm = "trialing" if (subscription["trial_end"] or 0) > account.now() else "active"
    for id in reversed(account.invoices_of_subscription.get(subscription["id"], [])):
        invoice = account.invoices.get(id)
        if invoice is None or invoice["status"] in ("draft", "void"):
            continue
        if invoice["status"] == "paid":
            return calm
        if subscription.get("_unpaid"):
            return "unpaid"
        if invoice["status"] != "open":
            return calm
        if invoice["collection_method"] == "send_invoice":
            return "past_due" if invoice["due_date"] <= account.now() else calm
        return _collected(account, subscription, invoice, calm)
    return calm


def _collected(account: Account, subscription: Obj, invoice: Obj, calm: str) -> str:
    """With an open invoice that Stripe collects itself."""
    intent = account.payment_intents.get(invoice.get("_payment_intent") or "", {})
    if intent.get("status") == "processing":
        return calm
    if subscription["status"] == "incomplete":
        return "incomplete"
    return "past_due" if invoice["attempted"] else calm


def end(account: Account, subscription: Obj, details: Obj) -> None:
    """→ canceled. Stripe stops advancing its invoices by itself; they stay collectible."""
    now = account.now()
    subscription |= {"status": "canceled", "canceled_at": subscription["canceled_at"] or now, "ended_at": now}
    subscription["cancellation_details"] |= details
    for id in account.invoices_of_subscription.get(subscription["id"], []):
        invoice = account.invoices.get(id)
        if invoice is not None and invoice["status"] in ("draft", "open") and invoice["auto_advance"]:
            hold(account, invoice)
    record(account, "customer.subscription.deleted", subscription)
    schedule = account.subscription_schedules.get(subscription["schedule"] or "")
    if schedule is not None and schedule["status"] == "active":
        schedule |= {"status": "canceled", "canceled_at": now, "current_phase": None}
        record(account, "subscription_schedule.canceled", schedule)


def hold(account: Account, invoice: Obj) -> None:
    """Nothing more happens to it by itself."""
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"auto_advance": False, "automatically_finalizes_at": None, "next_payment_attempt": None}
