"""How Stripe collects an invoice: a try with a payment method, what its outcome means, and the tries that follow.

A try succeeds, is declined, keeps processing (bank debits), or asks the payer to authenticate. Automatic tries follow
`account.dunning`. attempt_count counts any first try and then the automatic ones only (API description, Invoice).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.sandbox.stripe import disputes, dunning, payment_intents, payments
from gateway.sandbox.stripe.closing import receive
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import set_delinquent
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.payment_methods import attach
from gateway.sandbox.stripe.ready_made import DEBIT_S
from gateway.sandbox.stripe.standing import review_of, subscription_of
from gateway.sandbox.stripe.store import Account


def usable_payment_method(account: Account, invoice: Obj) -> Obj | None:
    """The default of invoice, subscription or customer, in this order."""
    own = invoice["default_payment_method"]
    if own:
        return account.payment_methods[own]
    return default_method(account, subscription_of(account, invoice) or invoice)


def default_method(account: Account, owner: Obj) -> Obj | None:
    """The default of a subscription, or of the customer of any object."""
    settings = account.customers[owner["customer"]].get("invoice_settings") or {}
    sources: list[Any] = [owner["default_payment_method"], settings.get("default_payment_method")]
    return next((account.payment_methods[id] for id in sources if id), None)


def collect_automatically(account: Account, invoice: Obj) -> None:
    """The try that Stripe makes by itself."""
    method = usable_payment_method(account, invoice)
    if method is None:
        _failed(account, invoice, "declined", automatic=True)
    else:
        attempt(account, invoice, method, automatic=True)


def attempt(
    account: Account,
    invoice: Obj,
    method: Obj,
    *,
    automatic: bool = False,
    off_session: bool = True,
    return_url: str | None = None,
) -> str:
    """One try of the default payment: ``succeeded``, ``processing``, ``declined`` or ``requires_action``."""
    intent = payments.intent_of(account, invoice)
    assert intent is not None, f"{invoice['id']} has an amount due and no payment intent"
    intent["amount"] = invoice["amount_remaining"]
    outcome = payment_intents.confirm(account, intent, method, off_session=off_session, return_url=return_url)
    after(account, intent, outcome, automatic=automatic)
    return outcome


def after(account: Account, intent: Obj, outcome: str, *, automatic: bool = False) -> None:
    """What the outcome of a try means: for the invoice, and for what comes later."""
    invoice = account.invoices.get(intent["_invoice"] or "")
    if outcome == "processing":
        account.clock.at(account.now() + DEBIT_S, partial(_processed, account, intent, automatic))
    if invoice is not None:
        if outcome in ("declined", "requires_action"):
            _failed(account, invoice, outcome, automatic=automatic)
        else:
            _count(invoice, automatic=automatic)
            if outcome == "succeeded":
                credit(account, invoice, intent)
            else:
                review_of(account, invoice)
    if outcome == "succeeded":
        disputes.follow(account, account.charges[intent["latest_charge"]])


def _count(invoice: Obj, *, automatic: bool) -> None:
    if automatic or not invoice["attempt_count"]:
        invoice["attempt_count"] += 1
    invoice["attempted"] = True


def credit(account: Account, invoice: Obj, intent: Obj) -> None:
    """An intent that belongs to the invoice has its money."""
    row = payments.row_of(account, invoice, "payment_intent", intent["id"])
    assert row is not None
    row["amount_requested"] = intent["amount_received"]
    payments.paid(account, row)
    _save_default(account, invoice, intent)
    receive(account, invoice, intent["amount_received"], "stripe_payment")
    if invoice["status"] == "paid":
        record(account, "invoice.payment_succeeded", invoice)


def _save_default(account: Account, invoice: Obj, intent: Obj) -> None:
    """payment_settings.save_default_payment_method=on_subscription: what paid becomes the default."""
    subscription = subscription_of(account, invoice)
    if subscription is None or subscription["payment_settings"]["save_default_payment_method"] != "on_subscription":
        return
    method, customer = account.payment_methods[intent["payment_method"]], account.customers[invoice["customer"]]
    if method["customer"] is None and not customer.get("deleted"):
        attach(account, method, customer)
    if subscription["default_payment_method"] != method["id"]:
        with updating(account, subscription, "customer.subscription.updated"):
            subscription["default_payment_method"] = method["id"]


def _processed(account: Account, intent: Obj, automatic: bool) -> None:
    """A bank debit has come to its end, unless it was cancelled meanwhile. The try was counted when it began."""
    if intent["status"] != "processing":
        return
    outcome = payment_intents.finish(account, intent)
    invoice = account.invoices.get(intent["_invoice"] or "")
    if invoice is not None and outcome == "succeeded":
        credit(account, invoice, intent)
    elif invoice is not None:
        _failed(account, invoice, outcome, automatic=automatic, count=False)
    if outcome == "succeeded":
        disputes.follow(account, account.charges[intent["latest_charge"]])


def _failed(account: Account, invoice: Obj, outcome: str, *, automatic: bool, count: bool = True) -> None:
    """invoice.payment_failed; payment_action_required if it is for the payer to act. Then dunning goes on."""
    last = False
    with updating(account, invoice, "invoice.updated"):
        if count:
            _count(invoice, automatic=automatic)
        if automatic and invoice["auto_advance"]:
            invoice["next_payment_attempt"] = dunning.next_retry(account, invoice)
            last = invoice["next_payment_attempt"] is None
        if outcome == "declined" or automatic:
            record(account, "invoice.payment_failed", invoice)
        if outcome == "requires_action":
            record(account, "invoice.payment_action_required", invoice)
    if automatic:
        set_delinquent(account, invoice["customer"], True)
    review_of(account, invoice)
    if last:
        dunning.give_up(account, invoice)
    elif automatic and invoice["next_payment_attempt"] is not None:
        when = invoice["next_payment_attempt"]
        account.clock.at(when, partial(_retry, account, invoice, when))


def _retry(account: Account, invoice: Obj, when: int) -> None:
    intent = payments.intent_of(account, invoice)
    waits = intent is not None and intent["status"] == "processing"
    if invoice["status"] != "open" or invoice["next_payment_attempt"] != when or waits or not invoice["auto_advance"]:
        return
    invoice["_retries"] = invoice.get("_retries", 0) + 1
    collect_automatically(account, invoice)
