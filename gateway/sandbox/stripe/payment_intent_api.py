"""The endpoints of payment intents, as far as invoices need them: captured at once, confirmed with a payment method.

An invoice's own intent can be confirmed by the payer; it is cancelled with its invoice only.
"""

from __future__ import annotations

from gateway.sandbox.stripe import collection, intents, payment_intents
from gateway.sandbox.stripe.errors import card_error, invalid
from gateway.sandbox.stripe.money import MINIMUM
from gateway.sandbox.stripe.objects import Obj, in_range, listing, public
from gateway.sandbox.stripe.payment_methods import AUTOMATIC, attach, for_payment
from gateway.sandbox.stripe.routes import PAGE, Call, route
from gateway.sandbox.stripe.store import Account

CONFIRM = "payment_method off_session:bool return_url"
FIXED = (*payment_intents.OVER, "processing")
"""What an intent in one of these states is, it stays, but for its description and metadata."""


@route(
    "POST",
    "/v1/payment_intents",
    "*amount:int *currency customer description metadata:map confirm:bool payment_method_types:[str] "
    f"setup_future_usage:off_session|on_session {AUTOMATIC} {CONFIRM}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    currency = params["currency"].lower()
    if params["amount"] < max(1, MINIMUM.get(currency, 0)):
        raise invalid("Amount must be at least the minimum charge amount.", code="amount_too_small", param="amount")
    customer, method = intents.meant_for(account, params)
    intent = payment_intents.make(account, params["amount"], currency, customer)
    intents.begin(account, intent, method, params, ("description", "setup_future_usage", "payment_method_types"))
    if params.get("confirm"):
        _confirm(account, intent, params)
    return intent


def _confirm(account: Account, intent: Obj, params: Obj) -> None:
    id = params.get("payment_method") or intent["payment_method"]
    if id is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
        )
    method = for_payment(account, id, intent["customer"])
    off_session = params.get("off_session", False)
    invoice = account.invoices.get(intent["_invoice"] or "")
    if invoice is not None and invoice["_payment_intent"] == intent["id"]:
        intent["amount"] = invoice["amount_remaining"]
    outcome = payment_intents.confirm(
        account, intent, method, off_session=off_session, return_url=params.get("return_url")
    )
    _keep_method(account, intent, method, outcome)
    collection.after(account, intent, outcome)
    if outcome == "declined":
        error = intent["last_payment_error"]
        raise card_error(
            error["message"],
            error["code"],
            error.get("decline_code"),
            charge=intent["latest_charge"],
            payment_intent=public(intent),
            payment_method=error["payment_method"],
        )


def _keep_method(account: Account, intent: Obj, method: Obj, outcome: str) -> None:
    """setup_future_usage saves what has paid."""
    customer = account.customers.get(intent["customer"] or "")
    if intent["setup_future_usage"] and customer is not None and outcome in ("succeeded", "processing"):
        attach(account, method, customer)


@route("GET", "/v1/payment_intents/{id}", "client_secret")
def retrieve(call: Call) -> Obj:
    return call.account.payment_intents.need(call.id)


@route("POST", "/v1/payment_intents/{id}", "amount:int description metadata:map? payment_method")
def update(call: Call) -> Obj:
    account, params, intent = call.account, call.params, call.account.payment_intents.need(call.id)
    if params.keys() - {"metadata", "description", "expand"}:
        intents.refuse_over(intent, "update", FIXED)
    if "amount" in params and intent["_invoice"]:
        raise invalid("The amount of an invoice's PaymentIntent can't be changed.", param="amount")
    intents.change(account, intent, params, ("amount", "description"))
    return intent


@route("POST", "/v1/payment_intents/{id}/confirm", f"client_secret {CONFIRM}")
def confirm(call: Call) -> Obj:
    intent = call.account.payment_intents.need(call.id)
    intents.refuse_over(intent, "confirm", FIXED)
    _confirm(call.account, intent, call.params)
    return intent


@route(
    "POST",
    "/v1/payment_intents/{id}/cancel",
    "cancellation_reason:abandoned|duplicate|fraudulent|requested_by_customer",
)
def cancel(call: Call) -> Obj:
    intent = call.account.payment_intents.need(call.id)
    if intent["_invoice"]:
        raise invalid("This PaymentIntent belongs to an invoice and can't be canceled directly.")
    intents.refuse_over(intent, "cancel", FIXED)
    payment_intents.cancel(call.account, intent, call.params.get("cancellation_reason"))
    return intent


@route("GET", "/v1/payment_intents", f"customer created:range {PAGE}")
def index(call: Call) -> Obj:
    params = call.params

    def keep(intent: Obj) -> bool:
        return params.get("customer") in (None, intent["customer"]) and in_range(
            intent["created"], params.get("created")
        )

    return listing("/v1/payment_intents", *call.account.payment_intents.page(params, keep))
