"""Refunds at PayPal: the bytes, every answer, and how they are found again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

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
from tests.processors.paypal.conftest import PayPal, refund_request
from tests.processors.paypal.shapes import (
    ANOTHER,
    AT,
    CAPTURE,
    ORDER,
    REFUND,
    REFUND_REFERENCE,
    capture,
    dashboard_refund,
    error,
    link,
    money,
    order,
    refund,
)

DONE = RefundSucceeded(REFUND, Money(1000, "usd"), datetime.fromisoformat(AT).astimezone(UTC))
CAPTURED, REFUNDED = f"/v2/payments/captures/{CAPTURE}", f"/v2/payments/refunds/{REFUND}"


async def test_the_bytes_of_a_refund_always_name_the_amount(paypal: PayPal) -> None:
    call = paypal.adapter.prepare_refund(refund_request(500))
    assert (call.method, call.path) == ("POST", f"{CAPTURED}/refund")
    assert dict(call.headers)["paypal-request-id"] == "refund-key"
    assert json.loads(call.body) == {
        "amount": money("5.00"),
        "custom_id": REFUND_REFERENCE,
        "invoice_id": REFUND_REFERENCE,
    }
    assert call.body == paypal.adapter.prepare_refund(refund_request(500)).body


async def test_a_reason_is_told_to_the_payer(paypal: PayPal) -> None:
    call = paypal.adapter.prepare_refund(refund_request(reason="Cancelled in time"))
    assert json.loads(call.body)["note_to_payer"] == "Cancelled in time"


@pytest.mark.parametrize("amount", [Money(0, "usd"), Money(1050, "huf"), Money(1, "kwd")], ids=str)
async def test_an_amount_that_cannot_be_returned(paypal: PayPal, amount: Money) -> None:
    with pytest.raises(MoneyError):
        paypal.adapter.prepare_refund(structs.replace(refund_request(), amount=amount))


async def test_a_charge_that_no_capture_can_be(paypal: PayPal) -> None:
    with pytest.raises(RefusedError):
        paypal.adapter.prepare_refund(refund_request(charge_id="a/../b"))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("COMPLETED", DONE),
        ("PENDING", RefundPending(REFUND, Money(1000, "usd"))),
        ("FAILED", RefundFailed(REFUND, Money(1000, "usd"), "FAILED")),
        ("CANCELLED", RefundFailed(REFUND, Money(1000, "usd"), "CANCELLED")),
    ],
)
async def test_what_a_refund_comes_to(paypal: PayPal, status: str, outcome: Any) -> None:
    assert await paypal.refund((201, refund(status))) == outcome


async def test_a_part_is_returned(paypal: PayPal) -> None:
    assert (await paypal.refund((201, refund(amount=money("5.00"))), amount=500)).amount == Money(500, "usd")


@pytest.mark.parametrize(
    ("issue", "reason"),
    [
        ("TRANSACTION_DISPUTED", RefundRefusal.DISPUTE_OPEN),
        ("REFUND_TIME_LIMIT_EXCEEDED", RefundRefusal.TOO_LATE),
        ("PARTIAL_REFUND_NOT_ALLOWED", RefundRefusal.PARTIAL_NOT_ALLOWED),
        ("REFUND_FAILED_INSUFFICIENT_FUNDS", RefundRefusal.INSUFFICIENT_BALANCE),
        ("CAPTURE_FULLY_REFUNDED", RefundRefusal.EXCEEDS_CAPTURE),
        ("REFUND_AMOUNT_EXCEEDED", RefundRefusal.EXCEEDS_CAPTURE),
        ("PENDING_CAPTURE", RefundRefusal.NOT_CAPTURED),
        ("REFUND_NOT_ALLOWED", RefundRefusal.NOT_ENABLED),
        ("PAYER_ACCOUNT_LOCKED_OR_CLOSED", RefundRefusal.OTHER),
    ],
)
async def test_a_refund_that_paypal_does_not_make(paypal: PayPal, issue: str, reason: Any) -> None:
    outcome = await paypal.refund((422, error(issue)))
    assert isinstance(outcome, RefundRefused)
    assert (outcome.reason, outcome.code) == (reason, issue)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((409, error("PREVIOUS_REQUEST_IN_PROGRESS", "RESOURCE_CONFLICT")), Unknown),
        ((422, error("DUPLICATE_INVOICE_ID")), Unknown),
        ((500, b""), Unknown),
        ((201, b"{"), Unknown),
        ((201, refund(amount=money("9.99"))), Unknown),
        ((201, refund(amount=money("10.00", "EUR"))), Unknown),
        ((201, refund(custom_id="rfd_2")), Unknown),
        ((201, refund(links=[link("up", "/v2/payments/captures/ANOTHER1")])), Unknown),
        ((201, refund(payer={"merchant_id": ANOTHER})), Unknown),
        ((201, refund("SOMETHING_NEW")), Unknown),
        ((429, b""), NotSent),
        ((400, error("INVALID_PARAMETER_SYNTAX")), RefundRefused),
    ],
    ids=str,
)
async def test_an_answer_to_a_refund(paypal: PayPal, answer: Any, kind: type[Any]) -> None:
    assert type(await paypal.refund(answer)) is kind


# Found again


async def look_up(paypal: PayPal, processor_id: str = "") -> Any:
    return await paypal.adapter.lookup_refund(RefundQuery(REFUND_REFERENCE, CAPTURE, processor_id))


def show(paypal: PayPal, *refunds: Any, **changed: Any) -> None:
    paypal.says("GET", CAPTURED, (200, capture("PARTIALLY_REFUNDED", **changed)))
    paypal.says("GET", f"/v2/checkout/orders/{ORDER}", (200, order(capture(), refunds=list(refunds))))


async def test_a_refund_is_found_by_its_id(paypal: PayPal) -> None:
    paypal.says("GET", REFUNDED, (200, refund("PENDING")))
    assert await look_up(paypal, REFUND) == RefundFound(RefundPending(REFUND, Money(1000, "usd")))


@pytest.mark.parametrize(
    "answer", [(200, refund(custom_id="rfd_2")), (500, b""), (200, refund(payer={"merchant_id": ANOTHER}))], ids=str
)
async def test_a_refund_that_is_not_ours_tells_nothing(paypal: PayPal, answer: Any) -> None:
    paypal.says("GET", REFUNDED, answer)
    assert isinstance(await look_up(paypal, REFUND), LookupFailed)


async def test_a_refund_without_an_id_is_found_where_its_order_lists_it(paypal: PayPal) -> None:
    show(paypal, dashboard_refund(), refund())
    assert await look_up(paypal) == RefundFound(DONE)


async def test_an_order_may_be_named_in_the_captures_related_ids(paypal: PayPal) -> None:
    show(paypal, refund(), links=[], supplementary_data={"related_ids": {"order_id": ORDER}})
    assert await look_up(paypal) == RefundFound(DONE)


@pytest.mark.parametrize("processor_id", ["", REFUND])
async def test_a_refund_that_is_not_shown_is_no_proof(paypal: PayPal, processor_id: str) -> None:
    show(paypal, dashboard_refund())
    paypal.says("GET", REFUNDED, (404, error(name="RESOURCE_NOT_FOUND")))
    assert await look_up(paypal, processor_id) == NotFound(conclusive=False)


async def test_two_refunds_with_one_reference_are_for_a_human(paypal: PayPal) -> None:
    show(paypal, refund(), refund(id="2AB"))
    assert isinstance(await look_up(paypal), LookupFailed)


async def test_every_refund_of_a_capture_is_listed(paypal: PayPal) -> None:
    of_another = refund(id="3AB", links=[link("up", "/v2/payments/captures/ANOTHER1")])
    show(paypal, dashboard_refund(amount=money("2.00")), refund(), of_another)
    outside, ours = await paypal.adapter.list_refunds(CAPTURE)
    assert ours == RefundState(REFUND, CAPTURE, DONE, Money(1000, "usd"), REFUND_REFERENCE)
    assert (outside.processor_id, outside.amount.amount, outside.reference, outside.external) == ("9AB", 200, "", True)


@pytest.mark.parametrize("changed", [{"links": []}, {"links": [link("up", "/v2/elsewhere/5O")]}], ids=str)
async def test_a_capture_without_an_order_lists_nothing_but_an_error(paypal: PayPal, changed: Any) -> None:
    show(paypal, **changed)
    with pytest.raises(OutcomeUnknownError):
        await paypal.adapter.list_refunds(CAPTURE)


async def test_an_order_that_is_not_the_captures_is_not_believed(paypal: PayPal) -> None:
    show(paypal, refund())
    paypal.says("GET", f"/v2/checkout/orders/{ORDER}", (200, order(capture(id="ANOTHER1"), refunds=[refund()])))
    with pytest.raises(OutcomeUnknownError):
        await paypal.adapter.list_refunds(CAPTURE)
