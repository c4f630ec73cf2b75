"""The endpoints of subscriptions. What time does to them is in `cycle.py`.

send_invoice subscriptions are active at once, whatever becomes of the first invoice (docs: payment_behavior);
charge_automatically ones finalize and collect it at once and are incomplete until it is paid.
"""

from __future__ import annotations

from gateway.sandbox.stripe import anchors, coupons, cycle, first_payment, invoices
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import fix_currency, living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.invoice_items import check_tax_rates
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.payment_methods import defaults
from gateway.sandbox.stripe.price_objects import ONE_TIME
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.standing import ENDED, review
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscription_changes import change
from gateway.sandbox.stripe.subscription_items import (
    ITEM,
    add_invoice_items,
    common_currency,
    licensed_amount,
    new_subscription_item,
)

DETAILS = (
    "cancellation_details:{comment? feedback:customer_service|low_quality|missing_features|other|switched_service|"
    "too_complex|too_expensive|unused?}"
)
COMMON = (
    "automatic_tax:{*enabled:bool} cancel_at:int|max_period_end|min_period_end? cancel_at_period_end:bool "
    "collection_method:charge_automatically|send_invoice days_until_due:int default_payment_method "
    f"default_tax_rates:[str]? description? {coupons.DISCOUNTS} metadata:map? off_session:bool "
    "payment_behavior:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete "
    "payment_settings:{payment_method_types:[str]? save_default_payment_method:off|on_subscription} "
    "proration_behavior:always_invoice|create_prorations|none trial_end:int|now "
    "trial_settings:{*end_behavior:{*missing_payment_method:cancel|create_invoice|pause}} "
    f"add_invoice_items:[{{price price_data:{ONE_TIME} quantity:int metadata:map tax_rates:[str]?}}]"
)
MODE = "billing_mode:{*type:classic|flexible flexible:{proration_discounts:included|itemized}}"
DAY_S = 86400


