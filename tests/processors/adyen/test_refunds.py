"""Refunds at Adyen: what is sent, and that an answer is an acceptance and nothing more."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

from processors.adyen.client import AdyenAdapter
from processors.errors import MoneyError, RefusedError
from processors.money import Money
from processors.outcome import (
    LookupFailed,
    NotSent,
    RefundOutcome,
    RefundPending,
    RefundRefusal,
    RefundRefused,
    Unknown,
)
from processors.values import RefundQuery
from tests.processors.adyen.shapes import ACCOUNT, PSP, REFUND_PSP, received, refund_request

PATH = f"/payments/{PSP}/refunds"


async def refunded(adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, body: Any) -> RefundOutcome:
    adyen.post(PATH).respond(status, json=body)
    return await adapter.refund(adapter.prepare_refund(refund_request()))


async def test_a_refund_is_accepted_and_no_more(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    assert await refunded(adyen, adapter, 201, received()) == RefundPending(REFUND_PSP, Money(400, "usd"))
    sent = adyen.calls.last.request
    assert json.loads(sent.content) == {
        "merchantAccount": ACCOUNT,
        "amount": {"currency": "USD", "value": 400},
        "reference": "refund.in_1Nx.2.r1.1",
    }
    assert sent.headers["idempotency-key"] == refund_request().idempotency_key


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("duplicate", "DUPLICATE"),
        ("fraudulent", "FRAUD"),
        ("requested_by_customer", "CUSTOMER REQUEST"),
        ("order_change", "CUSTOMER REQUEST"),
        ("product_unsatisfactory", "RETURN"),
        ("because", "OTHER"),
    ],
)
def test_the_reason_is_one_of_adyens(adapter: AdyenAdapter, reason: str, sent: str) -> None:
    body = json.loads(adapter.prepare_refund(refund_request(reason=reason)).body)
    assert body["merchantRefundReason"] == sent


def test_the_same_refund_is_the_same_bytes(adapter: AdyenAdapter) -> None:
    assert adapter.prepare_refund(refund_request()) == adapter.prepare_refund(refund_request())


@pytest.mark.parametrize("charge", ["", "../payments", "QFQ/refunds", "QFQ TPC", "x" * 201])
def test_an_id_that_no_payment_has_is_refused_before_anything_is_sent(adapter: AdyenAdapter, charge: str) -> None:
    with pytest.raises(RefusedError):
        adapter.prepare_refund(refund_request(charge_id=charge))


@pytest.mark.parametrize("money", [Money(0, "usd"), Money(-1, "usd"), Money(150, "idr")])
def test_an_amount_that_can_not_go_back_is_never_sent(adapter: AdyenAdapter, money: Money) -> None:
    with pytest.raises(MoneyError):
        adapter.prepare_refund(refund_request(amount=money))


@pytest.mark.parametrize(
    "answer",
    [
        received(merchantAccount="AnotherShop"),
        received(paymentPspReference="ANOTHER8HXSKGK82"),
        received(reference="refund.in_another.1.r1.1"),
        received(amount={"currency": "USD", "value": 401}),
        received(amount={"currency": "EUR", "value": 400}),
        received(pspReference=""),
        received(status="done"),
        {},
    ],
)
async def test_an_answer_about_another_refund_proves_nothing(
    adyen: respx.MockRouter, adapter: AdyenAdapter, answer: Any
) -> None:
    assert isinstance(await refunded(adyen, adapter, 201, answer), Unknown)


@pytest.mark.parametrize(("status", "code"), [(422, "167"), (403, "010"), (400, "702")])
async def test_a_refusal_moves_nothing(adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, code: str) -> None:
    got = await refunded(adyen, adapter, status, {"status": status, "errorCode": code, "message": "made up"})
    assert isinstance(got, RefundRefused)
    assert (got.reason, got.code) == (RefundRefusal.OTHER, code)


@pytest.mark.parametrize(("status", "code"), [(422, "704"), (500, "905"), (503, "")])
async def test_whatever_may_have_happened_is_unknown(
    adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, code: str
) -> None:
    assert isinstance(await refunded(adyen, adapter, status, {"errorCode": code}), Unknown)


async def test_a_refund_that_did_not_leave_is_not_sent(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post(PATH).mock(side_effect=httpx.ConnectError("made up"))
    assert isinstance(await adapter.refund(adapter.prepare_refund(refund_request())), NotSent)


async def test_refunds_can_not_be_asked_for(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    assert isinstance(await adapter.lookup_refund(RefundQuery("in_1Nx.2.r1.1", PSP, REFUND_PSP)), LookupFailed)
    with pytest.raises(RefusedError):
        await adapter.list_refunds(PSP)
    assert len(adyen.calls) == 0
