"""How the practice processor answers, for the conformance kit; and how it does in the manner of each real one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from processors.capabilities import Lookup, RefundMode, Replay, Webhook
from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.subject import (
    ADDRESS,
    AMOUNT,
    DECLINE_MESSAGE,
    PART,
    REFERENCE,
    REFUND_REFERENCE,
    WEBHOOK_URL,
    Addresses,
    Cancels,
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
    Shape,
    Subject,
    Told,
    Webhooks,
)
from processors.events import EventKind, RawDelivery
from processors.money import Money
from processors.practice.client import PracticeAdapter
from processors.practice.manners import ADAPTERS
from processors.practice.notices import signature
from processors.practice.returns import REFUSALS
from processors.practice.settlement_shapes import SETTLEMENTS
from processors.values import MethodState, PaymentMethodReference, Secret

ACCOUNT: Final = "pa_kit"
CHARGE, REFUND, TOKEN, CUSTOMER = "pch_kit", "prf_kit", "pm_kit_token_0001", "pcus_kit_0001"
AT: Final = 1_900_000_000
SECRETS: Final = {Key.CURRENT: "practice_kit_webhook_secret", Key.WRONG: "practice_kit_another_secret"}

MOVED: Final = {
    "funds_withdrawn": (-AMOUNT,),
    "won": (-AMOUNT, AMOUNT),
    "lost": (-AMOUNT,),
    "partly_lost": (-AMOUNT, AMOUNT - PART),
}
"""What a dispute has moved by then."""

Json = dict[str, Any]


def charge(status: str = "succeeded", **changed: Any) -> Json:
    paid = AMOUNT if status in ("succeeded", "reversed") else 0
    named = {"id": CHARGE, "account": ACCOUNT, "reference": REFERENCE, "status": status, "currency": "EUR"}
    return {**named, "amount": AMOUNT, "amount_captured": paid, "created_at": AT, "closed_at": AT, **changed}


def refund(status: str = "succeeded", **changed: Any) -> Json:
    named = {"id": REFUND, "account": ACCOUNT, "charge": CHARGE, "charge_reference": REFERENCE, "origin": "api"}
    moved = {"reference": REFUND_REFERENCE, "amount": AMOUNT, "currency": "EUR", "status": status}
    return {**named, **moved, "created_at": AT, "updated_at": AT, **changed}


def dispute(status: str) -> Json:
    named = {"id": "pdp_kit", "account": ACCOUNT, "charge": CHARGE, "charge_reference": REFERENCE, "status": status}
    amounts = {"amount": AMOUNT, "currency": "EUR", "withdrawn": -sum(MOVED.get(status, ()))}
    moves = [moved(amount) for amount in MOVED.get(status, ())]
    return {**named, **amounts, "moves": moves, "updated_at": AT, "reason": "fraudulent"}


def method(status: str = "active", **changed: Any) -> Json:
    return {
        "token": TOKEN,
        "customer": CUSTOMER,
        "status": status,
        "card": {"brand": "visa", "last4": "4242"},
        **changed,
    }


def setup(status: str, **changed: Any) -> Json:
    shown = {"id": "pst_kit", "account": ACCOUNT, "url": "https://practice.example/setup/pst_kit"}
    return {**shown, "status": status, "client_token": "pct_kit_client_token", "expires_at": AT, **changed}


def moved(amount: int) -> Json:
    return {"id": f"pmv_kit_{amount}", "amount": amount, "at": AT}


def error(code: str, status: int = 422, on: str = "", **more: Any) -> Says:
    return Says({"error": {"code": code, "message": DECLINE_MESSAGE, **more}}, status, on)


def echo(request: httpx.Request) -> Json:
    asked = json.loads(request.content)
    return charge(amount=asked["amount"], amount_captured=asked["amount"], currency=asked["currency"])


def amount(request: httpx.Request) -> object:
    return json.loads(request.content)["amount"]


def declined(code: str) -> Says:
    return Says(charge("failed", decline={"code": code, "message": DECLINE_MESSAGE}), 201)


LATE: Final = charge("reversed", reversal=moved(-AMOUNT), reversal_reason={"code": "insufficient_funds"})
EVENTS: Final[Mapping[str, tuple[str, Json]]] = {
    EventKind.CHARGE_SUCCEEDED: ("charge.succeeded", charge()),
    EventKind.CHARGE_FAILED: ("charge.failed", charge("failed", decline={"code": "do_not_honor"})),
    EventKind.CHARGE_PENDING: ("charge.pending", charge("pending", closed_at=None)),
    EventKind.CHARGE_SETTLED: ("charge.settled", charge(settled_at=AT)),
    EventKind.CHARGE_REVERSED: ("charge.late_failure", LATE),
    EventKind.CHARGE_REINSTATED: ("charge.paid_again", charge(reversal=moved(-AMOUNT), reinstatement=moved(AMOUNT))),
    EventKind.REFUND_CREATED: ("refund.created", refund("pending")),
    EventKind.REFUND_SUCCEEDED: ("refund.succeeded", refund()),
    EventKind.REFUND_FAILED: ("refund.failed", refund("failed")),
    EventKind.REFUND_REVERSED: ("refund.reversed", refund("failed", has_succeeded=True)),
    **{kind: (kind.value, dispute(kind.partition(".")[2])) for kind in EventKind if kind.startswith("dispute.")},
    EventKind.METHOD_ACTIVATED: ("method.reinstated", method()),
    EventKind.METHOD_REPLACED: ("method.replaced", method("replaced", replacement=method(token="pm_kit_token_0002"))),
    EventKind.METHOD_REVOKED: ("method.revoked", method("revoked")),
    EventKind.METHOD_EXPIRED: ("method.expired", method("expired")),
    EventKind.METHOD_SUSPENDED: ("method.suspended", method("suspended")),
    EventKind.ACCOUNT_LOCKED: ("account.locked", {"id": ACCOUNT}),
    EventKind.ACCOUNT_UNLOCKED: ("account.unlocked", {"id": ACCOUNT}),
    EventKind.IGNORED: ("note.added", {}),
}


def told(kind: EventKind, nth: int = 1) -> Told:
    named, data = EVENTS[kind]
    return Told({"id": f"pevt_{kind}_{nth}", "type": named, "account": ACCOUNT, "created": AT, "data": data})


def pinged(kind: EventKind) -> Told:
    _, data = EVENTS[kind]
    about = {"refund": "refunds", "dispute": "disputes"}.get(kind.partition(".")[0])
    return Told(CHARGE, Says(charge() | {about: [data]} if about else data))


def deliver(items: tuple[Any, ...], by: Key) -> RawDelivery:
    body = msgspec.json.encode({"events": list(items)})
    now = int(time.time())
    stamp = f"t={now},v1={signature(SECRETS[by], now, body)}" if by in SECRETS else ""
    headers = (("content-type", "application/json"), *((("practice-signature", stamp),) if stamp else ()))
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/practice", headers, (), body)


def ping(items: tuple[Any, ...], _by: Key) -> RawDelivery:
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    body = "&".join(f"id={item}" for item in items).encode()
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/practice", headers, (), body)


def shown(lookup: Lookup, *charges: Json) -> Shape:
    """An answer to a look-up in the account's manner."""
    match lookup:
        case Lookup.NONE:
            return Impossible("nothing can be read back")
        case Lookup.BY_ID:
            return Says(charges[0]) if charges else error("charge_not_found", 404)
        case _:
            return Says({"data": list(charges), "has_more": False})


