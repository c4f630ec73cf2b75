"""How Braintree answers, for the conformance kit."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import msgspec

from processors.braintree.client import BraintreeAdapter
from processors.braintree.declines import DECLINES
from processors.conformance.descriptions.graphql import GraphQlSchema
from processors.conformance.subject import (
    DECLINE_MESSAGE,
    REFERENCE,
    REFUND_REFERENCE,
    WAIT_S,
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
    Shape,
    Subject,
    Told,
    Webhooks,
    address_as,
)
from processors.events import EventKind, RawDelivery, Reply
from processors.money import Money
from processors.outcome import RefundRefusal
from processors.values import MethodState, PaymentMethodReference, Secret

CHARGE, REFUND, DISPUTE = "dHJhbnNhY3Rpb25fa2l0", "cmVmdW5kX2tpdA", "ZGlzcHV0ZV9raXQ"
OTHER: Final = "dHJhbnNhY3Rpb25fb3RoZXI"
TOKEN, CUSTOMER = "cGF5bWVudG1ldGhvZF9raXQ", "Y3VzdG9tZXJfa2l0"
AT: Final = "2027-03-01T12:00:00.000000Z"
LATER: Final = "2027-03-03T12:00:00.000000Z"
KEYS: Final = {
    Key.CURRENT: ("kit_public_key", "kit_private_key"),
    Key.PREVIOUS: ("kit_old_public_key", "kit_old_private_key"),
    Key.WRONG: ("kit_public_key", "kit_another_private_key"),
}
CHALLENGE: Final = "20f9f8ed05f77439fe955c977e4c8a53"

Json = dict[str, Any]


def event(status: str, at: str = AT, **more: Any) -> Json:
    return {"__typename": "Event", "status": status, "terminal": False, "timestamp": at, "source": "API", **more}


def charge(status: str = "SUBMITTED_FOR_SETTLEMENT", **more: Any) -> Json:
    named = {"__typename": "Transaction", "id": CHARGE, "legacyId": "kit", "orderId": REFERENCE, "status": status}
    money = {"merchantAccountId": "kit_eur", "amount": {"value": "10.50", "currencyCode": "EUR"}}
    history = [event(status, LATER), event("SUBMITTED_FOR_SETTLEMENT")] if status == "SETTLED" else [event(status)]
    return {**named, **money, "createdAt": AT, "statusHistory": history, **more}


def refund(status: str = "SUBMITTED_FOR_SETTLEMENT", **more: Any) -> Json:
    named = {"__typename": "Refund", "id": REFUND, "orderId": REFUND_REFERENCE, "status": status, "source": "API"}
    of = {"id": CHARGE, "orderId": REFERENCE, "merchantAccountId": "kit_eur"}
    money = {"amount": {"value": "10.50", "currencyCode": "EUR"}, "refundedTransaction": of}
    return {**named, **money, "createdAt": AT, "statusHistory": [event(status)], **more}


def dispute(status: str = "OPEN", kind: str = "CHARGEBACK", **more: Any) -> Json:
    money = {"value": "10.50", "currencyCode": "EUR"}
    of = {"id": CHARGE, "orderId": REFERENCE, "merchantAccountId": "kit_eur", "amount": money}
    named = {"__typename": "Dispute", "id": DISPUTE, "type": kind, "status": status, "createdAt": AT}
    history = [event("OPEN"), *([] if status == "OPEN" else [event(status, LATER)])]
    return {**named, "amountDisputed": money, "transaction": of, "statusHistory": history, **more}


def declined(code: str) -> Says:
    if code == "FAILED":
        return charged(charge("FAILED"))
    if code in DECLINES.classes and not code.isdigit():
        told = event("GATEWAY_REJECTED", gatewayRejectionReason=code)
        return charged(charge("GATEWAY_REJECTED", statusHistory=[told]))
    response = {"legacyCode": code, "message": DECLINE_MESSAGE}
    told = event("PROCESSOR_DECLINED", declineType="SOFT", processorResponse=response)
    return charged(charge("PROCESSOR_DECLINED", statusHistory=[told]))


def data(**fields: Any) -> Says:
    return Says({"data": fields, "extensions": {"requestId": "kit"}})


def charged(shape: Json) -> Says:
    return data(chargePaymentMethod={"transaction": shape})


def refunded(shape: Json) -> Says:
    return data(refundTransaction={"refund": shape})


def node(shape: Json | None) -> Says:
    return data(node=shape)


def listed(what: str, *shapes: Json) -> Says:
    page = {"hasNextPage": False, "endCursor": None}
    return data(search={what: {"edges": [{"node": shape} for shape in shapes], "pageInfo": page}})


def held(*shapes: Json) -> Says:
    page = {"hasNextPage": False, "endCursor": None}
    return node({"id": CUSTOMER, "paymentMethods": {"edges": [{"node": one} for one in shapes], "pageInfo": page}})


def errors(error_class: str, code: str | None = None, *path: str, **headers: str) -> Says:
    extensions = {"errorClass": error_class, "legacyCode": code, "inputPath": list(path) or None}
    body = {"data": None, "errors": [{"message": "of the kit", "extensions": extensions}]}
    return Says(body, headers=headers)


def echo(request: httpx.Request) -> Json:
    asked = variables(request)["input"]["transaction"]
    currency = asked["merchantAccountId"].removeprefix("kit_").upper()
    amount = {"value": asked["amount"], "currencyCode": currency}
    shape = charge(amount=amount, merchantAccountId=asked["merchantAccountId"])
    return {"data": {"chargePaymentMethod": {"transaction": shape}}}


def variables(request: httpx.Request) -> Json:
    return msgspec.json.decode(request.content, type=dict[str, Any])["variables"]  # type: ignore[no-any-return]


def amount_of(request: httpx.Request) -> object:
    asked = variables(request)["input"]
    return (asked.get("transaction") or asked["refund"])["amount"]


def method(**more: Any) -> Json:
    details = {
        "__typename": "CreditCardDetails",
        "brandCode": "VISA",
        "last4": "1111",
        "expirationMonth": "09",
        "expirationYear": "2031",
        "uniqueNumberIdentifier": "kit",
    }
    return {"id": TOKEN, "usage": "MULTI_USE", "createdAt": AT, "details": details, **more}


def sign(key: Key, message: str) -> str:
    public, private = KEYS[key]
    keyed = hashlib.sha1(private.encode()).digest()  # noqa: S324 (the processor's choice)
    return f"{public}|{hmac.new(keyed, message.encode(), hashlib.sha1).hexdigest()}"


def deliver(items: tuple[Any, ...], key: Key) -> RawDelivery:
    """One notification, as the official packages encode it."""
    (kind, subject) = items[0]
    content = (
        f'<notification><kind>{kind}</kind><timestamp type="datetime">2027-03-01T12:00:00Z</timestamp>'
        f"<subject>{subject}</subject></notification>"
    )
    payload = base64.encodebytes(content.encode()).decode()
    form = {} if key is Key.ABSENT else {"bt_signature": sign(key, payload)}
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return RawDelivery("POST", URL, headers, (), urlencode(form | {"bt_payload": payload}).encode())


URL: Final = "https://tollbridge.example/webhooks/acct_kit/braintree"


def told(kind: str, of: str, processor_id: str, shape: Json, legacy_id: str = "kit") -> Told:
    subject = f"<{of}><id>{legacy_id}</id></{of}>"
    return Told((kind, subject), (data(idFromLegacyId=processor_id), node(shape)))


def disputed(kind: str, shape: Json) -> Told:
    return told(kind, "dispute", DISPUTE, shape)


REVERSED: Final = charge(
    "SETTLEMENT_DECLINED", statusHistory=[event("SETTLEMENT_DECLINED", LATER), event("SUBMITTED_FOR_SETTLEMENT")]
)
PART_WON: Final[Json] = {"amountWon": {"value": "9.50", "currencyCode": "EUR"}}
REVOKED: Final = f"<paypal-account><token>kit</token><global-id>{TOKEN}</global-id></paypal-account>"
POLLED = "no webhook tells of it: the poll does"

TOLD: Final[dict[EventKind, Told | Impossible]] = {
    EventKind.CHARGE_SUCCEEDED: Impossible(POLLED),
    EventKind.CHARGE_FAILED: Impossible(POLLED),
    EventKind.CHARGE_PENDING: Impossible(POLLED),
    EventKind.CHARGE_SETTLED: told("transaction_settled", "transaction", CHARGE, charge("SETTLED")),
    EventKind.CHARGE_REVERSED: told("transaction_settlement_declined", "transaction", CHARGE, REVERSED),
    EventKind.CHARGE_REINSTATED: Impossible("a settlement that was declined is final"),
    EventKind.REFUND_CREATED: Impossible(POLLED),
    EventKind.REFUND_SUCCEEDED: Impossible(POLLED),
    EventKind.REFUND_FAILED: told("refund_failed", "transaction", REFUND, refund("PROCESSOR_DECLINED")),
    EventKind.REFUND_REVERSED: Impossible("a refund's failure is told as that, whenever it comes"),
    EventKind.DISPUTE_INQUIRY: disputed("dispute_opened", dispute(kind="RETRIEVAL")),
    EventKind.DISPUTE_OPENED: disputed("dispute_disputed", dispute("DISPUTED", amountDisputed=None)),
    EventKind.DISPUTE_FUNDS_WITHDRAWN: disputed("dispute_under_review", dispute("UNDER_REVIEW")),
    EventKind.DISPUTE_WON: disputed("dispute_won", dispute("WON")),
    EventKind.DISPUTE_LOST: disputed("dispute_lost", dispute("LOST")),
    EventKind.DISPUTE_PARTLY_LOST: disputed("dispute_accepted", dispute("WON", **PART_WON)),
    EventKind.DISPUTE_CLOSED: disputed("dispute_expired", dispute("EXPIRED", kind="RETRIEVAL")),
    EventKind.METHOD_ACTIVATED: Impossible("what was revoked is gone"),
    EventKind.METHOD_REPLACED: Impossible("a renewed card keeps its id"),
    EventKind.METHOD_REVOKED: Told(("payment_method_revoked_by_customer", REVOKED)),
    EventKind.METHOD_EXPIRED: Impossible("nobody tells of it: the next charge is declined"),
    EventKind.METHOD_SUSPENDED: Impossible("a method is there, or gone"),
    EventKind.ACCOUNT_LOCKED: Impossible("nobody tells of it"),
    EventKind.ACCOUNT_UNLOCKED: Impossible("nobody tells of it"),
    EventKind.IGNORED: Told(("check", '<check type="boolean">true</check>')),
}

FOUND: Shape = listed("transactions", charge())
CONSUMED: Final = errors("VALIDATION", "93107", "input", "paymentMethodId")
VOID: Final = charge("VOIDED", statusHistory=[event("VOIDED", LATER), event("SUBMITTED_FOR_SETTLEMENT")])
MERCHANT_ACCOUNTS: Final = {"eur": "kit_eur", "jpy": "kit_jpy", "kwd": "kit_kwd"}
MERCHANT: Final = {
    "id": "kit_merchant",
    "merchantAccounts": {
        "edges": [{"node": {"id": id_, "currencyCode": code.upper()}} for code, id_ in MERCHANT_ACCOUNTS.items()],
        "pageInfo": {"hasNextPage": False},
    },
}

AREAS: Final = address_as(line1="addressLine1", city="adminArea2", state="adminArea1")
BILLED: Final = AREAS | address_as(postal_code="postalCode", country="countryCode")
SUBJECT: Final = Subject(
    adapter=BraintreeAdapter,
    credentials={"public_key": KEYS[Key.CURRENT][0], "private_key": KEYS[Key.CURRENT][1]},
    options={
        "environment": "test",
        "account": "kit_merchant",
        "merchant_accounts": ",".join(f"{currency}={account}" for currency, account in MERCHANT_ACCOUNTS.items()),
    },
    descriptions=(GraphQlSchema("braintree"),),
    account="kit_merchant",
    checks=Checks(
        proved=Impossible("Braintree's API lists no webhooks"),
        unseen=data(viewer={"merchant": MERCHANT}),
    ),
    account_ref="kit_merchant",
    method=PaymentMethodReference(Secret(TOKEN), Secret(CUSTOMER)),
    charge_id=CHARGE,
    refund_id=REFUND,
    amount=amount_of,
    wire={Money(1050, "eur"): "10.50", Money(1000, "jpy"): "1000", Money(1250, "kwd"): "1.250"},
    inexpressible=(),
    charges=Charges(
        succeeded=charged(charge()),
        pending=charged(charge("SETTLEMENT_PENDING")),
        requires_action=Impossible("a charge of a stored method asks nobody"),
        declined=declined,
        rejected=errors("VALIDATION", "81503", "input", "transaction", "amount"),
        another_amount=charged(charge(amount={"value": "10.51", "currencyCode": "EUR"})),
        another_reference=charged(charge(orderId="in_1Another.1")),
        echo=Says(echo),
        again=charged(charge("SETTLED")),
        in_use=errors("VALIDATION", None, "input", "apiRequestKey"),
        unauthorized=errors("AUTHENTICATION"),
        unread={"a limit, told with a 200": errors("RESOURCE_LIMIT", **{"retry-after": str(WAIT_S)})},
        unclear={
            "INTERNAL": errors("INTERNAL"),
            "SERVICE_AVAILABILITY": errors("SERVICE_AVAILABILITY"),
            "an error without a class": Says({"data": None, "errors": [{"message": "of the kit"}]}),
        },
    ),
    lookups=Lookups(
        found=FOUND,
        pending=listed("transactions", charge("SETTLEMENT_PENDING")),
        missing=listed("transactions"),
        of_another=listed("transactions", charge(orderId="in_1Another.1")),
        several=listed("transactions", charge(), charge("SETTLED", id=OTHER)),
    ),
    cancels=Impossible("a reversal of what settles meanwhile is a refund"),
    refunds=Refunds(
        full=refunded(refund()),
        part=refunded(refund(amount={"value": "3.50", "currencyCode": "EUR"})),
        refused={
            RefundRefusal.NOT_CAPTURED: (
                errors("VALIDATION", "91506", "input", "transactionId"),
                node(charge("SETTLEMENT_DECLINED")),
            ),
            RefundRefusal.EXCEEDS_CAPTURE: errors("VALIDATION", "91521", "input", "refund", "amount"),
            RefundRefusal.NOT_ENABLED: errors("VALIDATION", "91547", "input", "transactionId"),
            RefundRefusal.PARTIAL_NOT_ALLOWED: errors("VALIDATION", "91563", "input", "refund", "amount"),
        },
        another_amount=refunded(refund(amount={"value": "10.51", "currencyCode": "EUR"})),
        another_reference=refunded(refund(orderId="rfd_another")),
        again=refunded(refund("SETTLED")),
        found=node(refund()),
        missing=errors("NOT_FOUND"),
        listed=node(
            charge(
                "SETTLED",
                refunds=[refund(), refund(id="cmVmdW5kX290aGVy", orderId=REFERENCE, source="CONTROL_PANEL")],
            )
        ),
    ),
    setups=Setups(
        begun=(
            Says({"data": {"createCustomer": {"customer": {"id": CUSTOMER}}}}, on="createCustomer"),
            Says({"data": {"createClientToken": {"clientToken": "kit_client_token"}}}, on="createClientToken"),
        ),
        pending=(held(), data(vaultPaymentMethod={"paymentMethod": None, "verification": {"status": "PENDING"}})),
        ready=(held(), data(vaultPaymentMethod={"paymentMethod": method()}), held(method())),
        failed=(held(), CONSUMED, held()),
        client={"payment_method_id": "kit_single_use_id"},
        processor_ref=f"eur:{CUSTOMER}",
    ),
    methods=Methods(
        states={
            MethodState.ACTIVE: node({"id": TOKEN, "usage": "MULTI_USE"}),
            MethodState.REVOKED: errors("NOT_FOUND"),
            MethodState.EXPIRED: Impossible("an expired card stays in the vault, and may be renewed there"),
            MethodState.UNKNOWN: Impossible("a method is there, or gone"),
        },
        revoked=data(deletePaymentMethodFromVault={"__typename": "DeletePaymentMethodFromVaultPayload"}),
        gone=errors("NOT_FOUND"),
        addresses=Addresses(
            kept=node({"id": TOKEN, "details": {"__typename": "CreditCardDetails", "billingAddress": BILLED}}),
            none=node({"id": TOKEN, "details": {"__typename": "SEPADirectDebitAccountDetails"}}),
            unknown=errors("NOT_FOUND"),
        ),
    ),
    webhooks=Webhooks(
        deliver=deliver,
        told=TOLD,
        previous={"previous_public_key": KEYS[Key.PREVIOUS][0], "previous_private_key": KEYS[Key.PREVIOUS][1]},
        also=(
            told("transaction_retried", "transaction", CHARGE, charge()),
            told("transaction_settled", "transaction", OTHER, charge("SETTLED", id=OTHER), "other"),
        ),
        tried=(
            RawDelivery("GET", f"{URL}?bt_challenge={CHALLENGE}", (), (("bt_challenge", CHALLENGE),), b""),
            Reply(body=sign(Key.CURRENT, CHALLENGE)),
        ),
    ),
    polled=(
        listed("transactions", charge(), charge("SETTLEMENT_PENDING"), charge("FAILED")),
        listed("transactions", charge("SETTLED")),
        listed("transactions", VOID),
        listed("refunds", refund(), refund("SETTLEMENT_PENDING", id="cmVmdW5kX290aGVy")),
        listed("disputes", dispute()),
    ),
    settlements=Impossible("Braintree's reports are not read"),
)
