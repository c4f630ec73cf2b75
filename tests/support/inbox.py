"""Accounts, signed events and a processor that is only a script: what tests of the inbox and of workers are made of."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from db import sql
from db.encryption import Keyring, generate_key
from db.ids import new_id
from gateway.collect.references import StoredMethod
from gateway.inbox.envelope import Accepted, stripe_notice
from gateway.inbox.intake import store
from processors.capabilities import Capabilities
from processors.errors import SignatureInvalidError
from processors.events import Acknowledgement, Notice, ProcessorEvent, RawDelivery, Reply
from processors.outcome import LookupOutcome, NotFound
from processors.practice.client import PracticeAdapter
from processors.values import ChargeQuery

KEYRING = Keyring.parse(f"test:{generate_key()}", generate_key())
SECRET = "whsec_made_up"


def opened(row: Any) -> bytes:
    """The body of a delivery's row, as it came."""
    return KEYRING.decrypt(row["body"], table="delivery", column="body", row=row["id"])


def signed(body: bytes, secret: str = SECRET, *, at_s: float | None = None) -> str:
    """A `Stripe-Signature` header."""
    stamp = int(time.time() if at_s is None else at_s)
    return f"t={stamp},v1={hmac.new(secret.encode(), b'%d.' % stamp + body, hashlib.sha256).hexdigest()}"


def snapshot(kind: str, thing: dict[str, Any], *, event: str = "", **more: Any) -> bytes:
    """A snapshot event of Stripe's."""
    return msgspec.json.encode(
        {
            "id": event or f"evt_{new_id('x')[2:]}",
            "object": "event",
            "type": kind,
            "created": int(time.time()),
            "livemode": False,
            "api_version": "2026-08-26.dahlia",
            "data": {"object": thing},
        }
        | more
    )


def thin(kind: str, related: dict[str, Any] | None, **more: Any) -> bytes:
    """A thin event of Stripe's."""
    return msgspec.json.encode(
        {
            "id": f"evt_{new_id('x')[2:]}",
            "object": "v2.core.event",
            "type": kind,
            "created": datetime.now(UTC).isoformat(),
            "livemode": False,
            "related_object": related,
        }
        | more
    )


async def add_account(name: str = "acme", *secrets: str, livemode: bool = False, enabled: bool = True) -> str:
    """An account with these signing secrets (by default one); its id."""
    account = new_id("acc")
    key = KEYRING.encrypt(b"sk_test_made_up", table="account", column="api_key", row=account)
    await sql.rows(
        "insert into tollbridge.account (id, name, livemode, api_key, enabled, created_at) "
        "values ($1, $2, $3, $4, $5, now())",
        account,
        name,
        livemode,
        key,
        enabled,
    )
    for secret in secrets or (SECRET,):
        await add_secret(account, secret)
    return account


async def add_secret(account: str, secret: str) -> None:
    row = new_id("whs")
    sealed = KEYRING.encrypt(secret.encode(), table="webhook_secret", column="secret", row=row)
    await sql.rows("insert into tollbridge.webhook_secret values ($1, $2, $3, now())", row, account, sealed)


async def add_connection(account: str, name: str = "scripted-eu", **options: str) -> str:
    """A connection of the adapter "scripted"; its id."""
    connection = new_id("con")
    sealed = KEYRING.encrypt(b"{}", table="connection", column="credentials", row=connection)
    await sql.rows(
        "insert into tollbridge.connection (id, account, name, adapter, credentials, options, created_at) "
        "values ($1, $2, $3, 'scripted', $4, $5, now())",
        connection,
        account,
        name,
        sealed,
        msgspec.json.encode(options).decode(),
    )
    return connection


async def add_invoice(account: str, invoice: str, **columns: Any) -> None:
    """A row of an invoice that needs nothing now."""
    values = {"state": "due", "status": "open", "stale": False, "customer": "cus_1", "subscription": ""} | columns
    await sql.rows(
        f"insert into tollbridge.invoice (account, id, created_at, {', '.join(values)}) "
        f"values ($1, $2, now(), {', '.join(f'${n + 3}' for n in range(len(values)))})",
        account,
        invoice,
        *values.values(),
    )


