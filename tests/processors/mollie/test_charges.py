"""Charges at Mollie: the bytes that go out, what each answer means, look-ups by list, and payments withdrawn."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx

from processors.errors import MoneyError
from processors.mollie import mapping
from processors.mollie.declines import DECLINES, NO_MANDATE
from processors.money import Money
from processors.outcome import (
    Advice,
    Canceled,
    DeclineClass,
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
from processors.values import PaymentMethodReference, Secret
from tests.processors.mollie.shapes import (
    API_KEY,
    BASE,
    CUSTOMER,
    HOOK,
    MANDATE,
    NOW,
    PAYMENT,
    Json,
    adapter,
    amount,
    charge_request,
    page,
    payment,
    problem,
    query,
)

LISTED = f"{BASE}/customers/{CUSTOMER}/payments"


async def charged(http: httpx.AsyncClient, response: httpx.Response | Exception, **changed: Any) -> Any:
    mollie = adapter(http)
    with respx.mock:
        respx.post(f"{BASE}/payments").mock(side_effect=[response])
        return await mollie.charge(mollie.prepare_charge(charge_request(**changed)))


async def looked_up(http: httpx.AsyncClient, url: str, *answers: httpx.Response, **changed: Any) -> Any:
    with respx.mock:
        respx.get(url__startswith=url).mock(side_effect=answers)
        return await adapter(http).lookup_charge(query(**changed))


def test_the_bytes_of_a_charge(http: httpx.AsyncClient) -> None:
    call = adapter(http).prepare_charge(charge_request())
    assert (call.method, call.path) == ("POST", "/v2/payments")
    assert dict(call.headers)["idempotency-key"] == "6a1f7d0e-0000-5000-8000-000000000001"
    assert json.loads(call.body) == {
        "amount": {"currency": "EUR", "value": "10.50"},
        "customerId": CUSTOMER,
        "mandateId": MANDATE,
        "sequenceType": "recurring",
        "description": "Invoice in_1",
        "webhookUrl": HOOK,
        "metadata": {"stripe_invoice": "in_1", "attempt_number": "1", "tollbridge_reference": "in_1.1"},
    }


def test_the_same_request_has_the_same_bytes(http: httpx.AsyncClient) -> None:
    turned = charge_request(metadata={"attempt_number": "1", "stripe_invoice": "in_1"})
    first, again = (adapter(http).prepare_charge(one) for one in (charge_request(), turned))
    assert first == again
    assert API_KEY.encode() not in first.body


@pytest.mark.parametrize(
    ("money", "value"),
    [
        (Money(1050, "eur"), "10.50"),
        (Money(5, "usd"), "0.05"),
        (Money(1050, "jpy"), "1050"),
        (Money(500, "isk"), "5"),
        (Money(12345, "huf"), "123.45"),
    ],
)
async def test_an_amount_there_and_back(http: httpx.AsyncClient, money: Money, value: str) -> None:
    call = adapter(http).prepare_charge(charge_request(amount=money))
    assert json.loads(call.body)["amount"] == {"currency": money.currency.upper(), "value": value}
    shown = payment(amount=amount(value, money.currency.upper()))
    outcome = await charged(http, httpx.Response(201, json=shown), amount=money)
    assert isinstance(outcome, Succeeded)
    assert outcome.captured == money


@pytest.mark.parametrize(
    "money", [Money(0, "eur"), Money(-1, "eur"), Money(150, "isk"), Money(1050, "kwd"), Money(1, "zzz")]
)
def test_an_amount_that_can_not_be_charged(http: httpx.AsyncClient, money: Money) -> None:
    with pytest.raises(MoneyError):
        adapter(http).prepare_charge(charge_request(amount=money))


async def test_paid_at_once(http: httpx.AsyncClient) -> None:
    outcome = await charged(http, httpx.Response(201, json=payment()))
    assert outcome == Succeeded(PAYMENT, Money(1050, "eur"), NOW + timedelta(seconds=5))


@pytest.mark.parametrize("status", ["open", "pending", "authorized"])
async def test_under_way(http: httpx.AsyncClient, status: str) -> None:
    shown = payment(status, method="directdebit", details={"dueDate": "2027-03-03", "consumerName": "A"})
    outcome = await charged(http, httpx.Response(201, json=shown))
    assert outcome == Pending(PAYMENT, datetime(2027, 3, 3, tzinfo=UTC))


@pytest.mark.parametrize("status", ["canceled", "expired"])
async def test_ended_without_money(http: httpx.AsyncClient, status: str) -> None:
    assert await charged(http, httpx.Response(201, json=payment(status))) == Canceled(PAYMENT)


@pytest.mark.parametrize(
    ("details", "decline_class", "advice"),
    [
        ({"failureReason": "insufficient_funds"}, DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ({"failureReason": "card_expired"}, DeclineClass.EXPIRED, Advice.NEW_PAYMENT_METHOD),
        ({"failureReason": "authentication_required"}, DeclineClass.AUTHENTICATION_REQUIRED, Advice.CUSTOMER_ACTION),
        ({"failureReason": "possible_fraud"}, DeclineClass.FRAUD, Advice.NEVER),
        ({"bankReasonCode": "AM04", "bankReason": "Too little"}, DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ({"bankReasonCode": "AC04"}, DeclineClass.ACCOUNT_CLOSED, Advice.NEW_PAYMENT_METHOD),
        ({"bankReasonCode": "MD01"}, DeclineClass.REVOKED, Advice.NEW_PAYMENT_METHOD),
        ({"bankReasonCode": "XX99"}, DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
        ({}, DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
    ],
)
async def test_a_decline(http: httpx.AsyncClient, details: Json, decline_class: DeclineClass, advice: Advice) -> None:
    outcome = await charged(http, httpx.Response(201, json=payment("failed", details=details)))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.advice) == (decline_class, advice)
    code = details.get("failureReason") or details.get("bankReasonCode") or ""
    assert (outcome.decline.processor_code, outcome.decline.mapped) == (code, code in DECLINES.classes)
    assert outcome.decline.processor_message == details.get("bankReason", "")


async def test_a_mandate_that_is_gone_is_a_decline(http: httpx.AsyncClient) -> None:
    answer = problem(422, "No suitable mandates found for customer", "customerId")
    outcome = await charged(http, httpx.Response(422, json=answer))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.processor_code) == (DeclineClass.REVOKED, NO_MANDATE)


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (422, problem(422, "The webhook URL is invalid", "webhookUrl"), "unprocessable_entity.webhookUrl"),
        (422, problem(422, "The card was not found"), "unprocessable_entity"),
        (401, problem(401, "Missing authentication", title="Unauthorized Request"), "unauthorized_request"),
        (404, problem(404, "No customer", title="Not Found"), "not_found"),
        (400, {}, "http_400"),
        (403, [], "http_403"),
    ],
)
async def test_a_request_that_is_refused(http: httpx.AsyncClient, status: int, answer: object, code: str) -> None:
    outcome = await charged(http, httpx.Response(status, json=answer))
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


async def test_turned_away(http: httpx.AsyncClient) -> None:
    outcome = await charged(http, httpx.Response(429, headers={"retry-after": "7"}))
    assert isinstance(outcome, NotSent)
    assert (outcome.retry_after, outcome.answered) == (timedelta(seconds=7), True)


async def test_no_connection(http: httpx.AsyncClient) -> None:
    assert isinstance(await charged(http, httpx.ConnectError("refused")), NotSent)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(409, json=problem(409, "The first is still running", title="Conflict")),
        httpx.Response(500),
        httpx.Response(503, json=problem(503, "Down", title="Service Unavailable")),
        httpx.Response(201, content=b"<html>"),
        httpx.Response(201, json={}),
        httpx.ReadTimeout("too late"),
        httpx.Response(201, json=payment("something_new")),
        httpx.Response(201, json=payment(amount=amount("10.51"))),
        httpx.Response(201, json=payment(amount=amount("10.50", "USD"))),
        httpx.Response(201, json=payment(amount=amount("ten"))),
        httpx.Response(201, json=payment(amount=amount("NaN"))),
        httpx.Response(201, json=payment(metadata={"tollbridge_reference": "in_2.1"})),
        httpx.Response(201, json=payment(metadata=None)),
        httpx.Response(201, json=payment(mode="live")),
        httpx.Response(201, json=payment(profileId="pfl_another")),
    ],
)
async def test_nobody_knows(http: httpx.AsyncClient, answer: httpx.Response | Exception) -> None:
    assert isinstance(await charged(http, answer), Unknown)


async def test_it_is_sent_once_as_it_was_prepared(http: httpx.AsyncClient) -> None:
    mollie = adapter(http)
    call = mollie.prepare_charge(charge_request())
    with respx.mock:
        route = respx.post(f"{BASE}/payments").respond(503)
        await mollie.charge(call)
    ((request, _),) = route.calls
    assert request.content == call.body
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert request.headers["idempotency-key"] == charge_request().idempotency_key


async def test_a_charge_without_a_customer_is_left_to_mollie_to_refuse(http: httpx.AsyncClient) -> None:
    call = adapter(http).prepare_charge(charge_request(method=PaymentMethodReference(Secret(MANDATE))))
    assert "customerId" not in json.loads(call.body)


async def test_found_by_its_id(http: httpx.AsyncClient) -> None:
    found = await looked_up(
        http, f"{BASE}/payments/{PAYMENT}", httpx.Response(200, json=payment()), processor_id=PAYMENT
    )
    assert found == Found(Succeeded(PAYMENT, Money(1050, "eur"), NOW + timedelta(seconds=5)))


@pytest.mark.parametrize("status", [404, 410])
async def test_not_found_by_its_id_proves_nothing(http: httpx.AsyncClient, status: int) -> None:
    found = await looked_up(http, f"{BASE}/payments/{PAYMENT}", httpx.Response(status, json={}), processor_id=PAYMENT)
    assert found == NotFound(conclusive=False)


async def test_another_payment_than_the_one_asked_for_is_no_find(http: httpx.AsyncClient) -> None:
    for shown in (payment(metadata={"tollbridge_reference": "in_2.1"}), payment(id="tr_another")):
        answer = httpx.Response(200, json=shown)
        found = await looked_up(http, f"{BASE}/payments/{PAYMENT}", answer, processor_id=PAYMENT)
        assert isinstance(found, LookupFailed)


async def test_a_payment_of_nothing_is_no_success(http: httpx.AsyncClient) -> None:
    shown = page("payments", payment(amount=amount("0.00")))
    assert isinstance(await looked_up(http, LISTED, httpx.Response(200, json=shown)), LookupFailed)


async def test_found_in_the_customers_list(http: httpx.AsyncClient) -> None:
    other = payment("failed", id="tr_other", metadata={"tollbridge_reference": "in_2.1"})
    found = await looked_up(http, LISTED, httpx.Response(200, json=page("payments", other, payment("pending"))))
    assert found == Found(Pending(PAYMENT))


async def test_the_list_is_read_on_until_the_attempt(http: httpx.AsyncClient) -> None:
    newer = payment(id="tr_newer", metadata={"order": 7}, createdAt="2027-03-02T12:00:00+00:00")
    older = payment(id="tr_older", metadata=None, createdAt="2027-03-01T11:00:00+00:00")
    answers = [page("payments", newer, after="tr_mine"), page("payments", payment(), older, after="tr_past")]
    with respx.mock:
        route = respx.get(url__startswith=LISTED).mock(side_effect=[httpx.Response(200, json=one) for one in answers])
        found = await adapter(http).lookup_charge(query())
    assert isinstance(found, Found)
    assert [call.request.url.query for call in route.calls] == [b"", b"from=tr_mine"]


async def test_not_in_the_list(http: httpx.AsyncClient) -> None:
    assert await looked_up(http, LISTED, httpx.Response(200, json=page("payments"))) == NotFound(conclusive=False)


async def test_several_under_one_reference_are_each_money_of_their_own(http: httpx.AsyncClient) -> None:
    listed = page("payments", payment("failed", id="tr_b"), payment(id="tr_c"), payment("pending", id="tr_d"))
    found = await looked_up(http, LISTED, httpx.Response(200, json=listed))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)
    assert [type(one) for one in found.also] == [Pending, Declined]


async def test_a_list_without_end_proves_nothing(http: httpx.AsyncClient) -> None:
    endless = httpx.Response(200, json=page("payments", payment(metadata=None), after="tr_again"))
    with respx.mock:
        route = respx.get(url__startswith=LISTED).mock(return_value=endless)
        assert isinstance(await adapter(http).lookup_charge(query()), LookupFailed)
    assert route.call_count == 40


async def test_where_the_method_was_erased_the_whole_list_is_read(http: httpx.AsyncClient) -> None:
    answer = httpx.Response(200, json=page("payments", payment()))
    assert isinstance(await looked_up(http, f"{BASE}/payments", answer, method=None), Found)


@pytest.mark.parametrize("answer", [httpx.Response(401, json={}), httpx.Response(500), httpx.Response(200, json={})])
async def test_a_look_up_that_fails_proves_nothing(http: httpx.AsyncClient, answer: httpx.Response) -> None:
    assert isinstance(await looked_up(http, LISTED, answer), LookupFailed)


async def test_a_payment_is_withdrawn_in_time(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(f"{BASE}/payments/{PAYMENT}").respond(json=payment("pending", isCancelable=True))
        route = respx.delete(f"{BASE}/payments/{PAYMENT}").respond(json=payment("canceled"))
        found = await adapter(http).cancel_charge(query(processor_id=PAYMENT), "cancel:1")
    assert found == Found(Canceled(PAYMENT))
    assert route.call_count == 1


async def test_a_payment_that_can_not_be_withdrawn_is_left_alone(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(f"{BASE}/payments/{PAYMENT}").respond(json=payment("pending", isCancelable=False))
        assert await adapter(http).cancel_charge(query(processor_id=PAYMENT), "cancel:1") == Found(Pending(PAYMENT))


async def test_a_payment_that_was_paid_before_it_was_withdrawn(http: httpx.AsyncClient) -> None:
    shown = [httpx.Response(200, json=payment("pending", isCancelable=True)), httpx.Response(200, json=payment())]
    with respx.mock:
        respx.get(f"{BASE}/payments/{PAYMENT}").mock(side_effect=shown)
        respx.delete(f"{BASE}/payments/{PAYMENT}").respond(422, json=problem(422, "Not cancelable"))
        found = await adapter(http).cancel_charge(query(processor_id=PAYMENT), "cancel:1")
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)


@pytest.mark.parametrize("metadata", [None, "text", 7, [], {"tollbridge_reference": 1}, {"reference": "in_1.1"}])
def test_what_others_write_into_metadata_is_no_reference(metadata: object) -> None:
    assert mapping.reference_of(metadata) == ""
