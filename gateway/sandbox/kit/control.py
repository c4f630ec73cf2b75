"""The control routes of every sandbox server, under `/_sandbox`, each a mirror of a method. README.md lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, json_reply
from gateway.sandbox.kit.delivery import Attempt
from gateway.sandbox.kit.faults import Fault
from gateway.sandbox.kit.sandbox import Sandbox

ROOT = "/_sandbox"


class ClockMove(msgspec.Struct, forbid_unknown_fields=True):
    """One of the two; `to` in Unix seconds or ISO 8601 with an offset."""

    advance_s: int | None = None
    to: float | datetime | None = None


class Resend(msgspec.Struct, forbid_unknown_fields=True):
    event: str


class Controls:
    """The handlers; each reads, acts and shows."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def add_routes(self, router: Router[Handler]) -> None:
        router.add("GET", f"{ROOT}/clock", self.show_clock)
        router.add("POST", f"{ROOT}/clock", self.move_clock)
        router.add("GET", f"{ROOT}/calls", self.list_calls)
        router.add("DELETE", f"{ROOT}/calls", self.clear_calls)
        router.add("GET", f"{ROOT}/faults", self.list_faults)
        router.add("POST", f"{ROOT}/faults", self.add_fault)
        router.add("DELETE", f"{ROOT}/faults", self.clear_faults)
        router.add("GET", f"{ROOT}/delivery", self.show_delivery)
        router.add("POST", f"{ROOT}/delivery", self.set_delivery)
        router.add("POST", f"{ROOT}/delivery/flush", self.flush)
        router.add("GET", f"{ROOT}/deliveries", self.list_deliveries)
        router.add("POST", f"{ROOT}/deliveries/resend", self.resend)
        router.add("POST", f"{ROOT}/reset", self.reset)

    async def show_clock(self, _: Request) -> Reply:
        return json_reply({"now": self.sandbox.now(), "offset_s": self.sandbox.clock.offset_s})

    async def move_clock(self, request: Request) -> Reply:
        move = request.read(ClockMove)
        with refusing():
            if move.to is not None and move.advance_s is None:
                await self.sandbox.deliver_until(move.to)
            elif move.advance_s is not None and move.to is None:
                await self.sandbox.deliver_until(self.sandbox.now() + move.advance_s)
            else:
                raise ValueError("give one of advance_s and to")
        return await self.show_clock(request)

    async def list_calls(self, _: Request) -> Reply:
        return list_reply([call.shown() for call in self.sandbox.calls])

    async def clear_calls(self, _: Request) -> Reply:
        self.sandbox.calls.clear()
        return list_reply([])

    async def list_faults(self, _: Request) -> Reply:
        return list_reply(self.sandbox.faults.pending)

    async def add_fault(self, request: Request) -> Reply:
        fault = request.read(Fault)
        with refusing():
            return json_reply(self.sandbox.faults.put(fault), 201)

    async def clear_faults(self, _: Request) -> Reply:
        self.sandbox.faults.clear()
        return list_reply([])

    async def show_delivery(self, _: Request) -> Reply:
        delivery = self.sandbox.delivery
        counts = {"waiting": delivery.waiting, "sent": delivery.sent}
        counts |= {"dropped": delivery.dropped, "given_up": delivery.given_up}
        return json_reply(msgspec.structs.asdict(delivery.settings) | counts)

    async def set_delivery(self, request: Request) -> Reply:
        changed = request.read(dict[str, Any])
        with refusing():
            self.sandbox.delivery.set(**changed)
        return await self.show_delivery(request)

    async def flush(self, _: Request) -> Reply:
        done = await self.sandbox.flush()
        counts = {"sent": done.sent, "failed": done.failed, "waiting": self.sandbox.delivery.waiting}
        return list_reply(done.attempts, **counts)

    async def list_deliveries(self, _: Request) -> Reply:
        attempts: list[Attempt] = list(self.sandbox.delivery.log)
        return list_reply(attempts)

    async def resend(self, request: Request) -> Reply:
        wanted = request.read(Resend)
        with refusing():
            return json_reply({"queued": self.sandbox.resend(wanted.event)})

    async def reset(self, _: Request) -> Reply:
        self.sandbox.reset()
        return json_reply({"reset": True})


def list_reply(data: Sequence[Any], **more: int) -> Reply:
    return json_reply({"object": "list", "data": data, **more})


@contextmanager
def refusing() -> Iterator[None]:
    """Turns what a method refuses into an answer: LookupError is 404, ValueError is 400."""
    try:
        yield
    except LookupError as error:
        raise HttpError(404, "not_found", str(error)) from None
    except ValueError as error:
        raise HttpError(400, "invalid_request", str(error)) from None
