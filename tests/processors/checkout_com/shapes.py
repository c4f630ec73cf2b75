"""What Checkout.com sends, as its documentation shows it, about one payment of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from processors.checkout_com.client import CheckoutComAdapter
from processors.checkout_com.notices import signature
from processors.events import RawDelivery
from processors.money import Money
from processors.values import ChargeRequest, PaymentMethodReference, RefundRequest, Secret

BASE = "https://api.sandbox.checkout.com"
ACCOUNT = "pc_madeupchannel01"
SECRET_KEY = "sk_sbox_made_up_secret_key"
SIGNATURE_KEY = "made-up-signature-key"
PREVIOUS_KEY = "made-up-previous-signature-key"
REFERENCE = "in_1.1"
PAYMENT, TOKEN, INITIAL = "pay_madeup01", "src_madeup01", "pay_first01"
ACTION, REFUND = "act_madeup01", "act_refund01"
NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
TIME = "2027-03-01T12:00:00.1234560Z"
AT = datetime(2027, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

CREDENTIALS = {"secret_key": SECRET_KEY, "signature_key": SIGNATURE_KEY}
OPTIONS = {"environment": "test", "account": ACCOUNT, "country": "DE"}

Json = dict[str, Any]


def make_adapter(
    http: httpx.AsyncClient,
    credentials: Mapping[str, str] = CREDENTIALS,
    options: Mapping[str, str] = OPTIONS,
) -> CheckoutComAdapter:
    secrets = {name: Secret(value) for name, value in credentials.items()}
    return CheckoutComAdapter.from_config(secrets, options, http, lambda: NOW)


def method() -> PaymentMethodReference:
    return PaymentMethodReference(Secret(TOKEN), Secret("cus_madeup01"), Secret(INITIAL))


def request(**changed: Any) -> ChargeRequest:
    fields = {
        "reference": REFERENCE,
        "idempotency_key": "key-1",
        "amount": Money(1000, "eur"),
        "method": method(),
        "description": "Invoice in_1",
        "metadata": {"invoice": "in_1"},
    }
    return ChargeRequest(**(fields | changed))


def refund_request(**changed: Any) -> RefundRequest:
    fields = {
        "reference": "rfd_1",
        "idempotency_key": "key-2",
        "charge_id": PAYMENT,
        "amount": Money(500, "eur"),
        "reason": "requested_by_customer",
    }
    return RefundRequest(**(fields | changed))


def payment(status: str = "Authorized", **changed: Any) -> Json:
    shown = {
        "id": PAYMENT,
        "action_id": ACTION,
        "amount": 1000,
        "currency": "EUR",
        "approved": status not in ("Declined", "Pending"),
        "status": status,
        "response_code": "10000",
        "response_summary": "Approved",
        "processed_on": TIME,
        "reference": REFERENCE,
        "source": {"id": TOKEN, "type": "card", "scheme": "Visa", "last4": "4242"},
    }
    return {**shown, **changed}


def declined(code: str, **changed: Any) -> Json:
    return payment("Declined", response_code=code, response_summary="Refused", **changed)


def pending(**changed: Any) -> Json:
    """The answer of 202: no amount, and a link only where the payer must act."""
    return {"id": PAYMENT, "status": "Pending", "reference": REFERENCE, **changed}


def read(status: str = "Captured", **changed: Any) -> Json:
    """A payment as it's read: without the code of a decline."""
    shown = payment(status, requested_on=TIME, processing_channel_id=ACCOUNT, balances={"total_captured": 1000})
    for name in ("response_code", "response_summary", "action_id"):
        del shown[name]
    return {**shown, **changed}


def listed(*payments: Json) -> Json:
    return {"limit": 100, "skip": 0, "total_count": len(payments), "data": list(payments)}


def action(kind: str = "Refund", **changed: Any) -> Json:
    shown = {
        "id": REFUND if kind == "Refund" else ACTION,
        "type": kind,
        "processed_on": TIME,
        "amount": 500 if kind == "Refund" else 1000,
        "approved": True,
        "response_code": "10000",
        "response_summary": "Approved",
    }
    return {**shown, **changed}


def verification(status: str = "Card Verified", **changed: Any) -> Json:
    """The payment of a set-up."""
    source = {
        "id": TOKEN,
        "type": "card",
        "scheme": "American Express",
        "last4": "1005",
        "expiry_month": 6,
        "expiry_year": 2030,
        "fingerprint": "FP01",
    }
    return read(status, **{"id": INITIAL, "amount": 0, "reference": "stp_1", "source": source} | changed)


def event(kind: str, event_id: str = "evt_1", **data: Any) -> Json:
    told = {"id": PAYMENT, "action_id": ACTION, "reference": REFERENCE, "amount": 1000, "currency": "EUR"}
    told |= {"processed_on": TIME, "response_code": "10000", "response_summary": "Approved"}
    return {
        "id": event_id,
        "type": kind,
        "version": "1.0.29",
        "created_on": TIME,
        "data": {**told, **data},
        "_links": {"self": {"href": f"{BASE}/workflows/events/{event_id}"}},
    }


def dispute_event(kind: str, **data: Any) -> Json:
    told = {
        "id": "dsp_1",
        "category": "fraudulent",
        "amount": 1000,
        "currency": "EUR",
        "reason_code": "10.4",
        "payment_id": PAYMENT,
        "payment_action_id": ACTION,
        "payment_reference": REFERENCE,
        "processing_channel_id": ACCOUNT,
        "evidence_required_by": "2027-03-20T18:00:00+00:00",
    }
    return event(kind) | {"data": {**told, **data}}


def error(*codes: str) -> Json:
    return {"request_id": "0HL80RJLS76I7", "error_type": "request_invalid", "error_codes": list(codes)}


def delivery(body: bytes, key: str | None = SIGNATURE_KEY, *more: tuple[str, str]) -> RawDelivery:
    signed = () if key is None else (("cko-signature", signature(key, body)),)
    return RawDelivery("POST", "https://tollbridge.example/webhooks/a/b", (*signed, *more), (), body)


def encode(told: Json) -> bytes:
    """With blanks, so that the same JSON written again differs."""
    return json.dumps(told).encode()
