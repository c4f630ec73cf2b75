"""Payment methods: stored encrypted, found by hash, revoked at the processor and erased here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from db.states import SETTLED
from gateway.accounts.audit import Author
from gateway.collect.charge import StoredMethod, method_reference, total_timeout_s
from gateway.runtime import Runtime
from processors.values import Card, PaymentMethodReference

INSERT = """
    insert into tollbridge.payment_method (id, account, customer, connection, reference, token_hash, card, status,
        position, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, 'active',
        (select coalesce(min(position), 1) - 1 from tollbridge.payment_method where account = $2 and customer = $3), $8)
    on conflict (connection, token_hash) where status <> 'revoked' do nothing
"""
LIVE = """
    select id from tollbridge.invoice where account = $1 and customer = $2 and status in ('draft', 'open') order by id
"""
AGAIN = """
    update tollbridge.payment_method p set status = 'active', stopped_reason = '',
        position = (select min(position) - 1 from tollbridge.payment_method o
                    where o.account = p.account and o.customer = p.customer)
    where account = $1 and id = $2
"""
STORED = """
    select id, account, customer from tollbridge.payment_method
    where connection = $1 and token_hash = $2 and status <> 'revoked'
"""
UNSETTLED = """
    select id from tollbridge.invoice where account = $1 and customer = $2 and not (state = any($3)) order by id
"""


class TokenOfAnotherCustomerError(Exception):
    """The processor's token is stored for another customer already."""


async def store_method(
    runtime: Runtime,
    account: str,
    customer: str,
    connection: str,
    reference: PaymentMethodReference,
    card: Card,
    now: datetime,
) -> str:
    """Store a method as the customer's first, and poke the customer's unsettled invoices; its id.

    In the caller's transaction. The same token again is the same method. Raises TokenOfAnotherCustomerError.
    """
    DB.current("storing a payment method")
    await sql.rows(
        """insert into tollbridge.customer (account, id, created_at) values ($1, $2, $3)
           on conflict (account, id) do nothing""",
        account,
        customer,
        now,
    )
    method = new_id("pmt")
    processor_customer = reference.processor_customer
    plain = StoredMethod(reference.token.reveal(), processor_customer.reveal() if processor_customer else None)
    sealed = runtime.keyring.encrypt(msgspec.json.encode(plain), table="payment_method", column="reference", row=method)
    token_hash = runtime.keyring.token_hash(connection, reference.token.reveal())
    display = msgspec.json.encode(card).decode()
    await sql.rows(INSERT, method, account, customer, connection, sealed, token_hash, display, now)
    stored = await sql.row(STORED, connection, token_hash)
    assert stored is not None, "it was inserted, or was there"
    if (stored["account"], stored["customer"]) != (account, customer):
        raise TokenOfAnotherCustomerError("this token belongs to another customer")
    if stored["id"] != method:
        # The same card again: the payer means this one, also where a decline had stopped it.
        await sql.rows(AGAIN, account, stored["id"])
    await poke.poke(Kind.INVOICE, account, await unsettled_invoices(account, customer), now)
    return str(stored["id"])


async def unsettled_invoices(account: str, customer: str) -> list[str]:
    """The customer's invoices of which something is still expected."""
    return [r["id"] for r in await sql.rows(UNSETTLED, account, customer, sorted(SETTLED))]


async def opt_out(account: str, customer: str, opted_out: bool, by: Author, now: datetime) -> None:
    """Leave a customer's invoices alone from now on, or take them up again; what was begun goes on to its end."""
    async with DB.transaction():
        before = await sql.value(
            "select opted_out from tollbridge.customer where account = $1 and id = $2", account, customer
        )
        await sql.rows(
            """insert into tollbridge.customer (account, id, opted_out, created_at) values ($1, $2, $3, $4)
               on conflict (account, id) do update set opted_out = excluded.opted_out""",
            account,
            customer,
            opted_out,
            now,
        )
        if bool(before) != opted_out:
            was, is_now = {"opted_out": bool(before)}, {"opted_out": opted_out}
            await by.note(account, "customer.updated", customer, name=customer, before=was, after=is_now)
            live = [r["id"] for r in await sql.rows(LIVE, account, customer)]
            await poke.poke(Kind.INVOICE, account, live, now)


async def is_stored(runtime: Runtime, connection: str, reference: PaymentMethodReference) -> bool:
    """Whether a processor's token is that of a stored method: a vault may give the same token for the same card."""
    token_hash = runtime.keyring.token_hash(connection, reference.token.reveal())
    return await sql.row(STORED, connection, token_hash) is not None


async def revoke_method(runtime: Runtime, account: str, method: str, now: datetime) -> None:
    """Delete a method at its processor, then erase its reference here; once more is harmless. Raises CallError."""
    row = await sql.row(
        "select connection, status from tollbridge.payment_method where account = $1 and id = $2", account, method
    )
    if row is None or row["status"] == "revoked":
        return
    adapter = await runtime.connections.adapter(account, row["connection"])
    reference = await method_reference(runtime, account, method)
    await adapter.revoke_method(reference, f"revoke:{method}")
    await mark_revoked(account, method, now)


async def mark_revoked(account: str, method: str, now: datetime) -> None:
    """Erase a reference that is gone at the processor."""
    async with DB.transaction():
        await sql.rows(
            """update tollbridge.payment_method set status = 'revoked', revoked_at = $3, reference = null
               where account = $1 and id = $2 and status <> 'revoked'""",
            account,
            method,
            now,
        )


def stripe_metadata(processor: str, method: PaymentMethodReference) -> Mapping[str, str]:
    """What Stripe's guide for third-party processors keeps at the customer (policy `token_metadata`)."""
    customer = method.processor_customer
    return {
        "third_party_processor": processor,
        "third_party_customer_id": customer.reveal() if customer else "",
        "third_party_payment_method_id": method.token.reveal(),
    }


__all__ = [
    "TokenOfAnotherCustomerError",
    "mark_revoked",
    "revoke_method",
    "store_method",
    "stripe_metadata",
    "total_timeout_s",
    "unsettled_invoices",
]
