"""Webhooks of the practice processor: which signatures hold, what a notice says, and how delivery misbehaves."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from processors.errors import ConfigurationError, DeliveryMalformedError, SignatureInvalidError
from processors.events import EventKind, Notice, ProcessorEvent, RawDelivery
from processors.money import Money
from processors.outcome import Canceled, Declined, Pending, RequiresAction, Succeeded
from processors.practice.client import PracticeAdapter
from processors.practice.notices import signature
from processors.values import ChargeQuery, Secret
from tests.processors.conftest import API_KEY, START, WEBHOOK_SECRET, Practice, Receiver, make_adapter

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
NOW = 1_900_000_000
BODY = (
    b'{"events":[{"id":"pevt_1","type":"note.added","account":"pa_1","created":1900000000,"data":{}},'
    b' {"id":"pevt_2","type":"note.added","account":"pa_1","created":1900000000,"data":{}}]}'
)


def delivery(header: str | None, body: bytes = BODY) -> RawDelivery:
    headers = () if header is None else (("practice-signature", header),)
    return RawDelivery("POST", "https://tollbridge.example/webhooks/a/b", headers, (), body)


def signed(body: bytes = BODY, at: int = NOW, secret: str = WEBHOOK_SECRET) -> str:
    return f"t={at},v1={signature(secret, at, body)}"


async def verified(practice: Practice, given: RawDelivery, at: int = NOW) -> tuple[Notice, ...]:
    """By an adapter for which it is that time."""
    now = datetime.fromtimestamp(at, UTC)
    adapter = make_adapter(practice.http, practice.base_url, practice.account.id, clock=lambda: now)
    return await adapter.verify(given)


def test_the_signature_is_the_documented_one() -> None:
    expected = hmac.new(b"secret", b"12." + BODY, hashlib.sha256).hexdigest()
    assert signature("secret", 12, BODY) == expected


async def test_a_batch_gives_a_notice_for_each_event(practice: Practice) -> None:
    notices = await verified(practice, delivery(signed()))
    assert [(notice.key, notice.kind) for notice in notices] == [("pevt_1", "note.added"), ("pevt_2", "note.added")]
    assert notices[0].body in BODY


GOOD = signature(WEBHOOK_SECRET, NOW, BODY)


@pytest.mark.parametrize(
    ("header", "at"),
    [
        (f"t={NOW},v1={GOOD}", NOW),
        (f"v1={GOOD}, t={NOW}", NOW),
        (f"t={NOW},v1={GOOD}", NOW + 300),
        (f"t={NOW},v1={GOOD}", NOW - 300),
        (f"t={NOW},v1={'0' * 64},v1={GOOD}", NOW),
        (f"t={NOW},v0=x,v1={GOOD}", NOW),
    ],
)
async def test_a_signature_that_holds(practice: Practice, header: str, at: int) -> None:
    assert await verified(practice, delivery(header), at)


@pytest.mark.parametrize(
    ("header", "at"),
    [
        (None, NOW),
        ("", NOW),
        ("t=,v1=", NOW),
        (f"v1={GOOD}", NOW),
        (f"t={NOW}", NOW),
        (f"t={NOW},v1=", NOW),
        (f"t={NOW},v1={'0' * 64}", NOW),
        (f"t={NOW},v1={GOOD[:-1]}", NOW),
        (f"t={NOW},v1={GOOD}0", NOW),
        (f"t={NOW},v1=é{GOOD}", NOW),
        (f"t={NOW},v0={GOOD}", NOW),
        (f"t={NOW},t={NOW},v1={GOOD}", NOW),
        (f"t={NOW + 1},v1={GOOD}", NOW),
        (f"t=+{NOW},v1={GOOD}", NOW),
        (f"t={NOW}.0,v1={GOOD}", NOW),
        (f"t=١٩,v1={GOOD}", NOW),
        (f"t={NOW},v1={GOOD}", NOW + 301),
        (f"t={NOW},v1={GOOD}", NOW - 301),
        (signed(secret="another_secret"), NOW),
        (signed(secret=""), NOW),
    ],
)
async def test_a_signature_that_does_not_hold(practice: Practice, header: str | None, at: int) -> None:
    with pytest.raises(SignatureInvalidError):
        await verified(practice, delivery(header), at)


async def test_a_header_that_comes_twice_is_refused(practice: Practice) -> None:
    twice = (("practice-signature", signed()), ("practice-signature", signed()))
    with pytest.raises(SignatureInvalidError):
        await verified(practice, RawDelivery("POST", "", twice, (), BODY))


@pytest.mark.parametrize("position", [0, 5, len(BODY) // 2, len(BODY) - 1])
async def test_one_flipped_bit(practice: Practice, position: int) -> None:
    body = bytearray(BODY)
    body[position] ^= 1
    with pytest.raises(SignatureInvalidError):
        await verified(practice, delivery(signed(), bytes(body)))


async def test_a_body_that_was_serialised_again(practice: Practice) -> None:
    again = msgspec.json.encode(msgspec.json.decode(BODY))
    assert again != BODY
    with pytest.raises(SignatureInvalidError):
        await verified(practice, delivery(signed(), again))


async def test_a_change_in_the_second_event_of_a_batch(practice: Practice) -> None:
    with pytest.raises(SignatureInvalidError):
        await verified(practice, delivery(signed(), BODY.replace(b"pevt_2", b"pevt_3")))


async def test_the_errors_show_no_secret(practice: Practice) -> None:
    with pytest.raises(SignatureInvalidError) as caught:
        await verified(practice, delivery(signed(at=NOW - 1000)))
    assert WEBHOOK_SECRET not in str(caught.value)
    assert GOOD not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"events":[{}]}', b'{"events":{}}', b"\xff", b'{"events":[1]}'])
async def test_signed_but_not_a_batch_of_events(practice: Practice, body: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await verified(practice, delivery(signed(body), body))


@pytest.mark.parametrize(
    "body", [b'{"data":1}', b"", b'{"id":"e","type":"charge.failed","account":"a","created":1,"data":{}}']
)
async def test_an_event_that_cannot_be_read(practice: Practice, body: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await practice.adapter.parse(Notice("e", "charge.failed", body))


@pytest.mark.parametrize(
    ("credentials", "options", "field"),
    [
        ({"webhook_secret": ""}, {}, "webhook_secret"),
        ({"webhook_secret": " "}, {}, "webhook_secret"),
        ({"webhook_secret": None}, {}, "webhook_secret"),
        ({"api_key": ""}, {}, "api_key"),
        ({"api_key": "a b"}, {}, "api_key"),
        ({"api_key": "a\r\nx: y"}, {}, "api_key"),
        ({"api_key": "schlüssel"}, {}, "api_key"),
        ({"api_key": None}, {}, "api_key"),
        ({}, {"base_url": ""}, "base_url"),
        ({}, {"base_url": "practice.example"}, "base_url"),
        ({}, {"account": ""}, "account"),
        ({}, {"account": None}, "account"),
    ],
)
async def test_a_connection_that_cannot_work_is_refused(
    credentials: dict[str, str | None], options: dict[str, str | None], field: str, http: httpx.AsyncClient
) -> None:
    secrets = {"api_key": "key", "webhook_secret": "secret"} | credentials
    plain = {"base_url": "https://practice.example", "account": "pa_1"} | options
    with pytest.raises(ConfigurationError, match=field) as caught:
        PracticeAdapter.from_config(
            {name: Secret(value) for name, value in secrets.items() if value is not None},
            {name: value for name, value in plain.items() if value is not None},
            http,
            lambda: START,
        )
    assert "schl" not in str(caught.value)


# Delivery by the processor


async def events(practice: Practice, receiver: Receiver) -> list[ProcessorEvent]:
    """Everything that the receiver was sent, verified with machine time and parsed."""
    parsed: list[ProcessorEvent] = []
    for one in receiver.deliveries:
        for notice in await practice.adapter.verify(one):
            parsed.extend(await practice.adapter.parse(notice))
    return parsed


@pytest.fixture
def wired(practice: Practice, receiver: Receiver) -> Practice:
    practice.processor.set_webhook(API_KEY, receiver.url, WEBHOOK_SECRET)
    return practice


@pytest.mark.parametrize(
    ("kind", "event_kind", "outcome"),
    [
        ("ok", EventKind.CHARGE_SUCCEEDED, Succeeded),
        ("decline_do_not_honor", EventKind.CHARGE_FAILED, Declined),
        ("pending_then_ok", EventKind.CHARGE_PENDING, Pending),
        ("requires_action", EventKind.CHARGE_PENDING, RequiresAction),
    ],
)
async def test_a_charge_is_announced_at_once(
    wired: Practice, receiver: Receiver, eventually: Eventually, kind: str, event_kind: EventKind, outcome: type[Any]
) -> None:
    answered = await wired.charge(kind)
    started = time.monotonic()
    await eventually(lambda: bool(receiver.deliveries))
    assert time.monotonic() - started < 0.5
    (event,) = await events(wired, receiver)
    assert (event.kind, event.reference, event.account_ref) == (event_kind, "in_1.1", wired.account.id)
    assert event.occurred_at == START
    assert type(event.outcome) is outcome
    assert event.outcome == answered  # what the answer said and what the event says are one


@pytest.mark.parametrize(
    ("kind", "event_kind", "outcome"),
    [
        ("pending_then_ok", EventKind.CHARGE_SUCCEEDED, Succeeded),
        ("pending_then_fail", EventKind.CHARGE_FAILED, Declined),
    ],
)
async def test_a_pending_charge_is_announced_when_it_settles(
    wired: Practice, receiver: Receiver, kind: str, event_kind: EventKind, outcome: type[Any]
) -> None:
    wired.processor.delivery.set(mode="manual")
    await wired.charge(kind)
    wired.processor.advance(2 * 86400)
    assert (await wired.processor.flush()).sent == 2
    event = (await events(wired, receiver))[-1]
    assert (event.kind, type(event.outcome)) == (event_kind, outcome)
    assert event.occurred_at == START + timedelta(days=1)


async def test_settling_now_and_against_the_methods_kind(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual")
    pending = await wired.charge("pending_then_ok")
    wired.processor.settle(pending.processor_id, "failed")
    await wired.processor.flush()
    assert (await events(wired, receiver))[-1].kind is EventKind.CHARGE_FAILED
    with pytest.raises(ValueError, match="failed"):
        wired.processor.settle(pending.processor_id)


async def test_a_cancellation_is_announced(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual")
    await wired.charge("pending_then_ok")
    await wired.adapter.cancel_charge(ChargeQuery("in_1.1"), "cancel-1")
    await wired.processor.flush()
    event = (await events(wired, receiver))[-1]
    assert event.kind is EventKind.CHARGE_FAILED
    assert isinstance(event.outcome, Canceled)


async def test_a_payer_who_revokes_is_announced(wired: Practice, receiver: Receiver, eventually: Eventually) -> None:
    token = wired.processor.create_method(API_KEY, "ok").token
    wired.processor.revoke_method(token)
    await eventually(lambda: bool(receiver.deliveries))
    (event,) = await events(wired, receiver)
    assert event.kind is EventKind.METHOD_REVOKED
    assert event.token == Secret(token)
    assert token not in repr(event)


async def test_an_event_that_means_nothing_to_us_is_ignored_with_its_name(practice: Practice) -> None:
    (notice, _) = await verified(practice, delivery(signed()))
    (event,) = await practice.adapter.parse(notice)
    assert (event.kind, event.detail) == (EventKind.IGNORED, "note.added")


async def test_doubled_events_have_one_key(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual", double=True)
    await wired.charge()
    assert (await wired.processor.flush()).sent == 2
    keys = [notice.key for one in receiver.deliveries for notice in await wired.adapter.verify(one)]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_shuffled_events_come_all_but_not_in_order(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual", shuffle=True)
    references = [f"in_1.{n}" for n in range(12)]
    for reference in references:
        await wired.charge(reference=reference)
    await wired.processor.flush()
    came = [event.reference for event in await events(wired, receiver)]
    assert came != references
    assert sorted(came) == sorted(references)


async def test_dropped_events_never_come(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual", drop=1)
    for n in range(3):
        await wired.charge(reference=f"in_1.{n}")
    await wired.processor.flush()
    assert sorted(event.reference for event in await events(wired, receiver)) == ["in_1.1", "in_1.2"]
    assert wired.processor.delivery.dropped == 1


async def test_delayed_events_wait_for_the_sandbox_clock(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(delay_s=3600)
    await wired.charge()
    await asyncio.sleep(0.1)
    assert (await wired.processor.flush()).sent == 0
    wired.processor.advance(3600)
    await wired.processor.flush()
    assert len(receiver.deliveries) == 1


async def test_events_in_one_batch(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual", batch=10)
    for n in range(3):
        await wired.charge(reference=f"in_1.{n}")
    assert (await wired.processor.flush()).sent == 3
    assert len(receiver.deliveries) == 1
    assert len(await events(wired, receiver)) == 3


async def test_a_refused_delivery_is_tried_again_with_the_same_event(
    wired: Practice, receiver: Receiver, eventually: Eventually
) -> None:
    receiver.answers = [500]
    await wired.charge()
    await eventually(lambda: len(receiver.deliveries) == 2)
    assert {event.processor_id for event in await events(wired, receiver)} == set(wired.account.charges)
    await eventually(lambda: not wired.processor.delivery.waiting)


async def test_delivery_gives_up_in_the_end(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual")
    receiver.answers = [500] * 100
    await wired.charge()
    for _ in range(30):
        await wired.processor.flush()
    assert len(receiver.deliveries) == 20
    assert (wired.processor.delivery.given_up, wired.processor.delivery.waiting) == (1, 0)


async def test_each_account_has_its_own_endpoint_and_secret(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual")
    wired.processor.set_webhook("practice_test_key_2", receiver.url, "another_secret")
    wired.processor.create_method("practice_test_key_2", "ok")
    token = next(iter(wired.processor.account("practice_test_key_2").methods))
    wired.processor.revoke_method(token)
    await wired.processor.flush()
    with pytest.raises(SignatureInvalidError):
        await wired.adapter.verify(receiver.deliveries[0])


async def test_an_event_keeps_the_amount_in_stripes_units(wired: Practice, receiver: Receiver) -> None:
    wired.processor.delivery.set(mode="manual")
    await wired.charge(amount=Money(150000, "isk"))
    await wired.processor.flush()
    (event,) = await events(wired, receiver)
    assert isinstance(event.outcome, Succeeded)
    assert event.outcome.captured == Money(150000, "isk")
