"""Refunds at Mollie: accepted and ended later, looked up by id or by list, and told apart from others'."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

from processors.errors import CallError, MoneyError, OutcomeUnknownError, RefusedError
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
from tests.processors.mollie.shapes import (
    BASE,
    NOW,
    PAYMENT,
    REFUND,
    adapter,
    amount,
    page,
    problem,
    refund,
    refund_request,
)

REFUNDS = f"{BASE}/payments/{PAYMENT}/refunds"


async def refunded(http: httpx.AsyncClient, response: httpx.Response | Exception, **changed: Any) -> Any:
    mollie = adapter(http)
    with respx.mock:
        respx.post(REFUNDS).mock(side_effect=[response])
        return await mollie.refund(mollie.prepare_refund(refund_request(**changed)))


def test_the_bytes_of_a_refund(http: httpx.AsyncClient) -> None:
    call = adapter(http).prepare_refund(refund_request(reason="Sent back"))
    assert (call.method, call.path) == ("POST", f"/v2/payments/{PAYMENT}/refunds")
    assert dict(call.headers)["idempotency-key"] == refund_request().idempotency_key
    assert json.loads(call.body) == {
        "amount": {"currency": "EUR", "value": "3.50"},
        "description": "Sent back",
        "metadata": {"tollbridge_reference": "rfd_1"},
    }
    assert adapter(http).prepare_refund(refund_request(reason="Sent back")) == call


def test_a_long_reason_is_cut_as_a_statement_cuts_it(http: httpx.AsyncClient) -> None:
    call = adapter(http).prepare_refund(refund_request(reason="x" * 200))
    assert json.loads(call.body)["description"] == "x" * 140


@pytest.mark.parametrize("money", [Money(0, "eur"), Money(-5, "eur"), Money(150, "isk"), Money(1050, "kwd")])
def test_an_amount_that_can_not_be_given_back(http: httpx.AsyncClient, money: Money) -> None:
    with pytest.raises(MoneyError):
        adapter(http).prepare_refund(refund_request(amount=money))


@pytest.mark.parametrize("charge", ["tr_1/../tr_2", "tr_1?x=1", "", "tr 1"])
def test_a_charges_id_that_leads_elsewhere(http: httpx.AsyncClient, charge: str) -> None:
    with pytest.raises(RefusedError):
        adapter(http).prepare_refund(refund_request(charge_id=charge))


@pytest.mark.parametrize("status", ["queued", "pending", "processing"])
async def test_accepted(http: httpx.AsyncClient, status: str) -> None:
    outcome = await refunded(http, httpx.Response(201, json=refund(status)))
    assert outcome == RefundPending(REFUND, Money(350, "eur"))


async def test_done_at_once(http: httpx.AsyncClient) -> None:
    outcome = await refunded(http, httpx.Response(201, json=refund("refunded")))
    assert outcome == RefundSucceeded(REFUND, Money(350, "eur"), NOW)


@pytest.mark.parametrize("status", ["failed", "canceled"])
async def test_nothing_went_back(http: httpx.AsyncClient, status: str) -> None:
    outcome = await refunded(http, httpx.Response(201, json=refund(status)))
    assert isinstance(outcome, RefundFailed)
    assert (outcome.amount, outcome.code) == (Money(350, "eur"), status)


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_refused(http: httpx.AsyncClient, status: int) -> None:
    answer = problem(status, "The specified amount cannot be refunded", "amount.value")
    outcome = await refunded(http, httpx.Response(status, json=answer))
    assert isinstance(outcome, RefundRefused)
    assert (outcome.reason, outcome.code) == (RefundRefusal.OTHER, "unprocessable_entity.amount.value")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(409, json=problem(409, "A duplicate refund has been detected", title="Conflict")),
        httpx.Response(502),
        httpx.ReadTimeout("too late"),
        httpx.Response(201, json={}),
        httpx.Response(201, json=refund("something_new")),
        httpx.Response(201, json=refund(amount=amount("3.51"))),
        httpx.Response(201, json=refund(metadata=None)),
        httpx.Response(201, json=refund(metadata={"tollbridge_reference": "rfd_2"})),
        httpx.Response(201, json=refund(paymentId="tr_another")),
    ],
)
async def test_nobody_knows(http: httpx.AsyncClient, answer: httpx.Response | Exception) -> None:
    assert isinstance(await refunded(http, answer), Unknown)


async def test_turned_away(http: httpx.AsyncClient) -> None:
    assert isinstance(await refunded(http, httpx.Response(429)), NotSent)


async def test_looked_up_by_its_id(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(f"{REFUNDS}/{REFUND}").respond(json=refund("refunded"))
        found = await adapter(http).lookup_refund(RefundQuery("rfd_1", PAYMENT, REFUND))
    assert found == RefundFound(RefundSucceeded(REFUND, Money(350, "eur"), NOW))


async def test_looked_up_by_our_reference(http: httpx.AsyncClient) -> None:
    others = [refund(id="re_a", metadata=None), refund(id="re_b", metadata={"order": 1})]
    first = page("refunds", *others, after=REFUND)
    with respx.mock:
        route = respx.get(url__startswith=REFUNDS).mock(
            side_effect=[httpx.Response(200, json=one) for one in (first, page("refunds", refund()))]
        )
        found = await adapter(http).lookup_refund(RefundQuery("rfd_1", PAYMENT))
    assert found == RefundFound(RefundPending(REFUND, Money(350, "eur")))
    assert route.calls.last.request.url.query == b"from=re_made1up"


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        (httpx.Response(404, json={}), RefundQuery("rfd_1", PAYMENT, REFUND)),
        (httpx.Response(200, json=page("refunds", refund(metadata=None))), RefundQuery("rfd_1", PAYMENT)),
    ],
)
async def test_no_such_refund_proves_nothing(
    http: httpx.AsyncClient, answer: httpx.Response, query: RefundQuery
) -> None:
    with respx.mock:
        respx.get(url__startswith=REFUNDS).mock(return_value=answer)
        assert await adapter(http).lookup_refund(query) == NotFound(conclusive=False)


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        (httpx.Response(500), RefundQuery("rfd_1", PAYMENT, REFUND)),
        (httpx.Response(200, json={}), RefundQuery("rfd_1", PAYMENT, REFUND)),
        (httpx.Response(200, json=refund(id="re_x")), RefundQuery("rfd_1", PAYMENT, REFUND)),
        (httpx.Response(200, json=refund(paymentId="tr_x")), RefundQuery("rfd_1", PAYMENT, REFUND)),
        (httpx.Response(200, json=refund(metadata=None)), RefundQuery("rfd_1", PAYMENT, REFUND)),
        (httpx.Response(200, json=page("refunds", refund(), refund(id="re_x"))), RefundQuery("rfd_1", PAYMENT)),
        (httpx.Response(200, json=page("refunds", refund(paymentId="tr_x"))), RefundQuery("rfd_1", PAYMENT)),
    ],
)
async def test_a_look_up_that_fails(http: httpx.AsyncClient, answer: httpx.Response, query: RefundQuery) -> None:
    with respx.mock:
        respx.get(url__startswith=REFUNDS).mock(return_value=answer)
        assert isinstance(await adapter(http).lookup_refund(query), LookupFailed)


async def test_all_refunds_of_a_charge(http: httpx.AsyncClient) -> None:
    dashboard = refund("refunded", id="re_dashboard", metadata=None, amount=amount("1.00"))
    with respx.mock:
        respx.get(url__startswith=REFUNDS).respond(json=page("refunds", dashboard, refund()))
        listed = await adapter(http).list_refunds(PAYMENT)
    assert [(one.processor_id, one.reference, one.external) for one in listed] == [
        ("re_dashboard", "", True),
        (REFUND, "rfd_1", False),
    ]
    assert [one.amount for one in listed] == [Money(100, "eur"), Money(350, "eur")]
    assert {one.charge_id for one in listed} == {PAYMENT}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404, json={}), RefusedError),
        (httpx.Response(200, json=page("refunds", refund(), after="re_again")), OutcomeUnknownError),
    ],
)
async def test_a_list_that_can_not_be_seen(
    http: httpx.AsyncClient, answer: httpx.Response, error: type[CallError]
) -> None:
    with respx.mock:
        respx.get(url__startswith=REFUNDS).mock(return_value=answer)
        with pytest.raises(error):
            await adapter(http).list_refunds(PAYMENT)
