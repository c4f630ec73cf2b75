"""How Checkout.com answers, for the conformance kit: as its documentation shows it, about one payment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import httpx

from processors.checkout_com.check import NEEDED
from processors.checkout_com.client import CheckoutComAdapter
from processors.checkout_com.disputes import INQUIRY
from processors.checkout_com.notices import signature
from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.subject import (
    AMOUNT,
    DECLINE_MESSAGE,
    PART,
    REFERENCE,
    REFUND_REFERENCE,
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
    Script,
    Setups,
    Subject,
    Told,
    Webhooks,
    address_as,
    key,
)
from processors.events import EventKind, RawDelivery
from processors.money import Money
from processors.outcome import RefundRefusal
from processors.values import MethodState, PaymentMethodReference, Secret

ACCOUNT: Final = "pc_kitchannel0000000000000001"
PAYMENT, TOKEN, FIRST = "pay_kit0000000000000000000001", "src_kit0000000000000000000001", "pay_kitfirst000000000000001"
ACTION, REFUND, DISPUTE = "act_kit0000000000000000000001", "act_kitrefund00000000000001", "dsp_kit00000000000000001"
CUSTOMER: Final = "cus_kit0000000000000000000001"
SETUP: Final = key("setup")
"""A set-up's payment is under the key of its session."""
TIME: Final = "2027-03-01T12:00:00.1234560Z"
KEYS: Final = {
    Key.CURRENT: "kit-made-up-signature-key",
    Key.PREVIOUS: "kit-made-up-previous-signature-key",
    Key.WRONG: "kit-made-up-other-signature-key",
}

Json = dict[str, Any]


def payment(status: str = "Authorized", **changed: Any) -> Json:
    shown = {"id": PAYMENT, "action_id": ACTION, "reference": REFERENCE, "amount": AMOUNT, "currency": "EUR"}
    source = {"id": TOKEN, "type": "card", "scheme": "Visa", "last4": "4242", "expiry_month": 12, "expiry_year": 2030}
    said = {"approved": True, "status": status, "response_code": "10000", "response_summary": "Approved"}
    return {**shown, **said, "processed_on": TIME, "source": source, "customer": {"id": CUSTOMER}, **changed}


def read(status: str = "Captured", **changed: Any) -> Json:
    shown = payment(status, **{"requested_on": TIME, "processing_channel_id": ACCOUNT} | changed)
    return {name: value for name, value in shown.items() if not name.startswith("response_")}


def pending(**changed: Any) -> Says:
    return Says({"id": PAYMENT, "status": "Pending", "reference": REFERENCE, **changed}, 202)


def listed(*payments: Json) -> Says:
    return Says({"limit": 100, "skip": 0, "total_count": len(payments), "data": list(payments)})


def workflows(url: str, *, channel: str = ACCOUNT, events: Sequence[str] = sorted(NEEDED)) -> Script:
    """The credentials are good, and one active workflow sends to an address."""
    about = {"id": "wf_kit", "name": "kit", "active": True}
    conditions = [
        {"id": "wfc_1", "type": "event", "events": {"gateway": events}},
        {"id": "wfc_2", "type": "processing_channel", "processing_channels": [channel]},
    ]
    whole = {**about, "conditions": conditions, "actions": [{"id": "wfa_1", "type": "webhook", "url": url}]}
    return (
        replace(listed(), on="/payments"),
        Says(whole, on="/workflows/wf_kit"),
        Says({"data": [about]}, on="/workflows"),
    )


def action(kind: str, **changed: Any) -> Json:
    said = {"approved": True, "response_code": "10000", "response_summary": "Approved"}
    return {"id": ACTION, "type": kind, "processed_on": TIME, "amount": AMOUNT, **said, **changed}


def refund(**changed: Any) -> Json:
    return action("Refund", **{"id": REFUND, "reference": REFUND_REFERENCE} | changed)


def actions(*shown: Json) -> Says:
    return Says([*shown, action("Capture"), action("Authorization")], on="/actions$|/actions\n")


def first(status: str, **changed: Any) -> Json:
    """The payment of the set-up."""
    return read(status, **{"id": FIRST, "amount": 0, "reference": SETUP} | changed)


def error(*codes: str) -> Says:
    return Says({"request_id": "kit", "error_type": "request_invalid", "error_codes": list(codes)}, 422)


