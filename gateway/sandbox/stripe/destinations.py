"""Event destinations (API v2): where snapshot or thin events are sent. Only webhook endpoints; no cloud event buses.

The secret is answered to the create call alone, and only if it is asked for with `include`; so is the URL elsewhere.
Shapes: the official package 16.1, `v2/core/_event_destination.py`.
"""

from __future__ import annotations

from gateway.sandbox.stripe.closed_lists import EVENT_TYPES, THIN_EVENT_TYPES, check_version
from gateway.sandbox.stripe.endpoints import check_room, check_url, checked_types
from gateway.sandbox.stripe.errors import bad_params, invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, merge_metadata
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.thin_events import iso, new_thin_event
from gateway.sandbox.stripe.v2_pages import PAGE, v2_page

ROOT = "/v2/core/event_destinations"
SECRET, URL = "webhook_endpoint.signing_secret", "webhook_endpoint.url"
OWN = "@self"


@route(
    "POST",
    ROOT,
    "*name *type:webhook_endpoint|amazon_eventbridge|azure_event_grid *event_payload:snapshot|thin "
    "*enabled_events:[str] description? events_from:[str] include:[str] metadata:map? snapshot_api_version "
    "webhook_endpoint:{*url}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    _check(params)
    check_room(account)
    now = iso(account.now())
    thin = params["event_payload"] == "thin"
    row = {
        "id": new_id("ed_test"),
        "object": "v2.core.event_destination",
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": now,
        "description": params.get("description") or "",
        "enabled_events": checked_types(params["enabled_events"], THIN_EVENT_TYPES if thin else EVENT_TYPES),
        "event_payload": params["event_payload"],
        "events_from": [OWN],
        "livemode": False,
        "metadata": {},
        "name": params["name"],
        "snapshot_api_version": None if thin else params.get("snapshot_api_version", account.api_version),
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": now,
        "_url": params["webhook_endpoint"]["url"],
        "_secret": new_id("whsec"),
    }
    merge_metadata(row, params)
    account.event_destinations.add(row["id"], row)
    return _shown(row, _included(params, {SECRET, URL}))


def _check(params: Obj) -> None:
    if params["type"] != "webhook_endpoint":
        raise invalid("This sandbox sends to webhook endpoints only.", param="type")
    if "webhook_endpoint" not in params:
        raise bad_params(
            "Missing required param: webhook_endpoint.", code="parameter_missing", param="webhook_endpoint"
        )
    check_url(params["webhook_endpoint"]["url"], "webhook_endpoint[url]")
    if params.get("events_from", [OWN]) != [OWN]:
        raise invalid("This sandbox does not cover Connect: events come from '@self' alone.", param="events_from")
    if "snapshot_api_version" in params:
        if params["event_payload"] == "thin":
            raise bad_params("Thin events have no API version.", param="snapshot_api_version")
        check_version(params["snapshot_api_version"], "snapshot_api_version")


def _included(params: Obj, known: set[str]) -> set[str]:
    asked = set(params.get("include", ()))
    if unknown := asked - known:
        raise bad_params(f"Invalid include: {sorted(unknown)[0]}", param="include")
    return asked


def _shown(row: Obj, include: set[str]) -> Obj:
    return row | {
        "webhook_endpoint": {
            "signing_secret": row["_secret"] if SECRET in include else None,
            "url": row["_url"] if URL in include else None,
        }
    }


@route("GET", f"{ROOT}/{{id}}", "include:[str]")
def retrieve(call: Call) -> Obj:
    return _shown(call.account.event_destinations.need(call.id), _included(call.params, {URL}))


@route(
    "POST",
    f"{ROOT}/{{id}}",
    "name description? enabled_events:[str] include:[str] metadata:map? webhook_endpoint:{*url}",
)
def update(call: Call) -> Obj:
    row, params = call.account.event_destinations.need(call.id), call.params
    include = _included(params, {URL})
    changed: Obj = {name: params[name] for name in ("name", "description") if name in params}
    if "webhook_endpoint" in params:
        check_url(params["webhook_endpoint"]["url"], "webhook_endpoint[url]")
        changed["_url"] = params["webhook_endpoint"]["url"]
    if "enabled_events" in params:
        known = THIN_EVENT_TYPES if row["event_payload"] == "thin" else EVENT_TYPES
        changed["enabled_events"] = checked_types(params["enabled_events"], known)
    row |= changed | {"updated": iso(call.account.now())}
    merge_metadata(row, params)
    return _shown(row, include)


@route("DELETE", f"{ROOT}/{{id}}")
def delete(call: Call) -> Obj:
    call.account.event_destinations.need(call.id)
    del call.account.event_destinations[call.id]
    return {"id": call.id, "object": "v2.core.event_destination"}


@route("GET", ROOT, f"include:[str] {PAGE}")
def index(call: Call) -> Obj:
    include = _included(call.params, {URL})
    return v2_page(ROOT, call.params, call.account.event_destinations, lambda row: _shown(row, include))


@route("POST", f"{ROOT}/{{id}}/enable")
def enable(call: Call) -> Obj:
    return _set_status(call, "enabled", None)


@route("POST", f"{ROOT}/{{id}}/disable")
def disable(call: Call) -> Obj:
    return _set_status(call, "disabled", {"disabled": {"reason": "user"}})


def _set_status(call: Call, status: str, details: Obj | None) -> Obj:
    row = call.account.event_destinations.need(call.id)
    row |= {"status": status, "status_details": details, "updated": iso(call.account.now())}
    return _shown(row, set())


@route("POST", f"{ROOT}/{{id}}/ping")
def ping(call: Call) -> Obj:
    """A thin event to this destination alone, whatever it asked for."""
    account, row = call.account, call.account.event_destinations.need(call.id)
    if row["status"] != "enabled":
        raise invalid("A disabled event destination can't be pinged.")
    event = new_thin_event(account, "v2.core.event_destination.ping", row)
    event.waiting.add(row["id"])
    account.webhooks.send(account, event, row["id"])
    return event.shown()
