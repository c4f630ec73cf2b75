"""The last step of what stays unpaid: `account.dunning` says what becomes of subscription and invoice.

Docs: billing/revenue-recovery/smart-retries (charge_automatically), billing/subscriptions/overview and the Dashboard's
"manage invoices sent to customers" (send_invoice: 30, 60 or 90 days after the due date).
"""

from __future__ import annotations

from functools import partial

from gateway.sandbox.stripe.closing import mark_uncollectible
from gateway.sandbox.stripe.errors import Refusal
from gateway.sandbox.stripe.holders import set_delinquent
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.standing import ENDED, end, hold, review, review_of, subscription_of
from gateway.sandbox.stripe.store import Account

DAY_S = 86400


def next_retry(account: Account, invoice: Obj) -> int | None:
    """When a failed automatic try is followed by another; the first invoice of a subscription has its 23 hours only."""
    subscription = subscription_of(account, invoice)
    if subscription is not None and subscription["status"] in ("incomplete", *ENDED):
        return None
    days, done = account.dunning.retry_days, invoice.get("_retries", 0)
    return account.now() + days[done] * DAY_S if done < len(days) else None


def give_up(account: Account, invoice: Obj) -> None:
    """The last retry has failed."""
    subscription = subscription_of(account, invoice)
    if subscription is None or subscription["status"] != "incomplete":
        _last_step(account, invoice, account.dunning.subscription, account.dunning.invoice)


def watch_due(account: Account, invoice: Obj) -> None:
    """A send_invoice invoice becomes due, and later overdue for good."""
    due = max(invoice["due_date"], account.now())
    account.clock.at(due, partial(_due, account, invoice))
    account.clock.at(due + account.dunning.overdue_days * DAY_S, partial(_overdue, account, invoice))


def _due(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "open":
        set_delinquent(account, invoice["customer"], True)
        review_of(account, invoice)


def _overdue(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "open":
        _last_step(account, invoice, account.dunning.overdue_subscription, account.dunning.overdue_invoice)


def _last_step(account: Account, invoice: Obj, subscription_rule: str, invoice_rule: str) -> None:
    subscription = subscription_of(account, invoice)
    if subscription is not None and subscription["status"] not in ENDED:
        if subscription_rule == "cancel":
            end(account, subscription, {"reason": "payment_failed"})
        elif subscription_rule == "unpaid":
            _make_unpaid(account, subscription)
    if invoice_rule == "uncollectible" and invoice["status"] == "open":
        try:
            mark_uncollectible(account, invoice)
        except Refusal:
            return  # a payment beside the default one is under way: the invoice waits for it


def _make_unpaid(account: Account, subscription: Obj) -> None:
    """Only if its most recent invoice is what stays unpaid; drafts wait from now on."""
    subscription["_unpaid"] = True
    review(account, subscription)
    if subscription["status"] != "unpaid":
        return
    for id in account.invoices_of_subscription[subscription["id"]]:
        draft = account.invoices.get(id)
        if draft is not None and draft["status"] == "draft" and draft["auto_advance"]:
            hold(account, draft)
