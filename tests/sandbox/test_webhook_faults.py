"""Webhooks that come late, with a wrong time, or that a receiver must refuse: the same for both servers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator

import pytest
import stripe

from gateway.sandbox.kit.forgery import Forgery
from processors.errors import SignatureInvalidError
from processors.practice.notices import check_signature
from tests.sandbox.conftest import serving
from tests.sandbox.tools import KEY, Receiver, Tool, opened

PRACTICE_SECRET = "webhook_secret_1"


class Hooked:
    """A server, the endpoint that it sends to, and the endpoint's own check of what came last."""

    def __init__(self, tool: Tool, receiver: Receiver) -> None:
        self.tool, self.receiver, self.secret = tool, receiver, PRACTICE_SECRET

    async def register(self) -> None:
        if self.tool.name == "practice":
            self.tool.sandbox.set_webhook(KEY, self.receiver.url, PRACTICE_SECRET)
            return
        made = await self.tool.http.post(
            "/v1/webhook_endpoints",
            headers={"authorization": f"Bearer {KEY}"},
            data={"url": self.receiver.url, "enabled_events[]": "*"},
        )
        self.secret = made.json()["secret"]

    async def event(self) -> str:
        """Something happens and is announced; the event's id."""
        if self.tool.name == "practice":
            self.tool.sandbox.revoke_method(self.tool.sandbox.create_method(KEY, "ok").token)
        else:
            await self.tool.call()
        await self.tool.sandbox.delivery.settle()
        account = self.tool.sandbox.account(KEY)
        return str(next(reversed(account.events)))

    def holds(self) -> bool:
        """Whether the receiver may believe the last request: the checks that Stripe's package and our adapter make."""
        body, headers = self.receiver.bodies[-1], self.receiver.headers[-1]
        try:
            if self.tool.name == "practice":
                check_signature(headers["practice-signature"], self.secret, body, time.time())
            else:
                stripe.WebhookSignature.verify_header(body.decode(), headers["stripe-signature"], self.secret, 300)
        except (KeyError, SignatureInvalidError, stripe.SignatureVerificationError):
            return False
        return True


@pytest.fixture(params=["stripe", "practice"])
async def hooked(request: pytest.FixtureRequest) -> AsyncIterator[Hooked]:
    receiver = Receiver()
    async with serving(receiver, lifespan="off") as receiver.url, opened(request.param) as tool:
        hooked = Hooked(tool, receiver)
        await hooked.register()
        yield hooked


@pytest.mark.parametrize("how", list(Forgery))
async def test_a_forged_webhook_is_sent_once_and_must_be_refused(hooked: Hooked, how: str) -> None:
    event = await hooked.event()
    assert hooked.holds()
    (tried,) = (await hooked.tool.control("POST", "deliveries/forge", event=event, how=how))["data"]
    assert (tried["event"], tried["forged"], tried["status"]) == (event, how, 200)
    assert len(hooked.receiver.bodies) == 2
    same = json.loads(hooked.receiver.bodies[1]) == json.loads(hooked.receiver.bodies[0])
    assert same == (how != "event")
    assert not hooked.holds()
    assert (await hooked.tool.control("GET", "delivery"))["waiting"] == 0


async def test_there_is_no_such_event_to_forge(hooked: Hooked) -> None:
    answer = await hooked.tool.http.post("/_sandbox/deliveries/forge", json={"event": "evt_none"})
    assert answer.status_code == 404


async def test_a_wrong_clock_signs_and_dates_events(hooked: Hooked) -> None:
    await hooked.event()
    await hooked.tool.control("POST", "clock", skew_s=-3600)
    await hooked.event()
    (first, second) = [int(re.findall(rb'"created":(\d+)', body)[0]) for body in hooked.receiver.bodies]
    assert -3610 < second - first < -3590
    assert not hooked.holds()
    await hooked.tool.control("POST", "clock", skew_s=0)
    await hooked.event()
    assert hooked.holds()


async def test_webhooks_take_their_time(hooked: Hooked) -> None:
    await hooked.tool.control("POST", "delivery", latency={"kind": "constant", "ms": 400})
    began = time.monotonic()
    await hooked.event()
    assert time.monotonic() - began >= 0.4
    assert hooked.holds()
    shown = await hooked.tool.control("POST", "delivery", latency=None, drop=["note.added"], double=True)
    assert (shown["latency"], shown["drop"], shown["double"]) == (None, ["note.added"], True)


async def test_the_number_that_is_dropped_never_comes(hooked: Hooked) -> None:
    await hooked.tool.control("POST", "delivery", drop=2)
    events = [await hooked.event() for _ in range(3)]
    assert len(hooked.receiver.bodies) == 1
    assert events[2].encode() in hooked.receiver.bodies[0]
    counts = await hooked.tool.control("GET", "delivery")
    assert (counts["dropped"], counts["sent"], counts["waiting"]) == (2, 1, 0)
    assert counts["drop"] in (0, False)


async def test_all_that_is_dropped_never_comes(hooked: Hooked) -> None:
    await hooked.tool.control("POST", "delivery", drop=True, mode="manual")
    await hooked.event()
    done = await hooked.tool.control("POST", "delivery/flush")
    assert (done["sent"], done["failed"], done["waiting"]) == (0, 1, 0)
    assert [one["error"] for one in (await hooked.tool.control("GET", "deliveries"))["data"]] == ["dropped"]
    assert hooked.receiver.bodies == []


async def test_delayed_ones_wait_for_the_sandboxs_clock(hooked: Hooked) -> None:
    await hooked.tool.control("POST", "delivery", delay_s=3600)
    event = await hooked.event()
    assert (await hooked.tool.control("POST", "delivery/flush"))["data"] == []
    await hooked.tool.control("POST", "clock", advance_s=3601)
    await hooked.tool.sandbox.delivery.settle()
    assert event.encode() in hooked.receiver.bodies[0]


async def test_doubled_and_out_of_order(hooked: Hooked) -> None:
    await hooked.tool.control("POST", "delivery", mode="manual", double=True, shuffle=True)
    made = [await hooked.event() for _ in range(12)]
    done = await hooked.tool.control("POST", "delivery/flush")
    assert (done["sent"], len(hooked.receiver.bodies)) == (24, 24)
    came = [next(id for id in made if id.encode() in body) for body in hooked.receiver.bodies]
    assert sorted(came) == sorted(made * 2)
    assert list(dict.fromkeys(came)) != made


async def test_a_receiver_that_was_away_gets_them_at_the_next_try(hooked: Hooked) -> None:
    await hooked.tool.control("POST", "delivery", retry_base_s=60, max_attempts=3)
    hooked.receiver.status = 500
    await hooked.event()
    hooked.receiver.status = 200
    assert (await hooked.tool.control("GET", "delivery"))["waiting"] == 1
    done = await hooked.tool.control("POST", "delivery/flush")
    assert [(one["attempt"], one["ok"]) for one in done["data"]] == [(2, True)]
