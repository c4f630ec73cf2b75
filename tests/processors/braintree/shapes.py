"""What Braintree answers, as far as the adapter reads it: written from the documentation's field lists."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

from processors.events import RawDelivery

PUBLIC, PRIVATE = "made_up_public_key", "made_up_private_key"
CHARGE_ID = "dHJhbnNhY3Rpb25fMXhhMmIz"
REFUND_ID = "cmVmdW5kXzl5eDh3Nw"
DISPUTE_ID = "ZGlzcHV0ZV80ZDVlNmY"
TOKEN = "cGF5bWVudG1ldGhvZF9tYWRldXA"
CUSTOMER = "Y3VzdG9tZXJfbWFkZXVw"
REFERENCE, REFUND_REFERENCE = "in_1Made.1", "rfd_01made"
CREATED = "2027-03-01T12:00:00.000000Z"

Shape = dict[str, Any]


def event(status: str, at: str = CREATED, **more: Any) -> Shape:
    return {"__typename": "Event", "status": status, "terminal": False, "timestamp": at, "source": "API", **more}


def went(*statuses: str) -> list[Shape]:
    """A history, the newest first, an hour between each two."""
    events = [event(status, f"2027-03-01T{12 + hour}:00:00.000000Z") for hour, status in enumerate(statuses)]
    return list(reversed(events))


def transaction(status: str = "SUBMITTED_FOR_SETTLEMENT", **more: Any) -> Shape:
    shape = {
        "__typename": "Transaction",
        "id": CHARGE_ID,
        "legacyId": "1xa2b3",
        "status": status,
        "orderId": REFERENCE,
        "merchantAccountId": "acme_eur",
        "createdAt": CREATED,
        "amount": {"value": "10.50", "currencyCode": "EUR"},
        "statusHistory": [event(status)],
    }
    return shape | more


def declined(code: str, **more: Any) -> Shape:
    response = {"legacyCode": code, "message": "Said by the bank", "additionalInformation": "51 : NSF"}
    told = event("PROCESSOR_DECLINED", processorResponse=response, declineType="SOFT") | more
    return transaction("PROCESSOR_DECLINED", statusHistory=[told])


def rejected(reason: str, **more: Any) -> Shape:
    told = event("GATEWAY_REJECTED", gatewayRejectionReason=reason, **more)
    return transaction("GATEWAY_REJECTED", statusHistory=[told])


def refund(status: str = "SUBMITTED_FOR_SETTLEMENT", **more: Any) -> Shape:
    shape = {
        "__typename": "Refund",
        "id": REFUND_ID,
        "legacyId": "9yx8w7",
        "status": status,
        "orderId": REFUND_REFERENCE,
        "createdAt": CREATED,
        "source": "API",
        "amount": {"value": "10.50", "currencyCode": "EUR"},
        "statusHistory": [event(status)],
        "refundedTransaction": {"id": CHARGE_ID, "orderId": REFERENCE, "merchantAccountId": "acme_eur"},
    }
    return shape | more


def dispute(status: str = "OPEN", kind: str = "CHARGEBACK", **more: Any) -> Shape:
    shape = {
        "__typename": "Dispute",
        "id": DISPUTE_ID,
        "type": kind,
        "status": status,
        "createdAt": CREATED,
        "replyByDate": "2027-03-20",
        "amountDisputed": {"value": "10.50", "currencyCode": "EUR"},
        "amountWon": None,
        "processorResponse": {"reason": "FRAUD", "reasonCode": "83"},
        "statusHistory": [event("OPEN")] + ([event(status, "2027-03-09T12:00:00Z")] if status != "OPEN" else []),
        "transaction": {
            "id": CHARGE_ID,
            "orderId": REFERENCE,
            "merchantAccountId": "acme_eur",
            "amount": {"value": "10.50", "currencyCode": "EUR"},
        },
    }
    return shape | more


def method(**more: Any) -> Shape:
    details = {
        "__typename": "CreditCardDetails",
        "brandCode": "VISA",
        "last4": "1111",
        "expirationMonth": "09",
        "expirationYear": "2031",
        "uniqueNumberIdentifier": "a1b2c3",
    }
    return {"id": TOKEN, "legacyId": "madeup", "usage": "MULTI_USE", "createdAt": CREATED, "details": details} | more


def data(**fields: Any) -> Shape:
    return {"data": fields, "extensions": {"requestId": "made-up"}}


def charged(shape: Shape) -> Shape:
    return data(chargePaymentMethod={"transaction": shape})


def node(shape: Shape | None) -> Shape:
    return data(node=shape)


def listed(what: str, *shapes: Shape, after: str = "") -> Shape:
    page = {"hasNextPage": bool(after), "endCursor": after or None}
    return data(search={what: {"edges": [{"node": shape} for shape in shapes], "pageInfo": page}})


def held(*methods: Shape) -> Shape:
    page = {"hasNextPage": False, "endCursor": None}
    return node({"id": CUSTOMER, "paymentMethods": {"edges": [{"node": one} for one in methods], "pageInfo": page}})


def errors(error_class: str, code: str | None = None, path: list[str] | None = None, **fields: Any) -> Shape:
    extensions = {"errorType": "made-up", "errorClass": error_class, "legacyCode": code, "inputPath": path}
    return {"data": fields or None, "errors": [{"message": "Not read.", "extensions": extensions}]}


UNSETTLED = errors("VALIDATION", "91506", ["input", "transactionId"])


def sign(payload: str, public: str = PUBLIC, private: str = PRIVATE) -> str:
    key = hashlib.sha1(private.encode()).digest()
    return f"{public}|{hmac.new(key, payload.encode(), hashlib.sha1).hexdigest()}"


def xml(kind: str, subject: str, extra: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><notification><kind>{kind}</kind>'
        f'<timestamp type="datetime">2027-03-01T12:00:00Z</timestamp>{extra}<subject>{subject}</subject></notification>'
    ).encode()


def encoded(content: bytes) -> str:
    """As the official packages do: base64 in lines, with a line feed at the end."""
    return base64.encodebytes(content).decode()


def delivery(payload: str, signature: str) -> RawDelivery:
    body = urlencode({"bt_signature": signature, "bt_payload": payload}).encode()
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct_1/braintree", headers, (), body)


def delivered(content: bytes) -> RawDelivery:
    payload = encoded(content)
    return delivery(payload, sign(payload))
