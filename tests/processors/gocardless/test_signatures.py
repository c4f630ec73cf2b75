"""Webhooks as they are delivered: signatures over the raw bytes, and batches."""

from __future__ import annotations

import json

import httpx
import pytest

from processors.errors import DeliveryMalformedError, SignatureInvalidError
from processors.events import Acknowledgement, Notice, Reply
from processors.gocardless.client import GoCardlessAdapter
from processors.gocardless.notices import signature
from tests.processors.gocardless.conftest import (
    PREVIOUS_SECRET,
    WEBHOOK_SECRET,
    batch,
    delivery,
    event,
    make_adapter,
)

BODY = batch(event("confirmed", 1), event("paid_out", 2))


async def test_a_signed_batch_is_its_events(adapter: GoCardlessAdapter) -> None:
    first, second = await adapter.verify(delivery(BODY))
    assert (first.key, first.kind) == ("EV1", "payments.confirmed")
    assert (second.key, second.kind) == ("EV2", "payments.paid_out")


async def test_a_batch_of_two_hundred_and_fifty(adapter: GoCardlessAdapter) -> None:
    events = [{**event("created"), "id": f"EV{number}"} for number in range(250)]
    noticed = await adapter.verify(delivery(batch(*events)))
    assert len({notice.key for notice in noticed}) == 250


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (BODY, ""),
        (BODY, "0" * 64),
        (BODY, signature(WEBHOOK_SECRET, BODY)[:-1]),
        (BODY, signature(WEBHOOK_SECRET, BODY)[:-1] + "é"),
        (BODY, signature("another-made-up-secret", BODY)),
        (BODY, signature("", BODY)),
        (BODY.replace(b"paid_out", b"paid_oug"), signature(WEBHOOK_SECRET, BODY)),
        (BODY + b"\n", signature(WEBHOOK_SECRET, BODY)),
        (json.dumps(json.loads(BODY), separators=(",", ":")).encode(), signature(WEBHOOK_SECRET, BODY)),
    ],
)
async def test_a_signature_that_does_not_hold(adapter: GoCardlessAdapter, body: bytes, given: str) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(body, given))


async def test_a_signature_that_is_missing_or_there_twice(adapter: GoCardlessAdapter) -> None:
    signed = delivery(BODY)
    for headers in ((), (*signed.headers, signed.headers[-1])):
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(type(signed)("POST", signed.url, headers, (), BODY))


async def test_the_secret_is_being_changed(http: httpx.AsyncClient, adapter: GoCardlessAdapter) -> None:
    by_previous = delivery(BODY, signature(PREVIOUS_SECRET, BODY))
    changing = make_adapter(http, previous_webhook_secret=PREVIOUS_SECRET)
    assert len(await changing.verify(by_previous)) == len(await changing.verify(delivery(BODY))) == 2
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(by_previous)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"events":[{"id":"EV1"}]}', b'{"events":[1]}', b"\xff"])
async def test_a_body_that_is_no_batch(adapter: GoCardlessAdapter, body: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.verify(delivery(body))


async def test_an_empty_batch_holds_nothing(adapter: GoCardlessAdapter) -> None:
    assert await adapter.verify(delivery(batch())) == ()


async def test_an_event_that_can_not_be_read(adapter: GoCardlessAdapter) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.parse(Notice("EV1", "payments.confirmed", b'{"id":"EV1"}'))


def test_the_answers_that_gocardless_wants(adapter: GoCardlessAdapter) -> None:
    assert adapter.acknowledge(delivery(BODY), Acknowledgement.STORED) == Reply(200, "ok")
    assert adapter.acknowledge(delivery(BODY), Acknowledgement.REFUSED) == Reply(498, "")
