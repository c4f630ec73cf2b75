"""How PayPal answers, for the conformance kit: held to its own descriptions, but for two calls that have none.

The certificate that signs the notifications is made here, once in a process.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import httpx
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from processors.conformance.descriptions.closed import ClosedSchema
from processors.conformance.descriptions.openapi import OpenApi, Patch
from processors.conformance.stage import system_now
from processors.conformance.subject import (
    AMOUNT,
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
    Setups,
    Subject,
    Told,
    Webhooks,
    address_as,
)
from processors.events import EventKind, RawDelivery
from processors.money import Money, to_decimal_string
from processors.paypal.client import PayPalAdapter
from processors.paypal.money import PAYPAL
from processors.paypal.notices import NEEDED
from processors.paypal.returns import REFUSALS
from processors.values import MethodState, PaymentMethodReference, Secret

ACCOUNT, WEBHOOK_ID = "KTKTKTKTKTKTK", "8KT00000KT000000K"
CAPTURE, ORDER, REFUND, DISPUTE = "3KTCAPTURE000001F", "5KTORDER00000001T", "1KTREFUND0000001", "PP-D-KIT1"
SETUP, TOKEN, CUSTOMER = "5KTSETUPTOKEN0001", "kitvaultid01", "kit_customer_01"
ACCESS_TOKEN: Final = "A21-kit-access-token"
AT: Final = "2027-03-01T12:00:00Z"
HOST: Final = "https://api-m.sandbox.paypal.com"
CERTIFICATE: Final = "/v1/notifications/certs/CERT-kit"

Json = dict[str, Any]


def money(minor: int = AMOUNT, currency: str = "eur") -> Json:
    return {"currency_code": currency.upper(), "value": to_decimal_string(Money(minor, currency), PAYPAL)}


def link(rel: str, path: str) -> Json:
    return {"rel": rel, "href": f"{HOST}{path}", "method": "GET"}


def capture(status: str = "COMPLETED", **changed: Any) -> Json:
    links = [link("up", f"/v2/checkout/orders/{ORDER}")]
    named = {"id": CAPTURE, "status": status, "invoice_id": REFERENCE, "payee": {"merchant_id": ACCOUNT}}
    return {**named, "amount": money(), "create_time": AT, "update_time": AT, "links": links, **changed}


def order(*captures: Json, status: str = "COMPLETED", refunds: tuple[Json, ...] = (), **unit: Any) -> Json:
    payments = {"payments": {"captures": captures, "refunds": refunds}} if captures else {}
    named = {"invoice_id": REFERENCE, "amount": money(), "payee": {"merchant_id": ACCOUNT}}
    links = [link("payer-action", f"/checkoutnow?token={ORDER}")]
    return {"id": ORDER, "status": status, "purchase_units": [{**named, **payments, **unit}], "links": links}


def refund(status: str = "COMPLETED", **changed: Any) -> Json:
    links = [link("up", f"/v2/payments/captures/{CAPTURE}")]
    named = {"id": REFUND, "custom_id": REFUND_REFERENCE, "invoice_id": REFUND_REFERENCE}
    moved = {"status": status, "amount": money(), "create_time": AT, "update_time": AT}
    return {**named, **moved, "payer": {"merchant_id": ACCOUNT}, "links": links, **changed}


def dispute(status: str = "WAITING_FOR_SELLER_RESPONSE", outcome: str = "", **changed: Any) -> Json:
    of = {"seller_transaction_id": CAPTURE, "invoice_number": REFERENCE, "seller": {"merchant_id": ACCOUNT}}
    verdict = {"dispute_outcome": {"outcome_code": outcome, "amount_refunded": money(0)}} if outcome else {}
    shown = {"dispute_id": DISPUTE, "status": status, "dispute_amount": money(), "disputed_transactions": [of]}
    return {**shown, "dispute_life_cycle_stage": "CHARGEBACK", "update_time": AT, **verdict, **changed}


def setup_token(status: str) -> Json:
    links = [link("approve", f"/agreements/approve?approval_session_id={SETUP}")]
    return {"id": SETUP, "status": status, "customer": {"id": CUSTOMER}, "links": links}


def payment_token(**told: Json) -> Json:
    wallet = {"email_address": "payer@example.com", "payer_id": "KTPAYERKTPAYE", **told}
    return {"id": TOKEN, "customer": {"id": CUSTOMER}, "payment_source": {"paypal": wallet}}


def error(issue: str = "", status: int = 422, name: str = "UNPROCESSABLE_ENTITY", on: str = "") -> Says:
    details = [{"issue": issue}] if issue else []
    return Says({"name": name, "message": "It was refused.", "debug_id": "kit", "details": details}, status, on)


NOT_FOUND: Final = error("INVALID_RESOURCE_ID", 404, "RESOURCE_NOT_FOUND")


def webhook(*events: str, url: str = WEBHOOK_URL) -> Json:
    return {"id": WEBHOOK_ID, "url": url, "event_types": [{"name": one} for one in events]}


def declined(code: str) -> Says:
    """An issue of an order that is refused, a status of a capture, or a code of the card inside the wallet."""
    if code.isupper() and "_" in code:
        return error(code)
    status = code if code in ("DECLINED", "DENIED", "FAILED") else "DECLINED"
    told = {} if code == status else {"processor_response": {"response_code": code}}
    return Says(order(capture(status, **told)), 201)


def asked(request: httpx.Request) -> Json:
    """The amount of a charge, as it stands there."""
    unit = json.loads(request.content)["purchase_units"][0]
    found: Json = unit["amount"]
    return found


def echo(request: httpx.Request) -> Json:
    amount = {name: asked(request)[name] for name in ("currency_code", "value")}
    return order(capture(amount=amount), amount=amount)


# Notifications


@cache
def signing_key(_of: Key) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate(_request: httpx.Request) -> bytes:
    key, now = signing_key(Key.CURRENT), system_now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kit.example")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def deliver(items: tuple[Any, ...], by: Key) -> RawDelivery:
    (item,) = items
    body = msgspec.json.encode(item)
    named = {
        "paypal-transmission-id": "69cd13f0-d67a-11e5-baa3-kit",
        "paypal-transmission-time": AT,
        "paypal-cert-url": f"{HOST}{CERTIFICATE}",
        "paypal-auth-algo": "SHA256withRSA",
    }
    if by is not Key.ABSENT:
        message = f"{named['paypal-transmission-id']}|{AT}|{WEBHOOK_ID}|{crc32(body)}".encode()
        signature = signing_key(by).sign(message, PKCS1v15(), SHA256())
        named["paypal-transmission-sig"] = b64encode(signature).decode()
    headers = (("content-type", "application/json"), *named.items())
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/paypal", headers, (), body)


def told(event_type: str, resource: Json, *fetched: Says, nth: int = 1) -> Told:
    """PayPal shows each event that it sends."""
    named = {"id": f"WH-KIT-{event_type.replace('.', '-')}-{resource.get('status', '')}-{len(str(resource))}-{nth}"}
    item = {**named, "event_type": event_type, "create_time": AT, "resource": resource}
    return Told(item, (Says(item, on="^GET /v1/notifications/webhooks-events/"), *fetched))


MOVED: Final = {"affected_party": "SELLER", "type": "DEBIT", "reason": "DISPUTE_SETTLEMENT", "initiated_time": AT}
WITHDRAWN: Final[Json] = {"money_movements": [{**MOVED, "amount": money()}]}
PARTLY: Final[Json] = {"dispute_outcome": {"outcome_code": "RESOLVED_BUYER_FAVOUR", "amount_refunded": money(PART)}}
VAULTED: Final = {"id": TOKEN}
UNDISPUTED: Final = Says({"items": []}, on="^GET /v1/customer/disputes")
DISPUTED: Final = "CUSTOMER.DISPUTE.UPDATED"
RESOLVED: Final = "CUSTOMER.DISPUTE.RESOLVED"

EVENTS: Final[Mapping[EventKind, Told]] = {
    EventKind.CHARGE_SUCCEEDED: told("PAYMENT.CAPTURE.COMPLETED", capture()),
    EventKind.CHARGE_FAILED: told("PAYMENT.CAPTURE.DENIED", capture("DECLINED")),
    EventKind.CHARGE_PENDING: told("PAYMENT.CAPTURE.PENDING", capture("PENDING")),
    EventKind.CHARGE_REVERSED: told("PAYMENT.CAPTURE.REVERSED", refund(id="6KTREVERSAL0001"), UNDISPUTED),
    EventKind.REFUND_CREATED: told("PAYMENT.CAPTURE.REFUNDED", refund("PENDING")),
    EventKind.REFUND_SUCCEEDED: told("PAYMENT.CAPTURE.REFUNDED", refund()),
    EventKind.REFUND_FAILED: told("PAYMENT.CAPTURE.REFUNDED", refund("FAILED")),
    EventKind.DISPUTE_INQUIRY: told("CUSTOMER.DISPUTE.CREATED", dispute("OPEN", dispute_life_cycle_stage="INQUIRY")),
    EventKind.DISPUTE_OPENED: told(DISPUTED, dispute()),
    EventKind.DISPUTE_FUNDS_WITHDRAWN: told(DISPUTED, dispute("UNDER_REVIEW", **WITHDRAWN)),
    EventKind.DISPUTE_WON: told(RESOLVED, dispute("RESOLVED", "RESOLVED_SELLER_FAVOUR")),
    EventKind.DISPUTE_LOST: told(RESOLVED, dispute("RESOLVED", "RESOLVED_BUYER_FAVOUR", **WITHDRAWN)),
    EventKind.DISPUTE_PARTLY_LOST: told(RESOLVED, dispute("RESOLVED", **PARTLY)),
    EventKind.DISPUTE_CLOSED: told(RESOLVED, dispute("RESOLVED", "NONE")),
    EventKind.METHOD_ACTIVATED: told("VAULT.PAYMENT-TOKEN.CREATED", VAULTED),
    EventKind.METHOD_REVOKED: told("VAULT.PAYMENT-TOKEN.DELETED", VAULTED),
    EventKind.IGNORED: told("CHECKOUT.ORDER.APPROVED", order(status="APPROVED")),
}
NEVER: Final[Mapping[EventKind, Impossible]] = {
    EventKind.CHARGE_SETTLED: Impossible("a capture is in the account's balance at once"),
    EventKind.CHARGE_REINSTATED: Impossible("no event tells of a reversal that was taken back"),
    EventKind.REFUND_REVERSED: Impossible("no event tells of a refund that came back"),
    EventKind.METHOD_REPLACED: Impossible("the wallet changes its cards unseen, and the token stays"),
    EventKind.METHOD_EXPIRED: Impossible("a token does not expire"),
    EventKind.METHOD_SUSPENDED: Impossible("a token lives or is deleted"),
    EventKind.ACCOUNT_LOCKED: Impossible("only refusals tell of it"),
    EventKind.ACCOUNT_UNLOCKED: Impossible("only refusals tell of it"),
}

POLLED: Final = [told.item for kind, told in EVENTS.items() if kind is not EventKind.CHARGE_REVERSED]

DESCRIPTIONS: Final = (
    OpenApi(
        "paypal/checkout_orders_v2.json.gz",
        overlay=[
            Patch(
                "/components/schemas/paypal_wallet/properties/stored_credential",
                "newer than the description: PayPal's server SDK has it since 2026",
                {
                    "type": "object",
                    "required": ["payment_initiator", "usage", "usage_pattern"],
                    "properties": {
                        "payment_initiator": {"enum": ["CUSTOMER", "MERCHANT"]},
                        "usage": {"enum": ["FIRST", "SUBSEQUENT", "DERIVED"]},
                        "usage_pattern": {"enum": ["SUBSCRIPTION_PREPAID", "UNSCHEDULED_POSTPAID"]},
                    },
                },
            ),
        ],
    ),
    OpenApi("paypal/payments_payment_v2.json.gz"),
    OpenApi(
        "paypal/vault_payment_tokens_v3.json.gz",
        overlay=[
            Patch(
                "/components/schemas/setup_token_request/properties/payment_source/type",
                "left out there, so that anything else than an object would pass",
                "object",
            ),
            Patch(
                "/components/schemas/token_id_request/properties/type/enum",
                "newer than the description: the server SDK's own list holds nothing else",
                ["SETUP_TOKEN"],
            ),
            Patch(
                "/components/schemas/wallet_base/properties/usage_pattern",
                "newer than the description, and in the documentation's requests",
                {"type": "string", "enum": ["SUBSCRIPTION_PREPAID"]},
            ),
        ],
    ),
    OpenApi("paypal/notifications_webhooks_v1.json.gz"),
    OpenApi("paypal/customer_disputes_v1.json.gz"),
    ClosedSchema(Path(__file__).with_name("undescribed.json")),
)

CHARGES: Final = Charges(
    succeeded=Says(order(capture()), 201),
    pending=Says(order(capture("PENDING", status_details={"reason": "ECHECK"})), 201),
    requires_action=Says(order(status="PAYER_ACTION_REQUIRED"), 201),
    declined=declined,
    rejected=error("NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE"),
    another_amount=Says(order(capture(amount=money(AMOUNT + 1))), 201),
    another_reference=Says(order(capture(), invoice_id="in_another.1"), 201),
    echo=Says(echo, 201),
    again=Says(order(capture())),
    in_use=error("DUPLICATE_INVOICE_ID"),
)
LOOKUPS: Final = Lookups(
    found=Says(capture()),
    pending=Says(capture("PENDING")),
    missing=NOT_FOUND,
    of_another=Says(capture(payee={"merchant_id": "KTANTHERKTANT"})),
    several=Impossible("one charge is asked for by its id"),
)
LISTED: Final = order(
    capture(), refunds=(refund(id="9KTDASHBOARD001", custom_id="in_1", invoice_id=REFERENCE), refund())
)
REFUNDS: Final = Refunds(
    full=Says(refund(), 201),
    part=Says(refund(amount=money(PART)), 201),
    refused={reason: error(issue) for issue, reason in REFUSALS.items()},
    another_amount=Says(refund(amount=money(AMOUNT - 1)), 201),
    another_reference=Says(refund(custom_id="rfd_another"), 201),
    again=Says(refund()),
    found=Says(refund()),
    missing=NOT_FOUND,
    listed=(Says(capture(), on="^GET /v2/payments/captures/"), Says(LISTED, on="^GET /v2/checkout/orders/")),
    amount=lambda request: json.loads(request.content)["amount"],
)
SETUPS: Final = Setups(
    begun=Says(setup_token("PAYER_ACTION_REQUIRED"), 201),
    pending=Says(setup_token("PAYER_ACTION_REQUIRED")),
    ready=(
        Says(setup_token("APPROVED"), on="^GET /v3/vault/setup-tokens/"),
        Says(payment_token(), 201, on="^POST /v3/vault/payment-tokens"),
    ),
    failed=NOT_FOUND,
    processor_ref=SETUP,
)
AREAS: Final = address_as(line1="address_line_1", city="admin_area_2", state="admin_area_1")
BILLED: Final = AREAS | address_as(postal_code="postal_code", country="country_code")
METHODS: Final = Methods(
    states={
        MethodState.ACTIVE: Says(payment_token()),
        MethodState.REVOKED: NOT_FOUND,
        MethodState.EXPIRED: Impossible("a token does not expire"),
        MethodState.UNKNOWN: Impossible("a token is there, or is not"),
    },
    revoked=Says(b"", 204),
    gone=NOT_FOUND,
    addresses=Addresses(kept=Says(payment_token(address=BILLED)), none=Says(payment_token()), unknown=NOT_FOUND),
)

SUBJECT: Final = Subject(
    adapter=PayPalAdapter,
    credentials={"client_secret": "paypal_kit_client_secret"},
    options={"environment": "test", "account": ACCOUNT, "client_id": "kit-client-id", "webhook_id": WEBHOOK_ID},
    descriptions=DESCRIPTIONS,
    account=ACCOUNT,
    checks=Checks(
        proved=Says(webhook("*")),
        unseen=Impossible("an app sees its own webhooks whole"),
        wrong={
            "elsewhere": Says(webhook("*", url="https://elsewhere.example/")),
            "of another app": error("INVALID_RESOURCE_ID", 404),
            "without refunds": Says(webhook(*(NEEDED - {"PAYMENT.CAPTURE.REFUNDED"}))),
        },
    ),
    method=PaymentMethodReference(Secret(TOKEN), Secret(CUSTOMER)),
    charge_id=CAPTURE,
    refund_id=REFUND,
    amount=asked,
    wire={
        Money(1050, "eur"): money(1050),
        Money(1050, "jpy"): {"currency_code": "JPY", "value": "1050"},
        Money(105000, "huf"): {"currency_code": "HUF", "value": "1050"},
    },
    inexpressible=(Money(1050, "huf"), Money(1050, "twd"), Money(1050, "kwd")),
    charges=CHARGES,
    lookups=LOOKUPS,
    cancels=Impossible("PayPal withdraws no payment that is under way"),
    refunds=REFUNDS,
    setups=SETUPS,
    methods=METHODS,
    webhooks=Webhooks(
        deliver=deliver,
        told={**EVENTS, **NEVER},
        also=(told("PAYMENT.CAPTURE.COMPLETED", capture(), nth=2),),
        previous=Impossible("PayPal signs with its own certificate, and changes it by itself"),
    ),
    polled=Says(
        {"events": [told.item for kind, told in EVENTS.items() if kind is not EventKind.CHARGE_REVERSED], "count": 16}
    ),
    always=(
        Says({"access_token": ACCESS_TOKEN, "expires_in": 32400}, on="^POST /v1/oauth2/token"),
        Says(certificate, on=f"^GET {CERTIFICATE}"),
    ),
    secrets=(ACCESS_TOKEN,),
    settlements=Impossible("PayPal's reports are not read"),
)
