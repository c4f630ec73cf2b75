"""Rows to break laws with: each helper inserts one row of the least that is valid, and gives back its id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from db import sql

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


async def insert(table: str, **values: Any) -> None:
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await sql.rows(f"insert into tollbridge.{table} ({names}) values ({places})", *values.values())


def _fresh(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex[:12]}"


async def account(*, livemode: bool = False) -> str:
    made = _fresh("acc")
    await insert("account", id=made, name=made.replace("_", "-"), livemode=livemode, api_key=b"sealed", created_at=NOW)
    return made


async def connection(of: str) -> str:
    made = _fresh("con")
    await insert(
        "connection",
        id=made,
        account=of,
        name=made.replace("_", "-"),
        adapter="practice",
        credentials=b"sealed",
        created_at=NOW,
    )
    return made


async def customer(of: str) -> str:
    made = _fresh("cus")
    await insert("customer", account=of, id=made, created_at=NOW)
    return made


async def method(of: str, connection: str, customer: str, **changes: Any) -> str:
    made = _fresh("pm")
    values: dict[str, Any] = {
        "id": made,
        "account": of,
        "customer": customer,
        "connection": connection,
        "reference": b"sealed",
        "token_hash": made,
        "vault_hash": made,
        "status": "active",
        "created_at": NOW,
    }
    await insert("payment_method", **(values | changes))
    return made


async def invoice(of: str) -> str:
    made = _fresh("in")
    await insert("invoice", account=of, id=made, created_at=NOW)
    return made


class World:
    """One account with a connection, a payer and an invoice of 10.00."""

    account: str
    connection: str
    customer: str
    method: str
    invoice: str

    @classmethod
    async def make(cls) -> World:
        world = cls()
        world.account = await account()
        world.connection = await connection(world.account)
        world.customer = await customer(world.account)
        world.method = await method(world.account, world.connection, world.customer)
        world.invoice = await invoice(world.account)
        return world

    async def attempt(self, number: int = 1, state: str = "sending", **changes: Any) -> str:
        made = _fresh("att")
        resolved = state not in ("sending", "pending", "requires_action", "unknown")
        took = state in ("succeeded", "reversed")
        values: dict[str, Any] = {
            "id": made,
            "account": self.account,
            "invoice": self.invoice,
            "number": number,
            "connection": self.connection,
            "payment_method": self.method,
            "amount": 1000,
            "currency": "eur",
            "state": state,
            "reason": "first",
            "idempotency_key": uuid4(),
            "reference": f"{self.invoice}.{number}",
            "request": None if resolved else b"sealed",
            "processor_id": made if took else None,
            "amount_captured": 1000 if took else 0,
            "created_at": NOW,
            "sent_at": NOW,
            "resolved_at": NOW if resolved else None,
        }
        values |= changes
        of = "select fingerprint from tollbridge.payment_method where account = $1 and id = $2"
        values.setdefault("fingerprint", await sql.value(of, values["account"], values["payment_method"]) or "")
        values.setdefault("surplus_at", NOW if values.get("surplus") else None)
        await insert("attempt", **values)
        return made

    async def movement(self, attempt: str | None, kind: str = "capture", amount: int = 1000, **changes: Any) -> str:
        made = _fresh("mov")
        values: dict[str, Any] = {
            "id": made,
            "account": self.account,
            "connection": self.connection,
            "invoice": self.invoice,
            "attempt": attempt,
            "kind": kind,
            "processor_id": f"psp_{attempt}",
            "amount": amount,
            "currency": "eur",
            "occurred_at": NOW,
            "created_at": NOW,
        }
        await insert("movement", **(values | changes))
        return made

    async def capture(self, amount: int = 1000) -> str:
        """A succeeded attempt with its movement."""
        made = await self.attempt(state="succeeded", amount=amount, amount_captured=amount)
        await self.movement(made, amount=amount)
        return made

    async def refund(self, capture: str, amount: int, state: str = "requested", **changes: Any) -> str:
        """A refund with one part, of which it returns the id."""
        refund, made = _fresh("rfd"), _fresh("rfp")
        common: dict[str, Any] = {"account": self.account, "amount": amount, "currency": "eur", "created_at": NOW}
        whole = {"id": refund, "invoice": self.invoice, "origin": "request", "base": refund, "wants_note": True}
        await insert("refund", **common, **whole, state="requested")
        unsent = state in ("requested", "refused", "failed")
        part: dict[str, Any] = {
            "id": made,
            "refund": refund,
            "number": 1,
            "attempt": capture,
            "connection": self.connection,
            "charge_id": f"psp_{capture}",
            "state": state,
            "idempotency_key": uuid4(),
            "reference": f"{refund}.1",
            "request": None if unsent else b"bytes",
            "processor_id": f"psp_{made}" if state in ("pending", "succeeded") else None,
        }
        await insert("refund_part", **(common | part | changes))
        return made

    async def dispute(self, capture: str, state: str, amount: int = 1000) -> str:
        made = _fresh("dsp")
        values: dict[str, Any] = {
            "id": made,
            "account": self.account,
            "connection": self.connection,
            "invoice": self.invoice,
            "attempt": capture,
            "processor_id": f"psp_{made}",
            "charge_id": f"psp_{capture}",
            "state": state,
            "amount": amount,
            "currency": "eur",
            "told_at": NOW,
            "created_at": NOW,
        }
        await insert("dispute", **values)
        return made
