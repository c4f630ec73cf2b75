"""Payment intents: one amount to be taken, over as many tries as it needs.

requires_payment_method → (requires_action →) processing | succeeded, or back. What a try means for an invoice is in
`collection.py`. Docs: payments/paymentintents/lifecycle.
"""

from __future__ import annotations

from gateway.sandbox.stripe import charges, hosting
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, public
from gateway.sandbox.stripe.payment_methods import behaviour
from gateway.sandbox.stripe.store import Account

OVER = ("succeeded", "canceled")
NOT_AUTHENTICATED = {
    "code": "payment_intent_authentication_failure",
    "message": (
        "We are unable to authenticate your payment method. Please choose a different payment method and try again."
    ),
    "type": "invalid_request_error",
}


def make(account: Account, amount: int, currency: str, customer: str | None) -> Obj:
    id = new_id("pi")
    local = {"eur": "sepa_debit", "usd": "us_bank_account"}.get(currency)
    intent: Obj = {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{id}_secret_{new_id('x')[3:]}",
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": currency,
        "customer": customer,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"] + ([local] if local else []),
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        "_invoice": None,
        "_action": None,  # the method whose payer is being asked
    }
    return account.payment_intents.add(id, intent)


def confirm(account: Account, intent: Obj, method: Obj, *, off_session: bool, return_url: str | None = None) -> str:
    """Try to take the money: ``succeeded``, ``processing``, ``declined``, or ``requires_action`` of the payer."""
    asks = behaviour(method).asks
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if asks == "always" or (asks == "unless_set_up" and not (off_session and method["_set_up"])):
        intent |= {
            "status": "requires_action",
            "next_action": hosting.next_action(account, intent, return_url),
            "_action": method["id"],
        }
        record(account, "payment_intent.requires_action", intent)
        return "requires_action"
    return take(account, intent, method)


def take(account: Account, intent: Obj, method: Obj) -> str:
    """The try itself, once the payer needn't be asked any more."""
    kind = behaviour(method)
    intent |= {"next_action": None, "_action": None}
    if kind.kind != "card":
        charge = charges.make(account, intent, method, "pending")
        intent |= {"status": "processing", "latest_charge": charge["id"], "payment_method": method["id"]}
        record(account, "payment_intent.processing", intent)
        return "processing"
    charge = charges.make(account, intent, method, "failed" if kind.decline else "succeeded")
    return _end(account, intent, method, charge)


def finish(account: Account, intent: Obj) -> str:
    """A bank debit comes to its end: ``succeeded`` or ``declined``."""
    charge = account.charges[intent["latest_charge"]]
    method = account.payment_methods[intent["payment_method"]]
    charges.finish(account, charge, method, "failed" if behaviour(method).decline else "succeeded")
    return _end(account, intent, method, charge)


def _end(account: Account, intent: Obj, method: Obj, charge: Obj) -> str:
    intent["latest_charge"] = charge["id"]
    why = behaviour(method).decline
    if charge["status"] == "failed" and why is not None:
        reason = {"decline_code": why.reason} if why.reason else {}
        failed(
            account,
            intent,
            {"type": "card_error", "code": why.code, "message": why.message, "charge": charge["id"], **reason},
            method,
        )
        return "declined"
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    record(account, "payment_intent.succeeded", intent)
    return "succeeded"


def failed(account: Account, intent: Obj, error: Obj, method: Obj) -> None:
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": {**error, "payment_method": public(method)},
        "_action": None,
    }
    record(account, "payment_intent.payment_failed", intent)


def authenticated(account: Account, intent: Obj, *, done: bool) -> str:
    """The payer has answered on the page: the try goes on, or has failed."""
    method = account.payment_methods[intent["_action"]]
    if done:
        return take(account, intent, method)
    failed(account, intent, NOT_AUTHENTICATED, method)
    return "declined"


def cancel(account: Account, intent: Obj, reason: str | None) -> None:
    """Chosen where the documents are silent: a debit under way is called back with its intent, and fails."""
    if intent["status"] == "processing":
        charge = account.charges[intent["latest_charge"]]
        charges.finish(account, charge, account.payment_methods[intent["payment_method"]], "failed")
    if intent["status"] not in OVER:
        intent |= {
            "status": "canceled", "canceled_at": account.now(), "cancellation_reason": reason, "next_action": None,
        }  # fmt: skip
        record(account, "payment_intent.canceled", intent)
