"""Refunds: the sum that they confirm, what they come to, and why they aren't made."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from processors.errors import CallError, MoneyError, RefusedError
from processors.gocardless.client import GoCardlessAdapter
from processors.gocardless.returns import REFUSALS
from processors.money import Money
from processors.outcome import (
    LookupFailed,
    NotFound,
    NotSent,
    RefundFailed,
    RefundFound,
    RefundPending,
    RefundRefusal,
    RefundRefused,
    RefundSucceeded,
    Unknown,
)
from processors.values import RefundQuery
from tests.processors.gocardless.conftest import error, one, page, refund, refund_request, refunded, used_key

AMOUNT = Money(350, "gbp")
OUTSIDE = refund("paid", id="RF9", metadata={})


def test_prepared_bytes_are_fixed_for_ever(adapter: GoCardlessAdapter) -> None:
    call = adapter.prepare_refund(refund_request())
    assert call.body == (
        b'{"refunds":{"amount":350,"links":{"payment":"PM123"},"metadata":{"tollbridge_reference":"rfd_1.1"},'
        b'"total_amount_confirmation":350}}'
    )
    assert (call.path, call.headers[1]) == ("/refunds", ("idempotency-key", "key-rfd_1.1"))
    assert adapter.prepare_refund(refund_request()) == call


@pytest.mark.parametrize(("before", "total"), [(None, 350), (Money(0, "gbp"), 350), (Money(200, "gbp"), 550)])
def test_the_sum_of_all_refunds_is_confirmed(adapter: GoCardlessAdapter, before: Money | None, total: int) -> None:
    call = adapter.prepare_refund(refund_request(returned_before=before))
    assert f'"total_amount_confirmation":{total}}}'.encode() in call.body


@pytest.mark.parametrize("amount", [Money(0, "gbp"), Money(-1, "gbp"), Money(5, "jpy")])
def test_an_amount_that_can_not_go_back(adapter: GoCardlessAdapter, amount: Money) -> None:
    with pytest.raises(MoneyError):
        adapter.prepare_refund(refund_request(amount=amount))


@pytest.mark.parametrize("charge", ["PM1/../../payments", "PM1?x=1", ""])
def test_an_id_that_leads_elsewhere(adapter: GoCardlessAdapter, charge: str) -> None:
    with pytest.raises(RefusedError):
        adapter.prepare_refund(refund_request(charge_id=charge))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("created", RefundPending),
        ("pending_submission", RefundPending),
        ("submitted", RefundPending),
        ("paid", RefundSucceeded),
        ("bounced", RefundFailed),
        ("cancelled", RefundFailed),
        ("funds_returned", RefundFailed),
    ],
)
@pytest.mark.parametrize("again", [False, True])
async def test_what_a_refund_comes_to(
    adapter: GoCardlessAdapter, api: respx.MockRouter, status: str, kind: type[Any], again: bool
) -> None:
    made = one("refunds", refund(status), 201)
    api.post("/refunds").mock(return_value=used_key("RF123") if again else made)
    if again:
        api.get("/refunds/RF123").mock(return_value=made)
    outcome = await refunded(adapter)
    assert type(outcome) is kind
    assert (outcome.processor_id, outcome.amount) == ("RF123", AMOUNT)


@pytest.mark.parametrize(("code", "reason"), [*REFUSALS.items(), ("number_of_refunds_exceeded", RefundRefusal.OTHER)])
async def test_a_refusal(adapter: GoCardlessAdapter, api: respx.MockRouter, code: str, reason: RefundRefusal) -> None:
    api.post("/refunds").mock(return_value=error(code))
    outcome = await refunded(adapter)
    assert isinstance(outcome, RefundRefused)
    assert (outcome.reason, outcome.code) == (reason, code)


async def test_a_sum_that_is_not_theirs_is_asked_again(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    """Somebody returns money in the dashboard: once its notice is here, the next try names the right sum."""
    api.post("/refunds").mock(return_value=error("total_amount_confirmation_invalid"))
    api.get("/refunds").mock(return_value=page("refunds", OUTSIDE))
    outcome = await refunded(adapter)
    assert isinstance(outcome, NotSent)
    assert outcome.answered


async def test_a_sum_that_this_very_refund_has_changed(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    """Its answer was lost, and the replay's sum is checked before its key."""
    api.post("/refunds").mock(return_value=error("total_amount_confirmation_invalid"))
    api.get("/refunds").mock(return_value=page("refunds", refund()))
    assert await refunded(adapter) == RefundPending("RF123", AMOUNT)


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.ConnectError("refused"), httpx.Response(429)])
@pytest.mark.parametrize("first", [error("total_amount_confirmation_invalid"), used_key("RF123")])
async def test_a_refund_that_may_be_made_is_never_taken_for_one_that_was_not(
    adapter: GoCardlessAdapter, api: respx.MockRouter, first: httpx.Response, answer: Any
) -> None:
    api.post("/refunds").mock(return_value=first)
    api.get(path__startswith="/refunds").mock(side_effect=[answer])
    assert isinstance(await refunded(adapter), Unknown)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.ReadTimeout("late"),
        httpx.Response(201, json={}),
        error("idempotent_creation_conflict", 409),
        one("refunds", refund(amount=351), 201),
        one("refunds", refund(currency="XXX"), 201),
        one("refunds", refund("of_tomorrow"), 201),
        one("refunds", refund(metadata={"tollbridge_reference": "rfd_2.1"}), 201),
        one("refunds", refund(links={"payment": "PM9"}), 201),
    ],
)
async def test_what_can_not_be_read_or_is_not_ours_is_unknown(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.post("/refunds").mock(side_effect=[answer])
    assert isinstance(await refunded(adapter), Unknown)


async def test_no_connection_is_not_sent(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.post("/refunds").mock(side_effect=httpx.ConnectError("refused"))
    assert isinstance(await refunded(adapter), NotSent)


# Asked for


@pytest.mark.parametrize("processor_id", ["RF123", ""])
async def test_a_refund_is_found(adapter: GoCardlessAdapter, api: respx.MockRouter, processor_id: str) -> None:
    if processor_id:
        api.get("/refunds/RF123").mock(return_value=one("refunds", refund("submitted")))
    else:
        api.get("/refunds", params={"payment": "PM123"}).mock(
            return_value=page("refunds", refund("submitted"), OUTSIDE)
        )
    found = await adapter.lookup_refund(RefundQuery("rfd_1.1", "PM123", processor_id))
    assert found == RefundFound(RefundPending("RF123", AMOUNT))


async def test_a_refund_that_was_made_past_us_is_found_by_its_id(
    adapter: GoCardlessAdapter, api: respx.MockRouter
) -> None:
    api.get("/refunds/RF9").mock(return_value=one("refunds", OUTSIDE))
    assert isinstance(await adapter.lookup_refund(RefundQuery("", "PM123", "RF9")), RefundFound)


@pytest.mark.parametrize("processor_id", ["RF123", ""])
async def test_a_refund_is_not_found(adapter: GoCardlessAdapter, api: respx.MockRouter, processor_id: str) -> None:
    answer = error("resource_not_found", 404) if processor_id else page("refunds", OUTSIDE)
    api.get(path__startswith="/refunds").mock(return_value=answer)
    found = await adapter.lookup_refund(RefundQuery("rfd_1.1", "PM123", processor_id))
    assert found == NotFound(conclusive=False)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.ConnectError("refused"), one("refunds", refund(links={"payment": "PM9"}))],
)
async def test_a_refund_look_up_that_fails_says_nothing(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.get("/refunds/RF123").mock(side_effect=[answer])
    assert isinstance(await adapter.lookup_refund(RefundQuery("rfd_1.1", "PM123", "RF123")), LookupFailed)


async def test_all_refunds_of_a_payment(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/refunds").mock(return_value=page("refunds", OUTSIDE, refund()))
    ours, outside = await adapter.list_refunds("PM123")
    assert (ours.processor_id, ours.reference, ours.external) == ("RF123", "rfd_1.1", False)
    assert (outside.processor_id, outside.reference, outside.external) == ("RF9", "", True)
    assert isinstance(outside.outcome, RefundSucceeded)


async def test_a_list_of_another_payments_refunds_is_refused(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/refunds").mock(return_value=page("refunds", refund(links={"payment": "PM9"})))
    with pytest.raises(CallError):
        await adapter.list_refunds("PM123")
