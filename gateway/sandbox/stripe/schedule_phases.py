"""The phases of a subscription schedule: how they are read from parameters, and what entering one does.

Docs: billing/subscriptions/subscription-schedules. Chosen where they are silent: an item of the phase takes the place
of the item with its price, else of one whose price goes; what is left over is added or removed.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from gateway.sandbox.stripe import subscriptions
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.invoice_items import check_tax_rates
from gateway.sandbox.stripe.objects import Obj, merge_metadata
from gateway.sandbox.stripe.periods import period_end
from gateway.sandbox.stripe.price_objects import INTERVAL
from gateway.sandbox.stripe.routes import Call
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscription_changes import change
from gateway.sandbox.stripe.subscription_items import ITEM, priced

SETTINGS = (
    "collection_method:charge_automatically|send_invoice default_payment_method description? "
    "invoice_settings:{days_until_due:int} billing_cycle_anchor:automatic|phase_start automatic_tax:{*enabled:bool}"
)
PHASE = (
    f"*items:[{{{ITEM}}}] duration:{{{INTERVAL}}} default_tax_rates:[str]? metadata:map "
    f"proration_behavior:always_invoice|create_prorations|none {SETTINGS}"
)
MAX_PHASES = 10


def read_phases(account: Account, given: list[Obj], start: int, where: str = "phases") -> list[Obj]:
    """The phases one after the other from `start` on; all but the last need an end or a duration, and get it all."""
    if not given or len(given) > MAX_PHASES:
        raise invalid(f"A schedule has 1 to {MAX_PHASES} phases.", param=where)
    found: list[Obj] = []
    for at, entry in enumerate(given):
        begin = found[-1]["end_date"] if found else start
        if entry.get("start_date", begin) not in (begin, "now"):
            raise invalid("A phase starts when the one before it ends.", param=f"{where}[{at}][start_date]")
        found.append(_phase(account, entry, begin, f"{where}[{at}]"))
    return found


def _phase(account: Account, entry: Obj, start: int, where: str) -> Obj:
    items = [_item(account, given, f"{where}[items][{at}]") for at, given in enumerate(entry["items"])]
    if not items:
        raise invalid("A phase must have at least one item.", param=f"{where}[items]")
    days = entry.get("invoice_settings", {}).get("days_until_due")
    phase: Obj = {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": entry.get("billing_cycle_anchor"),
        "billing_thresholds": None,
        "collection_method": entry.get("collection_method"),
        "currency": account.prices[items[0]["price"]]["currency"],
        "default_payment_method": entry.get("default_payment_method"),
        "default_tax_rates": check_tax_rates(account, entry.get("default_tax_rates"), f"{where}[default_tax_rates]"),
        "description": entry.get("description") or None,
        "discounts": [],
        "end_date": _end(account, entry, items, start, where),
        "invoice_settings": None if days is None else _invoice_settings(days),
        "items": items,
        "metadata": entry.get("metadata", {}),
        "on_behalf_of": None,
        "proration_behavior": entry.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }
    if "automatic_tax" in entry:
        phase["automatic_tax"] = tax_setting(entry["automatic_tax"]["enabled"])
    return phase


def tax_setting(enabled: bool) -> Obj:
    return {"disabled_reason": None, "enabled": enabled, "liability": {"type": "self"} if enabled else None}


def _invoice_settings(days: int) -> Obj:
    return {
        "account_tax_ids": None, "custom_fields": None, "days_until_due": days, "description": None, "footer": None,
        "issuer": None,
    }  # fmt: skip


def _item(account: Account, given: Obj, where: str) -> Obj:
    price, quantity = priced(account, given, where)
    item = {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "price": price["id"],
        "tax_rates": check_tax_rates(account, given.get("tax_rates"), f"{where}[tax_rates]"),
    }
    return item if quantity is None else {**item, "quantity": quantity}


def _end(account: Account, entry: Obj, items: list[Obj], start: int, where: str) -> int:
    """`end_date`, or `duration` from the start; one period of the first price where neither is given."""
    if "end_date" in entry and "duration" in entry:
        raise invalid("Pass only one of end_date and duration.", param=f"{where}[duration]")
    end = account.now() if entry.get("end_date") == "now" else entry.get("end_date")
    if end is None:
        length = entry.get("duration") or account.prices[items[0]["price"]]["recurring"]
        end = period_end(start, start, length["interval"], length.get("interval_count", 1))
    if end <= start:
        raise invalid("The end of a phase must be after its start.", param=f"{where}[end_date]")
    return int(end)


def of_subscription(account: Account, subscription: Obj) -> Obj:
    """The phase that a subscription is in: its present period."""
    first = subscription["items"]["data"][0]
    names = ("price", "quantity", "metadata")
    items = [
        {k: item["price"]["id"] if k == "price" else item[k] for k in names if k in item}
        for item in subscription["items"]["data"]
    ]
    return _phase(
        account,
        {"items": items, "end_date": first["current_period_end"]},
        first["current_period_start"],
        "phases[0]",
    )


def begin(account: Account, schedule: Obj, phase: Obj) -> Obj:
    """The subscription that the first phase makes."""
    params: dict[str, Any] = {
        "customer": schedule["customer"],
        "items": [_wanted(item) for item in phase["items"]],
        "billing_mode": {"type": schedule["billing_mode"]["type"]},
        "metadata": phase["metadata"],
        **_settings(schedule, phase),
    }
    return subscriptions.create(Call(account, {k: v for k, v in params.items() if v is not None}))


def _settings(schedule: Obj, phase: Obj) -> Obj:
    """What the phase says of the subscription, else what the schedule's default settings say."""
    defaults = schedule["default_settings"]
    found: Obj = {
        name: phase[name] or defaults[name] for name in ("collection_method", "default_payment_method", "description")
    }
    found["automatic_tax"] = {"enabled": (phase.get("automatic_tax") or defaults["automatic_tax"])["enabled"]}
    found["default_tax_rates"] = [rate["id"] for rate in phase["default_tax_rates"]] or None
    if (found["collection_method"] or "charge_automatically") == "send_invoice":
        settings = phase["invoice_settings"] or defaults["invoice_settings"]
        found["days_until_due"] = settings["days_until_due"]
    return found


