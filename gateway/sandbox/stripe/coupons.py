"""Coupons, promotion codes, and the discounts that come of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import number
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.periods import add_months
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route, updates
from gateway.sandbox.stripe.store import Account

DISCOUNTS = "discounts:[{coupon discount promotion_code}]?"


@route(
    "POST",
    "/v1/coupons",
    "id name currency amount_off:int percent_off:num duration:once|repeating|forever duration_in_months:int "
    "max_redemptions:int redeem_by:int applies_to:{products:[str]} metadata:map?",
)
def create_coupon(call: Call) -> Obj:
    account, params = call.account, call.params
    if ("amount_off" in params) == ("percent_off" in params):
        raise invalid(
            "You must pass either percent_off or amount_off when creating a coupon.", code="parameter_missing"
        )
    if "amount_off" in params and "currency" not in params:
        raise invalid("You must pass currency when passing amount_off", param="currency", code="parameter_missing")
    if "percent_off" in params and not 0 < params["percent_off"] <= 100:
        raise invalid("Percent off must be between 0 (exclusive) and 100.", param="percent_off")
    duration = params.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in params):
        raise invalid(
            "`duration_in_months` goes with duration `repeating`, and only with it.", param="duration_in_months"
        )
    id = params.get("id") or new_id("coupon").removeprefix("coupon_")
    if id in account.coupons:
        raise invalid("Coupon already exists.", code="resource_already_exists", param="id")
    percent = params.get("percent_off")
    coupon = {
        "id": id,
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": account.now(),
        "currency": params["currency"].lower() if "currency" in params else None,
        "duration": duration,
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": {},
        "name": params.get("name"),
        "percent_off": None if percent is None else number(percent),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        "_percent": percent,
        "_products": params.get("applies_to", {}).get("products"),
    }
    merge_metadata(coupon, params)
    account.coupons.add(id, coupon)
    record(account, "coupon.created", coupon)
    return coupon


retrieves("/v1/coupons/{id}", lambda account: account.coupons)


@route("GET", "/v1/coupons", f"created:range {PAGE}")
def list_coupons(call: Call) -> Obj:
    page = call.account.coupons.page(call.params, lambda c: in_range(c["created"], call.params.get("created")))
    return listing("/v1/coupons", *page)


@route("DELETE", "/v1/coupons/{id}")
def delete_coupon(call: Call) -> Obj:
    """Stops new redemptions; existing discounts go on (the object stays where discounts look it up)."""
    coupon = call.account.coupons.need(call.id)
    coupon["valid"] = False
    record(call.account, "coupon.deleted", coupon)
    return {"id": call.id, "object": "coupon", "deleted": True}


@route(
    "POST",
    "/v1/promotion_codes",
    "*promotion:{*type:coupon coupon} code active:bool customer expires_at:int max_redemptions:int metadata:map "
    "restrictions:{first_time_transaction:bool minimum_amount:int minimum_amount_currency}",
)
def create_promotion_code(call: Call) -> Obj:
    account, params = call.account, call.params
    coupon = account.coupons.need(params["promotion"].get("coupon", ""), "promotion[coupon]")
    if "customer" in params:
        account.customers.need(params["customer"], "customer")
    code = params.get("code") or new_id("coupon").removeprefix("coupon_").upper()
    if any(p["code"].lower() == code.lower() and p["active"] for p in account.promotion_codes.values()):
        raise invalid("An active promotion code with `code: " + code + "` already exists.", param="code")
    rules = params.get("restrictions", {})
    promo = {
        "id": new_id("promo"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": code,
        "created": account.now(),
        "customer": params.get("customer"),
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": {},
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": rules.get("first_time_transaction", False),
            "minimum_amount": rules.get("minimum_amount"),
            "minimum_amount_currency": rules.get("minimum_amount_currency"),
        },
        "times_redeemed": 0,
    }
    merge_metadata(promo, params)
    account.promotion_codes.add(promo["id"], promo)
    record(account, "promotion_code.created", promo)
    return promo


retrieves("/v1/promotion_codes/{id}", lambda account: account.promotion_codes)
updates("/v1/promotion_codes/{id}", "active:bool metadata:map?", lambda account: account.promotion_codes)


@route("GET", "/v1/promotion_codes", f"active:bool code coupon customer created:range {PAGE}")
def list_promotion_codes(call: Call) -> Obj:
    params = call.params

    def keep(p: Obj) -> bool:
        return (
            params.get("active") in (None, p["active"])
            and str(params.get("code", p["code"])).lower() == p["code"].lower()
            and params.get("coupon") in (None, p["promotion"]["coupon"])
            and params.get("customer") in (None, p["customer"])
            and in_range(p["created"], params.get("created"))
        )

    return listing("/v1/promotion_codes", *call.account.promotion_codes.page(params, keep))


def apply(
    account: Account,
    wanted: Any,
    customer: Obj,
    currency: str,
    *,
    subscription: Obj | None = None,
    invoice: Obj | None = None,
    amount: int | None = None,
) -> list[str]:
    """Discount ids for a ``discounts`` parameter. `amount` (minor units) is held against a code's minimum."""
    ids = []
    for at, entry in enumerate(wanted or []):
        where = f"discounts[{at}]"
        if len(entry) != 1:
            raise invalid("Pass exactly one of coupon, discount or promotion_code.", param=where)
        if "discount" in entry:
            ids.append(account.discounts.need(entry["discount"], f"{where}[discount]")["id"])
            continue
        promo = None
        if "promotion_code" in entry:
            promo = account.promotion_codes.need(entry["promotion_code"], f"{where}[promotion_code]")
            _check_code(account, promo, customer, currency, amount, f"{where}[promotion_code]")
        name = promo["promotion"]["coupon"] if promo else entry["coupon"]
        coupon = account.coupons.get(name)
        if coupon is None or not coupon["valid"]:
            raise missing("coupon", name, param=f"{where}[coupon]", status=400)
        ids.append(_redeem(account, coupon, promo, customer, currency, subscription, invoice, where))
    return ids


