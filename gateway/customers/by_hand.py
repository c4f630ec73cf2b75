"""What servers and staff do with stored payment methods: order them, revoke one, take over one that exists already."""

from __future__ import annotations

from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NameTakenError, NotThereError
from gateway.accounts.named import connection_named
from gateway.clock import business_now
from gateway.customers import vault
from gateway.customers.methods import TokenOfAnotherCustomerError, store_method, want_revoked
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from processors.values import Card, MethodState, PaymentMethodReference

OF_CUSTOMER: Final = """
    select id, status from tollbridge.payment_method where account = $1 and customer = $2 and status <> 'revoked'
    order by position, created_at, id for no key update
"""
REORDER: Final = """
    update tollbridge.payment_method p set position = o.place
    from unnest($2::text[]) with ordinality as o (id, place) where p.account = $1 and p.id = o.id
"""
METHOD: Final = """
    select id, status, position, revoke_asked_at from tollbridge.payment_method
    where account = $1 and customer = $2 and id = $3 for no key update
"""
CARD_DIGITS: Final = range(13, 20)
"""How many digits a card's number has (ISO/IEC 7812)."""


async def put_in_place(by: Author, account: str, customer: str, method: str, place: int) -> None:
    """Move a method to a place in the order in which they are charged, 1 being the first; raises NotThereError.

    A place behind the last is the last.
    """
    now = await business_now()
    async with DB.transaction():
        before = [row["id"] for row in await sql.rows(OF_CUSTOMER, account, customer)]
        if method not in before:
            raise NotThereError("payment method", method)
        after = [one for one in before if one != method]
        after.insert(place - 1, method)
        await sql.rows(REORDER, account, after)
        if before == after:
            return
        shown = {"position": before.index(method) + 1}, {"position": after.index(method) + 1}
        await by.note(account, "payment_method.moved", method, name=customer, before=shown[0], after=shown[1])
        await sql.rows(
            "update tollbridge.payment_method set told_stripe = false where account = $1 and id = $2", account, method
        )
        await poke.poke(Kind.METHOD, account, [method], now)


async def revoke(by: Author, account: str, customer: str, method: str) -> None:
    """Charge nothing to a method any more, and have it deleted at its processor; raises NotThereError.

    Once more changes nothing.
    """
    now = await business_now()
    async with DB.transaction():
        row = await _locked(account, customer, method)
        if row["status"] == "revoked" or row["revoke_asked_at"] is not None:
            return
        await want_revoked(account, method, now)
        before, after = {"status": row["status"]}, {"status": "revoked"}
        await by.note(account, "payment_method.revoked", method, name=customer, before=before, after=after)


async def take_over(
    runtime: Runtime,
    by: Author,
    account: str,
    customer: str,
    connection: str,
    reference: PaymentMethodReference,
    card: Card,
) -> str:
    """Store a token that a server holds already, as the customer's first method, if its processor says that it is good.

    Returns its id. Raises FieldError, NotThereError, CallError, and NotYetError while it is being deleted. The token
    goes nowhere but into its column.
    """
    if _is_card_number(reference.token.reveal()):
        raise FieldError("token", "is a card's number; only the processor's token for it may come here")
    found = await connection_named(account, connection)
    if found is None:
        raise FieldError("connection", "there is no such connection")
    adapter = await runtime.connections.adapter(account, found)
    token = await vault.vault_hash(runtime, found, reference)
    deletions = await vault.deletions(token)
    state = await within(adapter.method_state(reference), total_timeout_s(runtime, adapter))
    if state in (MethodState.REVOKED, MethodState.EXPIRED):
        raise FieldError("token", f"the processor says that this payment method is {state}")
    now = await business_now()
    try:
        async with DB.transaction():
            await vault.take_unless_deleted_since(token, deletions)
            stored = await store_method(runtime, account, customer, found, reference, card, now, tell=True)
            # The log is for ever, and a card's number is somebody's.
            after = {"connection": connection}
            await by.note(account, "payment_method.imported", stored, name=customer, after=after)
    except TokenOfAnotherCustomerError as error:
        raise NameTakenError("token", str(error)) from error
    return stored


async def customer_of(account: str, method: str) -> str:
    """Whose method it is; raises NotThereError."""
    found = await sql.value(
        "select customer from tollbridge.payment_method where account = $1 and id = $2", account, method
    )
    if found is None:
        raise NotThereError("payment method", method)
    return str(found)


async def _locked(account: str, customer: str, method: str) -> asyncpg.Record:
    row = await sql.row(METHOD, account, customer, method)
    if row is None:
        raise NotThereError("payment method", method)
    return row


def _is_card_number(token: str) -> bool:
    """Whether it has a card number's length and check digit (ISO/IEC 7812, Luhn)."""
    digits = token.replace(" ", "").replace("-", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) not in CARD_DIGITS:
        return False
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0
