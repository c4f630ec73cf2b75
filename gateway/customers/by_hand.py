"""What servers and staff do with stored payment methods: order them, and revoke one."""

from __future__ import annotations

from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.clock import business_now
from gateway.customers.methods import move, want_revoked

METHOD: Final = """
    select id, status, position, revoke_asked_at from tollbridge.payment_method
    where account = $1 and customer = $2 and id = $3 for no key update
"""


async def put_in_place(by: Author, account: str, customer: str, method: str, place: int) -> None:
    """Move a method to a place in the order in which they are charged, 1 being the first; raises NotThereError.

    A place behind the last is the last.
    """
    now = await business_now()
    async with DB.transaction():
        before, after = await move(account, customer, method, place)
        if before == after:
            return
        shown = {"position": before}, {"position": after}
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
