"""What Mollie answers, as far as its adapter reads it, and an adapter that talks to whoever plays Mollie."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from processors.events import RawDelivery
from processors.mollie.client import MollieAdapter
from processors.money import Money
from processors.values import ChargeQuery, ChargeRequest, PaymentMethodReference, RefundRequest, Secret, SetupRequest

API_KEY = "test_made_up_key_of_a_profile"
WEBHOOK_SECRET = "made_up_webhook_secret"
BASE = "https://api.mollie.com/v2"
HOOK = "https://tollbridge.example/webhooks/acct_1/mollie"
PROFILE = "pfl_made1up"
REFERENCE = "in_1.1"
PAYMENT, REFUND, CHARGEBACK = "tr_made1up", "re_made1up", "chb_made1up"
CUSTOMER, MANDATE = "cst_made1up", "mdt_made1up"
CREATED, PAID = "2027-03-01T12:00:00+00:00", "2027-03-01T12:00:05+00:00"
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
METHOD = PaymentMethodReference(Secret(MANDATE), Secret(CUSTOMER))

Json = dict[str, Any]


def adapter(
    http: httpx.AsyncClient, options: dict[str, str] | None = None, credentials: dict[str, str] | None = None
) -> MollieAdapter:
    fields = {"environment": "test", "webhook_url": HOOK, "account": PROFILE} | (options or {})
    secrets = {"api_key": API_KEY} if credentials is None else credentials
    given = {name: Secret(value) for name, value in secrets.items()}
    return MollieAdapter.from_config(given, fields, http, lambda: NOW)


def amount(value: str = "10.50", currency: str = "EUR") -> Json:
    return {"currency": currency, "value": value}


def payment(status: str = "paid", **changed: Any) -> Json:
    ended = {"paid": "paidAt", "failed": "failedAt", "canceled": "canceledAt", "expired": "expiredAt"}.get(status)
    shown = {"resource": "payment", "id": PAYMENT, "mode": "test", "profileId": PROFILE, "status": status}
    named = {"customerId": CUSTOMER, "mandateId": MANDATE, "sequenceType": "recurring", "method": "creditcard"}
    made = {"amount": amount(), "createdAt": CREATED, "metadata": {"tollbridge_reference": REFERENCE}}
    return {**shown, **named, **made, **({ended: PAID} if ended else {}), "_links": {}, **changed}


def first(status: str = "paid", **changed: Any) -> Json:
    links = {"checkout": {"href": "https://www.mollie.example/checkout/made1up", "type": "text/html"}}
    own = {"sequenceType": "first", "amount": amount("0.00"), "metadata": {"tollbridge_reference": "pms_1"}}
    return payment(status, **{**own, "_links": links, **changed})


def mandate(status: str = "valid", method: str = "creditcard", **changed: Any) -> Json:
    shown = {"resource": "mandate", "id": MANDATE, "mode": "test", "status": status, "method": method}
    card = {"cardNumber": "6787", "cardLabel": "Visa", "cardFingerprint": "fp_1", "cardExpiryDate": "2030-03-31"}
    return {**shown, "createdAt": CREATED, "details": card, **changed}


def refund(status: str = "pending", **changed: Any) -> Json:
    shown = {"resource": "refund", "id": REFUND, "paymentId": PAYMENT, "status": status, "amount": amount("3.50")}
    return {**shown, "createdAt": CREATED, "metadata": {"tollbridge_reference": "rfd_1"}, **changed}


def chargeback(**changed: Any) -> Json:
    shown = {"resource": "chargeback", "id": CHARGEBACK, "paymentId": PAYMENT, "amount": amount()}
    return {**shown, "createdAt": "2027-03-05T09:00:00+00:00", "reversedAt": None, "reason": None, **changed}


def page(of: str, *items: Json, after: str = "") -> Json:
    href = f"https://api.mollie.com/v2/anything?from={after}&limit=50"
    return {"count": len(items), "_embedded": {of: list(items)}, "_links": {"next": {"href": href} if after else None}}


def problem(status: int, detail: str, field: str | None = None, title: str = "Unprocessable Entity") -> Json:
    return {"status": status, "title": title, "detail": detail, "field": field, "_links": {}}


def charge_request(**changed: Any) -> ChargeRequest:
    fields: Json = {
        "reference": REFERENCE,
        "idempotency_key": "6a1f7d0e-0000-5000-8000-000000000001",
        "amount": Money(1050, "eur"),
        "method": METHOD,
        "description": "Invoice in_1",
        "metadata": {"stripe_invoice": "in_1", "attempt_number": "1"},
    }
    return ChargeRequest(**(fields | changed))


def refund_request(**changed: Any) -> RefundRequest:
    fields: Json = {
        "reference": "rfd_1",
        "idempotency_key": "6a1f7d0e-0000-5000-8000-000000000002",
        "charge_id": PAYMENT,
        "amount": Money(350, "eur"),
    }
    return RefundRequest(**(fields | changed))


def setup_request(**changed: Any) -> SetupRequest:
    fields: Json = {
        "reference": "pms_1",
        "idempotency_key": "stp_1",
        "currency": "eur",
        "return_url": "https://shop.example/back",
        "customer": "cus_1",
    }
    return SetupRequest(**(fields | changed))


def query(**changed: Any) -> ChargeQuery:
    fields: Json = {"reference": REFERENCE, "method": METHOD, "since": NOW}
    return ChargeQuery(**(fields | changed))


def delivery(body: bytes, *signatures: str) -> RawDelivery:
    kind = "application/json" if signatures else "application/x-www-form-urlencoded"
    headers = (("content-type", kind), *(("x-mollie-signature", one) for one in signatures))
    return RawDelivery("POST", HOOK, headers, (), body)