@route(
    "POST",
    "/v1/subscriptions",
    f"customer currency items:[{{{ITEM}}}] trial_period_days:int {anchors.PARAMS} {MODE} {COMMON}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if "customer" not in params:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = living(account, params["customer"], "customer")
    if not params.get("items"):
        raise invalid("Missing required param: items.", code="parameter_missing", param="items")
    method = params.get("collection_method", "charge_automatically")
    _check_due(method, params.get("days_until_due"))
    first_payment.check(params)
    method_given = defaults(account, params, customer)
    now, id = account.now(), new_id("sub")
    items = [new_subscription_item(account, id, given, f"items[{at}]") for at, given in enumerate(params["items"])]
    currency = common_currency(items, params.get("currency"))
    trial_end = _trial_end(params, now)
    recurring = items[0]["price"]["recurring"]
    anchor = anchors.wanted_anchor(params, recurring, now, trial_end)
    subscription: Obj = _blank(account, id, customer, currency, items)
    subscription |= {
        "automatic_tax": _automatic_tax(params.get("automatic_tax", {}).get("enabled", False)),
        "billing_cycle_anchor": trial_end or anchor or now,
        "billing_cycle_anchor_config": anchors.shown_config(params),
        "billing_mode": shown_mode(params.get("billing_mode", {"type": "flexible"})),
        "collection_method": method,
        "days_until_due": params.get("days_until_due"),
        "default_tax_rates": check_tax_rates(account, params.get("default_tax_rates"), "default_tax_rates"),
        "status": "trialing" if trial_end else "active",
        "trial_end": trial_end,
        "trial_start": now if trial_end else None,
    }
    amount = licensed_amount(account, items)
    subscription["discounts"] = coupons.apply(
        account, params.get("discounts"), customer, currency, subscription=subscription, amount=amount
    )
    if method == "charge_automatically" and amount and not trial_end:
        first_payment.check_payable(account, customer, params, method_given.get("default_payment_method"))
    fix_currency(account, customer, currency)
    subscription |= method_given
    _set_plain(subscription, params)
    cycle.set_period(subscription, now, trial_end or anchor or cycle.next_end(subscription, now))
    set_cancel(account, subscription, params)
    account.subscriptions.add(id, subscription)
    account.subscriptions_of_customer[customer["id"]].append(id)
    add_invoice_items(account, subscription, customer, params)
    share = anchors.share_until(anchor, now, recurring) if anchor else None
    free = anchor is not None and params.get("proration_behavior") == "none"
    first = cycle.bill(account, subscription, reason="subscription_create", whole=not free, share=share)
    _begin(account, subscription, first, params)
    return subscription


def _begin(account: Account, subscription: Obj, first: Obj | None, params: Obj) -> None:
    """Announce it and start its timers; charge_automatically waits for the first payment, if there is one to make."""
    collects = first is not None and subscription["collection_method"] == "charge_automatically"
    if collects and subscription["status"] == "active":
        subscription["status"] = "incomplete"
    record(account, "customer.subscription.created", subscription)
    cycle.schedule(account, subscription)
    cycle.schedule_cancel(account, subscription)
    if subscription["collection_method"] == "charge_automatically" and not account.previewing:
        first_payment.collect(account, subscription, first, params)


def _check_due(method: str, days: int | None) -> None:
    if method == "send_invoice" and days is None:
        raise invalid(invoices.NEEDS_DUE, param="days_until_due")
    if method != "send_invoice" and days is not None:
        raise invalid("`days_until_due` is only for collection_method=send_invoice.", param="days_until_due")
    if days is not None and days < 0:
        raise invalid("Invalid non-negative integer", param="days_until_due")


def _trial_end(params: Obj, now: int) -> int | None:
    if "trial_period_days" in params and "trial_end" in params:
        raise invalid(
            "Pass only one of trial_end and trial_period_days.", code="parameters_exclusive", param="trial_end"
        )
    if params.get("trial_period_days"):
        return now + int(params["trial_period_days"]) * DAY_S
    wanted = params.get("trial_end")
    if wanted in (None, "now"):
        return None
    if wanted <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
    return int(wanted)


def _automatic_tax(enabled: bool) -> Obj:
    return {"disabled_reason": None, "enabled": enabled, "liability": {"type": "self"} if enabled else None}


def shown_mode(given: Obj) -> Obj:
    """flexible is the default since 2025-09-30.clover. `proration_discounts` is kept and not acted on."""
    if given["type"] == "classic":
        return {"flexible": None, "type": "classic"}
    return {"flexible": {"proration_discounts": "included", **given.get("flexible", {})}, "type": "flexible"}


def _blank(account: Account, id: str, customer: Obj, currency: str, items: list[Obj]) -> Obj:
    now = account.now()
    return {
        "id": id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "default_payment_method": None,
        "default_source": None,
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listing(f"/v1/subscription_items?subscription={id}", items),
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "test_clock": customer["test_clock"],
        "transfer_data": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }  # fmt: skip


def _set_plain(subscription: Obj, params: Obj) -> None:
    if "description" in params:
        subscription["description"] = params["description"] or None
    for name, value in params.get("payment_settings", {}).items():
        subscription["payment_settings"][name] = value or None
    if "trial_settings" in params:
        subscription["trial_settings"] = params["trial_settings"]
    merge_metadata(subscription, params)


def set_tax_rates(account: Account, subscription: Obj, ids: list[str] | str) -> None:
    subscription["default_tax_rates"] = check_tax_rates(account, ids, "default_tax_rates")


def set_cancel(account: Account, subscription: Obj, params: Obj) -> None:
    if "cancel_at" in params:
        when = params["cancel_at"] or None
        if isinstance(when, str):  # min_period_end, max_period_end: all items share one period here
            when = cycle.current_end(subscription)
        elif when is not None and when <= account.now():
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="cancel_at")
        subscription |= {"cancel_at": when, "cancel_at_period_end": False}
        subscription["canceled_at"] = account.now() if when else None
        subscription["_prorates_cancel"] = params.get("proration_behavior") != "none"
    if "cancel_at_period_end" in params:
        wanted = params["cancel_at_period_end"]
        subscription |= {
            "cancel_at": cycle.current_end(subscription) if wanted else None,
            "cancel_at_period_end": wanted,
            "canceled_at": account.now() if wanted else None,
        }
        subscription["cancellation_details"]["reason"] = "cancellation_requested" if wanted else None


