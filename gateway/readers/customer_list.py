"""The customers of an account, as a list for people: what each owes, pays with and has, page by page in the order of
their ids.

We keep no list of customers: whoever has an invoice, a subscription or anything of ours is one. Each of these tables is
walked along its index on the customer, so that a page costs the same wherever it begins. Names and mail addresses are
kept nowhere but in what Stripe said of invoices; those of the newest one are shown, and none once they are erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import asyncpg
import msgspec

from db import sql
from gateway.readers.owed import OWED, Owed, owed_in
from gateway.readers.pages import Page
from processors.values import Card, Unprinted


class Which(StrEnum):
    """Whom a list shows."""

    OWING = "owing"
    NEEDS_PAYMENT_METHOD = "needs_payment_method"
    PAUSED = "paused"
    HOSTED = "hosted"
    LEFT_ALONE = "left_alone"


OPEN: Final = "select customer as id from tollbridge.invoice where account = $1 and status = 'open' and customer > $2"
OF_CUSTOMER: Final = "select id from tollbridge.customer where account = $1 and id > $2"
BRANCHES: Final[Mapping[Which | None, tuple[str, ...]]] = {
    None: (
        OF_CUSTOMER,
        "select customer from tollbridge.subscription where account = $1 and customer > $2",
        "select customer from tollbridge.invoice where account = $1 and customer > $2",
    ),
    Which.OWING: (f"{OPEN} and amount_remaining > 0",),
    Which.NEEDS_PAYMENT_METHOD: (f"{OPEN} and state = 'needs_payment_method'",),
    Which.PAUSED: (
        """
        select p.object as id from tollbridge.collection_pause p where p.account = $1 and p.object > $2
          and (p.until_at is null or p.until_at > tollbridge.business_now())
          and not exists (select 1 from tollbridge.invoice i where i.account = p.account and i.id = p.object)
        """,
    ),
    Which.HOSTED: (f"{OF_CUSTOMER} and collection = 'hosted'",),
    Which.LEFT_ALONE: (f"{OF_CUSTOMER} and opted_out",),
}
"""Statements over account, the id after which the page begins, and how many."""
LINES: Final = f"""
    select k.id, coalesce(c.opted_out, false) as opted_out, c.deleted_at is not null as deleted,
        c.erase_asked_at is not null as erased, tollbridge.collection($1, k.id, '') = 'hosted' as hosted,
        ({OWED}) as owed, m.card, coalesce(n.methods, 0) as methods, s.living, s.ended,
        exists (select 1 from tollbridge.collection_pause p where p.account = $1 and p.object = k.id
                and (p.until_at is null or p.until_at > tollbridge.business_now())) as paused,
        (select i.snapshot from tollbridge.invoice i
         where i.account = $1 and i.customer = k.id and i.snapshot is not null
         order by i.stripe_created_at desc nulls last, i.id desc limit 1) as snapshot
    from unnest($2::text[]) as k(id)
    left join tollbridge.customer c on c.account = $1 and c.id = k.id
    left join lateral (
        select p.card from tollbridge.payment_method p join tollbridge.connection o on o.id = p.connection
        where p.account = $1 and p.customer = k.id and p.status = 'active' and o.enabled
        order by p.position, p.created_at limit 1) m on true
    left join lateral (
        select count(*) as methods from tollbridge.payment_method p
        where p.account = $1 and p.customer = k.id and p.status <> 'revoked') n on true
    left join lateral (
        select count(*) filter (where t.ended_at is null) as living, count(t.ended_at) as ended
        from tollbridge.subscription t where t.account = $1 and t.customer = k.id) s on true
    order by k.id
"""  # noqa: S608 (constants of ours)
WHOSE: Final = """
    select $2 as id where exists (select 1 from tollbridge.customer where account = $1 and id = $2)
    union select customer from tollbridge.invoice where account = $1 and id = $2
    union select customer from tollbridge.subscription where account = $1 and (id = $2 or customer = $2)
    union select customer from tollbridge.payment_method where account = $1 and id = $2
    union select i.customer from tollbridge.review_case r join tollbridge.invoice i
        on i.account = r.account and i.id = r.invoice where r.account = $1 and r.id = $2
    union (select customer from tollbridge.invoice where account = $1 and customer = $2 limit 1)
"""


class Person(Unprinted, frozen=True):
    """Who it is, as Stripe said with the newest invoice."""

    customer_name: str | None = None
    customer_email: str | None = None


class CustomerLine(Unprinted, frozen=True):
    """One customer. `card`: what is charged first, where `methods` are kept at all."""

    id: str
    person: Person
    owed: list[Owed]
    card: Card | None
    methods: int
    living: int
    ended: int
    hosted: bool
    paused: bool
    opted_out: bool
    deleted: bool
    erased: bool


async def find_customers(
    account: str, which: Which | None = None, *, limit: int, starting_after: str = ""
) -> Page[CustomerLine]:
    """A page of them."""
    branches = (f"(select distinct id from ({one}) b(id) order by id limit $3)" for one in BRANCHES[which])  # noqa: S608
    wanted = f"select id from ({' union '.join(branches)}) u order by id limit $3"  # noqa: S608 (constants of ours)
    ids = [row["id"] for row in await sql.rows(wanted, account, starting_after, limit + 1)]
    return Page(await lines(account, ids[:limit]), len(ids) > limit)


async def find_by_id(account: str, wanted: str) -> list[str]:
    """Whose this is: the id of a customer, or of an invoice, subscription, payment method or case of theirs."""
    return [row["id"] for row in await sql.rows(WHOSE, account, wanted) if row["id"]]


async def lines(account: str, customers: list[str]) -> list[CustomerLine]:
    """These, in the order of their ids, in one statement."""
    return [_line(row) for row in await sql.rows(LINES, account, customers)] if customers else []


def _line(row: asyncpg.Record) -> CustomerLine:
    given: dict[str, Any] = {name: row[name] for name in ("id", "methods", "living", "ended", "hosted", "paused")}
    given |= {name: row[name] for name in ("opted_out", "deleted", "erased")}
    card = msgspec.json.decode(row["card"], type=Card) if row["card"] is not None else None
    return CustomerLine(person=person_in(row["snapshot"]), owed=owed_in(row["owed"]), card=card, **given)


def person_in(snapshot: bytes | None) -> Person:
    """Who an invoice's stored answer names; nobody once that was erased."""
    return msgspec.json.decode(snapshot, type=Person) if snapshot else Person()
