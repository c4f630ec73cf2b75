"""POST /v1/subscriptions/{id}/migrate: from classic to flexible billing mode, never back (docs: migrate)."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.subscriptions import shown_mode


@route(
    "POST",
    "/v1/subscriptions/{id}/migrate",
    "*billing_mode:{*type:flexible flexible:{proration_discounts:included|itemized}}",
)
def migrate(call: Call) -> Obj:
    account, subscription = call.account, call.account.subscriptions.need(call.id)
    if subscription["status"] in ENDED:
        raise invalid("A subscription that has ended can't be migrated.")
    if subscription["billing_mode"]["type"] == "flexible":
        raise invalid("The subscription is in flexible billing mode already.", param="billing_mode")
    with updating(account, subscription, "customer.subscription.updated"):
        subscription["billing_mode"] = {**shown_mode(call.params["billing_mode"]), "updated_at": account.now()}
    return subscription
