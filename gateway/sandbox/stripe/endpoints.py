"""Webhook endpoints. The signing secret is shown once, in the answer to the create call."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, listing, merge_metadata
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route

MAX_ENDPOINTS = 16


@route(
    "POST", "/v1/webhook_endpoints", "*url *enabled_events:[str] api_version description? metadata:map? connect:bool"
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if len(account.webhook_endpoints) >= MAX_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.")
    _check(params)
    endpoint = {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": account.now(),
        "description": params.get("description") or None,
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": params["url"],
        "_secret": new_id("whsec"),
    }
    merge_metadata(endpoint, params)
    account.webhook_endpoints.add(endpoint["id"], endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


def _check(params: Obj) -> None:
    if "url" in params and not params["url"].startswith(("http://", "https://")):
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    if "enabled_events" in params and not params["enabled_events"]:
        raise invalid("Invalid array: at least one event type is needed.", param="enabled_events")


retrieves("/v1/webhook_endpoints/{id}", lambda account: account.webhook_endpoints)


@route("POST", "/v1/webhook_endpoints/{id}", "url enabled_events:[str] description? metadata:map? disabled:bool")
def update(call: Call) -> Obj:
    endpoint, params = call.account.webhook_endpoints.need(call.id), call.params
    _check(params)
    for name in ("url", "enabled_events", "description"):
        if name in params:
            endpoint[name] = params[name] or None
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
