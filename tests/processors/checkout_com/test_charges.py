"""Charges: what is sent, and what each answer means for money."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from processors.checkout_com.client import CheckoutComAdapter
from processors.checkout_com.declines import DECLINES, decline, network_code
from processors.checkout_com.money import CHECKOUT_COM, MAXIMUM
from processors.errors import MoneyError
from processors.money import Money, from_minor, to_minor
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
    RequiresAction,
    Succeeded,
    Unknown,
)
from processors.values import ChargeQuery, PaymentMethodReference, Secret, Usage
from tests.processors.checkout_com.shapes import (
    ACCOUNT,
    AT,
    PAYMENT,
    REFERENCE,
    SECRET_KEY,
    TOKEN,
    action,
    declined,
    error,
    listed,
    payment,
    pending,
    read,
    request,
)

PAID = Succeeded(PAYMENT, Money(1000, "eur"), AT)


async def charge(adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any, status: int = 201) -> Any:
    checkout.post("/payments").respond(status, json=answer)
    return await adapter.charge(adapter.prepare_charge(request()))


def test_prepared_bytes_are_fixed_for_ever(adapter: CheckoutComAdapter) -> None:
    """Stored calls are sent again by later versions: a change here breaks those under way."""
    call = adapter.prepare_charge(request())
    assert (call.method, call.path) == ("POST", "/payments")
    assert call.headers == (("content-type", "application/json"), ("cko-idempotency-key", "key-1"))
    assert call.body == (
        b'{"amount":1000,"capture":true,"currency":"EUR","merchant_initiated":true,"metadata":{"invoice":"in_1"},'
        b'"payment_type":"Recurring","previous_payment_id":"pay_first01",'
        b'"processing_channel_id":"pc_madeupchannel01","reference":"in_1.1",'
        b'"source":{"id":"src_madeup01","type":"id"}}'
    )


def test_the_same_request_gives_the_same_bytes(adapter: CheckoutComAdapter) -> None:
    one, other = request(metadata={"a": "1", "b": "2"}), request(metadata={"b": "2", "a": "1"})
    assert adapter.prepare_charge(one) == adapter.prepare_charge(other)
    assert SECRET_KEY.encode() not in adapter.prepare_charge(one).body


@pytest.mark.parametrize(("usage", "kind"), [(Usage.RECURRING, "Recurring"), (Usage.UNSCHEDULED, "Unscheduled")])
def test_what_the_merchant_initiates_says_why(adapter: CheckoutComAdapter, usage: Usage, kind: str) -> None:
    body = json.loads(adapter.prepare_charge(request(usage=usage)).body)
    assert (body["payment_type"], body["merchant_initiated"]) == (kind, True)


def test_a_method_without_a_first_payment_names_none(adapter: CheckoutComAdapter) -> None:
    call = adapter.prepare_charge(request(method=PaymentMethodReference(Secret(TOKEN))))
    assert "previous_payment_id" not in json.loads(call.body)


async def test_what_is_sent(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    await charge(adapter, checkout, payment())
    sent = checkout.calls.last.request
    assert sent.headers["authorization"] == f"Bearer {SECRET_KEY}"
    assert sent.headers["cko-idempotency-key"] == "key-1"
    assert sent.content == adapter.prepare_charge(request()).body


@pytest.mark.parametrize(
    ("answer", "status", "outcome"),
    [
        (payment("Authorized"), 201, PAID),
        (payment("Captured"), 201, PAID),
        (
            payment("Partially Captured", balances={"total_captured": 400}),
            201,
            Succeeded(PAYMENT, Money(400, "eur"), AT),
        ),
        (pending(), 202, Pending(PAYMENT)),
        (payment("Pending"), 202, Pending(PAYMENT)),
        (payment("Retry Scheduled", approved=False), 201, Pending(PAYMENT)),
        (
            payment("Retry Scheduled", retry={"next_attempt_on": "2027-03-01T12:00:00.1234560Z"}),
            201,
            Pending(PAYMENT, AT),
        ),
        (
            pending(_links={"redirect": {"href": "https://3ds.example/1"}}),
            202,
            RequiresAction(PAYMENT, "https://3ds.example/1"),
        ),
        (payment("Voided"), 201, Canceled(PAYMENT)),
        (payment("Canceled"), 201, Canceled(PAYMENT)),
        (payment("Expired"), 201, Canceled(PAYMENT)),
    ],
)
async def test_an_answer(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any, status: int, outcome: object
) -> None:
    assert await charge(adapter, checkout, answer, status) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        payment(reference="in_2.1"),
        payment(reference=None),
        payment(amount=999),
        payment(currency="USD"),
        payment(currency="XXX"),
        payment(amount=None),
        payment(processed_on=None),
        payment(processed_on="yesterday"),
        payment(approved=False),
        payment(processing_channel_id="pc_another"),
        payment("Something New"),
        payment("Card Verified"),
        payment("Partially Captured"),
        payment(id=None),
        {},
        [],
    ],
)
async def test_an_answer_that_proves_nothing(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any
) -> None:
    assert isinstance(await charge(adapter, checkout, answer), Unknown)


@pytest.mark.parametrize(
    ("code", "decline_class", "advice", "network"),
    [
        ("20005", DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER, "05"),
        ("20051", DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER, "51"),
        ("20061", DeclineClass.LIMIT_EXCEEDED, Advice.RETRY_LATER, "61"),
        ("20068", DeclineClass.ISSUER_UNAVAILABLE, Advice.RETRY_LATER, "68"),
        ("20091", DeclineClass.ISSUER_UNAVAILABLE, Advice.RETRY_LATER, "91"),
        ("20014", DeclineClass.INVALID_PAYMENT_METHOD, Advice.NEW_PAYMENT_METHOD, "14"),
        ("20054", DeclineClass.EXPIRED, Advice.NEW_PAYMENT_METHOD, "54"),
        ("20057", DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD, "57"),
        ("20059", DeclineClass.FRAUD, Advice.NEVER, "59"),
        ("20062", DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD, "62"),
        ("20154", DeclineClass.AUTHENTICATION_REQUIRED, Advice.CUSTOMER_ACTION, ""),
        ("20179", DeclineClass.INVALID_PAYMENT_METHOD, Advice.NEW_PAYMENT_METHOD, "79"),
        ("20182", DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD, "82"),
        ("20183", DeclineClass.FRAUD, Advice.NEVER, "83"),
        ("30004", DeclineClass.LOST_STOLEN, Advice.NEVER, "04"),
        ("30041", DeclineClass.LOST_STOLEN, Advice.NEVER, "41"),
        ("30043", DeclineClass.LOST_STOLEN, Advice.NEVER, "43"),
        ("40101", DeclineClass.FRAUD, Advice.NEVER, ""),
    ],
)
async def test_a_decline(
    adapter: CheckoutComAdapter,
    checkout: respx.MockRouter,
    code: str,
    decline_class: DeclineClass,
    advice: Advice,
    network: str,
) -> None:
    outcome = await charge(adapter, checkout, declined(code))
    assert isinstance(outcome, Declined)
    said = outcome.decline
    assert (said.decline_class, said.advice, said.mapped) == (decline_class, advice, True)
    assert (said.processor_code, said.processor_message, said.network_code) == (code, "Refused", network)
    assert outcome.processor_id == PAYMENT


@pytest.mark.parametrize(
    ("code", "decline_class"),
    [
        ("20999", DeclineClass.DO_NOT_HONOR),
        ("30099", DeclineClass.NOT_PERMITTED),
        ("40999", DeclineClass.FRAUD),
        ("", DeclineClass.DO_NOT_HONOR),
    ],
)
def test_a_code_in_no_table_is_guessed_by_its_range(code: str, decline_class: DeclineClass) -> None:
    said = decline(code, "", "", None)
    assert (said.decline_class, said.mapped) == (decline_class, False)


def test_every_code_is_one_of_a_decline() -> None:
    assert all(code[:2] in ("20", "30", "40") and len(code) == 5 for code in DECLINES.classes)
    assert network_code("10000") == network_code("20100") == ""


@pytest.mark.parametrize(
    ("processing", "network_advice", "advice", "wait"),
    [
        ({"recommendation_code": "03"}, "03", Advice.NEVER, None),
        ({"recommendation_code": "02"}, "02", Advice.RETRY_LATER, None),
        ({"recommendation_code": "02", "partner_merchant_advice_code": "21"}, "21", Advice.NEVER, None),
        ({"partner_merchant_advice_code": "25"}, "25", Advice.RETRY_LATER, timedelta(days=1)),
    ],
)
async def test_the_schemes_advice_outranks_the_code(
    adapter: CheckoutComAdapter,
    checkout: respx.MockRouter,
    processing: Any,
    network_advice: str,
    advice: Advice,
    wait: timedelta | None,
) -> None:
    outcome = await charge(adapter, checkout, declined("20051", processing=processing))
    said = outcome.decline
    assert (said.decline_class, said.advice) == (DeclineClass.INSUFFICIENT_FUNDS, advice)
    assert (said.network_advice, said.not_before) == (network_advice, None if wait is None else AT + wait)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (422, error("previous_payment_id_invalid", "amount_invalid"), "previous_payment_id_invalid"),
        (422, {"error_type": "request_invalid"}, "request_invalid"),
        (422, {"error_codes": ["a text with blanks, which may repeat what was sent"]}, "http_422"),
        (401, {}, "http_401"),
        (404, "no JSON", "http_404"),
    ],
)
async def test_our_own_fault(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int, body: Any, code: str
) -> None:
    outcome = await charge(adapter, checkout, body, status)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


@pytest.mark.parametrize("status", [301, 408, 409, 500, 502, 503, 504])
async def test_what_may_have_happened(adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int) -> None:
    assert isinstance(await charge(adapter, checkout, {}, status), Unknown)


async def test_turned_away(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.post("/payments").respond(429, headers={"retry-after": "9"})
    outcome = await adapter.charge(adapter.prepare_charge(request()))
    assert isinstance(outcome, NotSent)
    assert (outcome.answered, outcome.retry_after) == (True, timedelta(seconds=9))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError, NotSent),
        (httpx.ConnectTimeout, NotSent),
        (httpx.ReadTimeout, Unknown),
        (httpx.ReadError, Unknown),
        (httpx.RemoteProtocolError, Unknown),
    ],
)
async def test_a_broken_connection(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, fault: type[Exception], kind: type[Any]
) -> None:
    checkout.post("/payments").mock(side_effect=fault)
    assert isinstance(await adapter.charge(adapter.prepare_charge(request())), kind)


# Money


@pytest.mark.parametrize(
    ("money", "sent"),
    [
        (Money(1050, "eur"), 1050),
        (Money(1500, "jpy"), 1500),
        (Money(1230, "bhd"), 1230),
        (Money(150000, "isk"), 1500),
        (Money(150000, "ugx"), 1500),
        (Money(5000, "clp"), 500000),
        (Money(5000, "mga"), 500000),
        (Money(150000, "huf"), 150000),
    ],
)
def test_amounts_in_its_units(adapter: CheckoutComAdapter, money: Money, sent: int) -> None:
    body = json.loads(adapter.prepare_charge(request(amount=money)).body)
    assert (body["amount"], body["currency"]) == (sent, money.currency.upper())
    assert from_minor(sent, money.currency, CHECKOUT_COM) == money


@pytest.mark.parametrize(
    "money", [Money(0, "eur"), Money(-1, "eur"), Money(1234, "kwd"), Money(1050, "isk"), Money(100, "zzz")]
)
def test_an_amount_that_cannot_be_said(adapter: CheckoutComAdapter, money: Money) -> None:
    with pytest.raises(MoneyError):
        adapter.prepare_charge(request(amount=money))


@pytest.mark.parametrize("currency", ["eur", "jpy", "kwd", "isk", "clp", "mga", "ugx"])
def test_the_largest_amount_has_nine_digits(currency: str) -> None:
    largest = to_minor(Money(MAXIMUM[currency], currency), CHECKOUT_COM)
    assert len(str(largest)) == 9
    assert str(largest).startswith("9999")


# Look-ups


QUERY = ChargeQuery(REFERENCE)


async def look(adapter: CheckoutComAdapter, checkout: respx.MockRouter, *payments: Any) -> Any:
    checkout.get("/payments", params={"reference": REFERENCE, "limit": "100"}).respond(json=listed(*payments))
    return await adapter.lookup_charge(QUERY)


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        (read("Captured"), PAID),
        (read("Authorized", balances={"total_captured": 0}), PAID),
        (read("Refunded"), PAID),
        (read("Partially Refunded"), PAID),
        (read("Partially Captured", balances={"total_captured": 10}), Succeeded(PAYMENT, Money(10, "eur"), AT)),
        (read("Pending"), Pending(PAYMENT)),
        (read("Voided"), Canceled(PAYMENT)),
    ],
)
async def test_found_by_our_reference(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, shown: Any, outcome: object
) -> None:
    assert await look(adapter, checkout, shown) == Found(outcome)  # type: ignore[arg-type]


async def test_nothing_found_proves_nothing(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    assert await look(adapter, checkout) == NotFound(conclusive=False)


async def test_several_under_one_reference_are_each_money_of_its_own(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter
) -> None:
    found = await look(adapter, checkout, read(id="pay_2"), read(id="pay_1"), read("Voided", id="pay_0"))
    money = Money(1000, "eur")
    assert found == Found(Succeeded("pay_1", money, AT), (Succeeded("pay_2", money, AT), Canceled("pay_0")))


@pytest.mark.parametrize(
    "shown", [read(reference="in_2.1"), read(processing_channel_id="pc_another"), read("Something New"), {"id": 1}]
)
async def test_another_payment_is_not_ours(adapter: CheckoutComAdapter, checkout: respx.MockRouter, shown: Any) -> None:
    assert isinstance(await look(adapter, checkout, shown), LookupFailed)


async def test_more_than_a_page_is_not_guessed_at(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get("/payments").respond(json=listed(read()) | {"total_count": 101})
    assert isinstance(await adapter.lookup_charge(QUERY), LookupFailed)


async def test_found_by_its_id(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get(f"/payments/{PAYMENT}").respond(json=read())
    assert await adapter.lookup_charge(ChargeQuery(REFERENCE, PAYMENT)) == Found(PAID)


@pytest.mark.parametrize("shown", [read(reference="in_2.1"), read(id="pay_2")])
async def test_an_id_that_is_anothers(adapter: CheckoutComAdapter, checkout: respx.MockRouter, shown: Any) -> None:
    checkout.get(f"/payments/{PAYMENT}").respond(json=shown)
    assert isinstance(await adapter.lookup_charge(ChargeQuery(REFERENCE, PAYMENT)), LookupFailed)


async def test_an_id_that_it_does_not_know(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get(f"/payments/{PAYMENT}").respond(404)
    assert await adapter.lookup_charge(ChargeQuery(REFERENCE, PAYMENT)) == NotFound(conclusive=False)


async def test_a_decline_that_is_read_has_its_code_in_its_action(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter
) -> None:
    checkout.get(f"/payments/{PAYMENT}/actions").respond(
        json=[
            action("Authorization", approved=False, response_code="20051", response_summary="Insufficient funds"),
            action("Authentication", processed_on="2027-03-01T13:00:00Z"),
        ]
    )
    found = await look(adapter, checkout, read("Declined"))
    assert found.outcome.decline.decline_class is DeclineClass.INSUFFICIENT_FUNDS
    assert found.outcome.decline.processor_message == "Insufficient funds"


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_look_up_that_fails_says_nothing(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int
) -> None:
    checkout.get("/payments").respond(status)
    assert isinstance(await adapter.lookup_charge(QUERY), LookupFailed)


@pytest.mark.parametrize("processor_id", ["../instruments/x", "..", "a/b", "a?b", "é"])
async def test_an_id_cannot_lead_to_another_path(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, processor_id: str
) -> None:
    assert isinstance(await adapter.lookup_charge(ChargeQuery(REFERENCE, processor_id)), LookupFailed)
    assert not checkout.calls


async def test_nothing_is_withdrawn(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    assert isinstance(await adapter.cancel_charge(QUERY, "key-3"), LookupFailed)
    assert not checkout.calls


async def test_nothing_secret_is_shown(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for status in (201, 422, 500):
        outcome = await charge(adapter, checkout, payment(), status)
        for secret in (SECRET_KEY, TOKEN, "pay_first01"):
            assert secret not in repr(outcome) + caplog.text
    assert ACCOUNT not in caplog.text
    assert SECRET_KEY not in repr(adapter.prepare_charge(request())) + repr(vars(adapter))
