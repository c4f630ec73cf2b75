"""The control routes of every sandbox server, under `/_sandbox`, each a mirror of a method. README.md lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import msgspec

from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, json_reply
from gateway.sandbox.kit.delivery import Attempt
from gateway.sandbox.kit.faults import Fault
from gateway.sandbox.kit.forgery import Forgery
from gateway.sandbox.kit.latency import MAX_DELAY_S
from gateway.sandbox.kit.sandbox import Sandbox

ROOT = "/_sandbox"
ANSWER_LEAD_S = 0.05


class ClockMove(msgspec.Struct, forbid_unknown_fields=True):
    """One of them; `to` in Unix seconds or ISO 8601 with an offset. `skew_s` moves nothing, see `Clock`."""

    advance_s: int | None = None
    to: float | datetime | None = None
    skew_s: int | None = None


class Resend(msgspec.Struct, forbid_unknown_fields=True):
    event: str


class Forge(msgspec.Struct, forbid_unknown_fields=True):
    event: str
    how: Forgery = Forgery.SIGNATURE


class Outage(msgspec.Struct, forbid_unknown_fields=True):
    for_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_DELAY_S)]


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
        router.add("DELETE", f"{ROOT}/faults/{{id}}", self.remove_fault)
        router.add("POST", f"{ROOT}/outage", self.begin_outage)
        router.add("GET", f"{ROOT}/delivery", self.show_delivery)
        router.add("POST", f"{ROOT}/delivery", self.set_delivery)
        router.add("POST", f"{ROOT}/delivery/flush", self.flush)
        router.add("GET", f"{ROOT}/deliveries", self.list_deliveries)
        router.add("POST", f"{ROOT}/deliveries/resend", self.resend)
        router.add("POST", f"{ROOT}/deliveries/forge", self.forge)
        router.add("POST", f"{ROOT}/reset", self.reset)

    async def show_clock(self, _: Request) -> Reply:
        clock = self.sandbox.clock
        shown = {"now": clock.now(), "offset_s": clock.offset_s, "skew_s": clock.skew_s, "next_at": clock.next_at()}
        return json_reply(shown)

    async def move_clock(self, request: Request) -> Reply:
        move = request.read(ClockMove)
        with refusing():
            if sum(field is not None for field in msgspec.structs.astuple(move)) != 1:
                raise ValueError("give one of advance_s, to and skew_s")
            if move.skew_s is not None:
                self.sandbox.clock.skew_s = move.skew_s
            elif move.to is not None:
                await self.sandbox.deliver_until(move.to)
            elif move.advance_s is not None:
                await self.sandbox.deliver_until(self.sandbox.now() + move.advance_s)
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

    async def remove_fault(self, request: Request) -> Reply:
        with refusing():
            self.sandbox.faults.remove(request.params["id"])
        return await self.list_faults(request)

    async def begin_outage(self, request: Request) -> Reply:
        """This answer still arrives; after it nobody gets in until the time is over."""
        outage = request.read(Outage)
        await self.sandbox.door.shut(outage.for_s, lead_s=ANSWER_LEAD_S)
        return json_reply({"refuses_for_s": outage.for_s}, connection="close")

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

    async def forge(self, request: Request) -> Reply:
        wanted = request.read(Forge)
        with refusing():
            return list_reply(await self.sandbox.forge(wanted.event, wanted.how))

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
