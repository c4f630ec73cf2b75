"""The endpoints of subscriptions. What time does to them is in `cycle.py`.

send_invoice subscriptions are active at once, whatever becomes of the first invoice (docs: payment_behavior);
charge_automatically ones finalize and collect it at once and are incomplete until it is paid.
All items of a subscription share one interval here.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox.stripe import coupons, cycle, invoices
from gateway.sandbox.stripe.catalog import make_price
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import fix_currency, living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.invoice_items import check_tax_rates, new_item, pending
from gateway.sandbox.stripe.lines import price_amount
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata, public
from gateway.sandbox.stripe.routes import PAGE, Call, route
from gateway.sandbox.stripe.standing import ENDED, review
from gateway.sandbox.stripe.store import Account

BEHAVIOR = "tax_behavior:exclusive|inclusive|unspecified"
PRICE_DATA = (
    "{*currency *product *recurring:{*interval:day|week|month|year interval_count:int} "
    f"unit_amount:int unit_amount_decimal:num {BEHAVIOR}}}"
)
ITEM = f"price price_data:{PRICE_DATA} quantity:int metadata:map? tax_rates:[str]?"
ONE_TIME = f"{{*currency *product unit_amount:int unit_amount_decimal:num {BEHAVIOR}}}"
DETAILS = (
    "cancellation_details:{comment? feedback:customer_service|low_quality|missing_features|other|switched_service|"
    "too_complex|too_expensive|unused?}"
)
COMMON = (
    "automatic_tax:{*enabled:bool} cancel_at:int? cancel_at_period_end:bool "
    "collection_method:charge_automatically|send_invoice days_until_due:int default_payment_method "
    f"default_tax_rates:[str]? description? {coupons.DISCOUNTS} metadata:map? off_session:bool "
    "payment_behavior:allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete "
    "payment_settings:{payment_method_types:[str]? save_default_payment_method:off|on_subscription} "
    "proration_behavior:always_invoice|create_prorations|none trial_end:int|now "
    "trial_settings:{*end_behavior:{*missing_payment_method:cancel|create_invoice|pause}} "
    f"add_invoice_items:[{{price price_data:{ONE_TIME} quantity:int metadata:map tax_rates:[str]?}}]"
)
MODE = "billing_mode:{*type:classic|flexible flexible:{proration_discounts:included|itemized}}"
KEPT = ("default_payment_method", "description")
DAY_S = 86400


@route("POST", "/v1/subscriptions", f"customer currency items:[{{{ITEM}}}] trial_period_days:int {MODE} {COMMON}")
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if "customer" not in params:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = living(account, params["customer"], "customer")
    if not params.get("items"):
        raise invalid("Missing required param: items.", code="parameter_missing", param="items")
    method = params.get("collection_method", "charge_automatically")
    _check_due(method, params.get("days_until_due"))
    now, id = account.now(), new_id("sub")
    items = [_new_item(account, id, given, f"items[{at}]") for at, given in enumerate(params["items"])]
    currency = _common(items, params.get("currency"))
    trial_end = _trial_end(params, now)
    subscription: Obj = _blank(account, id, customer, currency, items)
    subscription |= {
        "automatic_tax": _automatic_tax(params.get("automatic_tax", {}).get("enabled", False)),
        "billing_cycle_anchor": trial_end or now,
        "billing_mode": _billing_mode(params.get("billing_mode", {"type": "flexible"})),
        "collection_method": method,
        "days_until_due": params.get("days_until_due"),
        "default_tax_rates": check_tax_rates(account, params.get("default_tax_rates"), "default_tax_rates"),
        "status": "trialing" if trial_end else "active",
        "trial_end": trial_end,
        "trial_start": now if trial_end else None,
    }
    amount = sum(price_amount(account.prices[i["price"]["id"]], i["quantity"]) for i in items)
    subscription["discounts"] = coupons.apply(
        account, params.get("discounts"), customer, currency, subscription=subscription, amount=amount
    )
    fix_currency(account, customer, currency)
    _set_plain(subscription, params)
    cycle.set_period(subscription, now, trial_end or cycle.next_end(subscription, now))
    _set_cancel(account, subscription, params)
    account.subscriptions.add(id, subscription)
    account.subscriptions_of_customer[customer["id"]].append(id)
    _add_invoice_items(account, subscription, customer, params)
    first = cycle.bill(account, subscription, reason="subscription_create")
    if method == "charge_automatically":
        subscription["status"] = subscription["status"] if trial_end else "incomplete"
    record(account, "customer.subscription.created", subscription)
    cycle.schedule(account, subscription)
    cycle.schedule_cancel(account, subscription)
    if method == "charge_automatically":
        invoices.finalize(account, first)
        if subscription["status"] == "incomplete":
            cycle.watch_incomplete(account, subscription)
    return subscription


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


def _new_item(account: Account, subscription: str, given: Obj, where: str) -> Obj:
    price = _price(account, given, where)
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "price": public(price),
        "quantity": _quantity(given.get("quantity", 1), where),
        "subscription": subscription,
        "tax_rates": check_tax_rates(account, given.get("tax_rates"), f"{where}[tax_rates]"),
    }


def _quantity(quantity: int, where: str) -> int:
    if quantity < 0:
        raise invalid("Invalid non-negative integer", param=f"{where}[quantity]")
    return quantity


def _price(account: Account, given: Obj, where: str) -> Obj:
    if ("price" in given) == ("price_data" in given):
        raise invalid(
            "You must pass exactly one of price and price_data.", param=f"{where}[price]", code="parameter_missing"
        )
    if "price" in given:
        price = account.prices.need(given["price"], f"{where}[price]")
    else:
        product = account.products.need(given["price_data"]["product"], f"{where}[price_data][product]")
        price = make_price(account, product, given["price_data"])
    if price["recurring"] is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            param=f"{where}[price]",
        )
    if not price["active"]:
        raise invalid(f"The price specified is inactive. This field only accepts active prices. ({price['id']})")
    return price


def _common(items: list[Obj], currency: str | None) -> str:
    """The one currency of the items, which also share one interval."""
    first = items[0]["price"]
    for item in items:
        if item["price"]["currency"] != (currency or first["currency"]).lower():
            raise invalid("All prices on a subscription must have the same currency.", param="items")
        same = ("interval", "interval_count")
        if any(item["price"]["recurring"][k] != first["recurring"][k] for k in same):
            raise invalid("All prices on a subscription must have the same billing interval here.", param="items")
    return str(first["currency"])


def _automatic_tax(enabled: bool) -> Obj:
    return {"disabled_reason": None, "enabled": enabled, "liability": {"type": "self"} if enabled else None}


def _billing_mode(given: Obj) -> Obj:
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
        "test_clock": None,
        "transfer_data": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }  # fmt: skip


def _set_plain(subscription: Obj, params: Obj) -> None:
    for name in KEPT:
        if name in params:
            subscription[name] = params[name] or None
    for name, value in params.get("payment_settings", {}).items():
        subscription["payment_settings"][name] = value or None
    if "trial_settings" in params:
        subscription["trial_settings"] = params["trial_settings"]
    merge_metadata(subscription, params)


def _set_cancel(account: Account, subscription: Obj, params: Obj) -> None:
    if "cancel_at" in params:
        subscription |= {"cancel_at": params["cancel_at"] or None, "cancel_at_period_end": False}
        subscription["canceled_at"] = account.now() if params["cancel_at"] else None
    if "cancel_at_period_end" in params:
        wanted = params["cancel_at_period_end"]
        subscription |= {
            "cancel_at": cycle.current_end(subscription) if wanted else None,
            "cancel_at_period_end": wanted,
            "canceled_at": account.now() if wanted else None,
        }
        subscription["cancellation_details"]["reason"] = "cancellation_requested" if wanted else None


def _add_invoice_items(account: Account, subscription: Obj, customer: Obj, params: Obj) -> bool:
    for at, given in enumerate(params.get("add_invoice_items", [])):
        where = f"add_invoice_items[{at}]"
        if "price" in given:
            price = account.prices.need(given["price"], f"{where}[price]")
        elif "price_data" in given:
            product = account.products.need(given["price_data"]["product"], f"{where}[price_data][product]")
            price = make_price(account, product, given["price_data"])
        else:
            raise invalid("Pass price or price_data.", param=where, code="parameter_missing")
        if price["recurring"] is not None:
            raise invalid("add_invoice_items only accepts one-time prices.", param=where)
        quantity = given.get("quantity", 1)
        new_item(
            account,
            customer,
            price["currency"],
            price_amount(price, quantity),
            description=account.products[price["product"]]["name"],
            price=price,
            quantity=quantity,
            subscription=subscription["id"],
            tax_rates=check_tax_rates(account, given.get("tax_rates"), f"{where}[tax_rates]"),
            metadata=given.get("metadata"),
        )
    return bool(params.get("add_invoice_items"))


@route("GET", "/v1/subscriptions/{id}")
def retrieve(call: Call) -> Obj:
    return call.account.subscriptions.need(call.id)


@route(
    "POST",
    "/v1/subscriptions/{id}",
    f"items:[{{id deleted:bool {ITEM}}}] pause_collection:{{*behavior:keep_as_draft|mark_uncollectible|void "
    f"resumes_at:int}}? proration_date:int {DETAILS} {COMMON}",
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
    with updating(account, subscription, "customer.subscription.updated"):
        subscription |= {"collection_method": method, "days_until_due": days}
        _set_plain(subscription, params)
        _set_more(account, subscription, params)
        _set_cancel(account, subscription, params)
        _change(account, subscription, params)
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
        subscription["default_tax_rates"] = check_tax_rates(account, params["default_tax_rates"], "default_tax_rates")
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


def _change(account: Account, subscription: Obj, params: Obj) -> None:
    """Items, prices, quantities and trial; prorations as `proration_behavior` says (default create_prorations)."""
    if "trial_end" in params:
        _change_trial(account, subscription, params["trial_end"])
    behavior = params.get("proration_behavior", "create_prorations")
    prorate = behavior != "none" and subscription["status"] != "trialing"
    at = params.get("proration_date", account.now())
    customer = account.customers[subscription["customer"]]
    restarted = False
    if "items" in params:
        restarted = _change_items(account, subscription, params["items"], at=at, prorate=prorate)
    added = _add_invoice_items(account, subscription, customer, params)
    if restarted:
        cycle.bill(account, subscription, reason="subscription_update")
    elif added or (behavior == "always_invoice" and "items" in params and prorate):
        _bill_pending(account, subscription, customer)


def _bill_pending(account: Account, subscription: Obj, customer: Obj) -> None:
    """A proration invoice of a charge_automatically subscription is finalized at once; send_invoice waits its hour."""
    if not pending(account, customer, subscription["id"], loose=False):
        return
    invoice = cycle.bill(account, subscription, reason="subscription_update", whole=False)
    if subscription["collection_method"] == "charge_automatically":
        invoices.finalize(account, invoice)


def _change_trial(account: Account, subscription: Obj, wanted: Any) -> None:
    now = account.now()
    if wanted == "now":
        if subscription["status"] == "trialing":
            subscription |= {"trial_end": now, "billing_cycle_anchor": now}
            cycle.renew(account, subscription, now)
        return
    if wanted <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
    subscription |= {
        "trial_end": wanted,
        "trial_start": subscription["trial_start"] or now,
        "billing_cycle_anchor": wanted,
        "status": "trialing",
    }
    cycle.set_period(subscription, cycle.items_of(subscription)[0]["current_period_start"], wanted)
    cycle.schedule(account, subscription)


def _change_items(account: Account, subscription: Obj, given: list[Obj], *, at: int, prorate: bool) -> bool:
    """Apply the changes; True when another interval restarted the cycle (which is then billed at once)."""
    old = {item["id"]: item for item in cycle.items_of(subscription)}
    rows = {id: {**item} for id, item in old.items()}
    for number, entry in enumerate(given):
        where = f"items[{number}]"
        if "id" not in entry:
            item = _new_item(account, subscription["id"], entry, where)
            first = cycle.items_of(subscription)[0]
            item |= {k: first[k] for k in ("current_period_start", "current_period_end")}
            rows[item["id"]] = item
            continue
        if entry["id"] not in rows:
            raise missing("subscription_item", entry["id"], param=f"{where}[id]", status=400)
        if entry.get("deleted"):
            del rows[entry["id"]]
            continue
        _change_item(account, rows[entry["id"]], entry, where)
    if not rows:
        raise invalid("A subscription must have at least one active price.", param="items")
    if _common(list(rows.values()), None) != subscription["currency"]:
        raise invalid("The currency of a subscription can't be changed.", param="items")
    before = next(iter(old.values()))["price"]["recurring"]
    after = next(iter(rows.values()))["price"]["recurring"]
    restart = any(before[k] != after[k] for k in ("interval", "interval_count"))
    for id, item in old.items():
        if prorate and (id not in rows or restart or _differs(item, rows[id])):
            cycle.prorate(account, subscription, item, at=at, sign=-1)
    for id, item in rows.items():
        if prorate and not restart and (id not in old or _differs(old[id], item)):
            cycle.prorate(account, subscription, item, at=at, sign=1)
    subscription["items"]["data"] = list(rows.values())
    if restart and subscription["status"] != "trialing":
        now = account.now()
        subscription["billing_cycle_anchor"] = now
        cycle.set_period(subscription, now, cycle.next_end(subscription, now))
        cycle.schedule(account, subscription)
        return True
    return False


def _change_item(account: Account, item: Obj, entry: Obj, where: str) -> None:
    if "price" in entry or "price_data" in entry:
        item["price"] = public(_price(account, entry, where))
    if "quantity" in entry:
        item["quantity"] = _quantity(entry["quantity"], where)
    if "tax_rates" in entry:
        item["tax_rates"] = check_tax_rates(account, entry["tax_rates"], f"{where}[tax_rates]")
    merge_metadata(item, entry)


def _differs(one: Obj, other: Obj) -> bool:
    return bool(one["price"]["id"] != other["price"]["id"] or one["quantity"] != other["quantity"])


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
    "customer price created:range collection_method:charge_automatically|send_invoice "
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
            and params.get("collection_method") in (None, s["collection_method"])
            and ("price" not in params or any(i["price"]["id"] == params["price"] for i in cycle.items_of(s)))
            and in_range(s["created"], params.get("created"))
            and all(in_range(first[k], params.get(k)) for k in ("current_period_start", "current_period_end"))
        )

    ids = account.subscriptions_of_customer.get(params["customer"], []) if "customer" in params else None
    return listing("/v1/subscriptions", *account.subscriptions.page(params, keep, ids))
