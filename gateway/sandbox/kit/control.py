"""The control routes that every sandbox server has under `/_sandbox`, each a mirror of a method."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.sandbox.kit.asgi import HttpError, Reply, Request, Router, json_reply
from gateway.sandbox.kit.calls import CallLog
from gateway.sandbox.kit.clock import Clock
from gateway.sandbox.kit.delivery import Delivery
from gateway.sandbox.kit.faults import Fault, FaultBook


class Sandbox(Protocol):
    """What the common controls act on."""

    clock: Clock
    calls: CallLog
    faults: FaultBook
    delivery: Delivery

    def advance(self, seconds: float) -> None: ...
    def move_to(self, when: float | datetime) -> None: ...
    async def flush(self) -> int: ...
    def reset(self) -> None: ...


class ClockMove(msgspec.Struct, forbid_unknown_fields=True):
    """One of the two; `to` in Unix seconds or ISO 8601 with an offset."""

    advance_s: float | None = None
    to: float | datetime | None = None


def add_controls(router: Router, sandbox: Sandbox) -> None:
    async def show_clock(_: Request) -> Reply:
        return json_reply({"now": int(sandbox.clock.now()), "offset_s": sandbox.clock.offset_s})

    async def move_clock(request: Request) -> Reply:
        move = request.read(ClockMove)
        if (move.advance_s is None) == (move.to is None):
            raise HttpError(400, "invalid_request", "give one of advance_s and to")
        try:
            if move.advance_s is not None:
                sandbox.advance(move.advance_s)
            elif move.to is not None:
                sandbox.move_to(move.to)
        except ValueError as error:
            raise HttpError(400, "invalid_request", str(error)) from None
        return await show_clock(request)

    async def list_calls(_: Request) -> Reply:
        return json_reply(_list([call.shown() for call in sandbox.calls]))

    async def clear_calls(_: Request) -> Reply:
        sandbox.calls.clear()
        return json_reply(_list([]))

    async def list_faults(_: Request) -> Reply:
        return json_reply(_list(sandbox.faults.pending))

    async def add_fault(request: Request) -> Reply:
        try:
            return json_reply(sandbox.faults.add(request.read(Fault)), 201)
        except ValueError as error:
            raise HttpError(400, "invalid_request", str(error)) from None

    async def clear_faults(_: Request) -> Reply:
        sandbox.faults.clear()
        return json_reply(_list([]))

    async def show_delivery(_: Request) -> Reply:
        delivery = sandbox.delivery
        counts = {"waiting": len(delivery.waiting), "sent": delivery.sent, "dropped": delivery.dropped}
        return json_reply(msgspec.to_builtins(delivery.settings) | counts | {"given_up": delivery.given_up})

    async def set_delivery(request: Request) -> Reply:
        changed = msgspec.to_builtins(sandbox.delivery.settings) | request.read(dict[str, Any])
        try:
            sandbox.delivery.settings = msgspec.convert(changed, type(sandbox.delivery.settings))
        except msgspec.ValidationError as error:
            raise HttpError(400, "invalid_request", str(error)) from None
        return await show_delivery(request)

    async def flush(_: Request) -> Reply:
        return json_reply({"accepted": await sandbox.flush(), "waiting": len(sandbox.delivery.waiting)})

    async def reset(_: Request) -> Reply:
        sandbox.reset()
        return json_reply({"reset": True})

    router.add("GET", "/_sandbox/clock", show_clock)
    router.add("POST", "/_sandbox/clock", move_clock)
    router.add("GET", "/_sandbox/calls", list_calls)
    router.add("DELETE", "/_sandbox/calls", clear_calls)
    router.add("POST", "/_sandbox/calls/clear", clear_calls)
    router.add("GET", "/_sandbox/faults", list_faults)
    router.add("POST", "/_sandbox/faults", add_fault)
    router.add("DELETE", "/_sandbox/faults", clear_faults)
    router.add("POST", "/_sandbox/faults/clear", clear_faults)
    router.add("GET", "/_sandbox/delivery", show_delivery)
    router.add("POST", "/_sandbox/delivery", set_delivery)
    router.add("POST", "/_sandbox/flush", flush)
    router.add("POST", "/_sandbox/reset", reset)


def _list(data: list[Any]) -> dict[str, Any]:
    return {"object": "list", "data": data}
