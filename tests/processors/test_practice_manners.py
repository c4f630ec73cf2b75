"""Each adapter against an account in its own manner: what it declares is what the processor does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.sandbox.practice import PracticeProcessor, create_app
from gateway.sandbox.practice.manner import MANNERS
from processors.capabilities import KeyPlace, Lookup, RefundMode, Replay, Webhook
from processors.conformance.subject import WEBHOOK_URL
from processors.events import EventKind
from processors.money import Money
from processors.outcome import (
    Canceled,
    Declined,
    Found,
    LookupFailed,
    NotFound,
    NotSent,
    Pending,
    Rejected,
    Succeeded,
    Unknown,
)
from processors.practice.client import PracticeAdapter
from processors.practice.manners import ADAPTERS
from processors.values import ChargeQuery, MethodState, PaymentMethodReference, Secret
from tests.processors.conftest import API_KEY, START, WEBHOOK_SECRET, Practice, machine_now
from tests.support.serving import Door

DAY = 86400
CLASSES: tuple[type[PracticeAdapter], ...] = (PracticeAdapter, *ADAPTERS)


def manner_of(adapter: type[PracticeAdapter]) -> str:
    return adapter.name.removeprefix("practice_") or "practice"


@pytest.fixture(params=CLASSES, ids=[manner_of(one) for one in CLASSES])
async def like(request: Any, processor_door: Door, http: httpx.AsyncClient) -> AsyncIterator[Practice]:
    """One account in a manner, and the adapter for that manner."""
    processor = PracticeProcessor(lambda: START)
    processor_door.app = create_app(processor)
    taken = processor.set_manner(API_KEY, like=manner_of(request.param), charge_after_days=0)
    credentials = {"api_key": Secret(API_KEY), "webhook_secret": Secret(WEBHOOK_SECRET)}
    options = {"base_url": processor_door.url, "account": taken.id}
    adapter = request.param.from_config(credentials, options, http, machine_now)
    await processor.delivery.start()
    yield Practice(processor, adapter, processor_door.url, http)
    await processor.delivery.stop()


def query(practice: Practice, processor_id: str = "") -> ChargeQuery:
    (method, *_) = practice.account.methods.values()
    reference = PaymentMethodReference(Secret(method.token), Secret(method.customer))
    return ChargeQuery("in_1.1", processor_id, reference, START)


def test_there_is_an_adapter_for_every_manner() -> None:
    assert {manner_of(one) for one in CLASSES} == set(MANNERS)


@pytest.mark.parametrize("adapter", CLASSES)
def test_what_is_declared_is_what_the_manner_says(adapter: type[PracticeAdapter]) -> None:
    manner, declared = MANNERS[manner_of(adapter)], adapter.capabilities
    idempotency = declared.idempotency
    assert idempotency.window == timedelta(seconds=manner.key_window_s)
    assert idempotency.replay == Replay(manner.idempotency)
    assert idempotency.place == KeyPlace(manner.key_place)
    assert declared.lookup == Lookup(manner.lookup)
    assert declared.takes_lines is manner.takes_lines
    assert declared.cancel is (manner.cancel != "never")
    assert declared.refunds.mode == RefundMode(manner.refunds if manner.refunds != "off" else "none")
    assert (declared.webhook is Webhook.UNSIGNED_PING) is (manner.webhook == "ping")
    assert {name.upper(): places for name, places in adapter.units.differs.items()} == manner.decimals
    window = declared.refunds.window
    assert (window and window.days) == manner.refund_window_days
    assert bool(declared.polled_events) is not manner.dashboard_events


@pytest.mark.parametrize("adapter", CLASSES)
def test_every_kind_of_event_is_told_polled_or_impossible(adapter: type[PracticeAdapter]) -> None:
    declared = adapter.capabilities
    assert declared.events | declared.polled_events | declared.impossible_events == set(EventKind)
    assert not declared.events & declared.polled_events


async def test_a_charge_comes_to_its_end(like: Practice) -> None:
    outcome = await like.charge()
    if isinstance(outcome, Pending):
        like.processor.advance(DAY)
        assert like.account.charges[outcome.processor_id].status == "succeeded"
    else:
        assert isinstance(outcome, Succeeded)
    assert [one.captured for one in like.processor.captures()] == [1000]


@pytest.mark.parametrize("status", [429, 503])
async def test_what_the_key_has_made_is_there_also_where_it_can_not_be_read(practice: Practice, status: int) -> None:
    """Turned away while reading it back, the charge stands all the same: to call that "not sent" would charge twice."""
    practice.processor.set_manner(API_KEY, idempotency="conflict_with_id")
    call = practice.adapter.prepare_charge(practice.request())
    assert isinstance(await practice.adapter.charge(call), Succeeded)
    practice.processor.faults.add("error_before", method="GET", path="/v1/charges/{id}", status=status)
    assert isinstance(await practice.adapter.charge(call), Unknown)


async def test_a_lost_answer_is_settled_as_declared(like: Practice) -> None:
    """By the same bytes where they are safe, else by a look-up: never by a second charge."""
    like.processor.faults.add("lost_after", method="POST", path="/v1/charges")
    call = like.adapter.prepare_charge(like.request())
    assert isinstance(await like.adapter.charge(call), Unknown)
    if like.adapter.capabilities.idempotency.replay is Replay.RUNS_AGAIN_AFTER_ERROR:
        found = await like.adapter.lookup_charge(query(like))
        assert isinstance(found, Found)
        outcome = found.outcome
    else:
        outcome = await like.adapter.charge(call)
    (made,) = like.account.charges.values()
    assert isinstance(outcome, Succeeded | Pending)
    assert outcome.processor_id == made.id


async def test_a_look_up_without_an_id(like: Practice) -> None:
    outcome = await like.charge()
    found = await like.adapter.lookup_charge(query(like))
    if like.adapter.capabilities.lookup in (Lookup.NONE, Lookup.BY_ID):
        assert isinstance(found, LookupFailed), "nothing is known that was not known before"
    else:
        assert found == Found(outcome)


async def test_a_look_up_by_id(like: Practice) -> None:
    outcome = await like.charge()
    found = await like.adapter.lookup_charge(query(like, outcome.processor_id))
    if like.adapter.capabilities.lookup is Lookup.NONE:
        assert isinstance(found, LookupFailed)
    else:
        assert found == Found(outcome)


async def test_a_look_up_of_what_is_not_there(like: Practice) -> None:
    like.request()
    found = await like.adapter.lookup_charge(query(like))
    if like.adapter.capabilities.lookup in (Lookup.BY_REFERENCE, Lookup.SCAN):
        assert found == NotFound(conclusive=like.adapter.capabilities.not_found_is_conclusive)
    else:
        assert isinstance(found, LookupFailed)


async def test_withdrawing_a_charge(like: Practice) -> None:
    outcome = await like.charge("pending_then_ok")
    found = await like.adapter.cancel_charge(query(like, outcome.processor_id), "cancel")
    if not like.adapter.capabilities.cancel or like.account.manner.cancel == "until_charge_date":
        assert not isinstance(found, Found) or found.outcome == outcome
    else:
        assert found == Found(Canceled(outcome.processor_id))


async def test_an_amount_in_its_own_units(like: Practice) -> None:
    huf = Money(500_00, "huf")
    await like.charge(amount=huf)
    (made,) = like.account.charges.values()
    assert made.amount == (500 if like.account.manner.decimals else 50_000)


# One thing at a time, beyond the six


async def test_a_key_that_made_something_that_does_not_show_yet(practice: Practice) -> None:
    """It exists, so that not to see it is no refusal."""
    practice.processor.set_manner(API_KEY, idempotency="conflict_with_id", lookup_lag_s=600)
    request = practice.request()
    await practice.adapter.charge(practice.adapter.prepare_charge(request))
    again = await practice.adapter.charge(practice.adapter.prepare_charge(request))
    assert isinstance(again, Unknown)


async def test_two_payments_under_one_reference_are_both_told(practice: Practice) -> None:
    practice.processor.set_manner(API_KEY, unique_reference=False)
    first = await practice.charge("pending_then_fail", idempotency_key="one")
    second = await practice.charge("ok", idempotency_key="two")
    third = await practice.charge("ok", idempotency_key="three")
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert found == Found(second, (third, first))
    assert isinstance(await practice.adapter.cancel_charge(ChargeQuery("in_1.1"), "cancel"), LookupFailed)


async def test_the_processors_own_retry_is_under_way(practice: Practice) -> None:
    outcome = await practice.charge("retried_then_ok")
    assert outcome == Pending(outcome.processor_id, START + timedelta(days=2))
    practice.processor.advance(2 * DAY)
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)


async def test_authorized_is_not_paid(practice: Practice) -> None:
    outcome = await practice.charge("capture_fails")
    assert isinstance(outcome, Pending)
    practice.processor.advance(DAY)
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Declined)
    assert found.outcome.decline.processor_code == "capture_failed"


@pytest.mark.parametrize(("kind", "captured"), [("partial_capture", 600), ("over_payment", 1200)])
async def test_what_was_captured_is_told_and_not_what_was_asked(practice: Practice, kind: str, captured: int) -> None:
    outcome = await practice.charge(kind)
    assert isinstance(outcome, Succeeded)
    assert outcome.captured == Money(captured, "eur")


async def test_a_success_that_was_reversed_has_taken_nothing(practice: Practice) -> None:
    outcome = await practice.charge("late_failure_then_paid")
    practice.processor.advance(3 * DAY)
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Declined)
    practice.processor.advance(5 * DAY)
    assert await practice.adapter.lookup_charge(ChargeQuery("in_1.1")) == Found(outcome)


async def test_being_turned_away_is_not_sent_and_an_outage_is_unknown(practice: Practice) -> None:
    practice.processor.begin_outage(API_KEY, 60)
    assert isinstance(await practice.charge(), Unknown)
    assert await practice.adapter.lookup_charge(ChargeQuery("in_1.1")) != NotFound(conclusive=True)
    practice.processor.advance(60)
    practice.processor.set_manner(API_KEY, rate_limit=1)
    await practice.adapter.check(WEBHOOK_URL)
    turned_away = NotSent("POST /v1/charges answered 429: turned away unread", timedelta(seconds=1), answered=True)
    assert await practice.charge() == turned_away


@pytest.mark.parametrize(
    ("verb", "state"),
    [("expire", MethodState.EXPIRED), ("suspend", MethodState.PENDING), ("replace", MethodState.REVOKED)],
)
async def test_the_state_of_a_method(practice: Practice, verb: str, state: MethodState) -> None:
    token = practice.processor.create_method(API_KEY, "ok").token
    getattr(practice.processor, f"{verb}_method")(token)
    assert await practice.adapter.method_state(PaymentMethodReference(Secret(token))) == state


async def test_an_amount_above_the_largest_is_our_fault(practice: Practice) -> None:
    practice.processor.set_manner(API_KEY, maximum={"EUR": 999})
    outcome = await practice.charge()
    assert isinstance(outcome, Rejected)
    assert outcome.code == "amount_too_large"