def _wanted(item: Obj) -> Obj:
    entry: Obj = {k: item[k] for k in ("price", "quantity", "metadata") if k in item}
    return {**entry, "tax_rates": [rate["id"] for rate in item["tax_rates"]]}


def enter(account: Account, schedule: Obj, subscription: Obj, phase: Obj, behavior: str) -> None:
    """The subscription becomes what the phase says; prorations as `behavior`."""
    params: Obj = {"items": _entries(subscription, phase), "proration_behavior": behavior}
    anchor = phase["billing_cycle_anchor"] or schedule["default_settings"]["billing_cycle_anchor"]
    if anchor == "phase_start" and phase["start_date"] == account.now():
        params["billing_cycle_anchor"] = "now"
    settings = {k: v for k, v in _settings(schedule, phase).items() if v is not None}
    if settings.get("collection_method") == "charge_automatically":
        settings["days_until_due"] = None
    if settings.get("default_payment_method") not in account.methods_of_customer.get(subscription["customer"], []):
        settings.pop("default_payment_method", None)  # detached since the schedule was made
    settings["automatic_tax"] = tax_setting(settings["automatic_tax"]["enabled"])
    settings["default_tax_rates"] = phase["default_tax_rates"] or subscription["default_tax_rates"]
    with updating(account, subscription, "customer.subscription.updated"):
        subscription |= settings
        merge_metadata(subscription, {"metadata": phase["metadata"]})
        change(account, subscription, params)


def _entries(subscription: Obj, phase: Obj) -> list[Obj]:
    """`items` of an update that turns the subscription's into the phase's."""
    wanted = [_wanted(item) for item in phase["items"]]
    left = list(subscription["items"]["data"])
    entries: list[Obj] = []
    for entry in list(wanted):
        same = next((item for item in left if item["price"]["id"] == entry["price"]), None)
        if same is not None:
            left.remove(same)
            wanted.remove(entry)
            entries.append({"id": same["id"], **entry})
    for item, new in zip_longest(left, wanted):
        if new is None:
            entries.append({"id": item["id"], "deleted": True})
        else:
            entries.append(new if item is None else {"id": item["id"], **new})
    return entries