def charges_of(adapter: type[PracticeAdapter]) -> Charges:
    conflict = (error("idempotency_conflict", 409, conflicting_id=CHARGE), Says(charge(), on="^GET /v1/charges/"))
    conflicting = adapter.capabilities.idempotency.replay is Replay.CONFLICT_WITH_ID
    return Charges(
        succeeded=Says(charge(), 201),
        pending=Says(charge("pending", closed_at=None, expected_by=AT), 201),
        requires_action=Says(charge("requires_action", closed_at=None, action_url="https://practice.example/a"), 201),
        declined=declined,
        rejected=error("method_not_chargeable"),
        another_amount=Says(charge(amount=AMOUNT + 1), 201),
        another_reference=Says(charge(reference="in_another.1"), 201),
        echo=Says(echo, 201),
        again=conflict if conflicting else Says(charge()),
        in_use=error("reference_in_use", 409),
        unauthorized=error("unauthorized", 401),
    )


def lookups_of(lookup: Lookup) -> Lookups:
    several: Shape = Impossible("one charge is asked for by its id")
    if lookup in (Lookup.BY_REFERENCE, Lookup.SCAN):
        several = shown(lookup, charge("failed", id="pch_other"), charge())
    return Lookups(
        found=shown(lookup, charge()),
        pending=shown(lookup, charge("pending", closed_at=None)),
        missing=shown(lookup),
        of_another=shown(lookup, charge(account="pa_another")),
        several=several,
    )


