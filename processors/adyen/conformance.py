"""How Adyen answers, for the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from processors.adyen.client import SESSION_RESULT, AdyenAdapter
from processors.adyen.declines import CANCELLED, CAPTURE_FAILED, ERROR
from processors.adyen.returns import MARK
from processors.adyen.signatures import HEADER, sign, signed_fields
from processors.adyen.wire import Item
from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.descriptions.openapi import OpenApi
from processors.conformance.subject import (
    AMOUNT,
    CUSTOMER,
    DECLINE_MESSAGE,
    PART,
    REFERENCE,
    REFUND_REFERENCE,
    SETUP_REFERENCE,
    WEBHOOK_URL,
    Addresses,
    Charges,
    Checks,
    Impossible,
    Key,
    Lookups,
    Methods,
    Refunds,
    Says,
    Setups,
    Subject,
    Told,
    Webhooks,
    address_as,
    key,
)
from processors.events import EventKind, RawDelivery, Reply
from processors.money import Money
from processors.outcome import RefundRefusal
from processors.values import MethodState, PaymentMethodReference, Secret

ACCOUNT: Final = "KitMerchantECOM"
PAYMENT, REFUND, DISPUTE = "KITPAYMENT000001", "KITREFUND0000001", "KITDISPUTE000001"
TOKEN, SHOPPER = "KITTOKEN00000001", f"{CUSTOMER}.{key('setup')}"
SESSION: Final = "CSKIT0000000001"
AT: Final = "2027-03-01T13:00:00+01:00"
KEYS: Final = {
    Key.CURRENT: "0011223344556677" * 4,
    Key.PREVIOUS: "8899AABBCCDDEEFF" * 4,
    Key.WRONG: "0123456789ABCDEF" * 4,
}
NEVER: Final = Impossible("payments and refunds can't be read back at Adyen")

Json = dict[str, Any]


def amount(value: int = AMOUNT) -> Json:
    return {"currency": "EUR", "value": value}


def payment(result: str = "Authorised", **changed: Any) -> Json:
    shown = {"pspReference": PAYMENT, "merchantReference": REFERENCE, "resultCode": result, "amount": amount()}
    return {**shown, **changed}


OFFER: Final = Says({"paymentMethods": [{"type": "scheme", "name": "Cards"}]}, on="/paymentMethods")


def webhooks(**changed: Any) -> Says:
    shown = {"id": "S2-KIT", "type": "standard", "url": WEBHOOK_URL, "active": True, "communicationFormat": "json"}
    listed = {"itemsTotal": 1, "pagesTotal": 1, "data": [{**shown, "hasError": False, **changed}]}
    return Says(listed, on="^GET /v3/merchants/")


def tested(status: str) -> Says:
    answered = {"merchantId": ACCOUNT, "status": status, "responseCode": "200" if status == "success" else "400"}
    return Says({"data": [answered]}, on="^POST /v3/merchants/.*/test")


def refund(**changed: Any) -> Json:
    named = {"merchantAccount": ACCOUNT, "paymentPspReference": PAYMENT, "pspReference": REFUND}
    return {**named, "reference": MARK + REFUND_REFERENCE, "status": "received", "amount": amount(), **changed}


def error(code: str, status: int = 422, kind: str = "validation", on: str = "") -> Says:
    body = {"status": status, "errorCode": code, "message": DECLINE_MESSAGE, "errorType": kind}
    return Says(body, status, on)


def echo(request: httpx.Request) -> Json:
    return payment(amount=json.loads(request.content)["amount"])


def stored(**changed: Any) -> Json:
    card = {"brand": "visa", "lastFour": "1111", "expiryMonth": "10", "expiryYear": "90", "type": "scheme"}
    return {"id": TOKEN, "name": "VISA", **card, "shopperReference": SHOPPER, **changed}


def listed(*methods: Json) -> Says:
    shown = {"merchantAccount": ACCOUNT, "shopperReference": SHOPPER, "storedPaymentMethods": list(methods)}
    return Says(shown, on="^GET /v72/storedPaymentMethods")


def ended(status: str) -> tuple[Says, ...]:
    """A session that has stored nothing, and how it stands."""
    return listed(), Says({"id": SESSION, "status": status}, on=f"^GET /v72/sessions/{SESSION}")


def declined(code: str) -> Says | Told:
    """Most codes come in an answer; two are ours, for what a webhook undoes."""
    if code in (CAPTURE_FAILED, CANCELLED):
        return Told(item(code, pspReference="KITMODIFY0000001", originalReference=PAYMENT))
    if code == ERROR:
        return Says(payment("Error", refusalReason=DECLINE_MESSAGE))
    return Says(payment("Refused", refusalReasonCode=code, refusalReason=DECLINE_MESSAGE))


def item(code: str, **changed: Any) -> Json:
    """A standard notification about the payment, or with its own `pspReference` about what became of it."""
    named = {"pspReference": PAYMENT, "merchantReference": REFERENCE, "merchantAccountCode": ACCOUNT}
    told = {"eventCode": code, "eventDate": AT, "success": "true", "reason": "", "amount": amount()}
    return {**named, **told, "additionalData": {}, **changed}


def about_refund(code: str, **changed: Any) -> Told:
    named = {"pspReference": REFUND, "originalReference": PAYMENT, "merchantReference": MARK + REFUND_REFERENCE}
    return Told(item(code, **named, **changed))


def about_dispute(code: str, **changed: Any) -> Told:
    return Told(item(code, **{"pspReference": DISPUTE, "originalReference": PAYMENT, **changed}))


def about_token(kind: str) -> Told:
    data = {"merchantAccount": ACCOUNT, "storedPaymentMethodId": TOKEN, "shopperReference": SHOPPER, "type": "visa"}
    return Told({"type": kind, "eventId": "KITEVENT00000001", "environment": "test", "createdAt": AT, "data": data})


def undone(code: str) -> Told:
    return Told(item(code, pspReference="KITMODIFY0000002", originalReference=PAYMENT))


TOLD: Final[Mapping[EventKind, Told | Impossible]] = {
    EventKind.CHARGE_SUCCEEDED: Told(item("AUTHORISATION")),
    EventKind.CHARGE_FAILED: Told(item("AUTHORISATION", success="false", reason="Refused")),
    EventKind.CHARGE_REVERSED: undone("CAPTURE_FAILED"),
    EventKind.CHARGE_REINSTATED: Told(
        item("CAPTURE", pspReference="KITMODIFY0000002", originalReference=PAYMENT, reason="Transaction Recaptured")
    ),
    EventKind.REFUND_CREATED: about_refund("POSTPONED_REFUND"),
    EventKind.REFUND_SUCCEEDED: about_refund("REFUND"),
    EventKind.REFUND_FAILED: about_refund("REFUND", success="false", reason="Insufficient balance on payment"),
    EventKind.REFUND_REVERSED: about_refund("REFUNDED_REVERSED"),
    EventKind.DISPUTE_INQUIRY: about_dispute("REQUEST_FOR_INFORMATION"),
    EventKind.DISPUTE_OPENED: about_dispute("NOTIFICATION_OF_CHARGEBACK"),
    EventKind.DISPUTE_FUNDS_WITHDRAWN: about_dispute("CHARGEBACK"),
    EventKind.DISPUTE_WON: about_dispute("CHARGEBACK_REVERSED", originalReference=""),
    EventKind.DISPUTE_LOST: about_dispute("SECOND_CHARGEBACK", originalReference=""),
    EventKind.METHOD_ACTIVATED: about_token("recurring.token.created"),
    EventKind.METHOD_REVOKED: about_token("recurring.token.disabled"),
    EventKind.IGNORED: about_dispute("NOTIFICATION_OF_FRAUD"),
    EventKind.CHARGE_PENDING: Impossible("the answer to the charge says so, and no webhook"),
    EventKind.DISPUTE_PARTLY_LOST: Impossible("a dispute is won or lost as a whole"),
    EventKind.DISPUTE_CLOSED: Impossible("a dispute ends as won or lost"),
    EventKind.METHOD_REPLACED: Impossible("a renewed card keeps its token"),
    EventKind.METHOD_EXPIRED: Impossible("the list of stored methods shows the date, and no webhook"),
    EventKind.METHOD_SUSPENDED: Impossible("a token stands or is disabled"),
    EventKind.ACCOUNT_LOCKED: Impossible("no webhook of payments tells of it"),
    EventKind.ACCOUNT_UNLOCKED: Impossible("no webhook of payments tells of it"),
}
ALSO: Final = (
    undone("CANCELLATION"),
    undone("TECHNICAL_CANCEL"),
    Told(item("EXPIRE")),
    Told(item("OFFER_CLOSED")),
    about_refund("REFUND_FAILED"),
    *map(about_dispute, ("PREARBITRATION_WON", "PREARBITRATION_LOST", "SCHEME_ARBITRATION_LOST", "ISSUER_COMMENTS")),
    Told(item("RECURRING_CONTRACT", pspReference=TOKEN, amount=amount(0))),
    about_token("recurring.token.updated"),
)


def deliver(items: tuple[Any, ...], by: Key) -> RawDelivery:
    """Standard notifications in one delivery, each signed; one about a token alone, signed as a whole."""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    if "type" in items[0]:
        body = msgspec.json.encode(items[0])
        if by in KEYS:
            headers = (*headers, (HEADER, sign(bytes.fromhex(KEYS[by]), body)), ("protocol", "HmacSHA256"))
    else:
        wrapped = [{"NotificationRequestItem": signed(one, by)} for one in items]
        body = msgspec.json.encode({"live": "false", "notificationItems": wrapped})
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/adyen", headers, (), body)


def signed(one: Json, by: Key) -> Json:
    if by not in KEYS:
        return one
    message = ":".join(signed_fields(msgspec.convert(one, Item))).encode()
    return {**one, "additionalData": {"hmacSignature": sign(bytes.fromhex(KEYS[by]), message)}}


CHARGES: Final = Charges(
    succeeded=Says(payment()),
    pending=Says(payment("Received")),
    requires_action=Says(payment("RedirectShopper", action={"type": "redirect", "url": "https://bank.example/3ds"})),
    declined=declined,
    rejected=error("14_030"),
    another_amount=Says(payment(amount=amount(AMOUNT + 1))),
    another_reference=Says(payment(merchantReference="in_another.1")),
    echo=Says(echo),
    again=Says(payment(), headers={"idempotency-key": key("charge")}),
    in_use=error("704"),
    unauthorized=error("000", 401, "security"),
    unclear={
        "200 with a result of tomorrow": Says(payment("OfTomorrow")),
        "200 with a payment that has no name": Says(payment(pspReference="")),
        "500 with an error of configuration": error("905", 500, "configuration"),
    },
)
REFUNDS: Final = Refunds(
    full=Says(refund(), 201),
    part=Says(refund(amount=amount(PART)), 201),
    refused={RefundRefusal.OTHER: error("167")},
    another_amount=Says(refund(amount=amount(AMOUNT - 1)), 201),
    another_reference=Says(refund(reference=MARK + "rfd_of_another"), 201),
    again=Says(refund(), 201, headers={"idempotency-key": key("refund")}),
    found=NEVER,
    missing=NEVER,
    listed=NEVER,
)
SETUPS: Final = Setups(
    begun=Says(
        {
            "id": SESSION,
            "sessionData": "Ab02b4c0!kit-session-data",
            "expiresAt": AT,
            "merchantAccount": ACCOUNT,
            "reference": SETUP_REFERENCE,
        },
        201,
    ),
    pending=ended("paymentPending"),
    ready=listed(stored()),
    failed=ended("refused"),
    client={SESSION_RESULT: "X3XtfGC9!kit-session-result"},
    processor_ref=f"{SESSION}:{SHOPPER}",
)
PLACE: Final = address_as(city="city", state="stateOrProvince", postal_code="postalCode", country="country")
BILLED: Final = {"street": "Kit Street", "houseNumberOrName": "548", **PLACE}
METHODS: Final = Methods(
    states={
        MethodState.ACTIVE: listed(stored()),
        MethodState.PENDING: Impossible("a token stands once it's listed"),
        MethodState.REVOKED: listed(),
        MethodState.EXPIRED: listed(stored(expiryMonth="01", expiryYear="20")),
        MethodState.UNKNOWN: Impossible("a token is listed or not; a card's date is understood or left out"),
    },
    revoked=Says(b"", 204),
    gone=error("803"),
    addresses=Addresses(kept=listed(stored(billingAddress=BILLED)), none=listed(stored()), unknown=listed()),
)
SUBJECT: Final = Subject(
    adapter=AdyenAdapter,
    credentials={"api_key": "AQE-kit-api-key", "hmac_key": KEYS[Key.CURRENT]},
    options={"environment": "test", "account": ACCOUNT, "client_key": "test_KITCLIENTKEY"},
    descriptions=(OpenApi("adyen/CheckoutService-v72.json.gz", "/v72"), ClosedSchema("adyen")),
    account=ACCOUNT,
    checks=Checks(
        proved=(OFFER, webhooks(), tested("success")),
        unseen=(OFFER, Says({"errorCode": "00_403"}, 403, on="/merchants/")),
        wrong={
            "switched off": (OFFER, webhooks(active=False)),
            "not JSON": (OFFER, webhooks(communicationFormat="soap")),
            "failing": (OFFER, webhooks(hasError=True)),
            "refused by us": (OFFER, webhooks(), tested("failed")),
        },
    ),
    account_ref=ACCOUNT,
    method=PaymentMethodReference(Secret(TOKEN), Secret(SHOPPER)),
    charge_id=PAYMENT,
    refund_id=REFUND,
    amount=lambda request: json.loads(request.content)["amount"]["value"],
    wire={
        Money(1050, "eur"): 1050,
        Money(1050, "jpy"): 1050,
        Money(1050, "kwd"): 1050,
        Money(1050, "clp"): 105_000,
        Money(105_000, "idr"): 1050,
        Money(500, "isk"): 500,
    },
    inexpressible=(Money(150, "idr"), Money(50, "cve")),
    charges=CHARGES,
    lookups=Lookups(found=NEVER, pending=NEVER, missing=NEVER, of_another=NEVER, several=NEVER),
    cancels=Impossible("a payment under way can't be stopped for certain"),
    refunds=REFUNDS,
    setups=SETUPS,
    methods=METHODS,
    webhooks=Webhooks(
        deliver=deliver,
        told=TOLD,
        previous={"previous_hmac_key": KEYS[Key.PREVIOUS]},
        also=ALSO,
        changed=(f'"value":{AMOUNT}'.encode(), f'"value":{AMOUNT + 1}'.encode()),
        stored=Reply(202, "[accepted]"),
    ),
    polled=Impossible("Adyen has nothing that could be polled"),
    settlements=Impossible("Adyen's settlement reports are not read"),
)
