"""How GoCardless answers, for the conformance kit.

A debit takes days, so that a payment is never confirmed in the answer that makes it; where the kit asks for a success,
it's shown all the same, since the adapter reads an answer by what stands there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.subject import (
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
    LookedUp,
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
)
from processors.events import EventKind, RawDelivery, Reply
from processors.gocardless.client import GoCardlessAdapter
from processors.gocardless.declared import DISPUTES
from processors.gocardless.declines import AT_CREATION, INACTIVE
from processors.gocardless.mandates import STATES
from processors.gocardless.mapping import REFERENCE_KEY
from processors.gocardless.notices import INVALID_TOKEN, signature
from processors.gocardless.returns import REFUSALS
from processors.money import Money
from processors.values import MethodState, PaymentMethodReference, Secret

ACCOUNT: Final = "CR000KIT"
CHARGE, REFUND, TOKEN, CUSTOMER = "PM000KIT", "RF000KIT", "MD000KITTOKEN01", "CU000KIT0001"
SETUP, NEW, BANK_ACCOUNT = "BRQ000KIT", "MD000KITTOKEN02", "BA000KIT"
SECRETS: Final = {
    Key.CURRENT: "gocardless_kit_webhook_secret",
    Key.PREVIOUS: "gocardless_kit_previous_secret",
    Key.WRONG: "gocardless_kit_another_secret",
}
AT: Final = "2027-03-02T08:00:00.000Z"

Json = dict[str, Any]


def payment(status: str = "confirmed", **changed: Any) -> Json:
    named = {"id": CHARGE, "created_at": AT, "charge_date": "2027-03-05", "status": status, "currency": "EUR"}
    about = {"metadata": {REFERENCE_KEY: REFERENCE}, "links": {"creditor": ACCOUNT, "mandate": TOKEN}}
    return {**named, "amount": AMOUNT, **about, **changed}


def refund(status: str = "created", **changed: Any) -> Json:
    named = {"id": REFUND, "created_at": AT, "status": status, "amount": AMOUNT, "currency": "EUR"}
    return {**named, "metadata": {REFERENCE_KEY: REFUND_REFERENCE}, "links": {"payment": CHARGE}, **changed}


def mandate(status: str = "active", id_: str = TOKEN, **links: str) -> Json:
    owners = {"creditor": ACCOUNT, "customer": CUSTOMER, "customer_bank_account": BANK_ACCOUNT}
    return {"id": id_, "status": status, "scheme": "sepa_core", "links": {**owners, **links}}


def setup(status: str) -> Json:
    links = {"creditor": ACCOUNT, "customer": CUSTOMER}
    if status == "fulfilled":
        links["mandate_request_mandate"] = TOKEN
    asked, made = {"scheme": "sepa_core"}, {"customer_bank_account": BANK}
    return {"id": SETUP, "status": status, "links": links, "mandate_request": asked, "resources": made}


BANK: Final[Json] = {"id": BANK_ACCOUNT, "account_number_ending": "00", "bank_name": "KIT BANK"}


def event(action: str, resource: str = "payments", nth: int = 1, **details: Any) -> Json:
    about = {"payments": {"payment": CHARGE}, "refunds": {"refund": REFUND}, "mandates": {"mandate": TOKEN}}
    said = {"origin": "bank", "cause": action, "description": DECLINE_MESSAGE, **details}
    named = {"id": f"EVKIT{resource}{action}{nth}".upper().replace("_", ""), "created_at": AT}
    links = about.get(resource, {"creditor": ACCOUNT})
    return {**named, "resource_type": resource, "action": action, "links": links, "details": said}


def one(resource: str, shown: object, on: str = "", status: int = 200) -> Says:
    return Says({resource: shown}, status, on)


def listed(resource: str, *shown: Json) -> Says:
    """Newest first, as GoCardless lists."""
    body = {resource: list(reversed(shown)), "meta": {"cursors": {"before": None, "after": None}, "limit": 100}}
    return Says(body, on=rf"^GET /{resource}\?")


def made(shown: object, *history: Json, resource: str = "payments") -> Script:
    """The answer to a creation, and what has happened since."""
    return one(resource, shown, "^POST", 201), listed("events", *history)


def error(reason: str, status: int = 422, on: str = "", **links: str) -> Says:
    item = {"reason": reason, "message": DECLINE_MESSAGE, "links": links}
    body = {"type": "invalid_state", "code": status, "message": DECLINE_MESSAGE, "errors": [item]}
    return Says({"error": body}, status, on)


def used(made_before: str) -> Says:
    return error("idempotent_creation_conflict", 409, "^POST", conflicting_resource_id=made_before)


def echoed(request: httpx.Request) -> Json:
    asked = json.loads(request.content)["payments"]
    return {"payments": payment(amount=asked["amount"], currency=asked["currency"])}


def amount(request: httpx.Request) -> object:
    (asked,) = json.loads(request.content).values()
    return asked["amount"]


MANDATE_CODES: Final = {f"mandate_{status}": status for status, state in STATES.items() if state != "active"}


def declined(code: str) -> Script | LookedUp:
    """Refused at once, because of what its mandate has become, or days later with the bank's answer."""
    if code in MANDATE_CODES:
        return error(INACTIVE, on="^POST"), one("mandates", mandate(MANDATE_CODES[code]), "^GET /mandates/")
    if code == INACTIVE:
        return error(INACTIVE, on="^POST"), error("resource_not_found", 404, "^GET /mandates/")
    if code in AT_CREATION:
        return error(code)
    return LookedUp((listed("payments", payment("failed")), listed("events", event("failed", cause=code))))


