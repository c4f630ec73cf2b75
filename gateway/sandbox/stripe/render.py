"""Answers: a public copy in the caller's API version, with the references that `expand` asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.sandbox.stripe.errors import bad_params
from gateway.sandbox.stripe.objects import Obj, listing, public
from gateway.sandbox.stripe.old_shape import in_version
from gateway.sandbox.stripe.price_objects import shown_tiers
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import customer_tax

MAX_DEPTH = 4
REFERENCES = {
    "customer": "customers",
    "subscription": "subscriptions",
    "schedule": "subscription_schedules",
    "latest_invoice": "invoices",
    "invoice": "invoices",
    "price": "prices",
    "product": "products",
    "default_price": "prices",
    "coupon": "coupons",
    "promotion_code": "promotion_codes",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "default_payment_method": "payment_methods",
    "pending_setup_intent": "setup_intents",
    "latest_charge": "charges",
    "charge": "charges",
    "refund": "refunds",
    "payment_record": "payment_records",
    "customer_balance_transaction": "balance_transactions",
    "credit_note": "credit_notes",
    "configuration": "portal_configurations",
    "discount": "discounts",
    "discounts": "discounts",
    "tax_rate": "tax_rates",
}
# Properties that exist but may be absent or null here: expanding them is allowed and does nothing.
QUIET = {
    "default_source", "schedule", "test_clock", "on_behalf_of", "application", "sources", "account_tax_ids",
    "discount_amounts", "tax_ids", "total_discount_amounts", "default_tax_rates", "from_invoice", "latest_revision",
    "balance_transaction", "latest_attempt", "mandate", "review", "refunds",
}  # fmt: skip


def answer(account: Account, obj: Obj, expand: list[str], version: str) -> Obj:
    """The body of a 200, in the shape of that version, with what is expanded in it."""
    if obj.get("object") in ("list", "search_result"):
        shown = {**obj, "data": [in_version(account, version, item) for item in obj["data"]]}
    else:
        shown = in_version(account, version, obj)
    for path in expand:
        parts = path.split(".")
        if len(parts) - parts.count("data") > MAX_DEPTH:
            raise bad_params(f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}")
        _expand(account, version, shown, parts, path)
    shown.pop("_total", None)
    return shown


def _expand(account: Account, version: str, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(account, version, item, parts, path)
        return
    if not parts or not isinstance(node, dict):
        return
    name, rest = parts[0], parts[1:]
    extra = EXTRA.get((node.get("object", ""), name))
    if extra is not None:
        if name not in node:
            node[name] = _as_of(account, version, extra(account, node))
    elif name in REFERENCES:
        if name in node:
            node[name] = _fetched(account, version, name, node[name])
    elif (name not in node and name not in QUIET) or (
        not isinstance(node.get(name), dict | list) and name not in QUIET
    ):
        raise bad_params(f"This property cannot be expanded ({path}).", param="expand")
    _expand(account, version, node.get(name), rest, path)


def _fetched(account: Account, version: str, name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_fetched(account, version, name, item) for item in value]
    if not isinstance(value, str):
        return value
    found = getattr(account, REFERENCES[name]).get(value)
    return value if found is None else in_version(account, version, found)


def _as_of(account: Account, version: str, value: Any) -> Any:
    if isinstance(value, dict) and value.get("object") == "list":
        return {**value, "data": [in_version(account, version, item) for item in value["data"]]}
    return public(value)


def _payments(account: Account, invoice: Obj) -> Obj:
    ids = account.payments_of_invoice.get(invoice["id"], [])
    return listing("/v1/invoice_payments", [account.invoice_payments[id] for id in ids])


def _paid_off_stripe(account: Account, invoice: Obj) -> int:
    """Computed from payment records in truth (changelog 2026-05-27); here also for paid_out_of_band."""
    return int(account.invoices[invoice["id"]].get("_off_stripe", 0))


def _confirmation_secret(account: Account, invoice: Obj) -> Obj | None:
    """What a checkout confirms the default payment with."""
    intent = account.payment_intents.get(account.invoices[invoice["id"]].get("_payment_intent") or "")
    return None if intent is None else {"client_secret": intent["client_secret"], "type": "payment_intent"}


def _refunds(account: Account, charge: Obj) -> Obj:
    rows = [refund for refund in account.refunds.values() if refund["charge"] == charge["id"]]
    return listing(f"/v1/charges/{charge['id']}/refunds", rows[::-1])


def _subscriptions(account: Account, customer: Obj) -> Obj:
    ids = account.subscriptions_of_customer.get(customer["id"], [])
    live = [account.subscriptions[id] for id in ids if account.subscriptions[id]["status"] != "canceled"]
    return listing(f"/v1/customers/{customer['id']}/subscriptions", live[::-1])


def _total_count(account: Account, result: Obj) -> int:
    return int(result["_total"]())


EXTRA: dict[tuple[str, str], Callable[[Account, Obj], Any]] = {
    ("invoice", "payments"): _payments,
    ("invoice", "amount_paid_off_stripe"): _paid_off_stripe,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("charge", "refunds"): _refunds,
    ("customer", "tax"): customer_tax,
    ("search_result", "total_count"): _total_count,
    ("price", "tiers"): shown_tiers,
    ("customer", "subscriptions"): _subscriptions,
}
