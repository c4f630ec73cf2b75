"""Charges at PayPal: the bytes, every answer, and what was paid is what the captures say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from processors.breakdown import Breakdown, Line
from processors.errors import MoneyError
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
    RequiresAction,
    Succeeded,
    Unknown,
)
from processors.values import ChargeQuery, PaymentMethodReference, Secret, Usage
from tests.processors.paypal.conftest import TOKEN, PayPal, charge_request
from tests.processors.paypal.shapes import (
    ANOTHER,
    AT,
    CAPTURE,
    ORDER,
    REFERENCE,
    VAULT_ID,
    capture,
    error,
    link,
    money,
    order,
)

AT_TIME = datetime.fromisoformat(AT).astimezone(UTC)
PAID = Succeeded(CAPTURE, Money(1000, "usd"), AT_TIME)
ORDERS = "/v2/checkout/orders"


def body_of(paypal: PayPal, **changed: Any) -> Any:
    return json.loads(paypal.adapter.prepare_charge(charge_request(**changed)).body)


# The bytes


async def test_the_bytes_of_a_charge(paypal: PayPal) -> None:
    call = paypal.adapter.prepare_charge(charge_request())
    assert (call.method, call.path) == ("POST", ORDERS)
    assert dict(call.headers) == {
        "content-type": "application/json",
        "paypal-request-id": "5a7b0c1e-made-up-key",
        "prefer": "return=representation",
    }
    assert json.loads(call.body) == {
        "intent": "CAPTURE",
        "purchase_units": [
            {
                "reference_id": "in_1",
                "custom_id": "in_1",
                "invoice_id": "in_1.1",
                "description": "Invoice in_1",
                "amount": {"currency_code": "USD", "value": "10.00"},
            }
        ],
        "payment_source": {
            "paypal": {
                "vault_id": VAULT_ID,
                "stored_credential": {
                    "payment_initiator": "MERCHANT",
                    "usage": "SUBSEQUENT",
                    "usage_pattern": "SUBSCRIPTION_PREPAID",
                },
            }
        },
    }


async def test_the_same_request_has_the_same_bytes_and_no_credential(paypal: PayPal) -> None:
    one = paypal.adapter.prepare_charge(charge_request(metadata={"stripe_invoice": "in_1", "a": "b"}))
    other = paypal.adapter.prepare_charge(charge_request(metadata={"a": "b", "stripe_invoice": "in_1"}))
    assert (one.headers, one.body) == (other.headers, other.body)
    assert "authorization" not in dict(one.headers)


async def test_metered_usage_says_so(paypal: PayPal) -> None:
    wallet = body_of(paypal, usage=Usage.UNSCHEDULED)["payment_source"]["paypal"]
    assert wallet["stored_credential"]["usage_pattern"] == "UNSCHEDULED_POSTPAID"


async def test_a_legacy_agreement_is_charged_as_one(paypal: PayPal) -> None:
    method = PaymentMethodReference(Secret("B-50V812176H0783741"))
    assert body_of(paypal, method=method)["payment_source"] == {
        "paypal": {"billing_agreement_id": "B-50V812176H0783741"}
    }


async def test_texts_are_no_longer_than_paypal_takes(paypal: PayPal) -> None:
    lines = Breakdown((Line("y" * 200, 1000),))
    (unit,) = body_of(paypal, description="x" * 200, breakdown=lines)["purchase_units"]
    assert (len(unit["description"]), len(unit["items"][0]["name"])) == (127, 127)


# Lines


async def test_lines_and_tax_add_up(paypal: PayPal) -> None:
    lines = Breakdown((Line("Basic", 600), Line("Seats", 240)), tax=160)
    (unit,) = body_of(paypal, breakdown=lines)["purchase_units"]
    assert unit["amount"]["breakdown"] == {"item_total": money("8.40"), "tax_total": money("1.60")}
    assert unit["items"] == [
        {"name": "Basic", "quantity": "1", "unit_amount": money("6.00")},
        {"name": "Seats", "quantity": "1", "unit_amount": money("2.40")},
    ]


async def test_lines_without_tax_name_none(paypal: PayPal) -> None:
    (unit,) = body_of(paypal, breakdown=Breakdown((Line("", 1000),)))["purchase_units"]
    assert unit["amount"]["breakdown"] == {"item_total": money("10.00")}
    assert unit["items"][0]["name"] == "Invoice in_1"


@pytest.mark.parametrize(
    ("amount", "lines"),
    [
        (Money(1000, "usd"), Breakdown((Line("Basic", 600),), tax=160)),
        (Money(1000, "huf"), Breakdown((Line("Basic", 650), Line("Seats", 350)))),
        (Money(1000, "usd"), Breakdown(tuple(Line("Seat", 1) for _ in range(1000)))),
    ],
    ids=["not the amount", "no whole forints", "too many"],
)
async def test_lines_that_paypal_would_refuse_are_left_out(paypal: PayPal, amount: Money, lines: Breakdown) -> None:
    (unit,) = body_of(paypal, amount=amount, breakdown=lines)["purchase_units"]
    assert "items" not in unit
    assert "breakdown" not in unit["amount"]


# Money


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        (Money(1050, "usd"), "10.50"),
        (Money(1, "eur"), "0.01"),
        (Money(1000, "jpy"), "1000"),
        (Money(100000, "huf"), "1000"),
        (Money(100000, "twd"), "1000"),
        (Money(12345678901, "usd"), "123456789.01"),
    ],
)
async def test_an_amount_in_its_own_decimals(paypal: PayPal, amount: Money, value: str) -> None:
    (unit,) = body_of(paypal, amount=amount)["purchase_units"]
    assert unit["amount"] == money(value, amount.currency.upper())


@pytest.mark.parametrize(
    "amount",
    [Money(1050, "huf"), Money(1001, "twd"), Money(0, "usd"), Money(-1, "usd"), Money(1000, "kwd"), Money(1000, "inr")],
    ids=str,
)
async def test_an_amount_that_cannot_be_said_is_refused_before_any_call(paypal: PayPal, amount: Money) -> None:
    with pytest.raises(MoneyError):
        paypal.adapter.prepare_charge(charge_request(amount=amount))
    assert not paypal.router.calls


async def test_a_capture_in_forints_is_read_in_stripes_units(paypal: PayPal) -> None:
    forints = money("1000", "HUF")
    shown = order(capture(amount=forints), unit={"amount": forints})
    assert (await paypal.charge((201, shown), amount=Money(100000, "huf"))).captured == Money(100000, "huf")


# Answers


async def test_a_charge_that_works(paypal: PayPal) -> None:
    assert await paypal.charge((201, order(capture()))) == PAID
    (request,) = paypal.sent("POST", ORDERS)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["paypal-request-id"] == "5a7b0c1e-made-up-key"


async def test_a_replay_gives_the_order_as_it_stands_now(paypal: PayPal) -> None:
    assert await paypal.charge((200, order(capture("REFUNDED")))) == PAID


async def test_an_echeck_was_captured_when_it_cleared(paypal: PayPal) -> None:
    outcome = await paypal.charge((200, order(capture(update_time="2027-03-08T07:00:00-07:00"))))
    assert outcome.occurred_at == datetime(2027, 3, 8, 14, tzinfo=UTC)


@pytest.mark.parametrize("reason", ["ECHECK", "PENDING_REVIEW", "TRANSACTION_APPROVED_AWAITING_FUNDING"])
async def test_a_completed_order_is_not_paid_while_its_capture_is_pending(paypal: PayPal, reason: str) -> None:
    pending = capture("PENDING", status_details={"reason": reason})
    assert await paypal.charge((201, order(pending))) == Pending(CAPTURE)


@pytest.mark.parametrize("status", ["DECLINED", "FAILED"])
async def test_a_completed_order_whose_capture_was_declined(paypal: PayPal, status: str) -> None:
    outcome = await paypal.charge((201, order(capture(status))))
    assert isinstance(outcome, Declined)
    assert (outcome.processor_id, outcome.decline.processor_code) == (CAPTURE, status)


@pytest.mark.parametrize(
    ("told", "decline_class", "advice"),
    [
        ({"response_code": "5120"}, DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ({"response_code": "5400"}, DeclineClass.EXPIRED, Advice.NEW_PAYMENT_METHOD),
        ({"response_code": "5650"}, DeclineClass.AUTHENTICATION_REQUIRED, Advice.CUSTOMER_ACTION),
        ({"response_code": "5920"}, DeclineClass.ISSUER_UNAVAILABLE, Advice.RETRY_LATER),
        ({"response_code": "5910"}, DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD),
        ({"response_code": "9520"}, DeclineClass.LOST_STOLEN, Advice.NEVER),
        ({"response_code": "5120", "payment_advice_code": "21"}, DeclineClass.INSUFFICIENT_FUNDS, Advice.NEVER),
        ({"response_code": "ZZ99"}, DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
    ],
    ids=str,
)
async def test_a_card_in_the_wallet_is_declined_in_its_own_words(
    paypal: PayPal, told: dict[str, str], decline_class: DeclineClass, advice: Advice
) -> None:
    outcome = await paypal.charge((201, order(capture("DECLINED", processor_response=told))))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.advice) == (decline_class, advice)
    assert outcome.decline.processor_code == told["response_code"]
    assert outcome.decline.network_advice == told.get("payment_advice_code", "")
    assert outcome.decline.mapped == (told["response_code"] != "ZZ99")


@pytest.mark.parametrize(
    ("issue", "advice"),
    [
        ("INSTRUMENT_DECLINED", Advice.RETRY_LATER),
        ("PAYMENT_SOURCE_DECLINED_BY_PROCESSOR", Advice.RETRY_LATER),
        ("TRANSACTION_REFUSED", Advice.RETRY_LATER),
        ("PAYER_ACTION_REQUIRED", Advice.CUSTOMER_ACTION),
        ("REDIRECT_PAYER_FOR_ALTERNATE_FUNDING", Advice.CUSTOMER_ACTION),
        ("PAYER_CANNOT_PAY", Advice.CUSTOMER_ACTION),
        ("PAYER_ACCOUNT_RESTRICTED", Advice.NEW_PAYMENT_METHOD),
        ("PAYER_ACCOUNT_LOCKED_OR_CLOSED", Advice.NEW_PAYMENT_METHOD),
        ("CARD_EXPIRED", Advice.NEW_PAYMENT_METHOD),
        ("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED", Advice.NEW_PAYMENT_METHOD),
        ("DECLINED_DUE_TO_RELATED_TXN", Advice.NEW_PAYMENT_METHOD),
        ("AGREEMENT_ALREADY_CANCELLED", Advice.NEW_PAYMENT_METHOD),
        ("BILLING_AGREEMENT_NOT_FOUND", Advice.NEW_PAYMENT_METHOD),
    ],
)
async def test_an_order_that_the_payers_side_refuses(paypal: PayPal, issue: str, advice: Advice) -> None:
    outcome = await paypal.charge((422, error(issue)))
    assert isinstance(outcome, Declined)
    assert (outcome.decline.processor_code, outcome.decline.advice) == (issue, advice)
    assert outcome.decline.mapped
    revoked = outcome.decline.decline_class is DeclineClass.REVOKED
    assert revoked == issue.startswith(("AGREEMENT", "BILLING_AGREEMENT"))


@pytest.mark.parametrize("status", [404, 422])
async def test_a_token_that_is_gone_is_revoked(paypal: PayPal, status: int) -> None:
    outcome = await paypal.charge((status, error(name="RESOURCE_NOT_FOUND")))
    assert isinstance(outcome, Declined)
    assert outcome.decline.decline_class is DeclineClass.REVOKED


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (400, error("INVALID_PARAMETER_SYNTAX", "INVALID_REQUEST"), "INVALID_PARAMETER_SYNTAX"),
        (400, error("PAYPAL_REQUEST_ID_REQUIRED", "INVALID_REQUEST"), "PAYPAL_REQUEST_ID_REQUIRED"),
        (403, error("PERMISSION_DENIED", "NOT_AUTHORIZED"), "PERMISSION_DENIED"),
        (404, b"<html>no such page</html>", "http_404"),
        (422, error("NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE"), "NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE"),
        (422, error("MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE"), "MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE"),
        (422, error("PAYEE_ACCOUNT_RESTRICTED"), "PAYEE_ACCOUNT_RESTRICTED"),
        (422, error("AMOUNT_MISMATCH"), "AMOUNT_MISMATCH"),
        (403, error("INSTRUMENT_DECLINED"), "INSTRUMENT_DECLINED"),
    ],
)
async def test_a_request_that_is_refused(paypal: PayPal, status: int, answer: Any, code: str) -> None:
    outcome = await paypal.charge((status, answer))
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


@pytest.mark.parametrize(
    "issue",
    [
        "DUPLICATE_INVOICE_ID",
        "DUPLICATE_REQUEST_ID",
        "PAYPAL_REQUEST_ID_PREVIOUSLY_USED",
        "PREVIOUS_REQUEST_IN_PROGRESS",
    ],
)
async def test_a_used_invoice_id_or_key_is_never_a_decline(paypal: PayPal, issue: str) -> None:
    assert isinstance(await paypal.charge((422, error(issue))), Unknown)


async def test_a_call_in_progress_is_unknown(paypal: PayPal) -> None:
    assert isinstance(await paypal.charge((409, error(name="RESOURCE_CONFLICT"))), Unknown)


async def test_an_order_that_needs_the_payer(paypal: PayPal) -> None:
    href = link("payer-action", f"/checkoutnow?token={ORDER}")
    outcome = await paypal.charge((201, order(status="PAYER_ACTION_REQUIRED", links=[link("self", "/"), href])))
    assert outcome == RequiresAction(ORDER, href["href"])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("CREATED", RequiresAction(ORDER)), ("APPROVED", Pending(ORDER)), ("VOIDED", Canceled(ORDER))],
)
async def test_an_order_without_a_capture(paypal: PayPal, status: str, outcome: Any) -> None:
    assert await paypal.charge((201, order(status=status))) == outcome


async def test_an_answer_without_the_order_is_read_once_more(paypal: PayPal) -> None:
    read = paypal.says("GET", f"{ORDERS}/{ORDER}", (200, order(capture())))
    assert await paypal.charge((201, {"id": ORDER, "status": "COMPLETED"})) == PAID
    assert read.call_count == 1


@pytest.mark.parametrize(
    "answer",
    [(401, b""), (403, error("PERMISSION_DENIED")), (404, b""), (429, b""), (500, b""), httpx.ConnectError("made up")],
    ids=str,
)
async def test_an_order_that_was_made_is_unknown_whatever_becomes_of_reading_it(paypal: PayPal, answer: Any) -> None:
    paypal.says("GET", f"{ORDERS}/{ORDER}", answer)
    assert isinstance(await paypal.charge((201, {"id": ORDER, "status": "COMPLETED"})), Unknown)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>ok</html>",
        b"",
        {"id": ORDER},
        order(),
        order(capture("REVERSED")),
        order(capture(create_time=None, update_time=None)),
        order(capture(amount=money("10.001"))),
        order(capture(amount=money("ten"))),
        order(capture(amount=money("11.00"))),
        order(capture(), unit={"amount": money("11.00")}),
        order(capture(), unit={"amount": money("10.00", "EUR")}),
        order(capture(), unit={"invoice_id": "in_2.1"}),
        order(capture(invoice_id="in_2.1")),
        order(capture(), unit={"payee": {"merchant_id": ANOTHER}}),
        order(status="PAYER_ACTION_REQUIRED", unit={"invoice_id": "in_2.1"}),
    ],
    ids=[
        "a page", "nothing", "no status", "completed without a capture", "a status of tomorrow", "no time",
        "too many decimals", "no number", "another amount captured", "another amount", "another currency",
        "another reference", "another capture", "another merchant", "another order",
    ],
)  # fmt: skip
async def test_an_answer_that_proves_nothing_is_unknown(paypal: PayPal, answer: Any) -> None:
    assert isinstance(await paypal.charge((201, answer)), Unknown)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((500, error(name="INTERNAL_SERVER_ERROR")), Unknown),
        ((503, b""), Unknown),
        ((408, b""), Unknown),
        (httpx.ReadTimeout("made up"), Unknown),
        (httpx.RemoteProtocolError("made up"), Unknown),
        (httpx.ConnectError("made up"), NotSent),
        ((429, error(name="RATE_LIMIT_REACHED"), {"retry-after": "7"}), NotSent),
    ],
    ids=str,
)
async def test_a_fault(paypal: PayPal, answer: Any, kind: type[Any]) -> None:
    assert type(await paypal.charge(answer)) is kind


# Look-ups


async def test_a_charge_is_found_by_its_capture(paypal: PayPal) -> None:
    paypal.says("GET", f"/v2/payments/captures/{CAPTURE}", (200, capture()))
    assert await paypal.adapter.lookup_charge(ChargeQuery(REFERENCE, CAPTURE)) == Found(PAID)


async def test_a_charge_without_a_capture_is_found_by_its_order(paypal: PayPal) -> None:
    paypal.says("GET", f"/v2/payments/captures/{ORDER}", (404, error("INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")))
    paypal.says("GET", f"{ORDERS}/{ORDER}", (200, order(capture("PENDING"))))
    assert await paypal.adapter.lookup_charge(ChargeQuery(REFERENCE, ORDER)) == Found(Pending(CAPTURE))


async def test_what_paypal_does_not_show_is_no_proof(paypal: PayPal) -> None:
    paypal.router.get(path__regex=".*").respond(404, json=error("INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND"))
    assert await paypal.adapter.lookup_charge(ChargeQuery(REFERENCE, ORDER)) == NotFound(conclusive=False)


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (403, error("PERMISSION_DENIED")),
        (200, b"{"),
        (200, capture(invoice_id="in_2.1")),
        (200, capture(payee={"merchant_id": ANOTHER})),
        (200, capture(amount=money("10.005"))),
        httpx.ConnectError("made up"),
    ],
    ids=str,
)
async def test_a_look_up_that_fails_tells_nothing(paypal: PayPal, answer: Any) -> None:
    paypal.says("GET", f"/v2/payments/captures/{CAPTURE}", answer)
    assert isinstance(await paypal.adapter.lookup_charge(ChargeQuery(REFERENCE, CAPTURE)), LookupFailed)


@pytest.mark.parametrize("processor_id", ["", "../webhooks", "a/b", "a?b"])
async def test_nothing_is_asked_without_an_id(paypal: PayPal, processor_id: str) -> None:
    assert isinstance(await paypal.adapter.lookup_charge(ChargeQuery(REFERENCE, processor_id)), LookupFailed)
    assert not paypal.router.calls


async def test_a_payment_cannot_be_withdrawn(paypal: PayPal) -> None:
    assert not paypal.adapter.capabilities.cancel
    assert isinstance(await paypal.adapter.cancel_charge(ChargeQuery(REFERENCE, CAPTURE), "key"), LookupFailed)