retrieves("/v1/subscriptions/{id}", lambda account: account.subscriptions)


@route(
    "POST",
    "/v1/subscriptions/{id}",
    f"items:[{{id deleted:bool clear_usage:bool {ITEM}}}] proration_date:int billing_cycle_anchor:now|unchanged "
    "pause_collection:{*behavior:keep_as_draft|mark_uncollectible|void resumes_at:int}? "
    f"{DETAILS} {COMMON}",
)
def update(call: Call) -> Obj:
    account, params = call.account, call.params
    subscription = account.subscriptions.need(call.id)
    if subscription["status"] in ENDED:
        allowed = {"metadata", "cancellation_details", "expand"}
        if params.keys() - allowed:
            raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    method: str = params.get("collection_method") or subscription["collection_method"]
    old_days = subscription["days_until_due"] if method == "send_invoice" else None
    days = params.get("days_until_due", old_days)
    _check_due(method, days)
    method_given = defaults(account, params, account.customers[subscription["customer"]])
    with updating(account, subscription, "customer.subscription.updated"):
        subscription |= {"collection_method": method, "days_until_due": days, **method_given}
        _set_plain(subscription, params)
        _set_more(account, subscription, params)
        set_cancel(account, subscription, params)
        change(account, subscription, params)
    cycle.schedule_cancel(account, subscription)
    if "pause_collection" in params:
        cycle.schedule_resume(account, subscription)
    if params.get("trial_end") == "now":
        review(account, subscription)
    return subscription


def _set_more(account: Account, subscription: Obj, params: Obj) -> None:
    if "automatic_tax" in params:
        subscription["automatic_tax"] = _automatic_tax(params["automatic_tax"]["enabled"])
    if "default_tax_rates" in params:
        set_tax_rates(account, subscription, params["default_tax_rates"])
    if "discounts" in params:
        customer = account.customers[subscription["customer"]]
        subscription["discounts"] = coupons.apply(
            account, params["discounts"], customer, subscription["currency"], subscription=subscription
        )
    if "pause_collection" in params:
        pause = params["pause_collection"]
        subscription["pause_collection"] = {"resumes_at": None, **pause} if pause else None
    details = params.get("cancellation_details", {})
    subscription["cancellation_details"] |= {name: value or None for name, value in details.items()}


@route("DELETE", "/v1/subscriptions/{id}", f"invoice_now:bool prorate:bool {DETAILS}")
def cancel(call: Call) -> Obj:
    account, params = call.account, call.params
    subscription = account.subscriptions.need(call.id)
    if subscription["status"] in ENDED:
        raise missing("subscription", call.id)
    cycle.end_now(
        account,
        subscription,
        invoice_now=params.get("invoice_now", False),
        credit_rest=params.get("prorate", False),
        details=params.get("cancellation_details"),
    )
    return subscription


@route(
    "GET",
    "/v1/subscriptions",
    "customer price test_clock created:range collection_method:charge_automatically|send_invoice "
    "current_period_start:range current_period_end:range "
    f"status:active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid {PAGE}",
)
def index(call: Call) -> Obj:
    account, params = call.account, call.params
    status = params.get("status")

    def wanted(now: str) -> bool:
        if status is None:
            return now not in ENDED
        return status in ("all", now) or (status == "ended" and now in ENDED)

    def keep(s: Obj) -> bool:
        first = cycle.items_of(s)[0]
        return (
            wanted(s["status"])
            and ("customer" in params or s["test_clock"] == params.get("test_clock"))
            and params.get("collection_method") in (None, s["collection_method"])
            and ("price" not in params or any(i["price"]["id"] == params["price"] for i in cycle.items_of(s)))
            and in_range(s["created"], params.get("created"))
            and all(in_range(first[k], params.get(k)) for k in ("current_period_start", "current_period_end"))
        )

    ids = account.subscriptions_of_customer.get(params["customer"], []) if "customer" in params else None
    return listing("/v1/subscriptions", *account.subscriptions.page(params, keep, ids))
