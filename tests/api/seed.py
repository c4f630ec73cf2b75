"""Rows of every kind, without Stripe or a worker: what the read side of the API shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from db import sql
from db.encryption import Keyring
from db.engine import DB
from db.ids import new_id
from db.outbox import Announcement, announce
from gateway.accounts import connections, keys, webhook_endpoints, webhook_secrets
from gateway.accounts.audit import Author
from gateway.accounts.connections import ConnectionChange
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.collect.references import sealed_reference
from gateway.customers import organization_tokens
from gateway.customers.organization_tokens import Scope
from gateway.domain.news_types import NewsType
from gateway.runtime import Runtime
from processors.values import PaymentMethodReference, Secret

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
PRACTICE = ConnectionChange(
    credentials={"api_key": Secret("practice_key"), "webhook_secret": Secret("practice_secret")},
    options={"base_url": "https://127.0.0.1:1", "account": "pa_1"},
)


@dataclass
class Seeded:
    """Ids of one object of each kind in an account."""

    account: str
    connection: str
    customer: str
    method: str
    invoice: str
    subscription: str
    attempt: str
    dispute: str
    case: str
    case_note: str
    delivery: str
    event: str
    endpoint: str
    session: str
    client_secret: str
    organization_token: str
    method_session: str
    method_secret: str
    refund: str
    note: str
    webhook_secret: str
    key: str
    reconciliation: str
    reconciliation_break: str
    settlement: str
    grant: str
    usage: str


async def insert(table: str, **values: Any) -> None:
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await sql.rows(f"insert into tollbridge.{table} ({', '.join(values)}) values ({places})", *values.values())


async def add_invoice(account: str, invoice: str, *, at: datetime = NOW, **values: Any) -> None:
    """An invoice; `snapshot` may be a dict."""
    if isinstance(values.get("snapshot"), dict):
        values["snapshot"] = msgspec.json.encode(values["snapshot"])
    await insert("invoice", account=account, id=invoice, created_at=at, stripe_created_at=at, **values)


async def add_case(
    account: str, subject: str, *, at: datetime = NOW, invoice: str = "", kind: str = "outcome_unknown"
) -> str:
    case = new_id("cas")
    told = {"kind": kind, "reason": "no answer", "action": "Look it up.", "state": "open"}
    await insert("review_case", id=case, account=account, subject=subject, invoice=invoice, opened_at=at, **told)
    return case


async def add_case_note(account: str, case: str, *, at: datetime = NOW) -> str:
    note = new_id("csn")
    await insert(
        "case_note", id=note, account=account, review_case=case, author="key_1", text="They look.", written_at=at
    )
    return note


async def add_dispute(account: str, connection: str, invoice: str, attempt: str, *, state: str = "opened") -> str:
    """A dispute about all of a payment; its id."""
    dispute = new_id("dsp")
    await insert(
        "dispute",
        id=dispute,
        account=account,
        connection=connection,
        invoice=invoice,
        attempt=attempt,
        processor_id=f"pdp_{account}",
        charge_id=f"pch_{account}",
        state=state,
        amount=1190,
        currency="eur",
        reason="product_not_received",
        evidence_due_by=NOW + timedelta(days=14),
        evidence_url="https://processor.example/disputes/1",
        told_at=NOW,
        created_at=NOW,
    )
    return dispute


async def add_delivery(account: str, *, at: datetime = NOW, **values: Any) -> str:
    delivery = new_id("dlv")
    told = {"source": "stripe", "kind": "invoice.paid", "body": b"{}", "state": "done"} | values
    await insert("delivery", id=delivery, account=account, received_at=at, finished_at=at, **told)
    return delivery


async def add_event(account: str, about: str = "in_1", *, at: datetime = NOW, step: str = "1") -> str:
    """An event that the merchant was told."""
    told = Announcement(NewsType.OVERDUE, step, {"object": "invoice", "id": about})
    async with DB.transaction():
        [event] = await announce(account, "invoice", about, [told], at)
    return event


async def add_grant(account: str, subscription: str) -> str:
    """Access that was granted a year ago, for a day."""
    grant, at = new_id("agr"), NOW - timedelta(days=365)
    told = {"reason": "promised", "granted_by": "key_1", "until_at": at + timedelta(days=1), "created_at": at}
    await insert("access_grant", id=grant, account=account, subscription=subscription, **told)
    return grant


async def add_reconciliation(account: str, invoice: str) -> tuple[str, str]:
    """A comparison that is over, and the break that it found."""
    run, found = new_id("rcn"), new_id("brk")
    told = {"state": "finished", "asked_by": "timer", "whole": False, "live": True}
    await insert(
        "reconciliation", id=run, account=account, number=1, created_at=NOW, began_at=NOW, finished_at=NOW, **told
    )
    about = {"kind": "surplus_not_returned", "subject": invoice, "invoice": invoice, "amount": 100, "currency": "eur"}
    why = {"reason": "more came in than it wanted", "repair": "poke_invoice", "from_run": 1, "seen_run": 1}
    await insert("reconciliation_break", id=found, account=account, occurred_at=NOW, first_seen_at=NOW, **about, **why)
    return run, found


async def add_settlement(account: str, connection: str) -> str:
    """A settlement file that its processor gave."""
    file = new_id("sfl")
    told = {"processor_id": file, "name": "2027-03-01", "rows": 1, "new_rows": 1, "taken_by": "", "taken_at": NOW}
    await insert("settlement_file", id=file, account=account, connection=connection, **told)
    return file


async def add_endpoint(runtime: Runtime, account: str, url: str = "https://192.0.43.8/hook") -> str:
    endpoint, _ = await webhook_endpoints.add(runtime, Author("test"), account, EndpointChange(url=url))
    return endpoint.id


async def add_session(keyring: Keyring, account: str) -> tuple[str, str]:
    """A session and its client secret."""
    session, secret = new_id("cs"), f"tbcs_secret_{uuid4().hex}"
    await insert(
        "checkout_session",
        id=session,
        account=account,
        client_reference=uuid4().hex,
        client_secret_hash=hashlib.sha256(secret.encode()).digest(),
        client_secret=keyring.encrypt(secret.encode(), table="checkout_session", column="client_secret", row=session),
        state="open",
        request=msgspec.json.encode({"client_reference": "x", "items": [{"price": "price_1"}]}).decode(),
        expires_at=datetime.now(UTC) + timedelta(days=1),
        created_at=datetime.now(UTC),
    )
    return session, secret


async def add_method_session(keyring: Keyring, account: str, customer: str) -> tuple[str, str]:
    """A payment-method session and its client secret."""
    session, secret = new_id("pms"), f"tbpm_secret_{uuid4().hex}"
    place = {"table": "payment_method_session", "column": "client_secret", "row": session}
    await insert(
        "payment_method_session",
        id=session,
        account=account,
        customer=customer,
        client_secret_hash=hashlib.sha256(secret.encode()).digest(),
        client_secret=keyring.encrypt(secret.encode(), **place),
        state="open",
        currency="eur",
        # What the table of routes asks for is another one's.
        return_url="https://shop.example/seeded",
        expires_at=datetime.now(UTC) + timedelta(days=1),
        created_at=datetime.now(UTC),
    )
    return session, secret


async def add_refund(account: str, invoice: str) -> str:
    """A refund that was denied a year ago."""
    refund = new_id("rfd")
    asked = {"requested_by": "key_1", "approval": "denied", "approved_by": "key_2", "failure": "denied"}
    what = {"origin": "request", "base": refund, "state": "refused", "amount": 100, "currency": "eur"}
    times = {"created_at": NOW - timedelta(days=365), "resolved_at": NOW - timedelta(days=365)}
    await insert("refund", id=refund, account=account, invoice=invoice, wants_note=True, **what, **asked, **times)
    return refund


async def add_note(account: str, invoice: str) -> str:
    """A credit note that somebody made in Stripe, to the customer's balance: nothing goes back."""
    note, stripe_id, at = new_id("crn"), f"cn_{account}", NOW - timedelta(days=365)
    what = {"origin": "stripe", "subject": stripe_id, "stripe_id": stripe_id, "state": "issued"}
    money = {"amount": 100, "currency": "eur"}
    times = {"created_at": at, "issued_at": at}
    await insert("credit_note", id=note, account=account, invoice=invoice, **what, **money, **times)
    return note


