"""How Acme answers, as recorded, for the conformance kit."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from acme_tollbridge.client import AcmeAdapter
from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.subject import (
    REFERENCE,
    REFUND_REFERENCE,
    WEBHOOK_URL,
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
from processors.money import Money
from processors.outcome import RefundRefusal
from processors.values import MethodState, PaymentMethodReference, Secret

PAYMENT, REFUND, TOKEN, AT = "pay_kit", "ref_kit", "card_kit_0001", "2027-03-01T12:00:00Z"
SECRETS: Final = {
    Key.CURRENT: "acme_kit_webhook_secret",
    Key.PREVIOUS: "acme_kit_previous_secret",
    Key.WRONG: "acme_kit_another_secret",
}
Json = dict[str, Any]


def payment(state: str = "paid", **changed: Any) -> Json:
    named = {"id": PAYMENT, "account": "acc_kit", "reference": REFERENCE, "at": AT}
    return {**named, "amount": "10.50", "currency": "EUR", "state": state, **changed}


def refund(amount: str = "10.50", **changed: Any) -> Json:
    named = {"id": REFUND, "account": "acc_kit", "payment": PAYMENT, "reference": REFUND_REFERENCE, "at": AT}
    return {**named, "amount": amount, "currency": "EUR", "state": "done", **changed}


def card(state: str = "active") -> Json:
    return {"token": TOKEN, "state": state, "brand": "visa", "last4": "4242"}


def setup(state: str, **more: Any) -> Json:
    return {"id": "set_kit", "state": state, "page": "https://acme.example/setups/set_kit", **more}


def error(status: int, code: str) -> Says:
    return Says({"error": code}, status)


def amount(request: httpx.Request) -> object:
    return json.loads(request.content)["amount"]


def echo(request: httpx.Request) -> Json:
    asked = json.loads(request.content)
    return payment(amount=asked["amount"], currency=asked["currency"])


def told(kind: str, nth: int = 1, **about: Json) -> Told:
    return Told({"id": f"msg_{kind}_{nth}", "kind": kind, "account": "acc_kit", "at": AT, **about})


def deliver(items: tuple[Any, ...], by: Key) -> RawDelivery:
    """Signed here, as Acme's reference says, and not by the adapter: its mistake would prove itself."""
    body = msgspec.json.encode(items[0])
    headers = [("content-type", "application/json")]
    if by in SECRETS:
        signature = hmac.new(SECRETS[by].encode(), body, hashlib.sha256).hexdigest()
        headers.append(("acme-signature", signature))
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/acme", tuple(headers), (), body)


CHARGEBACK: Final = {"id": "cb_kit", "payment": PAYMENT, "amount": "10.50", "currency": "EUR"}

SUBJECT: Final = Subject(
    adapter=AcmeAdapter,
    credentials={"api_key": "acme_kit_api_key", "webhook_secret": SECRETS[Key.CURRENT]},
    options={"environment": "test", "account": "acc_kit"},
    descriptions=(ClosedSchema(Path(__file__).with_name("acme.json")),),
    account="acc_kit",
    checks=Checks(
        proved=(Says({"id": "acc_kit"}, on="/account"), Says({"url": WEBHOOK_URL}, on="/webhook")),
        unseen=(Says({"id": "acc_kit"}, on="/account"), Says({"error": "not_allowed"}, 403, on="/webhook")),
        wrong={
            "elsewhere": (
                Says({"id": "acc_kit"}, on="/account"),
                Says({"url": "https://elsewhere.example/"}, on="/webhook"),
            )
        },
    ),
    account_ref="acc_kit",
    method=PaymentMethodReference(Secret(TOKEN)),
    charge_id=PAYMENT,
    refund_id=REFUND,
    amount=amount,
    wire={Money(1050, "eur"): "10.50", Money(1050, "jpy"): "1050", Money(1050, "kwd"): "1.050"},
    inexpressible=(),
    charges=Charges(
        succeeded=Says(payment(), 201),
        pending=Impossible("a card is charged at once"),
        requires_action=Says(payment("waits_for_payer", page="https://acme.example/3ds"), 201),
        declined=lambda code: Says(payment("refused", refusal=code), 201),
        rejected=error(422, "card_unknown"),
        another_amount=Says(payment(amount="10.51"), 201),
        another_reference=Says(payment(reference="in_another.1"), 201),
        echo=Says(echo, 201),
        again=Says(payment(), 201),
        in_use=error(409, "key_in_use"),
        unclear={
            "a payment of another account": Says(payment(account="acc_another"), 201),
            "a state that is new": Says(payment("something_new"), 201),
        },
    ),
    lookups=Lookups(
        found=Says({"payments": [payment()]}),
        pending=Impossible("a card is charged at once"),
        missing=Says({"payments": []}),
        of_another=Says({"payments": [payment(account="acc_another")]}),
        several=Says({"payments": [payment("refused", id="pay_other", refusal="51"), payment()]}),
    ),
    cancels=Impossible("a payment that is paid is given back by a refund"),
    refunds=Refunds(
        full=Says(refund(), 201),
        part=Says(refund("3.50"), 201),
        refused={RefundRefusal.TOO_LATE: error(422, "too_late"), RefundRefusal.EXCEEDS_CAPTURE: error(422, "too_much")},
        another_amount=Says(refund("10.49"), 201),
        another_reference=Says(refund(reference="rfd_another"), 201),
        again=Says(refund(), 201),
        found=Says({"refunds": [refund()]}),
        missing=Says({"refunds": []}),
        listed=Says({"refunds": [refund(), refund("1.00", id="ref_staff", reference="")]}),
    ),
    setups=Setups(
        begun=Says(setup("open"), 201),
        pending=Says(setup("open")),
        ready=Says(setup("done", card=card())),
        failed=Says(setup("failed", problem="card_unknown")),
        processor_ref="set_kit",
    ),
    methods=Methods(
        states={
            MethodState.ACTIVE: Says(card()),
            MethodState.EXPIRED: Says(card("expired")),
            MethodState.REVOKED: error(404, "card_unknown"),
            MethodState.UNKNOWN: Says(card("something_new")),
        },
        revoked=Says({}),
        gone=error(404, "card_unknown"),
        addresses=Impossible("Acme keeps no addresses"),
    ),
    webhooks=Webhooks(
        deliver=deliver,
        told={
            EventKind.CHARGE_SUCCEEDED: told("payment.paid", payment=payment()),
            EventKind.CHARGE_FAILED: told("payment.refused", payment=payment("refused", refusal="51")),
            EventKind.REFUND_SUCCEEDED: told("refund.done", refund=refund()),
            EventKind.REFUND_FAILED: told("refund.failed", refund=refund(state="failed")),
            EventKind.DISPUTE_FUNDS_WITHDRAWN: told("chargeback.taken", chargeback=CHARGEBACK),
            EventKind.DISPUTE_WON: told("chargeback.returned", chargeback=CHARGEBACK),
            EventKind.METHOD_REVOKED: told("card.removed", card=card("removed")),
            EventKind.IGNORED: told("payout.sent"),
            EventKind.CHARGE_REVERSED: Impossible("a card payment ends as a chargeback, not as a reversal"),
        },
        also=(told("payment.paid", 2, payment=payment()),),
        previous={"previous_webhook_secret": SECRETS[Key.PREVIOUS]},
    ),
    polled=Impossible("all that can be known is told by webhook"),
    settlements=Impossible("Acme has no settlement files"),
)
