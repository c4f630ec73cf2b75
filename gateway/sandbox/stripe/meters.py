"""Billing meters: what is counted, under which name, and how it adds up; and the summaries of what they counted."""

from __future__ import annotations

import hashlib

from gateway.sandbox.stripe import usage
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import number
from gateway.sandbox.stripe.objects import Obj, listing
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account, Collection

MINUTE_S = 60
MAX_SUMMARIES = 10_000


@route(
    "POST",
    "/v1/billing/meters",
    "*display_name *event_name *default_aggregation:{*formula:count|last|sum} "
    "customer_mapping:{*event_payload_key *type:by_id} event_time_window:day|hour value_settings:{*event_payload_key}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if active_meter(account, params["event_name"]) is not None:
        raise invalid(f"An active meter with event name {params['event_name']} already exists.", param="event_name")
    now, id = account.now(), new_id("mtr")
    meter = {
        "id": id,
        "object": "billing.meter",
        "created": now,
        "customer_mapping": params.get(
            "customer_mapping", {"event_payload_key": "stripe_customer_id", "type": "by_id"}
        ),
        "default_aggregation": params["default_aggregation"],
        "display_name": params["display_name"],
        "event_name": params["event_name"],
        "event_time_window": params.get("event_time_window"),
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": params.get("value_settings", {"event_payload_key": "value"}),
    }
    account.meters.add(id, meter)
    record(account, "billing.meter.created", meter)
    return meter


def active_meter(account: Account, event_name: str) -> Obj | None:
    """An event name belongs to one active meter (docs: recording-usage)."""
    found = (m for m in account.meters.values() if m["event_name"] == event_name and m["status"] == "active")
    return next(found, None)


retrieves("/v1/billing/meters/{id}", lambda account: account.meters)


@route("POST", "/v1/billing/meters/{id}", "display_name")
def update(call: Call) -> Obj:
    """A meter is immutable but for its display name (docs: recording-usage)."""
    account, meter = call.account, call.account.meters.need(call.id)
    if "display_name" in call.params:
        with updating(account, meter, "billing.meter.updated"):
            meter |= {"display_name": call.params["display_name"], "updated": account.now()}
    return meter


@route("GET", "/v1/billing/meters", f"status:active|inactive {PAGE}")
def index(call: Call) -> Obj:
    status = call.params.get("status")
    return listing(
        "/v1/billing/meters", *call.account.meters.page(call.params, lambda m: status in (None, m["status"]))
    )


@route("POST", "/v1/billing/meters/{id}/deactivate")
def deactivate(call: Call) -> Obj:
    """An inactive meter takes no events, and no new price can be attached to it (docs: billing/meter/deactivate)."""
    account, meter = call.account, call.account.meters.need(call.id)
    if meter["status"] == "inactive":
        raise invalid("This meter is already inactive.")
    meter |= {
        "status": "inactive", "status_transitions": {"deactivated_at": account.now()}, "updated": account.now(),
    }  # fmt: skip
    record(account, "billing.meter.deactivated", meter)
    return meter


@route("POST", "/v1/billing/meters/{id}/reactivate")
def reactivate(call: Call) -> Obj:
    account, meter = call.account, call.account.meters.need(call.id)
    if meter["status"] == "active":
        raise invalid("This meter is already active.")
    if active_meter(account, meter["event_name"]) is not None:
        raise invalid(f"An active meter with event name {meter['event_name']} already exists.", param="event_name")
    meter |= {"status": "active", "status_transitions": {"deactivated_at": None}, "updated": account.now()}
    record(account, "billing.meter.reactivated", meter)
    return meter


@route(
    "GET",
    "/v1/billing/meters/{id}/event_summaries",
    f"*customer *start_time:int *end_time:int value_grouping_window:day|hour {PAGE}",
)
def summaries(call: Call) -> Obj:
    """One summary, or one for each hour or day in UTC; windows in which nothing was counted are left out (chosen)."""
    account, params = call.account, call.params
    meter = account.meters.need(call.id)
    account.customers.need(params["customer"], "customer")
    start, end = params["start_time"], params["end_time"]
    length = usage.WINDOWS_S.get(params.get("value_grouping_window", ""), MINUTE_S)
    for name in ("start_time", "end_time"):
        if params[name] % length:
            raise invalid(f"`{name}` must be aligned with {_unit(length)} boundaries.", param=name)
    if end <= start:
        raise invalid("`end_time` must be after `start_time`.", param="end_time")
    step = length if "value_grouping_window" in params else end - start
    if (end - start) // step > MAX_SUMMARIES:
        raise invalid("The time range holds too many windows.", param="end_time")
    found: Collection[Obj] = Collection("meter event summary")
    for begin in range(start, end, step):
        summary = _summary(account, meter, params["customer"], begin, begin + step)
        if summary is not None:
            found.add(summary["id"], summary)
    return listing(f"/v1/billing/meters/{call.id}/event_summaries", *found.page(params))


def _unit(length: int) -> str:
    return {MINUTE_S: "minute", 3600: "hour"}.get(length, "day")


def _summary(account: Account, meter: Obj, customer: str, start: int, end: int) -> Obj | None:
    rows = usage.window(account, meter["id"], customer, start, end)
    if not rows:
        return None
    name = hashlib.sha256(f"{meter['id']} {customer} {start} {end}".encode()).hexdigest()
    return {
        "id": f"mtrusg_test_{name[:32]}",
        "object": "billing.meter_event_summary",
        "aggregated_value": number(usage.aggregate(meter, rows)),
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }
