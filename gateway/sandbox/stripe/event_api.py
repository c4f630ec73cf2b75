"""Reading events: as stored, in the version of the account when they happened."""

from __future__ import annotations

import re

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import EventRow, prune
from gateway.sandbox.stripe.objects import Obj, in_range, listing
from gateway.sandbox.stripe.routes import PAGE, Call, route

MAX_TYPES = 20


@route("GET", "/v1/events/{id}")
def retrieve(call: Call) -> Obj:
    prune(call.account)
    return call.account.events.need(call.id).shown()


@route("GET", "/v1/events", f"type types:[str] created:range delivery_success:bool {PAGE}")
def index(call: Call) -> Obj:
    """`delivery_success=false`: still pending, or failed, for at least one endpoint."""
    params = call.params
    prune(call.account)
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", code="parameters_exclusive")
    if len(params.get("types", ())) > MAX_TYPES:
        raise invalid(f"You may list at most {MAX_TYPES} types.", param="types")
    pattern = re.compile(re.escape(params.get("type", "*")).replace(r"\*", ".*"))
    success = params.get("delivery_success")

    def keep(event: EventRow) -> bool:
        return (
            pattern.fullmatch(event.type) is not None
            and ("types" not in params or event.type in params["types"])
            and in_range(event.created, params.get("created"))
            and (success is None or success == (not event.waiting))
        )

    rows, more = call.account.events.page(params, keep)
    return listing("/v1/events", [event.shown() for event in rows], more)
