"""How Mollie answers, for the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.subject import (
    REFERENCE,
    REFUND_REFERENCE,
    SETUP_REFERENCE,
    WEBHOOK_URL,
    Cancels,
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
)
from processors.events import EventKind, RawDelivery
from processors.mollie.client import MollieAdapter
from processors.mollie.declines import NO_MANDATE
from processors.money import Money
from processors.outcome import RefundRefusal
from processors.values import MethodState, PaymentMethodReference, Secret

PROFILE: Final = "pfl_kit0kit"
CHARGE, FIRST, REFUND, CHARGEBACK = "tr_kit0charge", "tr_kit0first", "re_kit0refund", "chb_kit0chargeback"
CUSTOMER, MANDATE = "cst_kit0customer", "mdt_kit0mandate"
AT, LATER = "2090-03-17T17:46:40+00:00", "2090-03-20T09:00:00+00:00"
"""Later than any run of the kit: a chargeback that grows old is lost."""

Json = dict[str, Any]


def amount(value: str = "10.50", currency: str = "EUR") -> Json:
    return {"currency": currency, "value": value}


def payment(status: str = "paid", **changed: Any) -> Json:
    shown = {"resource": "payment", "id": CHARGE, "mode": "test", "status": status, "profileId": PROFILE}
    named = {"customerId": CUSTOMER, "mandateId": MANDATE, "sequenceType": "recurring", "method": "creditcard"}
    ended = {"paid": {"paidAt": AT}, "failed": {"failedAt": AT}, "canceled": {"canceledAt": AT}}.get(status, {})
    ours = {"metadata": {"tollbridge_reference": REFERENCE}, "amount": amount()}
    return {**shown, **named, **ours, "createdAt": AT, **ended, "_links": {}, **changed}


def first(status: str, **changed: Any) -> Json:
    own = {"id": FIRST, "sequenceType": "first", "metadata": {"tollbridge_reference": SETUP_REFERENCE}}
    links = {"checkout": {"href": "https://www.mollie.example/checkout/kit", "type": "text/html"}}
    return payment(status, **own, amount=amount("0.00"), expiresAt=LATER, _links=links, **changed)


def mandate(status: str = "valid") -> Json:
    card = {"cardNumber": "6787", "cardLabel": "Visa", "cardFingerprint": "fp_kit", "cardExpiryDate": "2031-03-31"}
    shown = {"resource": "mandate", "id": MANDATE, "mode": "test", "status": status, "method": "creditcard"}
    return {**shown, "details": card, "createdAt": AT}


def refund(status: str = "pending", **changed: Any) -> Json:
    shown = {"resource": "refund", "id": REFUND, "paymentId": CHARGE, "status": status, "amount": amount()}
    return {**shown, "metadata": {"tollbridge_reference": REFUND_REFERENCE}, "createdAt": AT, **changed}


def chargeback(**changed: Any) -> Json:
    shown = {"resource": "chargeback", "id": CHARGEBACK, "paymentId": CHARGE, "amount": amount()}
    return {**shown, "createdAt": LATER, "reversedAt": None, "reason": None, **changed}


def page(of: str, *items: Json) -> Json:
    return {"count": len(items), "_embedded": {of: list(items)}, "_links": {"next": None}}


def problem(status: int, title: str, detail: str, on: str = "") -> Says:
    return Says({"status": status, "title": title, "detail": detail, "_links": {}}, status, on)


def echo(request: httpx.Request) -> Json:
    return payment(amount=json.loads(request.content)["amount"])


def value_sent(request: httpx.Request) -> object:
    return json.loads(request.content)["amount"]["value"]


def declined(code: str) -> Says:
    """Mollie's reason for a card, a bank's for a debit, and the words in which a mandate is missed."""
    if code == NO_MANDATE:
        return problem(422, "Unprocessable Entity", "No suitable mandates found for customer")
    bank = code.isupper()
    details = {"bankReasonCode": code, "bankReason": "The bank's words"} if bank else {"failureReason": code}
    return Says(payment("failed", method="directdebit" if bank else "creditcard", details=details), 201)


def pinged(shown: Json, **parts: list[Json]) -> Told:
    return Told(shown["id"], Says({**shown, "_embedded": parts}))


def deliver(items: tuple[Any, ...], _by: Key) -> RawDelivery:
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return RawDelivery("POST", WEBHOOK_URL, headers, (), "&".join(f"id={item}" for item in items).encode())


DEBIT: Final = payment(method="directdebit")
UNDONE: Final = chargeback(reason={"code": "AM04", "description": "Insufficient funds"})
OBJECTED: Final = chargeback(reason={"code": "MD06", "description": "Refund request by the payer"})
POLLED: Final = Impossible("Mollie pings when a chargeback comes and not when it's reversed: the poll finds it")
NO_MANDATES: Final = Impossible("Mollie tells nothing of mandates: a charge shows it, or asking for one")
GONE: Final = Impossible("Mollie tells of a chargeback when the money is gone already, and then only if it comes back")
PROFILES: Final = Impossible("no webhook of a payment tells of its profile")

TOLD: Final[Mapping[EventKind, Told | Impossible]] = {
    EventKind.CHARGE_SUCCEEDED: pinged(payment()),
    EventKind.CHARGE_FAILED: pinged(payment("failed", details={"failureReason": "insufficient_funds"})),
    EventKind.CHARGE_PENDING: pinged(payment("pending")),
    EventKind.CHARGE_SETTLED: Impossible("Mollie tells a profile's key nothing of its settlements"),
    EventKind.CHARGE_REVERSED: pinged(DEBIT, chargebacks=[UNDONE]),
    EventKind.CHARGE_REINSTATED: POLLED,
    EventKind.REFUND_CREATED: pinged(payment(), refunds=[refund("queued")]),
    EventKind.REFUND_SUCCEEDED: pinged(payment(), refunds=[refund("refunded")]),
    EventKind.REFUND_FAILED: pinged(payment(), refunds=[refund("failed")]),
    EventKind.REFUND_REVERSED: Impossible("a refund that fails late looks like one that failed"),
    EventKind.DISPUTE_INQUIRY: GONE,
    EventKind.DISPUTE_OPENED: GONE,
    EventKind.DISPUTE_FUNDS_WITHDRAWN: pinged(payment(), chargebacks=[chargeback()]),
    EventKind.DISPUTE_WON: POLLED,
    EventKind.DISPUTE_LOST: pinged(DEBIT, chargebacks=[OBJECTED]),
    EventKind.DISPUTE_PARTLY_LOST: GONE,
    EventKind.DISPUTE_CLOSED: GONE,
    **{kind: NO_MANDATES for kind in EventKind if kind.startswith("method.")},
    **{kind: PROFILES for kind in EventKind if kind.startswith("account.")},
    EventKind.IGNORED: pinged(first("paid")),
}

CHARGES: Final = Charges(
    succeeded=Says(payment(), 201),
    pending=Says(payment("pending", method="directdebit", details={"dueDate": "2030-03-19"}), 201),
    requires_action=Impossible("a recurring payment has no page for the payer"),
    declined=declined,
    rejected=problem(422, "Unprocessable Entity", "The webhook URL is invalid"),
    another_amount=Says(payment(amount=amount("10.51")), 201),
    another_reference=Says(payment(metadata={"tollbridge_reference": "in_another.1"}), 201),
    echo=Says(echo, 201),
    again=Says(payment(), 201, headers={"idempotent-replayed": "true"}),
    in_use=problem(409, "Conflict", "A request with this key is being processed"),
    unauthorized=problem(401, "Unauthorized Request", "Missing authentication, or failed to authenticate"),
    unclear={"a status that is new": Says(payment("something_new"), 201)},
)
LOOKUPS: Final = Lookups(
    found=Says(page("payments", payment(id="tr_kit0newer", metadata=None), payment())),
    pending=Says(page("payments", payment("pending"))),
    missing=Says(page("payments", payment(metadata={"tollbridge_reference": "in_another.1"}))),
    of_another=Says(page("payments", payment(profileId="pfl_another"))),
    several=Says(page("payments", payment("failed", id="tr_kit0other"), payment())),
)
CANCELABLE: Final = Says(page("payments", payment("pending", isCancelable=True)), on="^GET .*/customers/")
REFUNDS: Final = Refunds(
    full=Says(refund(), 201),
    part=Says(refund(amount=amount("3.50")), 201),
    refused={
        RefundRefusal.OTHER: problem(422, "Unprocessable Entity", "The specified amount cannot be refunded"),
    },
    another_amount=Says(refund(amount=amount("10.49")), 201),
    another_reference=Says(refund(metadata={"tollbridge_reference": "rfd_another"}), 201),
    again=Says(refund(), 201, headers={"idempotent-replayed": "true"}),
    found=Says(refund("refunded")),
    missing=problem(404, "Not Found", "No refund exists with this token"),
    listed=Says(page("refunds", refund("refunded", id="re_kit0dashboard", metadata=None), refund())),
    amount=value_sent,
)
PAID_FIRST: Final = Says(first("paid"), on="^GET .*/payments/")
SETUPS: Final = Setups(
    begun=(
        Says({"resource": "customer", "id": CUSTOMER, "mode": "test"}, 201, on="^POST .*/customers"),
        Says(first("open"), 201, on="^POST .*/payments"),
    ),
    pending=Says(first("open")),
    ready=(PAID_FIRST, Says(page("mandates", mandate()), on="^GET .*/mandates")),
    failed=Says(first("canceled")),
    processor_ref=FIRST,
)
METHODS: Final = Methods(
    states={
        MethodState.ACTIVE: Says(mandate()),
        MethodState.PENDING: Says(mandate("pending")),
        MethodState.REVOKED: Says(mandate("invalid")),
        MethodState.EXPIRED: Impossible("a mandate is valid or invalid; that a card has expired its charge says"),
        MethodState.UNKNOWN: Says(mandate("something_new")),
    },
    revoked=Says(b"", 204),
    gone=problem(410, "Gone", "The mandate is no longer available"),
    addresses=Impossible("neither a customer nor a mandate has one"),
)
REVERSED: Final = chargeback(reversedAt=LATER)
AGAIN: Final = chargeback(reversedAt=LATER, paymentId="tr_kit0debit", id="chb_kit0again", reason={"code": "AM04"})
CHANGED: Final = (
    Says(page("chargebacks", REVERSED, AGAIN), on="^GET .*/chargebacks"),
    Says(page("refunds", refund("refunded", metadata=None)), on="^GET .*/refunds"),
    Says({**payment(), "_embedded": {"chargebacks": [REVERSED]}}, on=f"^GET .*/payments/{CHARGE}"),
    Says({**DEBIT, "id": "tr_kit0debit", "_embedded": {"chargebacks": [AGAIN]}}, on="^GET .*/payments/tr_kit0debit"),
)

SUBJECT: Final = Subject(
    adapter=MollieAdapter,
    credentials={"api_key": "test_kit_api_key_of_a_profile"},
    options={"environment": "test", "webhook_url": WEBHOOK_URL, "account": PROFILE},
    descriptions=(ClosedSchema("mollie"),),
    account=PROFILE,
    checks=Checks(
        proved=Says({"resource": "profile", "id": PROFILE, "mode": "test", "name": "The kit's shop"}),
        unseen=Impossible("each payment names its address, which is configured here"),
    ),
    account_ref=PROFILE,
    method=PaymentMethodReference(Secret(MANDATE), Secret(CUSTOMER)),
    charge_id=CHARGE,
    refund_id=REFUND,
    amount=value_sent,
    wire={Money(1050, "eur"): "10.50", Money(1050, "jpy"): "1050", Money(500, "isk"): "5"},
    inexpressible=(Money(150, "isk"), Money(1050, "kwd")),
    charges=CHARGES,
    lookups=LOOKUPS,
    cancels=Cancels(
        done=(CANCELABLE, Says(payment("canceled"), on="^DELETE")),
        too_late=(
            CANCELABLE,
            problem(422, "Unprocessable Entity", "The payment cannot be canceled", on="^DELETE"),
            Says(payment(), on="^GET .*/payments/"),
        ),
    ),
    refunds=REFUNDS,
    setups=SETUPS,
    methods=METHODS,
    webhooks=Webhooks(
        deliver=deliver,
        told=TOLD,
        previous=Impossible("while its secret is changed, Mollie signs with both"),
        also=(
            Told(REFUND, (Says(page("refunds", refund()), on="^GET .*/refunds"), Says(payment(), on="/payments/"))),
            Told(
                CHARGEBACK,
                (Says(page("chargebacks", chargeback()), on="^GET .*/chargebacks"), Says(payment(), on="/payments/")),
            ),
        ),
    ),
    polled=CHANGED,
    settlements=Impossible("Mollie shows no settlements to the key of a profile"),
)