def declined(code: str) -> Says:
    said = {"approved": False, "response_code": code, "response_summary": DECLINE_MESSAGE}
    return Says(payment("Declined", **said), 201)


def echo(request: httpx.Request) -> Json:
    asked = json.loads(request.content)
    return payment(amount=asked["amount"], currency=asked["currency"])


def amount(request: httpx.Request) -> object:
    return json.loads(request.content)["amount"]


CHARGES: Final = Charges(
    succeeded=Says(payment(), 201),
    pending=pending(),
    requires_action=pending(_links={"redirect": {"href": "https://3ds.example/kit"}}),
    declined=declined,
    rejected=error("previous_payment_id_invalid"),
    another_amount=Says(payment(amount=AMOUNT + 1), 201),
    another_reference=Says(payment(reference="in_another.1"), 201),
    echo=Says(echo, 201),
    again=Says(payment(), 201),
    in_use=Impossible("a key that is in use is answered 429, and one that was used with the first success"),
    unauthorized=Says(b"", 401),
)
LOOKUPS: Final = Lookups(
    found=listed(read()),
    pending=listed(read("Pending", approved=False)),
    missing=listed(),
    of_another=listed(read(processing_channel_id="pc_another")),
    several=listed(read("Voided", id="pay_kitother"), read()),
)
REFUNDS: Final = Refunds(
    full=Says({"action_id": REFUND, "reference": REFUND_REFERENCE}, 202),
    part=Says({"action_id": REFUND, "reference": REFUND_REFERENCE}, 202),
    refused={
        RefundRefusal.EXCEEDS_CAPTURE: error("amount_exceeds_balance"),
        RefundRefusal.TOO_LATE: error("payment_expired"),
        RefundRefusal.OTHER: Says(b"", 403),
    },
    another_amount=Impossible("a refund is accepted without saying its amount"),
    another_reference=Says({"action_id": REFUND, "reference": "rfd_another"}, 202),
    again=Says({"action_id": REFUND, "reference": REFUND_REFERENCE}, 202),
    found=(actions(refund()), Says(read())),
    missing=actions(),
    listed=(actions(refund(), refund(id="act_kitdashboard", reference=None, amount=PART)), Says(read())),
)
SETUPS: Final = Setups(
    begun=Says({"id": "ps_kit", "payment_session_token": "kit", "payment_session_secret": "pss_kit"}, 201),
    pending=listed(),
    ready=listed(first("Card Verified")),
    failed=(
        Says([action("Card Verification", approved=False, response_code="20005")], on="/actions"),
        listed(first("Declined", approved=False)),
    ),
    client={"payment_id": FIRST},
    processor_ref=SETUP,
)


def instrument(address: Json) -> Says:
    return Says({"id": TOKEN, "type": "card", "account_holder": {"billing_address": address}}, on="^GET /instruments/")


METHODS: Final = Methods(
    states={
        MethodState.ACTIVE: Says({"id": TOKEN, "type": "card", "expiry_month": 12, "expiry_year": 2099}),
        MethodState.EXPIRED: Says({"id": TOKEN, "type": "card", "expiry_month": 1, "expiry_year": 2020}),
        MethodState.REVOKED: Says(b"", 404),
        MethodState.UNKNOWN: Impossible("an instrument is there or isn't"),
    },
    revoked=Says(b"", 204),
    gone=Says(b"", 404),
    addresses=Addresses(
        kept=instrument(
            address_as(line1="address_line1", postal_code="zip", city="city", state="state", country="country")
        ),
        none=instrument(address_as(country="country")),
        unknown=Says(b"", 404),
    ),
)


def told(kind: str, number: int = 1, fetched: Any = (), **data: Any) -> Told:
    said = {"id": PAYMENT, "action_id": ACTION, "reference": REFERENCE, "amount": AMOUNT, "currency": "EUR"}
    said |= {"processed_on": TIME, "response_code": "10000", "response_summary": "Approved"}
    return Told(_event(kind, number, {**said, "processing_channel_id": ACCOUNT, **data}), fetched)


def refunded(kind: str) -> Told:
    return told(kind, fetched=actions(refund()), action_id=REFUND)


def disputed(kind: str) -> Told:
    return Told(_event(kind, 1, dispute()))