def refunds_of(adapter: type[PracticeAdapter]) -> Refunds:
    status = "succeeded" if adapter.capabilities.refunds.mode is RefundMode.SYNC else "pending"
    asked = adapter.capabilities.lookup is not Lookup.NONE
    outside = refund(id="prf_dashboard", reference="", origin="dashboard", amount=PART)
    never = Impossible("nothing can be read back")
    return Refunds(
        full=Says(refund(status), 201),
        part=Says(refund(status, amount=PART), 201),
        refused={reason: error(code) for code, reason in REFUSALS.items()},
        another_amount=Says(refund(status, amount=AMOUNT - 1), 201),
        another_reference=Says(refund(status, reference="rfd_another"), 201),
        again=Says(refund(status)),
        found=Says(refund()) if asked else never,
        missing=error("refund_not_found", 404) if asked else never,
        listed=Says({"data": [outside, refund()], "has_more": False}),
    )


SETUPS: Final = Setups(
    begun=Says(setup("open"), 201),
    pending=Says(setup("open")),
    ready=Says(setup("completed", method=method())),
    failed=Says(setup("expired")),
    processor_ref="pst_kit",
)
METHODS: Final = Methods(
    states={
        MethodState.ACTIVE: Says(method()),
        MethodState.PENDING: Says(method("suspended")),
        MethodState.REVOKED: error("method_not_found", 404),
        MethodState.EXPIRED: Says(method("expired")),
        MethodState.UNKNOWN: Says(method("something_new")),
    },
    revoked=Says(method("revoked")),
    gone=error("method_revoked", 404),
    addresses=Addresses(
        kept=Says(method(address=msgspec.to_builtins(ADDRESS))),
        none=Says(method(address=None)),
        unknown=error("method_not_found", 404),
    ),
)
POLLED: Final[Script] = (
    Says({"data": [EVENTS[kind][1] for kind in EVENTS if kind.startswith("refund.")]}, on="^GET /v1/refunds"),
    Says({"data": [dispute("opened")]}, on="^GET /v1/disputes"),
)


def webhooks_of(adapter: type[PracticeAdapter]) -> Webhooks:
    unsigned = adapter.capabilities.webhook is Webhook.UNSIGNED_PING
    again = EventKind.CHARGE_SUCCEEDED
    return Webhooks(
        deliver=ping if unsigned else deliver,
        also=(pinged(again) if unsigned else told(again, 2),),
        told={kind: pinged(kind) if unsigned else told(kind) for kind in adapter.capabilities.events},
        previous=Impossible("while its key is changed, the practice processor signs with both"),
    )


def subject(adapter: type[PracticeAdapter]) -> Subject:
    """The practice processor in the manner of this adapter."""
    credentials = {"api_key": "practice_kit_api_key", "webhook_secret": SECRETS[Key.CURRENT]}
    return Subject(
        adapter=adapter,
        credentials={name: credentials[name] for name in adapter.credential_fields},
        options={"base_url": "https://practice.example", "account": ACCOUNT},
        descriptions=(ClosedSchema("practice"),),
        account=ACCOUNT,
        checks=Checks(
            proved=Says({"id": ACCOUNT, "webhook_urls": [WEBHOOK_URL]}),
            unseen=Impossible("the practice processor shows where its notifications go"),
            wrong={
                "nowhere": Says({"id": ACCOUNT, "webhook_urls": []}),
                "elsewhere": Says({"id": ACCOUNT, "webhook_urls": ["https://elsewhere.example/"]}),
            },
        ),
        account_ref=ACCOUNT,
        method=PaymentMethodReference(Secret(TOKEN), Secret(CUSTOMER)),
        charge_id=CHARGE,
        refund_id=REFUND,
        amount=amount,
        wire={Money(1050, "eur"): 1050, Money(1050, "jpy"): 1050, Money(1050, "kwd"): 1050, Money(500, "isk"): 5},
        inexpressible=(Money(150, "isk"),),
        charges=charges_of(adapter),
        lookups=lookups_of(adapter.capabilities.lookup),
        cancels=Cancels(
            done=(Says({"data": [charge("pending")]}, on="^GET"), Says(charge("canceled"), on="^POST")),
            too_late=(Says({"data": [charge()]}, on="^GET"), error("charge_closed", 409, on="^POST")),
        )
        if adapter.capabilities.cancel
        else Impossible("a charge can't be withdrawn"),
        refunds=refunds_of(adapter),
        setups=SETUPS,
        methods=METHODS,
        webhooks=webhooks_of(adapter),
        polled=POLLED,
        settlements=SETTLEMENTS,
    )


SUBJECT: Final = subject(PracticeAdapter)
MANNERS: Final = tuple(subject(adapter) for adapter in ADAPTERS)