CHARGES: Final = Charges(
    succeeded=made(payment(), event("confirmed")),
    pending=made(payment("pending_submission")),
    requires_action=Impossible("the payer has given the mandate, and nothing more is asked of him"),
    declined=declined,
    rejected=error("validation_failed"),
    another_amount=made(payment(amount=AMOUNT + 1)),
    another_reference=made(payment(metadata={REFERENCE_KEY: "in_another.1"})),
    echo=(Says(echoed, 201, "^POST"), listed("events", event("confirmed"))),
    again=(used(CHARGE), one("payments", payment("submitted"), "^GET /payments/")),
    in_use=error("idempotent_creation_conflict", 409),
    unauthorized=error("unauthorized", 401),
)
LOOKUPS: Final = Lookups(
    found=(listed("payments", payment()), listed("events", event("confirmed"))),
    pending=listed("payments", payment("submitted")),
    missing=listed("payments", payment(id="PM000OTHER", metadata={REFERENCE_KEY: "in_another.1"})),
    of_another=listed("payments", payment(links={"creditor": "CR000ANOTHER"})),
    several=(
        listed("payments", payment("failed", id="PM000OTHER"), payment()),
        listed("events", event("confirmed")),
    ),
)
CANCELS: Final = Cancels(
    done=(
        listed("payments", payment("pending_submission")),
        one("payments", payment("cancelled"), "^POST"),
        listed("events", event("cancelled", cause="payment_cancelled")),
    ),
    too_late=(listed("payments", payment("submitted")), error("cancellation_failed", on="^POST")),
)
REFUNDS: Final = Refunds(
    full=one("refunds", refund(), status=201),
    part=one("refunds", refund(amount=PART), status=201),
    refused={reason: error(code) for code, reason in REFUSALS.items()},
    another_amount=one("refunds", refund(amount=AMOUNT - 1), status=201),
    another_reference=one("refunds", refund(metadata={REFERENCE_KEY: "rfd_another"}), status=201),
    again=(used(REFUND), one("refunds", refund("submitted"), "^GET /refunds/")),
    found=one("refunds", refund("paid")),
    missing=error("resource_not_found", 404),
    listed=listed("refunds", refund(), refund("paid", id="RF000DASHBOARD", amount=PART, metadata={})),
)
SETUPS: Final = Setups(
    begun=(
        one("billing_requests", setup("pending"), "^POST /billing_requests\n", 201),
        one(
            "billing_request_flows",
            {"authorisation_url": "https://pay.example/kit", "expires_at": AT},
            "^POST /billing_request_flows\n",
            201,
        ),
    ),
    pending=one("billing_requests", setup("pending")),
    ready=one("billing_requests", setup("fulfilled")),
    failed=one("billing_requests", setup("cancelled")),
    processor_ref=SETUP,
)
GIVEN: Final = one("mandates", mandate(), "^GET /mandates/")
PLACE: Final = address_as(city="city", state="region", postal_code="postal_code", country="country_code")
PAYER: Final = {"id": CUSTOMER, **address_as(line1="address_line1"), **PLACE}
METHODS: Final = Methods(
    states={
        MethodState.ACTIVE: one("mandates", mandate()),
        MethodState.PENDING: one("mandates", mandate("suspended_by_payer")),
        MethodState.REVOKED: one("mandates", mandate("cancelled")),
        MethodState.EXPIRED: one("mandates", mandate("expired")),
        MethodState.UNKNOWN: one("mandates", mandate("something_new")),
    },
    revoked=one("mandates", mandate("cancelled")),
    gone=(error("cancellation_failed", on="^POST"), one("mandates", mandate("cancelled"), "^GET")),
    addresses=Addresses(
        kept=(GIVEN, one("customers", PAYER, "^GET /customers/")),
        none=(GIVEN, one("customers", {"id": CUSTOMER}, "^GET /customers/")),
        unknown=error("not_found", 404),
    ),
)


def of_payment(told: Json, *before: Json) -> Told:
    return Told(told, (one("payments", payment(), "^GET /payments/"), listed("events", *before, told)))


def of_refund(action: str) -> Told:
    shown = one("refunds", refund("paid"), "^GET /refunds/"), one("payments", payment(), "^GET /payments/")
    return Told(event(action, "refunds"), shown)


def of_mandate(action: str, status: str) -> Told:
    return Told(event(action, "mandates"), one("mandates", mandate(status)))