def dispute(**more: Any) -> Json:
    about = {"payment_id": PAYMENT, "payment_reference": REFERENCE, "payment_action_id": ACTION}
    said = {"id": DISPUTE, "category": "fraudulent", "reason_code": "10.4", "amount": AMOUNT, "currency": "EUR"}
    return {**said, **about, "processing_channel_id": ACCOUNT, "evidence_required_by": TIME, **more}


def _event(kind: str, number: int, data: Json) -> Json:
    event = f"evt_kit_{kind}_{number}"
    link = {"self": {"href": f"https://api.sandbox.checkout.com/workflows/events/{event}"}}
    return {"id": event, "type": kind, "version": "1.0.29", "created_on": TIME, "data": data, "_links": link}


TOLD: Final[dict[EventKind, Told | Impossible]] = {
    EventKind.CHARGE_SUCCEEDED: told("payment_captured"),
    EventKind.CHARGE_FAILED: told("payment_declined", response_code="20051"),
    EventKind.CHARGE_PENDING: told("payment_pending"),
    EventKind.CHARGE_REVERSED: told("payment_returned"),
    EventKind.REFUND_CREATED: refunded("payment_refund_pending"),
    EventKind.REFUND_SUCCEEDED: refunded("payment_refunded"),
    EventKind.REFUND_FAILED: refunded("payment_refund_declined"),
    EventKind.DISPUTE_INQUIRY: disputed(INQUIRY),
    EventKind.DISPUTE_OPENED: disputed("dispute_received"),
    EventKind.DISPUTE_FUNDS_WITHDRAWN: disputed("dispute_evidence_required"),
    EventKind.DISPUTE_WON: disputed("dispute_won"),
    EventKind.DISPUTE_LOST: disputed("dispute_lost"),
    EventKind.DISPUTE_CLOSED: disputed("dispute_resolved"),
    EventKind.IGNORED: told("card_verified"),
    EventKind.METHOD_REVOKED: Impossible("no event tells of stored cards: a decline's code does"),
}


def deliver(items: tuple[Any, ...], by: Key) -> RawDelivery:
    body = json.dumps(items[0]).encode()
    signed = (("cko-signature", signature(KEYS[by], body)),) if by in KEYS else ()
    headers = (("content-type", "application/json"), *signed)
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/checkout", headers, (), body)


SUBJECT: Final = Subject(
    adapter=CheckoutComAdapter,
    credentials={"secret_key": "sk_sbox_kit_made_up_key", "signature_key": KEYS[Key.CURRENT]},
    options={"environment": "test", "account": ACCOUNT, "country": "DE"},
    descriptions=(ClosedSchema("checkout_com"),),
    account=ACCOUNT,
    checks=Checks(
        proved=workflows(WEBHOOK_URL),
        unseen=(replace(listed(), on="/payments"), Says({}, 403, on="/workflows")),
        wrong={
            "elsewhere": workflows("https://elsewhere.example/"),
            "of another channel": workflows(WEBHOOK_URL, channel="pc_another"),
            "without refunds": workflows(WEBHOOK_URL, events=sorted(NEEDED - {"payment_refunded"})),
        },
    ),
    account_ref=ACCOUNT,
    method=PaymentMethodReference(Secret(TOKEN), Secret(CUSTOMER), Secret(FIRST)),
    charge_id=PAYMENT,
    refund_id=REFUND,
    amount=amount,
    wire={
        Money(1050, "eur"): 1050,
        Money(1050, "jpy"): 1050,
        Money(1050, "kwd"): 1050,
        Money(50000, "isk"): 500,
        Money(1050, "clp"): 105000,
    },
    inexpressible=(Money(150, "isk"), Money(1051, "kwd")),
    charges=CHARGES,
    lookups=LOOKUPS,
    cancels=Impossible("a charge that was sent can't be withdrawn"),
    refunds=REFUNDS,
    setups=SETUPS,
    methods=METHODS,
    webhooks=Webhooks(
        deliver=deliver,
        told=TOLD,
        previous={"previous_signature_key": KEYS[Key.PREVIOUS]},
        also=(told("payment_captured", 2), told("payment_approved")),
    ),
    polled=Says({"data": [dispute(status="evidence_required", last_update=TIME)]}, on="^GET /disputes"),
    unsaid={
        "charge: pending, of another amount": "a payment that is accepted is answered without its amount",
        "refund: an answer about another charge": "a refund that is accepted is answered without its payment",
    },
    settlements=Impossible("Checkout.com's reports are not read"),
)
