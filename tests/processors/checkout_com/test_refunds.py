"""Refunds: accepted first, found again among the actions of their payment."""

from __future__ import annotations

from typing import Any

import pytest
import respx

from processors.checkout_com.client import CheckoutComAdapter
from processors.errors import MoneyError, OutcomeUnknownError, RefusedError
from processors.events import RefundState
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
from tests.processors.checkout_com.shapes import AT, PAYMENT, REFUND, action, error, read, refund_request

PATH = f"/payments/{PAYMENT}/refunds"
ACTIONS = f"/payments/{PAYMENT}/actions"
FIVE = Money(500, "eur")


async def refund(adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any, status: int = 202) -> Any:
    checkout.post(PATH).respond(status, json=answer)
    return await adapter.refund(adapter.prepare_refund(refund_request()))


def test_prepared_bytes_are_fixed_for_ever(adapter: CheckoutComAdapter) -> None:
    call = adapter.prepare_refund(refund_request())
    assert (call.method, call.path) == ("POST", PATH)
    assert call.headers == (("content-type", "application/json"), ("cko-idempotency-key", "key-2"))
    assert call.body == (
        b'{"amount":500,"metadata":{"currency":"EUR","reason":"requested_by_customer","reference":"rfd_1"},'
        b'"reference":"rfd_1"}'
    )


@pytest.mark.parametrize("amount", [Money(0, "eur"), Money(-5, "eur"), Money(1234, "kwd"), Money(150, "isk")])
def test_an_amount_that_cannot_be_given_back(adapter: CheckoutComAdapter, amount: Money) -> None:
    with pytest.raises(MoneyError):
        adapter.prepare_refund(refund_request(amount=amount))


@pytest.mark.parametrize("charge_id", ["../x", "a/b", "", "a?b"])
def test_a_charge_that_leads_elsewhere(adapter: CheckoutComAdapter, charge_id: str) -> None:
    with pytest.raises(RefusedError):
        adapter.prepare_refund(refund_request(charge_id=charge_id))


@pytest.mark.parametrize("answer", [{"action_id": REFUND, "reference": "rfd_1"}, {"action_id": REFUND}])
async def test_a_refund_is_accepted_under_its_actions_id(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any
) -> None:
    assert await refund(adapter, checkout, answer) == RefundPending(REFUND, FIVE)


@pytest.mark.parametrize("answer", [{"action_id": REFUND, "reference": "rfd_2"}, {"reference": "rfd_1"}, [], "x"])
async def test_an_answer_that_proves_nothing(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any
) -> None:
    assert isinstance(await refund(adapter, checkout, answer), Unknown)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (422, error("amount_exceeds_balance"), RefundRefusal.EXCEEDS_CAPTURE),
        (422, error("payment_expired"), RefundRefusal.TOO_LATE),
        (422, error("a_code_of_tomorrow"), RefundRefusal.OTHER),
        (403, {}, RefundRefusal.OTHER),
        (404, {}, RefundRefusal.OTHER),
    ],
)
async def test_a_refund_that_is_not_made(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int, body: Any, reason: RefundRefusal
) -> None:
    outcome = await refund(adapter, checkout, body, status)
    assert isinstance(outcome, RefundRefused)
    assert outcome.reason is reason


@pytest.mark.parametrize(("status", "kind"), [(409, Unknown), (429, NotSent), (500, Unknown), (502, Unknown)])
async def test_a_call_that_fails(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int, kind: type[Any]
) -> None:
    assert isinstance(await refund(adapter, checkout, {}, status), kind)


async def look(adapter: CheckoutComAdapter, checkout: respx.MockRouter, *actions: Any, processor_id: str = "") -> Any:
    checkout.get(ACTIONS).respond(json=list(actions))
    checkout.get(f"/payments/{PAYMENT}").respond(json=read())
    return await adapter.lookup_refund(RefundQuery("rfd_1", PAYMENT, processor_id))


@pytest.mark.parametrize("processor_id", ["", REFUND])
@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"reference": "in_1.1", "metadata": {"reference": "rfd_1"}}, RefundSucceeded(REFUND, FIVE, AT)),
        ({}, RefundSucceeded(REFUND, FIVE, AT)),
        ({"approved": None, "response_code": None}, RefundPending(REFUND, FIVE)),
        (
            {"approved": False, "response_code": "20005", "response_summary": "Refused"},
            RefundFailed(REFUND, FIVE, "20005", "Refused"),
        ),
    ],
)
async def test_found(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, changed: Any, outcome: Any, processor_id: str
) -> None:
    others = (action("Capture"), action(id="act_other", reference="rfd_2"))
    shown = action(**{"reference": "rfd_1"} | changed)
    assert await look(adapter, checkout, *others, shown, processor_id=processor_id) == RefundFound(outcome)


@pytest.mark.parametrize("processor_id", ["", REFUND])
async def test_not_shown_yet_proves_nothing(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, processor_id: str
) -> None:
    shown = (action("Capture"), action(id="act_other"))
    assert await look(adapter, checkout, *shown, processor_id=processor_id) == NotFound(conclusive=False)


@pytest.mark.parametrize(
    ("shown", "processor_id"),
    [
        ([action(reference="rfd_2")], REFUND),
        ([action(reference="rfd_1"), action(reference="rfd_1", id="act_2")], ""),
        ([action(reference="rfd_1", amount=None)], ""),
        ([action(reference="rfd_1", processed_on=None)], ""),
    ],
)
async def test_an_action_that_proves_nothing(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, shown: list[Any], processor_id: str
) -> None:
    assert isinstance(await look(adapter, checkout, *shown, processor_id=processor_id), LookupFailed)


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_a_look_up_that_fails(adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int) -> None:
    checkout.get(ACTIONS).respond(status)
    assert isinstance(await adapter.lookup_refund(RefundQuery("rfd_1", PAYMENT)), LookupFailed)


async def test_all_refunds_of_a_payment(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get(ACTIONS).respond(
        json=[action("Capture"), action(reference="rfd_1"), action(id="act_2", amount=100, approved=False)]
    )
    checkout.get(f"/payments/{PAYMENT}").respond(json=read())
    one = Money(100, "eur")
    assert await adapter.list_refunds(PAYMENT) == (
        RefundState(REFUND, PAYMENT, RefundSucceeded(REFUND, FIVE, AT), FIVE, "rfd_1"),
        RefundState("act_2", PAYMENT, RefundFailed("act_2", one, "10000", "Approved"), one, external=True),
    )


async def test_a_list_without_refunds_asks_no_more(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get(ACTIONS).respond(json=[action("Capture")])
    assert await adapter.list_refunds(PAYMENT) == ()
    assert len(checkout.calls) == 1


async def test_a_payment_that_is_not_shown(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get(ACTIONS).respond(json=[action()])
    checkout.get(f"/payments/{PAYMENT}").respond(404)
    with pytest.raises(OutcomeUnknownError):
        await adapter.list_refunds(PAYMENT)
