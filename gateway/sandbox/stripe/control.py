"""The control API under ``/_sandbox``: JSON, no authentication, for tools on the same machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from gateway.sandbox.stripe.sandbox import StripeSandbox

Json = dict[str, Any]
Operation = Callable[["StripeSandbox", Json], Awaitable[Any]]


async def control(sandbox: StripeSandbox, method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Status and payload of one control request; a wrong one is answered with what was wrong about it."""
    operation = OPERATIONS.get((method, path.rstrip("/")))
    if operation is None:
        return 404, {"error": f"no {method} {path}", "operations": [" ".join(key) for key in OPERATIONS]}
    try:
        given = msgspec.json.decode(body) if body else {}
        if not isinstance(given, dict):
            raise TypeError("the body must be a JSON object")
        return 200, await operation(sandbox, given)
    except (ValueError, TypeError, KeyError, msgspec.DecodeError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


async def _clock(sandbox: StripeSandbox, given: Json) -> Json:
    return {"now": sandbox.now()}


async def _move(sandbox: StripeSandbox, given: Json) -> Json:
    when = given["to"] if "to" in given else sandbox.now() + given["advance_s"]
    return {"now": await sandbox.advance_and_deliver(int(when))}


async def _calls(sandbox: StripeSandbox, given: Json) -> list[Json]:
    return list(sandbox.calls)


async def _clear_calls(sandbox: StripeSandbox, given: Json) -> Json:
    sandbox.calls.clear()
    return {}


async def _faults(sandbox: StripeSandbox, given: Json) -> list[Json]:
    return [rule.shown() for rule in sandbox.faults.rules]


async def _add_fault(sandbox: StripeSandbox, given: Json) -> Json:
    more = {name: value for name, value in given.items() if name not in ("match", "effect")}
    return sandbox.faults.add(given["effect"], **given.get("match", {}), **more).shown()


async def _clear_faults(sandbox: StripeSandbox, given: Json) -> Json:
    sandbox.faults.clear()
    return {}


async def _delivery(sandbox: StripeSandbox, given: Json) -> Json:
    return sandbox.delivery.shown()


async def _set_delivery(sandbox: StripeSandbox, given: Json) -> Json:
    sandbox.delivery.set(**given)
    return sandbox.delivery.shown()


async def _flush(sandbox: StripeSandbox, given: Json) -> Json:
    return await sandbox.flush()


async def _deliveries(sandbox: StripeSandbox, given: Json) -> list[Json]:
    return list(sandbox.delivery.log)


async def _resend(sandbox: StripeSandbox, given: Json) -> Json:
    return {"queued": sandbox.resend(given["event"])}


async def _reset(sandbox: StripeSandbox, given: Json) -> Json:
    sandbox.reset()
    return {}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/_sandbox/clock"): _clock,
    ("POST", "/_sandbox/clock"): _move,
    ("GET", "/_sandbox/calls"): _calls,
    ("DELETE", "/_sandbox/calls"): _clear_calls,
    ("GET", "/_sandbox/faults"): _faults,
    ("POST", "/_sandbox/faults"): _add_fault,
    ("DELETE", "/_sandbox/faults"): _clear_faults,
    ("GET", "/_sandbox/delivery"): _delivery,
    ("POST", "/_sandbox/delivery"): _set_delivery,
    ("POST", "/_sandbox/delivery/flush"): _flush,
    ("GET", "/_sandbox/deliveries"): _deliveries,
    ("POST", "/_sandbox/deliveries/resend"): _resend,
    ("POST", "/_sandbox/reset"): _reset,
}
