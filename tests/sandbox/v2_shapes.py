"""Closed shapes of what is known of API v2, which Stripe's published description leaves out.

Written from the official package 16.1 (`stripe/v2/core`, `stripe/params/v2/core`, `stripe/events`).
"""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs

Json = dict[str, Any]
TEXT: Json = {"type": "string", "minLength": 1}
TEXTS: Json = {"type": "array", "items": TEXT}
TIME: Json = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
NULL: Json = {"type": "null"}
MAP: Json = {"type": "object", "additionalProperties": {"type": "string"}}


def closed(required: Json, **optional: Json) -> Json:
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def maybe(schema: Json) -> Json:
    return {"anyOf": [schema, NULL]}


DESTINATION = closed(
    {
        "id": {"type": "string", "pattern": "^ed_test_"},
        "object": {"const": "v2.core.event_destination"},
        "amazon_eventbridge": NULL,
        "azure_event_grid": NULL,
        "created": TIME,
        "description": {"type": "string"},
        "enabled_events": TEXTS,
        "event_payload": {"enum": ["snapshot", "thin"]},
        "events_from": maybe(TEXTS),
        "livemode": {"const": False},
        "metadata": maybe(MAP),
        "name": TEXT,
        "snapshot_api_version": maybe(TEXT),
        "status": {"enum": ["disabled", "enabled"]},
        "status_details": maybe(closed({"disabled": closed({"reason": {"const": "user"}})})),
        "type": {"const": "webhook_endpoint"},
        "updated": TIME,
        "webhook_endpoint": closed({"signing_secret": maybe(TEXT), "url": maybe(TEXT)}),
    }
)
DELETED = closed({"id": TEXT, "object": TEXT})
REQUEST = closed({"id": TEXT, "idempotency_key": maybe(TEXT)})
SAMPLE = closed({"error_message": TEXT, "request": closed({"identifier": TEXT})})
ERROR_TYPE = closed(
    {"code": TEXT, "error_count": {"type": "integer"}, "sample_errors": {"type": "array", "items": SAMPLE}}
)
REPORT = closed(
    {
        "developer_message_summary": TEXT,
        "reason": closed({"error_count": {"type": "integer"}, "error_types": {"type": "array", "items": ERROR_TYPE}}),
        "validation_end": TIME,
        "validation_start": TIME,
    }
)
NOTICE: Json = {
    "id": {"type": "string", "pattern": "^evt_"},
    "object": {"const": "v2.core.event"},
    "type": {"type": "string", "pattern": r"^v[12]\."},
    "livemode": {"const": False},
    "created": TIME,
    "context": NULL,
    "reason": maybe(closed({"type": {"const": "request"}, "request": REQUEST})),
    "snapshot_event": maybe(TEXT),
    "changes": NULL,
}
RELATED = closed({"type": TEXT, "url": {"type": "string", "pattern": "^/v[12]/"}}, id=TEXT)
NOTIFICATION = closed(NOTICE, related_object=RELATED)
EVENT = closed(NOTICE, related_object=RELATED, data=REPORT)
ERROR = closed(
    {"error": closed({"type": TEXT, "code": TEXT, "message": TEXT, "request_log_url": TEXT}, doc_url=TEXT, param=TEXT)}
)
URL = closed({"url": TEXT})
CREATE = closed(
    {
        "name": TEXT,
        "type": {"const": "webhook_endpoint"},
        "event_payload": {"enum": ["snapshot", "thin"]},
        "enabled_events": TEXTS,
        "webhook_endpoint": URL,
    },
    description={"type": "string"},
    events_from=TEXTS,
    include=TEXTS,
    metadata=MAP,
    snapshot_api_version=TEXT,
)
UPDATE = closed(
    {},
    name=TEXT,
    description={"type": "string"},
    enabled_events=TEXTS,
    include=TEXTS,
    metadata={"type": "object", "additionalProperties": maybe({"type": "string"})},
    webhook_endpoint=URL,
)
NOTHING = closed({})


def page(item: Json) -> Json:
    return closed(
        {"data": {"type": "array", "items": item}, "next_page_url": maybe(TEXT), "previous_page_url": maybe(TEXT)}
    )


DESTINATIONS, ID = "/v2/core/event_destinations", "[^/]+"
OPERATIONS: list[tuple[str, str, Json, Json]] = [
    ("POST", DESTINATIONS, CREATE, DESTINATION),
    ("GET", DESTINATIONS, NOTHING, page(DESTINATION)),
    ("GET", f"{DESTINATIONS}/{ID}", NOTHING, DESTINATION),
    ("POST", f"{DESTINATIONS}/{ID}", UPDATE, DESTINATION),
    ("DELETE", f"{DESTINATIONS}/{ID}", NOTHING, DELETED),
    ("POST", f"{DESTINATIONS}/{ID}/(enable|disable)", NOTHING, DESTINATION),
    ("POST", f"{DESTINATIONS}/{ID}/ping", NOTHING, EVENT),
    ("GET", "/v2/core/events", NOTHING, page(EVENT)),
    ("GET", f"/v2/core/events/{ID}", NOTHING, EVENT),
]


def check(method: str, path: str, body: str, status: int, payload: Json) -> list[str]:
    """What the shapes say against an answer, and against the body of a request that was accepted."""
    where = f"{status} {method} {path}"
    if status >= 400:
        return _errors(ERROR, payload, where)
    for known, pattern, request, answer in OPERATIONS:
        if known == method and re.fullmatch(pattern, path):
            return _errors(request, json.loads(body or "{}"), f"request {where}") + _errors(answer, payload, where)
    return [f"{where} is not known of API v2"]


def _errors(schema: Json, value: Any, where: str) -> list[str]:
    return [f"{where}: {e.message}" for e in jsonschema_rs.Draft202012Validator(schema).iter_errors(value)]