async def add_usage(account: str, customer: str) -> str:
    """An event that was sent to a meter a year ago."""
    usage, at = new_id("use"), NOW - timedelta(days=365)
    what = {"identifier": f"calls-{account}", "customer": customer, "event_name": "calls", "value": "250"}
    times = {"used_at": at, "sent_at": at, "created_at": at, "resolved_at": at}
    await insert("usage_event", id=usage, account=account, state="sent", **what, **times)
    return usage


async def add_setup(keyring: Keyring, seeded: Seeded, **session: str) -> str:
    """A set-up of a session that a payer has begun."""
    setup, now = new_id("stp"), datetime.now(UTC)
    place = {"table": "payment_setup", "column": "processor_ref", "row": setup}
    await insert(
        "payment_setup",
        id=setup,
        account=seeded.account,
        connection=seeded.connection,
        processor_ref=keyring.encrypt(b"pset_made_up", **place),
        state="open",
        look_at=now,
        expires_at=now + timedelta(days=1),
        created_at=now,
        **session,
    )
    return setup


async def seed(runtime: Runtime, account: str) -> Seeded:
    """One of everything, with ids that another account has as well where Stripe makes them."""
    # Of live accounts too, whose processors are elsewhere.
    anywhere = msgspec.structs.replace(runtime.settings, outbound_private=True)
    inside = Runtime(anywhere, runtime.keyring, runtime.http)
    connection = (await connections.add(inside, Author("test"), account, "practice", "practice", PRACTICE)).id
    customer, subscription, invoice = f"cus_{account}", f"sub_{account}", f"in_{account}"
    method, attempt = new_id("pmt"), new_id("att")
    await insert("customer", account=account, id=customer, created_at=NOW)
    await insert("subscription", account=account, id=subscription, customer=customer, status="active", created_at=NOW)
    await add_invoice(
        account,
        invoice,
        customer=customer,
        subscription=subscription,
        billing_reason="subscription_create",
        state="paid",
        status="paid",
        currency="eur",
        amount_due=1190,
        total=1190,
        snapshot={"id": invoice, "hosted_invoice_url": "https://invoice.example/1", "invoice_pdf": None},
        read_at=NOW,
    )
    await insert(
        "payment_method",
        id=method,
        account=account,
        customer=customer,
        connection=connection,
        reference=sealed_reference(runtime.keyring, method, PaymentMethodReference(Secret("ptok_made_up"))),
        token_hash=f"hash-of-{account}",
        vault_hash=f"hash-of-{account}",
        card=msgspec.json.encode({"brand": "visa", "last4": "4242"}).decode(),
        status="active",
        created_at=NOW,
    )
    await insert(
        "attempt",
        id=attempt,
        account=account,
        invoice=invoice,
        number=1,
        connection=connection,
        payment_method=method,
        amount=1190,
        currency="eur",
        state="succeeded",
        reason="first",
        idempotency_key=uuid4(),
        reference=f"{invoice}.1",
        processor_id=f"pch_{account}",
        amount_captured=1190,
        created_at=NOW,
        sent_at=NOW,
        resolved_at=NOW,
    )
    await insert(
        "movement",
        id=new_id("mov"),
        account=account,
        connection=connection,
        invoice=invoice,
        attempt=attempt,
        kind="capture",
        processor_id=f"pch_{account}",
        amount=1190,
        currency="eur",
        occurred_at=NOW,
        created_at=NOW,
    )
    await insert(
        "recording",
        id=new_id("rec"),
        account=account,
        invoice=invoice,
        attempt=attempt,
        amount=1190,
        currency="eur",
        state="recorded",
        idempotency_key=uuid4().hex,
        how="ours",
        created_at=NOW,
        resolved_at=NOW,
    )
    dispute = await add_dispute(account, connection, invoice, attempt, state="won")
    session, secret = await add_session(runtime.keyring, account)
    token = await organization_tokens.make(Scope(account, customer), 600)
    method_session, method_secret = await add_method_session(runtime.keyring, account, customer)
    case = await add_case(account, invoice, invoice=invoice)
    delivery = await add_delivery(account)
    endpoint = await add_endpoint(runtime, account)
    event = await add_event(account, invoice)
    reconciliation, found = await add_reconciliation(account, invoice)
    settlement = await add_settlement(account, connection)
    signing = await webhook_secrets.add(runtime.keyring, Author("test"), account, Secret("whsec_made_up_seeded"))
    key, _ = await keys.create(Author("test"), account, "seeded", ["server"])
    return Seeded(
        account=account,
        connection=connection,
        customer=customer,
        method=method,
        invoice=invoice,
        subscription=subscription,
        attempt=attempt,
        dispute=dispute,
        case=case,
        case_note=await add_case_note(account, case),
        delivery=delivery,
        event=event,
        endpoint=endpoint,
        session=session,
        client_secret=secret,
        organization_token=token.token,
        method_session=method_session,
        method_secret=method_secret,
        refund=await add_refund(account, invoice),
        note=await add_note(account, invoice),
        webhook_secret=signing,
        key=key.id,
        reconciliation=reconciliation,
        reconciliation_break=found,
        settlement=settlement,
        grant=await add_grant(account, subscription),
        usage=await add_usage(account, customer),
    )
