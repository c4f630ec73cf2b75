"""Webhook endpoints (v1). The signing secret is shown once, in the answer to the create call."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sandbox.stripe.closed_lists import EVENT_TYPES, check_version
from gateway.sandbox.stripe.errors import Refusal, bad_params, invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, listing, merge_metadata
from gateway.sandbox.stripe.receivers import MAX_RECEIVERS
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account


@route(
    "POST", "/v1/webhook_endpoints", "*url *enabled_events:[str] api_version description? metadata:map? connect:bool"
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    check_room(account)
    check_url(params["url"], "url")
    if "api_version" in params:
        check_version(params["api_version"], "api_version")
    if params.get("connect"):
        raise invalid("This sandbox does not cover Connect: there are no connected accounts.", param="connect")
    endpoint = {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": account.now(),
        "description": params.get("description") or None,
        "enabled_events": checked_types(params["enabled_events"], EVENT_TYPES),
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": params["url"],
        "_secret": new_id("whsec"),
    }
    merge_metadata(endpoint, params)
    account.webhook_endpoints.add(endpoint["id"], endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


def check_room(account: Account) -> None:
    """At most 16 endpoints; chosen: event destinations count with them."""
    if len(account.webhook_endpoints) + len(account.event_destinations) >= MAX_RECEIVERS:
        raise invalid(f"You have reached the maximum of {MAX_RECEIVERS} test webhook endpoints.")


def check_url(url: str, param: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param=param
        )


def checked_types(given: Sequence[str], known: frozenset[str]) -> list[str]:
    """Names out of the closed list, or `*` alone; no other wildcard."""
    if not given:
        raise bad_params("Invalid array: at least one event type is needed.", param="enabled_events")
    if list(given) == ["*"]:
        return ["*"]
    for at, name in enumerate(given):
        if name not in known:
            raise _not_a_type(name, f"enabled_events[{at}]")
    return list(dict.fromkeys(given))


def _not_a_type(name: str, param: str) -> Refusal:
    if name == "*":
        return bad_params("'*' stands for all events and can't be combined with others.", param=param)
    return bad_params(f"Invalid {param}: '{name}' is not an event type.", param=param)


retrieves("/v1/webhook_endpoints/{id}", lambda account: account.webhook_endpoints)


@route("POST", "/v1/webhook_endpoints/{id}", "url enabled_events:[str] description? metadata:map? disabled:bool")
def update(call: Call) -> Obj:
    endpoint, params = call.account.webhook_endpoints.need(call.id), call.params
    if "url" in params:
        check_url(params["url"], "url")
        endpoint["url"] = params["url"]
    if "enabled_events" in params:
        endpoint["enabled_events"] = checked_types(params["enabled_events"], EVENT_TYPES)
    if "description" in params:
        endpoint["description"] = params["description"] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    merge_metadata(endpoint, params)
    return endpoint


@route("DELETE", "/v1/webhook_endpoints/{id}")
def delete(call: Call) -> Obj:
    call.account.webhook_endpoints.need(call.id)
    del call.account.webhook_endpoints[call.id]
    return {"id": call.id, "object": "webhook_endpoint", "deleted": True}


@route("GET", "/v1/webhook_endpoints", PAGE)
def index(call: Call) -> Obj:
    return listing("/v1/webhook_endpoints", *call.account.webhook_endpoints.page(call.params))
