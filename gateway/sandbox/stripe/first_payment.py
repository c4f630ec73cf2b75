"""The first payment of a charge_automatically subscription: what `payment_behavior` makes of it.

Docs: api/subscriptions/create, billing/subscriptions/overview. error_if_incomplete is decided before anything is made,
by the payment method alone: a first invoice that discounts bring to zero needs one here as well.
"""

from __future__ import annotations

from gateway.sandbox.stripe import cycle, invoices, payment_methods, payments, setup_intents
from gateway.sandbox.stripe.collection import default_method, usable_payment_method
from gateway.sandbox.stripe.errors import card_error, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


def check(params: Obj) -> None:
    if params.get("payment_behavior") == "pending_if_incomplete":
        raise invalid(
            "`pending_if_incomplete` can only be used when a subscription is updated.", param="payment_behavior"
        )


def check_payable(account: Account, customer: Obj, params: Obj, method_id: str | None) -> None:
    """error_if_incomplete: refuse to begin what would not be paid at once."""
    if params.get("payment_behavior") != "error_if_incomplete":
        return
    id = method_id or customer["invoice_settings"]["default_payment_method"]
    if id is None:
        raise invalid(
            "This customer has no attached payment source or default payment method. Please consider adding a default "
            "payment method.",
            code="resource_missing",
        )
    method = payment_methods.for_payment(account, id, customer["id"], "default_payment_method")
    kind = payment_methods.behaviour(method)
    if kind.decline is not None:
        raise payment_methods.declined(method)
    if kind.asks == "always" or (kind.asks and not method["_set_up"]):
        raise card_error(
            "Subscription creation failed because the payment requires additional user action.",
            "subscription_payment_intent_requires_action",
        )


def collect(account: Account, subscription: Obj, first: Obj | None, params: Obj) -> None:
    """Finalize the first invoice, and try to collect it unless default_incomplete leaves that to the payer.

    Usage alone is billed later: there is no first invoice."""
    if first is None:
        if default_method(account, subscription) is None:
            _ask_for_method(account, subscription)
        return
    wait = params.get("payment_behavior") == "default_incomplete"
    invoices.finalize(account, first, collect=not wait)
    if subscription["status"] == "incomplete":
        cycle.watch_incomplete(account, subscription)
        if wait:
            _offer_default(account, first)
    elif first["amount_due"] == 0 and usable_payment_method(account, first) is None:
        _ask_for_method(account, subscription)


def _offer_default(account: Account, invoice: Obj) -> None:
    """A payer with a default method only has to confirm."""
    method, intent = usable_payment_method(account, invoice), payments.intent_of(account, invoice)
    if method is not None and intent is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}


def _ask_for_method(account: Account, subscription: Obj) -> None:
    """Nothing is due yet, but will be: a setup intent waits for the payer."""
    intent = setup_intents.make(account, subscription["customer"])
    intent["_subscription"] = subscription["id"]
    record(account, "setup_intent.created", intent)
    with updating(account, subscription, "customer.subscription.updated"):
        subscription["pending_setup_intent"] = intent["id"]
