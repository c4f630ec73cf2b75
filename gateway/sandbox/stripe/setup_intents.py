"""Setup intents: a payment method is saved for later, and its payer asked where the card wants it.

Docs: payments/setup-intents, api/setup_intents. On success the method is attached to the customer, if there is one.
"""

from __future__ import annotations

from gateway.sandbox.stripe import hosting, intents
from gateway.sandbox.stripe.errors import Refusal, card_error, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, public
from gateway.sandbox.stripe.payment_methods import AUTOMATIC, attach, behaviour, for_payment
from gateway.sandbox.stripe.routes import PAGE, Call, route
from gateway.sandbox.stripe.store import Account

OVER = ("succeeded", "canceled")
PLAIN = ("description", "payment_method_types")
ACCEPTANCE = (
    "mandate_data:{*customer_acceptance:{accepted_at:int *type:offline|online "
    "online:{ip_address user_agent} offline:{}}}?"
)


def make(account: Account, customer: str | None, usage: str = "off_session") -> Obj:
    id = new_id("seti")
    intent: Obj = {
        "id": id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{id}_secret_{new_id('x')[3:]}",
        "created": account.now(),
        "customer": customer,
        "description": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": usage,
    }
    return account.setup_intents.add(id, intent)


@route(
    "POST",
    "/v1/setup_intents",
    "customer payment_method payment_method_types:[str] usage:off_session|on_session description metadata:map "
    f"confirm:bool return_url {AUTOMATIC} {ACCEPTANCE}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    customer, method = intents.meant_for(account, params)
    intent = make(account, customer, params.get("usage", "off_session"))
    intents.begin(account, intent, method, params, PLAIN)
    if params.get("confirm"):
        _confirm(account, intent, method, params)
    return intent


def _confirm(account: Account, intent: Obj, method: Obj | None, params: Obj) -> None:
    if method is None:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a "
            "payment method and then confirm it again.",
            code="parameter_missing",
        )
    kind = behaviour(method)
    intent |= {"payment_method": method["id"], "last_setup_error": None}
    if kind.decline is not None and not kind.stores:
        why = kind.decline
        _fail(account, intent, method, card_error(why.message, why.code, why.reason))
        raise card_error(why.message, why.code, why.reason, setup_intent=public(intent))
    if kind.asks:
        action = hosting.next_action(account, intent, params.get("return_url"))
        intent |= {"status": "requires_action", "next_action": action}
        record(account, "setup_intent.requires_action", intent)
        return
    _succeed(account, intent, method)


def _fail(account: Account, intent: Obj, method: Obj, why: Refusal) -> None:
    error = {**why.error, "payment_method": public(method)}
    intent |= {
        "status": "requires_payment_method", "payment_method": None, "next_action": None, "last_setup_error": error,
    }  # fmt: skip
    record(account, "setup_intent.setup_failed", intent)


def _succeed(account: Account, intent: Obj, method: Obj) -> None:
    method["_set_up"] = intent["usage"] == "off_session"
    intent |= {"status": "succeeded", "next_action": None}
    customer = account.customers.get(intent["customer"] or "")
    if customer is not None and not customer.get("deleted"):
        attach(account, method, customer)
    record(account, "setup_intent.succeeded", intent)
    subscription = account.subscriptions.get(intent.get("_subscription", ""))
    if subscription is not None and subscription["pending_setup_intent"] == intent["id"]:
        with updating(account, subscription, "customer.subscription.updated"):
            subscription["pending_setup_intent"] = None
            if subscription["payment_settings"]["save_default_payment_method"] == "on_subscription":
                subscription["default_payment_method"] = method["id"]


def authenticated(account: Account, intent: Obj, *, done: bool) -> None:
    """The payer has answered on the page."""
    method = account.payment_methods[intent["payment_method"]]
    if done:
        _succeed(account, intent, method)
    else:
        text = "The latest attempt to set up the payment method has failed because authentication failed."
        _fail(account, intent, method, invalid(text, code="setup_intent_authentication_failure"))


@route("GET", "/v1/setup_intents/{id}", "client_secret")
def retrieve(call: Call) -> Obj:
    return call.account.setup_intents.need(call.id)


@route(
    "POST",
    "/v1/setup_intents/{id}",
    "customer payment_method payment_method_types:[str] description metadata:map?",
)
def update(call: Call) -> Obj:
    account, params, intent = call.account, call.params, call.account.setup_intents.need(call.id)
    if params.keys() - {"metadata", "description"}:
        intents.refuse_over(intent, "update", OVER)
    if "customer" in params:
        intent["customer"] = living(account, params["customer"], "customer")["id"]
    intents.change(account, intent, params, PLAIN)
    return intent


@route("POST", "/v1/setup_intents/{id}/confirm", f"client_secret payment_method return_url {ACCEPTANCE}")
def confirm(call: Call) -> Obj:
    account, params, intent = call.account, call.params, call.account.setup_intents.need(call.id)
    intents.refuse_over(intent, "confirm", OVER)
    id = params.get("payment_method") or intent["payment_method"]
    method = for_payment(account, id, intent["customer"]) if id else None
    _confirm(account, intent, method, params)
    return intent


@route("POST", "/v1/setup_intents/{id}/cancel", "cancellation_reason:abandoned|duplicate|requested_by_customer")
def cancel(call: Call) -> Obj:
    intent = call.account.setup_intents.need(call.id)
    intents.refuse_over(intent, "cancel", OVER)
    intent |= {
        "status": "canceled", "next_action": None, "cancellation_reason": call.params.get("cancellation_reason"),
    }  # fmt: skip
    record(call.account, "setup_intent.canceled", intent)
    return intent


@route("GET", "/v1/setup_intents", f"customer payment_method created:range {PAGE}")
def index(call: Call) -> Obj:
    params = call.params

    def keep(intent: Obj) -> bool:
        wanted = all(params.get(name) in (None, intent[name]) for name in ("customer", "payment_method"))
        return wanted and in_range(intent["created"], params.get("created"))

    return listing("/v1/setup_intents", *call.account.setup_intents.page(params, keep))
