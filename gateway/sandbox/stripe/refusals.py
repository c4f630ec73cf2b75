"""Error answers: the bodies of API v1 and v2, from a refusal or from a fault that was asked for."""

from __future__ import annotations

from typing import Any

from gateway.sandbox.kit.asgi import Reply, json_reply
from gateway.sandbox.kit.faults import Fault
from gateway.sandbox.stripe.errors import Refusal, lock_timeout, rate_limited, server_error

V2 = "/v2/"
V2_CODES = {400: "invalid_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict"}


def refused(refusal: Refusal, request_id: str, path: str) -> Reply:
    """Every error body of v2 has a code (docs: api-v2-overview); the words are chosen where v1 has none."""
    log = f"https://dashboard.stripe.com/test/logs/{request_id}"
    error: dict[str, Any] = {**refusal.error, "request_log_url": log}
    if path.startswith(V2):
        error.setdefault("code", V2_CODES.get(refusal.status, "api_error"))
        if error["code"] == "resource_missing":
            error["code"] = "not_found"
    reply = json_reply({"error": error}, refusal.status)
    return Reply(reply.status, reply.body, {**reply.headers, **refusal.headers, "request-id": request_id})


def broken(fault: Fault, request_id: str, path: str) -> Reply:
    """A fault's error, worded as Stripe's of that status."""
    reply = refused(_of(fault), request_id, path)
    return Reply(reply.status, reply.body, {**reply.headers, **fault.headers})


def _of(fault: Fault) -> Refusal:
    if fault.status == 429:
        return rate_limited("global-rate")
    if fault.status == 409:
        return lock_timeout()
    return server_error(fault.status)
