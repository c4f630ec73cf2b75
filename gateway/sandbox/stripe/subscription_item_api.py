"""The endpoints of subscription items: each is a change of its subscription."""

from __future__ import annotations

from typing import Any

from gateway.sandbox.stripe import cycle
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.objects import Obj, listing
from gateway.sandbox.stripe.routes import PAGE, Call, route
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscription_changes import PRORATION, change
from gateway.sandbox.stripe.subscription_items import ITEM

BEHAVIOR = "payment_behavior:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete"
CHANGE = ("proration_behavior", "proration_date")


def _item(call: Call) -> Obj:
    item = call.account.subscription_items.need(call.id)
    if item.get("_removed"):
        raise missing("subscription item", call.id)
    return item


def _change(account: Account, id: str, entry: Obj, params: Obj) -> Obj:
    """One entry of ``items`` on the subscription `id`, announced with customer.subscription.updated."""
    subscription = account.subscriptions.need(id, "subscription")
    if subscription["status"] in ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    wanted: dict[str, Any] = {"items": [entry], **{k: params[k] for k in CHANGE if k in params}}
    with updating(account, subscription, "customer.subscription.updated"):
        change(account, subscription, wanted)
    return subscription


def _entry(params: Obj) -> Obj:
    return {k: v for k, v in params.items() if k not in (*CHANGE, "subscription", "payment_behavior", "off_session")}


@route("POST", "/v1/subscription_items", f"*subscription {ITEM} {PRORATION} {BEHAVIOR}")
def create(call: Call) -> Obj:
    params = call.params
    subscription = _change(call.account, params["subscription"], _entry(params), params)
    return cycle.items_of(subscription)[-1]


@route("GET", "/v1/subscription_items/{id}")
def retrieve(call: Call) -> Obj:
    return _item(call)


@route("POST", "/v1/subscription_items/{id}", f"{ITEM} {PRORATION} {BEHAVIOR} off_session:bool")
def update(call: Call) -> Obj:
    item, params = _item(call), call.params
    _change(call.account, item["subscription"], {"id": call.id, **_entry(params)}, params)
    return call.account.subscription_items[call.id]


@route("DELETE", "/v1/subscription_items/{id}", f"clear_usage:bool {PRORATION} {BEHAVIOR}")
def delete(call: Call) -> Obj:
    item, params = _item(call), call.params
    _change(call.account, item["subscription"], {"id": call.id, "deleted": True, **_entry(params)}, params)
    return {"id": call.id, "object": "subscription_item", "deleted": True}


@route("GET", "/v1/subscription_items", f"*subscription {PAGE}")
def index(call: Call) -> Obj:
    account, params = call.account, call.params
    subscription = account.subscriptions.need(params["subscription"], "subscription")
    ids = [item["id"] for item in cycle.items_of(subscription)]
    return listing("/v1/subscription_items", *account.subscription_items.page(params, None, ids))
