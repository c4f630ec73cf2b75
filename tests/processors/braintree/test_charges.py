"""Charges at Braintree: the bytes, every status, every way in which a call can fail, and money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from processors.braintree.declines import DECLINES, OUR_FAULT
from processors.errors import MoneyError
from processors.money import Money
from processors.outcome import (
    Advice,
    Canceled,
    DeclineClass,
    Declined,
    NotSent,
    Pending,
    Rejected,
    Succeeded,
    Unknown,
)
from processors.values import Usage
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import Braintree, request
from tests.processors.braintree.shapes import charged, declined, errors, event, rejected, transaction

AT = datetime(2027, 3, 1, 12, tzinfo=UTC)


async def test_what_is_sent(braintree: Braintree) -> None:
    outcome = await braintree.charge(charged(transaction()))
    assert outcome == Succeeded(shapes.CHARGE_ID, Money(1050, "eur"), AT)
    (sent,) = braintree.sent
    assert sent.headers["authorization"] == "Basic bWFkZV91cF9wdWJsaWNfa2V5Om1hZGVfdXBfcHJpdmF0ZV9rZXk="
    assert sent.headers["braintree-version"] == "2026-01-01"
    assert braintree.asked == [
        {
            "input": {
                "paymentMethodId": shapes.TOKEN,
                "apiRequestKey": "5a1c7a52-8a4e-5d8e-9f57-0d9f3c1d2e12",
                "transaction": {
                    "amount": "10.50",
                    "orderId": "in_1Made.1",
                    "merchantAccountId": "acme_eur",
                    "paymentInitiator": "RECURRING",
                },
            }
        }
    ]


async def test_the_same_request_has_the_same_bytes(braintree: Braintree) -> None:
    call = braintree.adapter.prepare_charge(request())
    assert call == braintree.adapter.prepare_charge(request(metadata={"other": "1"}, description="other"))
    assert call != braintree.adapter.prepare_charge(request(reference="in_1Made.2"))
    assert not any(secret in call.body for secret in (shapes.PUBLIC.encode(), shapes.PRIVATE.encode()))


async def test_what_has_no_rhythm_says_so(braintree: Braintree) -> None:
    await braintree.charge(charged(transaction()), usage=Usage.UNSCHEDULED)
    assert braintree.asked[0]["input"]["transaction"]["paymentInitiator"] == "UNSCHEDULED"


@pytest.mark.parametrize("status", ["SUBMITTED_FOR_SETTLEMENT", "SETTLING", "SETTLEMENT_CONFIRMED", "SETTLED"])
async def test_a_replay_gives_the_same_success_however_far_it_has_gone(braintree: Braintree, status: str) -> None:
    history = shapes.went("SUBMITTED_FOR_SETTLEMENT", "SETTLING", status)
    outcome = await braintree.charge(charged(transaction(status, statusHistory=history)))
    assert outcome == Succeeded(shapes.CHARGE_ID, Money(1050, "eur"), AT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("AUTHORIZING", Pending),
        ("AUTHORIZED", Pending),
        ("SETTLEMENT_PENDING", Pending),
        ("SETTLEMENT_DECLINED", Declined),
        ("FAILED", Declined),
        ("VOIDED", Canceled),
        ("AUTHORIZATION_EXPIRED", Canceled),
        ("A_STATUS_OF_TOMORROW", Unknown),
    ],
)
async def test_each_other_status(braintree: Braintree, status: str, kind: type) -> None:
    assert isinstance(await braintree.charge(charged(transaction(status))), kind)


@pytest.mark.parametrize("code", sorted(code for code in DECLINES.classes if code.isdigit()))
async def test_a_decline_of_the_bank(braintree: Braintree, code: str) -> None:
    outcome = await braintree.charge(charged(declined(code)))
    assert isinstance(outcome, Declined)
    assert outcome.decline.decline_class is DECLINES.classes[code]
    assert (outcome.decline.processor_code, outcome.decline.mapped) == (code, True)


@pytest.mark.parametrize(
    ("reason", "decline_class"),
    [
        ("EXCESSIVE_RETRY", DeclineClass.NOT_PERMITTED),
        ("FRAUD", DeclineClass.FRAUD),
        ("RISK_THRESHOLD", DeclineClass.FRAUD),
        ("PAYMENT_METHOD_BLOCKED", DeclineClass.FRAUD),
        ("AVS", DeclineClass.INVALID_PAYMENT_METHOD),
        ("CVV", DeclineClass.INVALID_PAYMENT_METHOD),
        ("AVS_AND_CVV", DeclineClass.INVALID_PAYMENT_METHOD),
        ("TOKEN_ISSUANCE", DeclineClass.INVALID_PAYMENT_METHOD),
        ("THREE_D_SECURE", DeclineClass.AUTHENTICATION_REQUIRED),
    ],
)
async def test_a_rejection_of_the_gateway(braintree: Braintree, reason: str, decline_class: DeclineClass) -> None:
    outcome = await braintree.charge(charged(rejected(reason)))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.processor_code) == (decline_class, reason)


@pytest.mark.parametrize("code", ["APPLICATION_INCOMPLETE", "MANUAL_TRANSACTIONS_DISABLED"])
async def test_a_gateway_that_is_not_set_up_is_our_fault(braintree: Braintree, code: str) -> None:
    assert await braintree.charge(charged(rejected(code))) == Rejected(code, OUR_FAULT[code])


async def test_so_is_a_merchant_that_is_not_set_up(braintree: Braintree) -> None:
    assert await braintree.charge(charged(declined("2026"))) == Rejected("2026", OUR_FAULT["2026"])


@pytest.mark.parametrize(
    ("decline_type", "decline_class", "advice"),
    [
        ("SOFT", DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
        ("HARD", DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD),
        (None, DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
    ],
)
async def test_a_code_in_no_table_is_as_hard_as_braintree_says(
    braintree: Braintree, decline_type: str, decline_class: DeclineClass, advice: Advice
) -> None:
    outcome = await braintree.charge(charged(declined("2999", declineType=decline_type)))
    assert isinstance(outcome, Declined)
    found = outcome.decline
    assert (found.decline_class, found.advice, found.mapped) == (decline_class, advice, False)


async def test_a_listed_code_outranks_what_braintree_says(braintree: Braintree) -> None:
    outcome = await braintree.charge(charged(declined("2001", declineType="HARD")))
    assert isinstance(outcome, Declined)
    assert outcome.decline.decline_class is DeclineClass.INSUFFICIENT_FUNDS


async def test_what_the_network_said_is_kept_and_outranks_all(braintree: Braintree) -> None:
    more = {"networkResponse": {"code": "05"}, "merchantAdviceCodeResponse": {"code": "03"}}
    outcome = await braintree.charge(charged(declined("2000", **more)))
    assert isinstance(outcome, Declined)
    found = outcome.decline
    assert (found.network_code, found.network_advice, found.advice) == ("05", "03", Advice.NEVER)
    assert found.processor_message == "Said by the bank"


@pytest.mark.parametrize("shape", [rejected("DUPLICATE", duplicateOf={"id": "dHJhbnNhY3Rpb25fMA"}), declined("2069")])
async def test_a_duplicate_is_never_a_decline(braintree: Braintree, shape: Any) -> None:
    assert isinstance(await braintree.charge(charged(shape)), Unknown)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (errors("VALIDATION", "81503", ["input", "transaction", "amount"]), "81503"),
        (errors("VALIDATION", None, ["input", "paymentMethodId"]), "VALIDATION"),
        (errors("VALIDATION", "91513"), "91513"),
        (errors("AUTHENTICATION"), "AUTHENTICATION"),
        (errors("AUTHORIZATION"), "AUTHORIZATION"),
        (errors("NOT_FOUND"), "NOT_FOUND"),
        (errors("UNSUPPORTED_CLIENT"), "UNSUPPORTED_CLIENT"),
        (httpx.Response(401), "http_401"),
    ],
)
async def test_a_refused_request_is_our_fault(braintree: Braintree, said: Any, code: str) -> None:
    outcome = await braintree.charge(said)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert "Not read." not in outcome.message


@pytest.mark.parametrize(
    "said",
    [
        errors("VALIDATION", None, ["input", "apiRequestKey"]),
        errors("VALIDATION", "91564", ["input", "apiRequestKey"]),
        errors("VALIDATION", None, ["input"]),
        errors("VALIDATION", "9152199"),
        errors("VALIDATION"),
    ],
)
async def test_a_key_that_may_be_in_use_leaves_all_open(braintree: Braintree, said: Any) -> None:
    assert isinstance(await braintree.charge(said), Unknown)


@pytest.mark.parametrize(
    "said",
    [
        errors("INTERNAL"),
        errors("SERVICE_AVAILABILITY"),
        errors("A_CLASS_OF_TOMORROW"),
        {"data": None, "errors": [{"message": "no class"}]},
        {"data": None, "errors": [*errors("VALIDATION", "81503")["errors"], *errors("INTERNAL")["errors"]]},
        errors("RESOURCE_LIMIT", chargePaymentMethod={"transaction": None}),
        {"data": None},
        {"data": {"chargePaymentMethod": None}},
        {"data": {}},
        {"data": {"chargePaymentMethod": {"transaction": {"id": shapes.CHARGE_ID}}}},
        {},
        [],
        httpx.Response(200, content=b"<html>"),
        httpx.Response(500),
        httpx.Response(503, content=b"{}"),
        httpx.Response(408),
        httpx.ReadTimeout("late"),
        httpx.ReadError("broken"),
        httpx.WriteError("broken"),
    ],
)
async def test_after_these_nobody_knows(braintree: Braintree, said: Any) -> None:
    assert isinstance(await braintree.charge(said), Unknown)


async def test_what_is_turned_away_is_not_sent(braintree: Braintree) -> None:
    said = httpx.Response(200, headers={"retry-after": "7"}, content=msgspec.json.encode(errors("RESOURCE_LIMIT")))
    outcome = await braintree.charge(said)
    assert isinstance(outcome, NotSent)
    assert (outcome.answered, outcome.retry_after) == (True, timedelta(seconds=7))


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no")])
async def test_without_a_connection_nothing_was_sent(braintree: Braintree, error: Exception) -> None:
    outcome = await braintree.charge(error)
    assert isinstance(outcome, NotSent)
    assert not outcome.answered


@pytest.mark.parametrize(
    "changed",
    [
        {"orderId": "in_1Made.2"},
        {"orderId": None},
        {"merchantAccountId": "acme_usd"},
        {"amount": {"value": "10.51", "currencyCode": "EUR"}},
        {"amount": {"value": "NaN", "currencyCode": "EUR"}},
        {"amount": {"value": "10.50", "currencyCode": "ZZZ"}},
    ],
)
async def test_an_answer_about_something_else_proves_nothing(braintree: Braintree, changed: dict[str, Any]) -> None:
    assert isinstance(await braintree.charge(charged(transaction(**changed))), Unknown)


@pytest.mark.parametrize(
    ("money", "written", "account"),
    [
        (Money(1, "eur"), "0.01", "acme_eur"),
        (Money(123456, "usd"), "1234.56", "acme_usd"),
        (Money(1000, "jpy"), "1000", "acme_jpy"),
        (Money(1250, "kwd"), "1.250", "acme_kwd"),
    ],
)
async def test_money_there_and_back(braintree: Braintree, money: Money, written: str, account: str) -> None:
    amount = {"value": written, "currencyCode": money.currency.upper()}
    outcome = await braintree.charge(charged(transaction(amount=amount, merchantAccountId=account)), amount=money)
    assert outcome == Succeeded(shapes.CHARGE_ID, money, AT)
    assert braintree.asked[0]["input"]["transaction"]["amount"] == written


@pytest.mark.parametrize("money", [Money(0, "eur"), Money(-5, "eur"), Money(100, "chf"), Money(100, "zzz")])
async def test_what_can_not_be_charged_is_not_sent(braintree: Braintree, money: Money) -> None:
    with pytest.raises(MoneyError):
        braintree.adapter.prepare_charge(request(amount=money))


async def test_a_failure_says_what_it_knows(braintree: Braintree) -> None:
    told = event("FAILED", processorResponse={"legacyCode": "3000", "message": "Try again"})
    outcome = await braintree.charge(charged(transaction("FAILED", statusHistory=[told])))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.processor_code) == (DeclineClass.ISSUER_UNAVAILABLE, "3000")


async def test_one_without_a_code_is_the_processors(braintree: Braintree) -> None:
    outcome = await braintree.charge(charged(transaction("FAILED")))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.mapped) == (DeclineClass.PROCESSOR_ERROR, True)
