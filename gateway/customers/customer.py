"""A customer's own row: it is made as soon as we keep anything of the customer, and says who is left alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.accounts.audit import Author

KEEP: Final = """
    insert into tollbridge.customer (account, id, created_at) values ($1, $2, $3) on conflict (account, id) do nothing
"""
OPT_OUT: Final = """
    insert into tollbridge.customer (account, id, opted_out, created_at) values ($1, $2, $3, $4)
    on conflict (account, id) do update set opted_out = excluded.opted_out
"""
LIVE: Final = """
    select id from tollbridge.invoice where account = $1 and customer = $2 and status in ('draft', 'open') order by id
"""


async def keep(account: str, customer: str, now: datetime) -> None:
    """Make the row, unless it is there; in the caller's transaction."""
    await sql.rows(KEEP, account, customer, now)


async def opt_out(account: str, customer: str, opted_out: bool, by: Author, now: datetime) -> None:
    """Leave a customer's invoices alone from now on, or take them up again; what was begun goes on to its end."""
    async with DB.transaction():
        before = await sql.value(
            "select opted_out from tollbridge.customer where account = $1 and id = $2", account, customer
        )
        await sql.rows(OPT_OUT, account, customer, opted_out, now)
        if bool(before) != opted_out:
            was, is_now = {"opted_out": bool(before)}, {"opted_out": opted_out}
            await by.note(account, "customer.updated", customer, name=customer, before=was, after=is_now)
            live = [r["id"] for r in await sql.rows(LIVE, account, customer)]
            await poke.poke(Kind.INVOICE, account, live, now)
