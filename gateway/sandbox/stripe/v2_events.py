"""Thin events as the API lists them, for 30 days (docs: api/v2/core/events).

Of one object only in the versions before 2025-10-29.clover; with it came `types`, and `created` with 2025-11-17.clover
(change logs of the official packages; what stood for it in between is left out).
"""

from __future__ import annotations

from datetime import datetime

from gateway.sandbox.stripe.errors import bad_params
from gateway.sandbox.stripe.event_api import MAX_TYPES
from gateway.sandbox.stripe.events import prune
from gateway.sandbox.stripe.objects import Obj, in_range
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.thin_events import ThinEvent
from gateway.sandbox.stripe.v2_pages import PAGE, v2_page

ROOT = "/v2/core/events"
SINCE = {"types": "2025-10-29", "created": "2025-11-17"}


@route("GET", f"{ROOT}/{{id}}")
def retrieve(call: Call) -> Obj:
    prune(call.account)
    return call.account.thin_events.need(call.id).shown()


@route("GET", ROOT, f"object_id types:[str] created:{{gt gte lt lte}} {PAGE}")
def index(call: Call) -> Obj:
    params = call.params
    _check(params, call.version)
    prune(call.account)
    created = {name: _moment(text, f"created[{name}]") for name, text in params.get("created", {}).items()}

    def keep(event: ThinEvent) -> bool:
        return (
            params.get("object_id") in (None, event.object_id)
            and ("types" not in params or event.type in params["types"])
            and in_range(event.created, created)
        )

    return v2_page(ROOT, params, call.account.thin_events, ThinEvent.shown, keep)


def _check(params: Obj, version: str) -> None:
    for name, since in SINCE.items():
        if name in params and version < since:
            raise bad_params(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    if "object_id" not in params and version < SINCE["types"]:
        raise bad_params("Missing required param: object_id.", code="parameter_missing", param="object_id")
    if len(params.get("types", ())) > MAX_TYPES:
        raise bad_params(f"You may list at most {MAX_TYPES} types.", param="types")


def _moment(text: str, param: str) -> float:
    """RFC 3339, as v2 writes its times."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_params(f"Invalid timestamp: {text}", param=param) from None
    if moment.tzinfo is None:
        raise bad_params(f"Invalid timestamp: {text} has no offset", param=param)
    return moment.timestamp()
