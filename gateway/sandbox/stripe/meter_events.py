"""Meter events and their adjustments.

As in Stripe, an event is answered before its contents are checked: only a repeated identifier is refused at once
(recorded: "An event already exists with identifier"). Everything else that is wrong ends in `refused_usage.py`.
The check itself happens within the request here, so that usage counts from the answer on.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from uuid import uuid4

from gateway.sandbox.stripe import refused_usage, usage
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.meter_errors import Code
from gateway.sandbox.stripe.meters import active_meter
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.store import Account

IDENTIFIERS_KEPT_S = 24 * 3600
OLDEST_S, NEWEST_S = 35 * 86400, 300
MAX_DIGITS = 15


class _Bad(Exception):  # noqa: N818  an answer of the check, not a defect of ours
    """What is wrong with an event: a code of Stripe's error reports, and its text."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@route("POST", "/v1/billing/meter_events", "*event_name *payload:map identifier timestamp:int")
def create(call: Call) -> Obj:
    account, params, now = call.account, call.params, call.account.now()
    identifier = params.get("identifier") or str(uuid4())
    if len(identifier) > 100:
        raise invalid("Invalid string: `identifier` can be at most 100 characters long.", param="identifier")
    _forget(account)
    if identifier in account.meter_events:
        raise invalid(f"An event already exists with identifier {identifier}.", param="identifier")
    event = {
        "object": "billing.meter_event",
        "created": now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": params["payload"],
        "timestamp": params.get("timestamp", now),
        "_came_at": account.sandbox_clock.now(),
    }
    account.meter_events[identifier] = event
    _count(account, event)
    return event


def _forget(account: Account) -> None:
    """Identifiers stand in the order of their coming, by the sandbox's time; test clocks do not age them (chosen)."""
    now = account.sandbox_clock.now()
    while account.meter_events:
        oldest = next(iter(account.meter_events))
        if now - account.meter_events[oldest]["_came_at"] < IDENTIFIERS_KEPT_S:
            return
        del account.meter_events[oldest]


def _count(account: Account, event: Obj) -> None:
    meter = active_meter(account, event["event_name"])
    try:
        if meter is None:
            raise _unknown(account, event["event_name"])
        customer, value = _read(account, meter, event)
    except _Bad as bad:
        found = meter or _inactive(account, event["event_name"])
        refused_usage.refuse(account, bad.code, str(bad), event["identifier"], found)
        return
    usage.add(account, meter, customer, event["timestamp"], value, event["identifier"])
    event["_counted"] = (meter["id"], customer)


def _inactive(account: Account, name: str) -> Obj | None:
    return next((meter for meter in account.meters.values() if meter["event_name"] == name), None)


def _unknown(account: Account, name: str) -> _Bad:
    if _inactive(account, name) is not None:
        return _Bad("archived_meter", f"The meter for event_name {name} is inactive.")
    return _Bad("no_meter", f"No meter was found matching event_name {name}.")


def _read(account: Account, meter: Obj, event: Obj) -> tuple[str, Decimal]:
    """Customer and value of an event; raises _Bad for what Stripe would report."""
    now, payload = account.now(), event["payload"]
    if event["timestamp"] < now - OLDEST_S:
        raise _Bad("timestamp_too_far_in_past", "The event timestamp must be within the past 35 calendar days.")
    if event["timestamp"] > now + NEWEST_S:
        raise _Bad("timestamp_in_future", "The event timestamp must be at most 5 minutes in the future.")
    key = meter["customer_mapping"]["event_payload_key"]
    if not payload.get(key):
        raise _Bad("meter_event_no_customer_defined", f"The event payload is missing the customer in `{key}`.")
    customer = account.customers.get(payload[key])
    if customer is None or customer.get("deleted"):
        raise _Bad("meter_event_customer_not_found", f"No customer was found for id {payload[key]}.")
    if meter["default_aggregation"]["formula"] == "count":
        return payload[key], Decimal(1)
    return payload[key], _value(payload, meter["value_settings"]["event_payload_key"])


def _value(payload: dict[str, str], key: str) -> Decimal:
    if not payload.get(key):
        raise _Bad("meter_event_value_not_found", f"The event payload is missing the value in `{key}`.")
    try:
        value = Decimal(payload[key])
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise _Bad("meter_event_invalid_value", f"The event value {payload[key]} is not a number.")
    if len(value.as_tuple().digits) > MAX_DIGITS:
        raise _Bad("meter_event_value_too_many_digits", f"The event value has more than {MAX_DIGITS} digits.")
    return value


@route("POST", "/v1/billing/meter_event_adjustments", "*event_name *type:cancel cancel:{identifier}")
def adjust(call: Call) -> Obj:
    """Takes an event of the last 24 hours back; a finalized invoice stays as it is (docs: recording-usage)."""
    account, params = call.account, call.params
    identifier = params.get("cancel", {}).get("identifier")
    if identifier is None:
        name = "cancel[identifier]"
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    _forget(account)
    event = account.meter_events.get(identifier)
    if event is None or event["event_name"] != params["event_name"]:
        raise missing("meter event", identifier, param="cancel[identifier]", status=400)
    if "_counted" in event:
        meter, customer = event["_counted"]
        usage.cancel(account, account.meters[meter], customer, identifier)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }
