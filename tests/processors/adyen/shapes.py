"""Adyen's shapes as recorded, with made-up values, and an adapter that talks to a scripted Adyen."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from processors.adyen.client import AdyenAdapter
from processors.adyen.signatures import sign, signed_fields
from processors.adyen.wire import Item
from processors.events import Notice, ProcessorEvent, RawDelivery
from processors.money import Money
from processors.values import ChargeRequest, PaymentMethodReference, RefundRequest, Secret
from tests.processors.conftest import START

Json = dict[str, Any]

BASE = "https://checkout-test.adyen.com/v72"
ACCOUNT = "ExampleShopECOM"
API_KEY = "AQE-made-up-api-key"
HMAC_KEY = "00112233445566778899AABBCCDDEEFF" * 2
OTHER_KEY = "FFEEDDCCBBAA99887766554433221100" * 2
CLIENT_KEY = "test_MADEUPCLIENTKEY"
TOKEN, SHOPPER = "TKN7TQ4TG5PFWR50", "cus_made_up.stp_1"
PSP, REFUND_PSP, DISPUTE_PSP = "QFQTPCQ8HXSKGK82", "RFN7PCQ8HXSKGK82", "DSP5555555555555"
METHOD = PaymentMethodReference(Secret(TOKEN), Secret(SHOPPER))
OPTIONS = {"environment": "test", "account": ACCOUNT, "client_key": CLIENT_KEY}
CREDENTIALS = {"api_key": API_KEY, "hmac_key": HMAC_KEY}


def make_adapter(
    http: httpx.AsyncClient | None = None,
    credentials: Mapping[str, str] = CREDENTIALS,
    options: Mapping[str, str] = {},
) -> AdyenAdapter:
    secrets = {name: Secret(value) for name, value in credentials.items()}
    return AdyenAdapter.from_config(secrets, {**OPTIONS, **options}, http or httpx.AsyncClient(), lambda: START)


def charge_request(**changed: Any) -> ChargeRequest:
    fields: Json = {
        "reference": "in_1Nx.2",
        "idempotency_key": "5c5e2c3a-0f0c-5d0c-9d0a-2f9f5f2b1a10",
        "amount": Money(1000, "usd"),
        "method": METHOD,
        "description": "Invoice in_1Nx",
        "metadata": {"stripe_invoice": "in_1Nx", "attempt_number": "2"},
    }
    return ChargeRequest(**(fields | changed))


def refund_request(**changed: Any) -> RefundRequest:
    fields: Json = {
        "reference": "in_1Nx.2.r1.1",
        "idempotency_key": "1b7d2c3a-0f0c-5d0c-9d0a-2f9f5f2b1a11",
        "charge_id": PSP,
        "amount": Money(400, "usd"),
    }
    return RefundRequest(**(fields | changed))


def paid(result: str = "Authorised", **changed: Any) -> Json:
    shown: Json = {"pspReference": PSP, "resultCode": result, "merchantReference": "in_1Nx.2"}
    return shown | {"amount": {"currency": "USD", "value": 1000}} | changed


def received(**changed: Any) -> Json:
    shown: Json = {"merchantAccount": ACCOUNT, "paymentPspReference": PSP, "pspReference": REFUND_PSP}
    amount = {"currency": "USD", "value": 400}
    return shown | {"reference": "refund.in_1Nx.2.r1.1", "status": "received", "amount": amount} | changed


def stored(token: str = TOKEN, **changed: Any) -> Json:
    shown = {"id": token, "type": "scheme", "brand": "mc", "lastFour": "4444", "name": "MasterCard"}
    return shown | {"expiryMonth": "03", "expiryYear": "30"} | changed


def item(code: str, **changed: Any) -> Json:
    """A notification about the payment; `data` goes into its `additionalData`."""
    data = changed.pop("data", {})
    told: Json = {"eventCode": code, "eventDate": "2027-03-01T13:00:00+01:00", "success": "true", "reason": ""}
    named: Json = {"pspReference": PSP, "merchantReference": "in_1Nx.2", "merchantAccountCode": ACCOUNT}
    return {**told, **named, "amount": {"currency": "USD", "value": 1000}, "additionalData": data, **changed}


def signed(one: Json, key: str = HMAC_KEY) -> Json:
    fields = signed_fields(_item(one))
    signature = sign(bytes.fromhex(key), ":".join(fields).encode())
    return one | {"additionalData": one.get("additionalData", {}) | {"hmacSignature": signature}}


def _item(one: Json) -> Item:
    return msgspec.convert(one, Item)


def webhook(*items: Json, live: str = "false") -> bytes:
    return json.dumps({"live": live, "notificationItems": [{"NotificationRequestItem": one} for one in items]}).encode()


def token_event(kind: str = "recurring.token.disabled", **changed: Any) -> Json:
    data = {"merchantAccount": ACCOUNT, "storedPaymentMethodId": TOKEN, "shopperReference": SHOPPER, "type": "visa"}
    told: Json = {"type": kind, "eventId": "EVT9DLNRHHKGK38Q", "environment": "test"}
    return told | {"createdAt": "2027-03-01T13:00:00+01:00", "data": data} | changed


def delivery(body: bytes, header: str = "") -> RawDelivery:
    headers = [("content-type", "application/json")]
    if header:
        headers += [("hmacsignature", header), ("protocol", "HmacSHA256")]
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct_1/adyen", tuple(headers), (), body)


def signed_body(told: Json, key: str = HMAC_KEY) -> RawDelivery:
    body = json.dumps(told).encode()
    return delivery(body, sign(bytes.fromhex(key), body))


async def event_of(adapter: AdyenAdapter, one: Json) -> ProcessorEvent:
    """What a good delivery of one notification comes to."""
    (notice,) = await adapter.verify(delivery(webhook(signed(one))))
    return await parsed(adapter, notice)


async def parsed(adapter: AdyenAdapter, notice: Notice) -> ProcessorEvent:
    (event,) = await adapter.parse(notice)
    return event


def specs(name: str) -> Path:
    """Where an official description lies; skips or fails the calling test when it's missing."""
    root = Path(__file__).parents[3]
    file = Path(os.environ.get("TOLLBRIDGE_SPECS") or root.parent / "shared" / "specs") / "adyen" / name
    if not file.exists():
        reason = f"Adyen's description is not at {file} (set TOLLBRIDGE_SPECS)"
        if os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return file


def examples(name: str) -> dict[str, Json]:
    """The examples of an official description, by their names."""
    described = json.loads(gzip.decompress(specs(name).read_bytes()))
    return {key: one["value"] for key, one in described["components"]["examples"].items()}


NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
"""When all of these notifications happened: 13:00 in Amsterdam."""