async def add_method(account: str, connection: str, token: str = "tok_1", customer: str = "cus_1") -> str:
    """A stored payment method; its id."""
    method, stored = new_id("pm"), msgspec.json.encode(StoredMethod(token))
    await sql.rows(
        "insert into tollbridge.customer (account, id, created_at) values ($1, $2, now()) on conflict do nothing",
        account,
        customer,
    )
    await sql.rows(
        "insert into tollbridge.payment_method (id, account, customer, connection, reference, token_hash, vault_hash, "
        "status, created_at) values ($1, $2, $3, $4, $5, $6, $7, 'active', now())",
        method,
        account,
        customer,
        connection,
        KEYRING.encrypt(stored, table="payment_method", column="reference", row=method),
        KEYRING.token_hash(connection, token),
        KEYRING.vault_hash("scripted", token),
    )
    return method


async def add_attempt(account: str, connection: str, method: str, invoice: str, **columns: Any) -> str:
    """A pending attempt of 10.00 EUR for an invoice that has a row; its id."""
    attempt = new_id("att")
    values = {
        "number": 1,
        "state": "pending",
        "reference": f"{invoice}.1",
        "processor_id": "ch_1",
        "amount": 1000,
        "resolved_at": None,
    } | columns
    await sql.rows(
        "insert into tollbridge.attempt (id, account, connection, payment_method, invoice, currency, reason, "
        f"idempotency_key, created_at, sent_at, {', '.join(values)}) values ($1, $2, $3, $4, $5, 'eur', 'first', "
        f"gen_random_uuid(), now(), now(), {', '.join(f'${n + 6}' for n in range(len(values)))})",
        attempt,
        account,
        connection,
        method,
        invoice,
        *values.values(),
    )
    return attempt


async def stored(account: str, *bodies: bytes) -> list[str]:
    """Store events of Stripe's as the intake does; their new ids."""
    ids: list[str] = []
    for body in bodies:
        ids += await store(KEYRING, [stripe_notice(account, body)[0]])
    return ids


async def noticed(account: str, connection: str, *keys: str) -> list[str]:
    """Store notices of a processor as the intake does; their new ids."""
    ids: list[str] = []
    for key in keys:
        ids += await store(KEYRING, [Accepted(account, connection, key, "charge", "", key.encode())])
    return ids


async def delivery(found: str) -> Any:
    return await sql.row("select * from tollbridge.delivery where id = $1", found)


async def deliveries() -> list[Any]:
    return await sql.rows("select * from tollbridge.delivery order by received_at, id")


async def counters(table: str = "invoice") -> dict[tuple[str, str], int]:
    """How often each object was poked, by account and id."""
    rows = await sql.rows(f"select account, id, poked from tollbridge.{table}")
    return {(row["account"], row["id"]): row["poked"] for row in rows}


async def cases() -> list[tuple[str, str]]:
    """Kind and subject of every open case."""
    rows = await sql.rows(
        "select kind, subject from tollbridge.review_case where state = 'open' order by opened_at, id"
    )
    return [(row["kind"], row["subject"]) for row in rows]


async def forward(by: timedelta) -> None:
    await sql.rows("update tollbridge.business_clock set offset_s = offset_s + $1", int(by.total_seconds()))


@dataclass
class ScriptedAdapter:
    """A processor whose notices mean what the test says: `script` by the notice's body."""

    capabilities: ClassVar[Capabilities] = PracticeAdapter.capabilities
    script: dict[bytes, Any] = field(default_factory=dict)
    found: LookupOutcome = field(default_factory=lambda: NotFound(conclusive=False))
    lookups: list[ChargeQuery] = field(default_factory=list)
    parsed: list[bytes] = field(default_factory=list)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        if delivery.header("scripted-signature") != "right":
            raise SignatureInvalidError("no")
        return tuple(Notice(line.decode() or None, "charge", line) for line in delivery.body.split(b"\n") if line)

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        self.parsed.append(notice.body)
        told = self.script[notice.body]
        if isinstance(told, Exception):
            raise told
        return tuple(told)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        self.lookups.append(query)
        return self.found