def _check_code(account: Account, promo: Obj, customer: Obj, currency: str, amount: int | None, where: str) -> None:
    now, rules = account.now(), promo["restrictions"]
    expired = promo["expires_at"] is not None and promo["expires_at"] <= now
    used_up = promo["max_redemptions"] is not None and promo["times_redeemed"] >= promo["max_redemptions"]
    if not promo["active"] or expired or used_up:
        raise invalid("This promotion code is expired or no longer active.", code="promotion_code_expired", param=where)
    if promo["customer"] not in (None, customer["id"]):
        raise invalid("This promotion code cannot be redeemed by this customer.", param=where)
    if rules["first_time_transaction"] and _has_paid(account, customer):
        raise invalid(
            "This promotion code cannot be redeemed because the associated customer has prior transactions.",
            param=where,
        )
    least = rules["minimum_amount"]
    if least is not None and (currency != rules["minimum_amount_currency"] or (amount is not None and amount < least)):
        raise invalid("This promotion code cannot be redeemed: the minimum amount is not reached.", param=where)


def _has_paid(account: Account, customer: Obj) -> bool:
    ids = account.invoices_of_customer.get(customer["id"], [])
    return any(account.invoices[id]["amount_paid"] > 0 for id in ids if id in account.invoices)


def _redeem(
    account: Account,
    coupon: Obj,
    promo: Obj | None,
    customer: Obj,
    currency: str,
    subscription: Obj | None,
    invoice: Obj | None,
    where: str,
) -> str:
    now = account.now()
    if coupon["currency"] not in (None, currency):
        raise invalid(f"The coupon {coupon['id']} is in {coupon['currency']}, not in {currency}.", param=where)
    late = coupon["redeem_by"] is not None and coupon["redeem_by"] <= now
    if late or (coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]):
        raise invalid(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=where)
    coupon["times_redeemed"] += 1
    if promo is not None:
        promo["times_redeemed"] += 1
    months = coupon["duration_in_months"]
    discount = {
        "id": new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer["id"],
        "end": add_months(now, months) if months else None,
        "invoice": invoice["id"] if invoice else None,
        "invoice_item": None,
        "promotion_code": promo["id"] if promo else None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": now,
        "subscription": subscription["id"] if subscription else None,
        "subscription_item": None,
    }
    account.discounts.add(discount["id"], discount)
    return str(discount["id"])


def live(account: Account, ids: Sequence[str]) -> list[str]:
    """The discounts that still count for an invoice made now."""
    now = account.now()
    return [id for id in ids if account.discounts[id]["end"] is None or account.discounts[id]["end"] > now]


def lasting(account: Account, ids: Sequence[str]) -> list[str]:
    """What stays on a subscription after an invoice: ``once`` is used up."""
    coupons = {id: account.coupons[account.discounts[id]["source"]["coupon"]] for id in ids}
    return [id for id in live(account, ids) if coupons[id]["duration"] != "once"]
