"""POST /v1/invoices/create_preview: the engine itself, run in a shadow of the account.

`next` is the invoice that comes next with the changes applied: at once, where the change bills at once, else at the
period's end. `recurring` is the next whole period without one-off items and prorations (docs: api/invoices/
create_preview; that usage is shown in both modes is chosen). The line pages of the last previews are kept.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox.stripe import cycle, drafts, subscriptions
from gateway.sandbox.stripe.errors import Refusal, invalid
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.invoice_items import ITEM_FIELDS, item_from, pending, take
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.shadow import shadow_of
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscription_changes import PRORATION, change
from gateway.sandbox.stripe.subscription_items import ITEM

DETAILS = (
    f"{{items:[{{id deleted:bool clear_usage:bool {ITEM}}}] billing_cycle_anchor:int|now|unchanged "
    "cancel_at:int|max_period_end|min_period_end? cancel_at_period_end:bool cancel_now:bool default_tax_rates:[str]? "
    f"{subscriptions.MODE} {PRORATION} trial_end:int|now}}"
)
NEW = ("billing_cycle_anchor", "billing_mode", "cancel_at", "cancel_at_period_end", "default_tax_rates", "items",
       "proration_behavior", "trial_end")  # fmt: skip
KEPT = 100


@route(
    "POST",
    "/v1/invoices/create_preview",
    "automatic_tax:{*enabled:bool} currency customer preview_mode:next|recurring subscription "
    f"subscription_details:{DETAILS} invoice_items:[{{{ITEM_FIELDS} currency price unit_amount:int}}]",
)
def create_preview(call: Call) -> Obj:
    account, params = call.account, call.params
    details = params.get("subscription_details", {})
    subscription, customer = _whose(account, params, details)
    shadow = shadow_of(account, customer["id"])
    own = shadow.subscriptions[subscription["id"]] if subscription else None
    if params.get("preview_mode") == "recurring":
        _drop_pending(shadow, customer["id"])
        details = {**details, "proration_behavior": "none"}
    else:
        _add_items(shadow, shadow.customers[customer["id"]], own, params.get("invoice_items", []))
    if own is not None:
        if "automatic_tax" in params:
            own["automatic_tax"]["enabled"] = params["automatic_tax"]["enabled"]
        invoice = _of_subscription(shadow, own, details, params)
    elif "items" in details:
        invoice = _of_new(shadow, customer, details, params)
    else:
        invoice = _of_pending(shadow, shadow.customers[customer["id"]])
    if invoice is None:
        raise _none(customer["id"])
    shown = cycle.as_preview(invoice)
    account.previews.add(shown["id"], shown)
    while len(account.previews) > KEPT:
        del account.previews[next(iter(account.previews))]
    return shown


def _none(customer: str) -> Refusal:
    return Refusal(f"No upcoming invoices for customer: '{customer}'", status=404, code="invoice_upcoming_none")


def _whose(account: Account, params: Obj, details: Obj) -> tuple[Obj | None, Obj]:
    """The subscription to look at, if any, and its customer; without either the customer's next one to renew."""
    if "subscription" in params:
        subscription = account.subscriptions.need(params["subscription"], "subscription")
        if params.get("customer", subscription["customer"]) != subscription["customer"]:
            raise invalid("The subscription belongs to another customer.", param="subscription")
        if subscription["status"] in ENDED:
            raise _none(subscription["customer"])
        return subscription, account.customers[subscription["customer"]]
    if "customer" not in params:
        raise invalid("You must provide `customer` or `subscription`.", code="parameter_missing", param="customer")
    customer = living(account, params["customer"], "customer")
    ids = account.subscriptions_of_customer.get(customer["id"], [])
    alive = [account.subscriptions[id] for id in ids if account.subscriptions[id]["status"] not in ENDED]
    if "items" in details or not alive:
        return None, customer
    return min(alive, key=cycle.current_end), customer


def _drop_pending(shadow: Account, customer: str) -> None:
    shadow.pending_items[customer].clear()


def _add_items(shadow: Account, customer: Obj, subscription: Obj | None, given: list[Obj]) -> None:
    for entry in given:
        fields: dict[str, Any] = dict(entry)
        if "unit_amount" in fields:
            fields["unit_amount_decimal"] = fields.pop("unit_amount")
        if "price" in fields:
            fields["pricing"] = {"price": fields.pop("price")}
        item_from(shadow, customer, fields, currency=subscription["currency"] if subscription else None)


def _of_subscription(shadow: Account, subscription: Obj, details: Obj, params: Obj) -> Obj | None:
    if isinstance(details.get("billing_cycle_anchor"), int):
        raise invalid("A timestamp is only for new subscriptions.", param="subscription_details[billing_cycle_anchor]")
    if "default_tax_rates" in details:
        subscriptions.set_tax_rates(shadow, subscription, details["default_tax_rates"])
    invoice = change(shadow, subscription, details)
    if details.get("cancel_now"):
        credit = details.get("proration_behavior", "create_prorations") != "none"
        return cycle.end_now(shadow, subscription, invoice_now=True, credit_rest=credit)
    subscriptions.set_cancel(shadow, subscription, details)
    recurring = params.get("preview_mode") == "recurring"
    return invoice if invoice is not None and not recurring else cycle.next_invoice(shadow, subscription)


def _of_new(shadow: Account, customer: Obj, details: Obj, params: Obj) -> Obj | None:
    given: Obj = {name: details[name] for name in NEW if name in details}
    more: Obj = {name: params[name] for name in ("automatic_tax", "currency") if name in params}
    made = subscriptions.create(Call(shadow, {"customer": customer["id"], **more, **given}))
    if made["latest_invoice"] is not None:
        return shadow.invoices[made["latest_invoice"]]
    return cycle.next_invoice(shadow, made)


def _of_pending(shadow: Account, customer: Obj) -> Obj | None:
    items = pending(shadow, customer, None)
    if not items:
        return None
    invoice = drafts.new_invoice(
        shadow,
        customer,
        reason="manual",
        currency=items[0]["currency"],
        collection_method="charge_automatically",
    )
    take(shadow, invoice, items)
    return invoice
