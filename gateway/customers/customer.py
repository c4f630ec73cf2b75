"""A customer's own row: it is made as soon as we keep anything of the customer, and says who is left alone, how the
customer's invoices are collected, and who was deleted in Stripe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Collection
from gateway.accounts.audit import Author
from gateway.billing import subscriptions
from gateway.collect.unsettled import unsettled
from gateway.runtime import Runtime

KEEP: Final = """
    insert into tollbridge.customer (account, id, created_at) values ($1, $2, $3) on conflict (account, id) do nothing
"""
OPT_OUT: Final = """
    insert into tollbridge.customer (account, id, opted_out, created_at) values ($1, $2, $3, $4)
    on conflict (account, id) do update set opted_out = excluded.opted_out
"""
COLLECT: Final = """
    insert into tollbridge.customer (account, id, collection, created_at) values ($1, $2, $3, $4)
    on conflict (account, id) do update set collection = excluded.collection
"""
SUBSCRIPTIONS: Final = """
    select id from tollbridge.subscription where account = $1 and customer = $2 and ended_at is null order by id
"""
# Remembered of customers who owe us something, or whose payment methods we keep.
DELETED: Final = """
    insert into tollbridge.customer as c (account, id, created_at, deleted_at)
    select $1, i, $3, $3 from unnest($2::text[]) as i
    where exists (select 1 from tollbridge.invoice o where o.account = $1 and o.customer = i)
       or exists (select 1 from tollbridge.customer k where k.account = $1 and k.id = i)
    order by i
    on conflict (account, id) do update
        set deleted_at = coalesce(c.deleted_at, excluded.deleted_at), may_be_deleted = false
"""
METHODS: Final = """
    select id from tollbridge.payment_method where account = $1 and customer = any($2) and status <> 'revoked'
"""
# Customers are locked before subscriptions, which whoever suspects holds: one that is locked is being looked after.
SUSPECT: Final = """
    update tollbridge.customer set may_be_deleted = true where account = $1 and id in (
        select c.id from tollbridge.customer c
        where c.account = $1 and c.deleted_at is null and c.id in (
            select s.customer from tollbridge.subscription s where s.account = $1 and s.id = any($2))
        order by c.id for no key update skip locked)
"""
LIVES: Final = "update tollbridge.customer set may_be_deleted = false where account = $1 and id = $2"
LIVE: Final = """
    select id from tollbridge.invoice where account = $1 and customer = $2 and status in ('draft', 'open') order by id
"""


async def keep(account: str, customer: str, now: datetime) -> None:
    """Make the row, unless it is there; in the caller's transaction."""
    await sql.rows(KEEP, account, customer, now)


async def mark_deleted(account: str, customers: Sequence[str], now: datetime) -> None:
    """These were deleted in Stripe: their payment methods hear of it; in the caller's transaction.

    Their invoices are the caller's to poke, after the subscriptions.
    """
    await poke.poke(Kind.METHOD, account, [r["id"] for r in await sql.rows(METHODS, account, list(customers))], now)
    await sql.rows(DELETED, account, sorted(customers), now)


async def suspect(account: str, subscriptions: Sequence[str]) -> None:
    """These are gone from Stripe's list, and no event has told why: their customers may be gone with them."""
    await sql.rows(SUSPECT, account, list(subscriptions))


async def look(runtime: Runtime, account: str, customer: str, now: datetime) -> None:
    """Ask Stripe whether a customer was deleted of whom no event has told. Raises StripeError."""
    shape = await subscriptions.read_customer(await runtime.stripe(account), customer)
    async with DB.transaction():
        if shape.deleted:
            await mark_deleted(account, [customer], now)
            await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now, stale=True)
        else:
            await sql.rows(LIVES, account, customer)


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
            # What was given up counts for nothing while nobody asks for it: access may open, or close.
            own = [r["id"] for r in await sql.rows(SUBSCRIPTIONS, account, customer)]
            await poke.poke(Kind.SUBSCRIPTION, account, own, now)
            live = [r["id"] for r in await sql.rows(LIVE, account, customer)]
            await poke.poke(Kind.INVOICE, account, live, now)


async def collect_by(account: str, customer: str, how: Collection | None, by: Author, now: datetime) -> None:
    """How what the customer is sent is collected from now on; None: as the account says. A subscription that was
    switched keeps its own.

    Each open invoice follows in its own turn, once no charge of it is under way.
    """
    async with DB.transaction():
        before = await sql.value(
            "select collection from tollbridge.customer where account = $1 and id = $2", account, customer
        )
        await sql.rows(COLLECT, account, customer, how, now)
        if before != how:
            was, is_now = {"collection": before}, {"collection": how}
            await by.note(account, "customer.updated", customer, name=customer, before=was, after=is_now)
            # What the end of an agreement means for them may be something else now.
            own = [r["id"] for r in await sql.rows(SUBSCRIPTIONS, account, customer)]
            await poke.poke(Kind.SUBSCRIPTION, account, own, now)
            live = [r["id"] for r in await sql.rows(LIVE, account, customer)]
            await poke.poke(Kind.INVOICE, account, live, now, stale=True)