CONFIRMED: Final = event("confirmed")
TOLD: Final[Mapping[EventKind, Told | Impossible]] = {
    EventKind.CHARGE_PENDING: of_payment(event("submitted")),
    EventKind.CHARGE_SUCCEEDED: of_payment(CONFIRMED),
    EventKind.CHARGE_FAILED: of_payment(event("failed", cause="insufficient_funds")),
    EventKind.CHARGE_SETTLED: of_payment(event("paid_out"), CONFIRMED),
    EventKind.CHARGE_REVERSED: of_payment(event("charged_back", cause="refund_requested"), CONFIRMED),
    EventKind.CHARGE_REINSTATED: of_payment(event("chargeback_cancelled"), CONFIRMED, event("charged_back")),
    EventKind.REFUND_CREATED: of_refund("created"),
    EventKind.REFUND_SUCCEEDED: of_refund("paid"),
    EventKind.REFUND_FAILED: of_refund("failed"),
    EventKind.REFUND_REVERSED: of_refund("funds_returned"),
    **dict.fromkeys(DISPUTES, Impossible("a debit that is charged back is gone: nobody can contest it")),
    EventKind.METHOD_ACTIVATED: Told(
        event("reinstated", "mandates"),
        (
            one("mandates", mandate("active"), "^GET /mandates/"),
            one("customer_bank_accounts", BANK, "^GET /customer_bank_accounts/"),
        ),
    ),
    EventKind.METHOD_REPLACED: Told(
        event("replaced", "mandates"),
        (
            one("mandates", mandate("cancelled", new_mandate=NEW), f"^GET /mandates/{TOKEN}"),
            one("mandates", mandate(id_=NEW), f"^GET /mandates/{NEW}"),
            one("customer_bank_accounts", BANK, "^GET /customer_bank_accounts/"),
        ),
    ),
    EventKind.METHOD_REVOKED: of_mandate("cancelled", "cancelled"),
    EventKind.METHOD_EXPIRED: of_mandate("expired", "expired"),
    EventKind.METHOD_SUSPENDED: of_mandate("suspended", "suspended_by_payer"),
    EventKind.ACCOUNT_LOCKED: Told(event("account_auto_frozen", "creditors")),
    EventKind.ACCOUNT_UNLOCKED: Told(event("account_auto_frozen_reverted", "creditors")),
    EventKind.IGNORED: Told(event("late_failure_settled")),
}


def deliver(items: tuple[Any, ...], by: Key) -> RawDelivery:
    body = msgspec.json.encode({"events": list(items), "meta": {"webhook_id": "WB000KIT"}})
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    if by in SECRETS:
        headers = (*headers, ("webhook-signature", signature(SECRETS[by], body)))
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/gocardless", headers, (), body)


LATE: Final = event("failed", nth=2, cause="refer_to_payer")
CHECKED: Final = one("creditors", {"id": ACCOUNT, "name": "Kit Ltd"}, on="/creditors/")


def sent(url: str, **changed: Any) -> Says:
    """The webhooks of late: one to an address."""
    shown = {"id": "WB000KIT", "url": url, "created_at": AT, "successful": True, "response_code": 200, **changed}
    return Says({"webhooks": [shown], "meta": {"cursors": {}, "limit": 100}}, on="/webhooks")


SUBJECT: Final = Subject(
    adapter=GoCardlessAdapter,
    credentials={"access_token": "sandbox_kit_access_token", "webhook_secret": SECRETS[Key.CURRENT]},
    options={"environment": "test", "account": ACCOUNT, "base_url": "https://gocardless.example"},
    descriptions=(ClosedSchema("gocardless"),),
    account=ACCOUNT,
    checks=Checks(
        proved=(CHECKED, sent(WEBHOOK_URL)),
        unseen=(CHECKED, sent("https://elsewhere.example/")),
        wrong={"the last one was refused": (CHECKED, sent(WEBHOOK_URL, response_code=498, successful=False))},
    ),
    account_ref=ACCOUNT,
    method=PaymentMethodReference(Secret(TOKEN), Secret(CUSTOMER)),
    charge_id=CHARGE,
    refund_id=REFUND,
    amount=amount,
    wire={Money(1050, "eur"): 1050, Money(1050, "gbp"): 1050, Money(1, "sek"): 1},
    inexpressible=(Money(1050, "jpy"), Money(1050, "kwd")),
    charges=CHARGES,
    lookups=LOOKUPS,
    cancels=CANCELS,
    refunds=REFUNDS,
    setups=SETUPS,
    methods=METHODS,
    webhooks=Webhooks(
        deliver=deliver,
        told=TOLD,
        also=(of_payment(LATE, CONFIRMED), of_payment(event("confirmed", nth=3))),
        previous={"previous_webhook_secret": SECRETS[Key.PREVIOUS]},
        refused=Reply(INVALID_TOKEN, ""),
    ),
    polled=(
        listed("events", CONFIRMED, event("cancelled", "mandates")),
        one("payments", payment(), "^GET /payments/"),
        one("mandates", mandate("cancelled"), "^GET /mandates/"),
    ),
    settlements=Impossible("GoCardless' payouts are not read"),
)
