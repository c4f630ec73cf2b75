"""Charges at Adyen: what is sent, what every answer means, and that nothing is ever guessed."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from processors.adyen.client import AdyenAdapter
from processors.adyen.declines import DECLINES, NAMES
from processors.errors import InexactMoneyError, MoneyError
from processors.money import Money
from processors.outcome import (
    Advice,
    Canceled,
    ChargeOutcome,
    DeclineClass,
    Declined,
    LookupFailed,
    NotSent,
    Pending,
    Rejected,
    RequiresAction,
    Succeeded,
    Unknown,
)
from processors.values import ChargeQuery, PaymentMethodReference, Secret, Usage
from tests.processors.adyen.shapes import (
    ACCOUNT,
    API_KEY,
    PSP,
    SHOPPER,
    TOKEN,
    charge_request,
    examples,
    paid,
)
from tests.processors.conftest import START

USD = Money(1000, "usd")


async def charged(adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, body: Any, **more: Any) -> ChargeOutcome:
    adyen.post("/payments").respond(
        status, **({"json": body} if not isinstance(body, bytes) else {"content": body}), **more
    )
    return await adapter.charge(adapter.prepare_charge(charge_request()))


async def test_a_charge_is_sent_as_the_merchants_own(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    await charged(adyen, adapter, 200, paid())
    sent = adyen.calls.last.request
    assert json.loads(sent.content) == {
        "merchantAccount": ACCOUNT,
        "amount": {"currency": "USD", "value": 1000},
        "reference": "in_1Nx.2",
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": TOKEN},
        "shopperReference": SHOPPER,
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "Subscription",
        "returnUrl": "https://tollbridge.invalid/unused",
        "metadata": {"attempt_number": "2", "stripe_invoice": "in_1Nx"},
    }
    assert sent.headers["x-api-key"] == API_KEY
    assert sent.headers["idempotency-key"] == charge_request().idempotency_key


def test_the_same_request_is_the_same_bytes_and_holds_no_credential(adapter: AdyenAdapter) -> None:
    first = adapter.prepare_charge(charge_request())
    assert first == adapter.prepare_charge(charge_request())
    assert (first.method, first.path) == ("POST", "/v72/payments")
    assert API_KEY not in f"{first.headers}{first.body!r}"


def test_a_charge_by_usage_says_so(adapter: AdyenAdapter) -> None:
    call = adapter.prepare_charge(charge_request(usage=Usage.UNSCHEDULED))
    assert json.loads(call.body)["recurringProcessingModel"] == "UnscheduledCardOnFile"


def test_a_method_without_a_shopper_names_none(adapter: AdyenAdapter) -> None:
    call = adapter.prepare_charge(charge_request(method=PaymentMethodReference(Secret(TOKEN))))
    assert "shopperReference" not in json.loads(call.body)


@pytest.mark.parametrize(
    ("metadata", "sent"),
    [
        ({"k" * 20: "v" * 80}, {"k" * 20: "v" * 80}),
        ({"k" * 21: "v", "kept": "yes"}, {"kept": "yes"}),
        ({"long": "v" * 81, "kept": "yes"}, {"kept": "yes"}),
        ({f"k{n:02}": "v" for n in range(25)}, {f"k{n:02}": "v" for n in range(20)}),
        ({}, {}),
    ],
)
def test_metadata_that_adyen_would_refuse_is_left_out(
    adapter: AdyenAdapter, metadata: dict[str, str], sent: dict[str, str]
) -> None:
    assert json.loads(adapter.prepare_charge(charge_request(metadata=metadata)).body)["metadata"] == sent


def test_the_order_of_metadata_does_not_matter(adapter: AdyenAdapter) -> None:
    """Not even where there are more than Adyen takes."""
    pairs = [(f"k{n:02}", "v") for n in range(25)]
    one, other = (charge_request(metadata=dict(order)) for order in (pairs, reversed(pairs)))
    assert adapter.prepare_charge(one) == adapter.prepare_charge(other)


@pytest.mark.parametrize(
    ("money", "value"),
    [
        (Money(1050, "eur"), 1050),
        (Money(1050, "jpy"), 1050),
        (Money(10500, "kwd"), 10500),
        (Money(1050, "clp"), 105_000),
        (Money(1_050_00, "idr"), 1050),
        (Money(500, "isk"), 500),
        (Money(100, "cve"), 1),
        (Money(500, "ugx"), 5),
    ],
)
def test_amounts_are_said_in_adyens_units(adapter: AdyenAdapter, money: Money, value: int) -> None:
    sent = json.loads(adapter.prepare_charge(charge_request(amount=money)).body)["amount"]
    assert sent == {"currency": money.currency.upper(), "value": value}


@pytest.mark.parametrize("money", [Money(150, "idr"), Money(50, "cve"), Money(0, "eur"), Money(1, "xxx")])
def test_an_amount_that_adyen_can_not_say_is_never_sent(adapter: AdyenAdapter, money: Money) -> None:
    with pytest.raises(MoneyError):
        adapter.prepare_charge(charge_request(amount=money))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (paid(), Succeeded(PSP, USD, START)),
        ({"resultCode": "Authorised", "pspReference": PSP}, Succeeded(PSP, USD, START)),
        (
            paid("PartiallyAuthorised", amount={"currency": "USD", "value": 600}),
            Succeeded(PSP, Money(600, "usd"), START),
        ),
        (paid("Received"), Pending(PSP)),
        (paid("Pending"), Pending(PSP)),
        (paid("PresentToShopper"), Pending(PSP)),
        (
            paid("RedirectShopper", action={"url": "https://bank.example/3ds"}),
            RequiresAction(PSP, "https://bank.example/3ds"),
        ),
        ({"resultCode": "IdentifyShopper", "action": {"type": "threeDS2"}}, RequiresAction("", "")),
        (paid("ChallengeShopper"), RequiresAction(PSP, "")),
        (paid("Cancelled", refusalReasonCode="15"), Canceled(PSP)),
        (paid("Refused", refusalReasonCode="7"), Rejected("refused_7", "Adyen refused the amount")),
    ],
)
async def test_what_a_result_means(
    adyen: respx.MockRouter, adapter: AdyenAdapter, answer: dict[str, Any], outcome: ChargeOutcome
) -> None:
    assert await charged(adyen, adapter, 200, answer) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        paid(merchantReference="in_another.1"),
        paid(amount={"currency": "USD", "value": 999}),
        paid(amount={"currency": "EUR", "value": 1000}),
        paid(amount={"currency": "CLP", "value": 1050}),
        paid(pspReference=""),
        paid("Received", pspReference=""),
        paid("PartiallyAuthorised", amount=None),
        paid("AuthenticationFinished"),
        paid("SomethingNew"),
        {},
        [],
        b"",
        b"<html>",
        b'{"resultCode": 7}',
        b"\xff",
    ],
)
async def test_an_answer_that_is_not_about_this_charge_proves_nothing(
    adyen: respx.MockRouter, adapter: AdyenAdapter, answer: Any
) -> None:
    assert isinstance(await charged(adyen, adapter, 200, answer), Unknown)


@pytest.mark.parametrize(
    ("code", "decline_class", "advice"),
    [
        ("2", DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
        ("6", DeclineClass.EXPIRED, Advice.NEW_PAYMENT_METHOD),
        ("9", DeclineClass.ISSUER_UNAVAILABLE, Advice.RETRY_LATER),
        ("12", DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ("20", DeclineClass.FRAUD, Advice.NEVER),
        ("26", DeclineClass.REVOKED, Advice.NEW_PAYMENT_METHOD),
        ("28", DeclineClass.LIMIT_EXCEEDED, Advice.RETRY_LATER),
        ("38", DeclineClass.AUTHENTICATION_REQUIRED, Advice.CUSTOMER_ACTION),
        ("46", DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD),
        ("99", DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
    ],
)
async def test_a_refusal_comes_with_200_and_its_code_decides(
    adyen: respx.MockRouter, adapter: AdyenAdapter, code: str, decline_class: DeclineClass, advice: Advice
) -> None:
    refused = paid("Refused", refusalReasonCode=code, refusalReason="FRAUD, never again")
    outcome = await charged(adyen, adapter, 200, refused)
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.advice) == (decline_class, advice)
    assert (outcome.decline.processor_code, outcome.processor_id) == (code, PSP)
    assert outcome.decline.mapped is (code != "99")


@pytest.mark.parametrize(
    ("data", "network", "advice", "waits"),
    [
        ({"refusalReasonRaw": "05 : Do not honor"}, ("05", ""), Advice.RETRY_LATER, None),
        ({"refusalReasonRaw": "41: Lost card"}, ("41", ""), Advice.NEVER, None),
        ({"merchantAdviceCode": "03 : Do not try again"}, ("", "03"), Advice.NEVER, None),
        ({"merchantAdviceCode": "24"}, ("", "24"), Advice.RETRY_LATER, START + timedelta(hours=1)),
        ({"refusalReasonRaw": "DECLINED"}, ("", ""), Advice.RETRY_LATER, None),
    ],
)
async def test_what_the_scheme_says_stands_beside_it_and_outranks_it(
    adyen: respx.MockRouter, adapter: AdyenAdapter, data: Any, network: Any, advice: Advice, waits: Any
) -> None:
    outcome = await charged(adyen, adapter, 200, paid("Refused", refusalReasonCode="2", additionalData=data))
    assert isinstance(outcome, Declined)
    said = outcome.decline
    assert ((said.network_code, said.network_advice), said.advice, said.not_before) == (network, advice, waits)


@pytest.mark.parametrize(
    ("code", "decline_class"),
    [("", DeclineClass.PROCESSOR_ERROR), ("0", DeclineClass.PROCESSOR_ERROR), ("9", DeclineClass.ISSUER_UNAVAILABLE)],
)
async def test_an_error_is_the_processors_unless_it_says_more(
    adyen: respx.MockRouter, adapter: AdyenAdapter, code: str, decline_class: DeclineClass
) -> None:
    outcome = await charged(adyen, adapter, 200, paid("Error", refusalReasonCode=code))
    assert isinstance(outcome, Declined)
    assert outcome.decline.decline_class is decline_class


def test_every_reason_that_a_webhook_names_has_a_class() -> None:
    assert set(NAMES.values()) - set(DECLINES.classes) == {"7"}


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, "702", Rejected),
        (401, "000", Rejected),
        (403, "901", Rejected),
        (422, "14_030", Rejected),
        (422, "704", Unknown),
        (408, "", Unknown),
        (500, "905", Unknown),
        (503, "", Unknown),
        (302, "", Unknown),
    ],
)
async def test_what_a_status_means(
    adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, code: str, outcome: type[ChargeOutcome]
) -> None:
    error = {"status": status, "errorCode": code, "message": f"about {TOKEN}", "errorType": "validation"}
    got = await charged(adyen, adapter, status, error)
    assert isinstance(got, outcome)
    assert TOKEN not in repr(got)
    if isinstance(got, Rejected):
        assert got.code == code


async def test_a_refusal_by_another_machine_is_one_by_its_status(
    adyen: respx.MockRouter, adapter: AdyenAdapter
) -> None:
    got = await charged(adyen, adapter, 403, b"<html>Forbidden</html>")
    assert isinstance(got, Rejected)
    assert got.code == "http_403"


async def test_turned_away_is_not_sent(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    got = await charged(adyen, adapter, 429, {}, headers={"retry-after": "7"})
    assert isinstance(got, NotSent)
    assert (got.retry_after, got.answered) == (timedelta(seconds=7), True)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (httpx.ConnectError, NotSent),
        (httpx.ConnectTimeout, NotSent),
        (httpx.PoolTimeout, NotSent),
        (httpx.ReadTimeout, Unknown),
        (httpx.WriteError, Unknown),
        (httpx.RemoteProtocolError, Unknown),
    ],
)
async def test_what_a_broken_connection_means(
    adyen: respx.MockRouter, adapter: AdyenAdapter, failure: type[Exception], outcome: type[ChargeOutcome]
) -> None:
    adyen.post("/payments").mock(side_effect=failure("made up"))
    assert isinstance(await adapter.charge(adapter.prepare_charge(charge_request())), outcome)


async def test_stored_bytes_go_out_again_unchanged(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post("/payments").mock(side_effect=[httpx.ReadTimeout("made up"), httpx.Response(200, json=paid())])
    call = adapter.prepare_charge(charge_request())
    assert isinstance(await adapter.charge(call), Unknown)
    assert isinstance(await adapter.charge(call), Succeeded)
    first, again = (one.request for one in adyen.calls)
    assert (first.content, first.headers["idempotency-key"]) == (again.content, again.headers["idempotency-key"])


async def test_nothing_is_asked_where_nothing_can_be(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    query = ChargeQuery("in_1Nx.2", PSP)
    assert isinstance(await adapter.lookup_charge(query), LookupFailed)
    assert isinstance(await adapter.cancel_charge(query, "key"), LookupFailed)
    assert len(adyen.calls) == 0


def test_our_references_hold_no_hyphen() -> None:
    """Adyen would read it as two references."""
    rules = AdyenAdapter.capabilities.reference
    assert re.fullmatch(f"[{rules.alphabet}]+", "in_1Nx.2")
    assert not re.fullmatch(f"[{rules.alphabet}]+", "in_1Nx-2")


async def test_the_official_examples_are_understood(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    shown = {
        name: body
        for name, body in examples("CheckoutService-v72.json.gz").items()
        if name.startswith("post-payments-") and name.endswith("-200") and "resultCode" in body
    }
    assert len(shown) > 5
    for name, body in shown.items():
        answer = {field: value for field, value in body.items() if field not in ("merchantReference", "amount")}
        adyen.post("/payments").respond(200, json=answer)
        outcome = await adapter.charge(adapter.prepare_charge(charge_request()))
        assert isinstance(outcome, Succeeded | RequiresAction | Pending), (name, outcome)


def test_inexact_money_is_named(adapter: AdyenAdapter) -> None:
    with pytest.raises(InexactMoneyError, match="can't be said exactly to Adyen"):
        adapter.prepare_charge(charge_request(amount=Money(150, "idr")))
