"""Payments: bytes as sent, every state, every refusal, every way in which a call can fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
import respx

from processors.errors import MoneyError
from processors.gocardless.client import GoCardlessAdapter
from processors.money import Money
from processors.outcome import (
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
from tests.processors.gocardless.conftest import (
    TOKEN,
    charge,
    charge_request,
    error,
    event,
    failed,
    make_adapter,
    mandate,
    one,
    page,
    payment,
    used_key,
    when,
)

CHARGED = datetime(2026, 11, 20, tzinfo=UTC)


# Bytes


def test_prepared_bytes_are_fixed_for_ever(adapter: GoCardlessAdapter) -> None:
    """Stored calls are replayed by later versions: a change here breaks the keys of calls under way."""
    call = adapter.prepare_charge(charge_request())
    assert call.body == (
        b'{"payments":{"amount":1050,"currency":"GBP","description":"Invoice in_1",'
        b'"links":{"mandate":"MD0000MADEUP1"},"metadata":{"attempt_number":"1","stripe_invoice":"in_1",'
        b'"tollbridge_reference":"in_1.1"},"retry_if_possible":false}}'
    )
    assert (call.method, call.path) == ("POST", "/payments")
    assert call.headers == (("content-type", "application/json"), ("idempotency-key", "key-in_1.1"))


def test_bytes_do_not_depend_on_the_order_of_metadata(adapter: GoCardlessAdapter) -> None:
    turned = charge_request(metadata={"attempt_number": "1", "stripe_invoice": "in_1"})
    assert adapter.prepare_charge(turned) == adapter.prepare_charge(charge_request())


def test_a_bank_debit_knows_no_kind_of_use(adapter: GoCardlessAdapter) -> None:
    unscheduled = charge_request(usage=Usage.UNSCHEDULED)
    assert adapter.prepare_charge(unscheduled) == adapter.prepare_charge(charge_request())


def test_a_prepared_call_holds_no_credentials(adapter: GoCardlessAdapter) -> None:
    call = adapter.prepare_charge(charge_request())
    assert TOKEN not in repr(msgspec.to_builtins(call)) + call.body.decode()


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"a": "1", "b": "2", "c": "3", "d": "4"}, {"a": "1", "b": "2"}),
        ({"a": "x" * 501}, {"a": "x" * 500}),
        ({"k" * 51: "1", "b": "2"}, {"b": "2"}),
        ({"tollbridge_reference": "another"}, {}),
    ],
)
def test_our_reference_always_has_its_place_among_three(
    adapter: GoCardlessAdapter, more: dict[str, str], kept: dict[str, str]
) -> None:
    sent = json.loads(adapter.prepare_charge(charge_request(metadata=more)).body)["payments"]["metadata"]
    assert sent == {"tollbridge_reference": "in_1.1", **kept}


@pytest.mark.parametrize("currency", ["aud", "cad", "dkk", "eur", "gbp", "nzd", "sek", "usd"])
async def test_the_currencies_there_and_back(adapter: GoCardlessAdapter, api: respx.MockRouter, currency: str) -> None:
    shown = payment("confirmed", amount=1999, currency=currency.upper())
    sent = api.post("/payments").mock(return_value=one("payments", shown, 201))
    api.get("/events").mock(return_value=page("events", event("confirmed")))
    outcome = await charge(adapter, amount=Money(1999, currency))
    asked = json.loads(sent.calls.last.request.content)["payments"]
    assert (asked["amount"], asked["currency"]) == (1999, currency.upper())
    assert isinstance(outcome, Succeeded)
    assert outcome.captured == Money(1999, currency)


@pytest.mark.parametrize(
    "money", [Money(0, "gbp"), Money(-1, "gbp"), Money(1050, "jpy"), Money(1050, "kwd"), Money(1050, "zzz")]
)
def test_what_can_not_be_collected_is_refused_before_any_call(adapter: GoCardlessAdapter, money: Money) -> None:
    with pytest.raises(MoneyError):
        adapter.prepare_charge(charge_request(amount=money))


# States


@pytest.mark.parametrize("status", ["pending_customer_approval", "pending_submission", "submitted"])
async def test_a_new_payment_is_pending_for_days(
    adapter: GoCardlessAdapter, api: respx.MockRouter, status: str
) -> None:
    sent = api.post("/payments").mock(return_value=one("payments", payment(status), 201))
    assert await charge(adapter) == Pending("PM123", CHARGED)
    headers = sent.calls.last.request.headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["gocardless-version"] == "2015-07-06"
    assert headers["idempotency-key"] == "key-in_1.1"


@pytest.mark.parametrize(
    ("status", "history", "expected"),
    [
        ("confirmed", [event("submitted", 1), event("confirmed", 2)], Succeeded("PM123", Money(1050, "gbp"), when(2))),
        (
            "paid_out",
            [event("confirmed", 1), event("paid_out", 2)],
            Succeeded("PM123", Money(1050, "gbp"), when(1)),
        ),
        ("confirmed", [], Succeeded("PM123", Money(1050, "gbp"), CHARGED)),
        ("cancelled", [event("cancelled", 1)], Canceled("PM123")),
        ("cancelled", [], Canceled("PM123")),
        ("failed", [failed(1, will_attempt_retry=True)], Pending("PM123", CHARGED)),
    ],
)
async def test_a_used_key_is_the_payment_that_it_made(
    adapter: GoCardlessAdapter, api: respx.MockRouter, status: str, history: list[Any], expected: Any
) -> None:
    api.post("/payments").mock(return_value=used_key("PM123"))
    api.get("/payments/PM123").mock(return_value=one("payments", payment(status)))
    api.get("/events", params={"payment": "PM123"}).mock(return_value=page("events", *history))
    assert await charge(adapter) == expected


@pytest.mark.parametrize(
    ("status", "last", "decline_class", "network_code"),
    [
        ("failed", failed(3), DeclineClass.INSUFFICIENT_FUNDS, "bacs:ARUDD-0"),
        (
            "charged_back",
            event("charged_back", 3, details={"cause": "authorisation_disputed"}),
            DeclineClass.FRAUD,
            "",
        ),
        ("cancelled", event("cancelled", 3, details={"cause": "mandate_cancelled"}), DeclineClass.REVOKED, ""),
        ("customer_approval_denied", None, DeclineClass.AUTHENTICATION_REQUIRED, ""),
    ],
)
async def test_a_payment_that_took_nothing_in_the_end(
    adapter: GoCardlessAdapter,
    api: respx.MockRouter,
    status: str,
    last: Any,
    decline_class: DeclineClass,
    network_code: str,
) -> None:
    api.post("/payments").mock(return_value=used_key("PM123"))
    api.get("/payments/PM123").mock(return_value=one("payments", payment(status)))
    if last:
        api.get("/events").mock(return_value=page("events", event("confirmed", 1), last))
    outcome = await charge(adapter)
    assert isinstance(outcome, Declined)
    assert outcome.processor_id == "PM123"
    assert (outcome.decline.decline_class, outcome.decline.network_code) == (decline_class, network_code)


# Failures


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error("forbidden", 403), "forbidden"),
        (error("unauthorized", 401), "unauthorized"),
        (httpx.Response(422, json={"error": {"type": "validation_failed", "errors": [{"field": "amount"}]}}),
         "validation_failed"),
        (httpx.Response(400, json={"error": {"type": "invalid_api_usage"}}), "invalid_api_usage"),
        (httpx.Response(404, content=b"<html>not here</html>"), "http_404"),
    ],
)  # fmt: skip
async def test_our_own_fault_is_rejected(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: httpx.Response, code: str
) -> None:
    api.post("/payments").mock(return_value=answer)
    outcome = await charge(adapter)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("headers", "wait"), [({}, timedelta(minutes=1)), ({"retry-after": "7"}, timedelta(seconds=7))]
)
async def test_too_many_requests_wait_for_the_next_minute(
    adapter: GoCardlessAdapter, api: respx.MockRouter, headers: dict[str, str], wait: timedelta
) -> None:
    api.post("/payments").mock(return_value=httpx.Response(429, headers=headers, json={}))
    outcome = await charge(adapter)
    assert isinstance(outcome, NotSent)
    assert (outcome.retry_after, outcome.answered) == (wait, True)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json={"error": {"type": "gocardless"}}),
        httpx.Response(502, content=b"<html>"),
        httpx.Response(408),
        httpx.ReadTimeout("late"),
        httpx.ReadError("broken"),
        httpx.Response(201, content=b"<html>"),
        httpx.Response(201, json={}),
        httpx.Response(201, json={"payments": []}),
        error("bank_account_exists", 409),
        error("idempotent_creation_conflict", 409),
        one("payments", payment(amount=1051), 201),
        one("payments", payment(amount="1050"), 201),
        one("payments", payment(currency="EUR"), 201),
        one("payments", payment(currency="XXX"), 201),
        one("payments", payment(status="on_its_way"), 201),
        one("payments", payment(metadata={"tollbridge_reference": "in_2.1"}), 201),
        one("payments", payment(metadata={}), 201),
        one("payments", payment(links={"mandate": "MD1", "creditor": "CR_ANOTHER"}), 201),
    ],
)
async def test_what_can_not_be_read_or_is_not_ours_is_unknown(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.post("/payments").mock(side_effect=[answer])
    assert isinstance(await charge(adapter), Unknown)


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
async def test_no_connection_is_not_sent(adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any) -> None:
    api.post("/payments").mock(side_effect=answer)
    outcome = await charge(adapter)
    assert isinstance(outcome, NotSent)
    assert not outcome.answered


@pytest.mark.parametrize(
    "answer", [httpx.ConnectError("refused"), httpx.Response(429), httpx.Response(404), httpx.Response(401)]
)
@pytest.mark.parametrize("asked", ["payment", "events"])
async def test_a_payment_that_is_made_is_never_taken_for_one_that_was_not(
    adapter: GoCardlessAdapter, api: respx.MockRouter, asked: str, answer: Any
) -> None:
    """What fails is the reading of it. To call it not sent, or rejected, would allow a second charge."""
    api.post("/payments").mock(return_value=used_key("PM123"))
    read = api.get("/payments/PM123")
    if asked == "payment":
        read.mock(side_effect=[answer])
    else:
        read.mock(return_value=one("payments", payment("confirmed")))
        api.get("/events").mock(side_effect=[answer])
    assert isinstance(await charge(adapter), Unknown)


async def test_nothing_secret_is_printed_or_logged(
    http: httpx.AsyncClient, api: respx.MockRouter, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    adapter = make_adapter(http)
    api.post("/payments").mock(return_value=error("mandate_is_inactive"))
    api.get("/mandates/MD0000MADEUP1").mock(return_value=one("mandates", mandate("cancelled")))
    outcome = await charge(adapter)
    printed = caplog.text + capsys.readouterr().out + repr((outcome, adapter.__dict__, charge_request()))
    assert not [secret for secret in (TOKEN, "MD0000MADEUP1", "made-up-webhook-secret") if secret in printed]
