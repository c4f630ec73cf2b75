"""Payments found again, by their id or among those of their mandate, and withdrawn."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from processors.gocardless import api as calls
from processors.gocardless.client import GoCardlessAdapter
from processors.money import Money
from processors.outcome import Canceled, Declined, Found, LookupFailed, NotFound, Pending, Succeeded
from processors.values import ChargeQuery, PaymentMethodReference, Secret
from tests.processors.gocardless.conftest import AT, MANDATE, error, event, failed, one, page, payment, when

METHOD = PaymentMethodReference(Secret(MANDATE), Secret("CU123"))
BY_ID = ChargeQuery("in_1.1", "PM123", METHOD, AT)
BY_SCAN = ChargeQuery("in_1.1", "", METHOD, AT)
OTHER = {"tollbridge_reference": "in_2.1"}


async def test_by_its_id(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/payments/PM123").mock(return_value=one("payments", payment("confirmed")))
    api.get("/events", params={"payment": "PM123"}).mock(return_value=page("events", event("confirmed", 4)))
    assert await adapter.lookup_charge(BY_ID) == Found(Succeeded("PM123", Money(1050, "gbp"), when(4)))


async def test_among_the_payments_of_its_mandate(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    """Asked for from an hour before it was sent: the time that counts there is GoCardless'."""
    listed = api.get("/payments").mock(
        return_value=page("payments", payment(id="PM1", metadata=OTHER), payment(), payment(id="PM3", metadata={}))
    )
    found = await adapter.lookup_charge(BY_SCAN)
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Pending)
    assert found.outcome.processor_id == "PM123"
    query = dict(listed.calls.last.request.url.params)
    assert query == {"mandate": MANDATE, "created_at[gte]": "2026-11-20T08:30:00.000Z", "limit": "100"}


async def test_over_several_pages(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    listed = api.get("/payments").mock(
        side_effect=[page("payments", payment(id="PM9", metadata=OTHER), after="PM9"), page("payments", payment())]
    )
    assert isinstance(await adapter.lookup_charge(BY_SCAN), Found)
    assert [call.request.url.params.get("after") for call in listed.calls] == [None, "PM9"]


async def test_several_under_one_reference_are_money_each(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    listed = [payment("failed", id="PM1"), payment("confirmed", id="PM2"), payment("submitted", id="PM3")]
    api.get("/payments").mock(return_value=page("payments", *listed))
    api.get("/events", params={"payment": "PM1"}).mock(return_value=page("events", failed()))
    api.get("/events", params={"payment": "PM2"}).mock(return_value=page("events", event("confirmed")))
    found = await adapter.lookup_charge(BY_SCAN)
    assert isinstance(found, Found)
    assert [type(outcome) for outcome in (found.outcome, *found.also)] == [Succeeded, Pending, Declined]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (BY_ID, error("resource_not_found", 404)),
        (BY_SCAN, page("payments")),
        (BY_SCAN, page("payments", payment(metadata=OTHER))),
    ],
)
async def test_what_is_not_seen_may_exist_all_the_same(
    adapter: GoCardlessAdapter, api: respx.MockRouter, query: ChargeQuery, answer: httpx.Response
) -> None:
    api.get(path__startswith="/payments").mock(return_value=answer)
    assert await adapter.lookup_charge(query) == NotFound(conclusive=False)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(429),
        error("unauthorized", 401),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json={}),
        one("payments", payment(metadata=OTHER)),
        one("payments", payment(links={"creditor": "CR_ANOTHER"})),
        one("payments", payment("of_tomorrow")),
        one("payments", payment("charged_back", amount="1")),
    ],
)
async def test_a_look_up_that_fails_says_nothing(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.get("/payments/PM123").mock(side_effect=[answer])
    assert isinstance(await adapter.lookup_charge(BY_ID), LookupFailed)


@pytest.mark.parametrize(
    "query",
    [ChargeQuery("in_1.1"), ChargeQuery("in_1.1", "PM123/../../refunds"), ChargeQuery("in_1.1", "PM1?x=1")],
)
async def test_what_can_not_be_asked_for_asks_nothing(adapter: GoCardlessAdapter, query: ChargeQuery) -> None:
    assert isinstance(await adapter.lookup_charge(query), LookupFailed)


async def test_a_list_without_an_end(
    adapter: GoCardlessAdapter, api: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MAX_PAGES", 2)
    listed = api.get("/payments").mock(return_value=page("payments", payment(), after="PM123"))
    assert isinstance(await adapter.lookup_charge(BY_SCAN), LookupFailed)
    assert listed.call_count == 2


# Withdrawn


async def test_a_payment_that_waits_is_withdrawn(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/payments/PM123").mock(return_value=one("payments", payment()))
    sent = api.post("/payments/PM123/actions/cancel").mock(return_value=one("payments", payment("cancelled")))
    api.get("/events").mock(return_value=page("events", event("cancelled", details={"cause": "payment_cancelled"})))
    assert await adapter.cancel_charge(BY_ID, "cancel:1") == Found(Canceled("PM123"))
    assert sent.calls.last.request.content == b""


@pytest.mark.parametrize(("status", "kind"), [("submitted", Pending), ("confirmed", Succeeded)])
async def test_a_submitted_payment_can_not_be_withdrawn(
    adapter: GoCardlessAdapter, api: respx.MockRouter, status: str, kind: type[Any]
) -> None:
    api.get("/payments/PM123").mock(return_value=one("payments", payment(status)))
    api.post("/payments/PM123/actions/cancel").mock(return_value=error("cancellation_failed"))
    if status == "confirmed":
        api.get("/events").mock(return_value=page("events", event("confirmed")))
    found = await adapter.cancel_charge(BY_ID, "cancel:1")
    assert isinstance(found, Found)
    assert isinstance(found.outcome, kind)


@pytest.mark.parametrize("answer", [httpx.Response(500), error("forbidden", 403), httpx.ReadTimeout("late")])
async def test_a_withdrawal_that_fails_says_nothing(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.get("/payments/PM123").mock(return_value=one("payments", payment()))
    api.post("/payments/PM123/actions/cancel").mock(side_effect=[answer])
    assert isinstance(await adapter.cancel_charge(BY_ID, "cancel:1"), LookupFailed)


async def test_nothing_is_withdrawn_where_none_or_several_fit(
    adapter: GoCardlessAdapter, api: respx.MockRouter
) -> None:
    api.get("/payments").mock(side_effect=[page("payments"), page("payments", payment(), payment(id="PM2"))])
    assert await adapter.cancel_charge(BY_SCAN, "cancel:1") == NotFound(conclusive=False)
    assert isinstance(await adapter.cancel_charge(BY_SCAN, "cancel:1"), LookupFailed)
