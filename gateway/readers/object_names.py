"""What people call customers, subscriptions and invoices, by their ids: those of a whole page at once.

Names stand in what Stripe said of invoices, and in the newest one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from db import sql
from gateway.billing.invoice_detail import LinesShape
from gateway.domain.line_words import plan_in
from gateway.readers.customer_list import person_in
from gateway.readers.invoice_names import numbers_of
from processors.values import Unprinted

NEWEST: Final = """
    (select i.snapshot from tollbridge.invoice i
     where i.account = $1 and i.{0} = k.id and i.snapshot is not null
     order by i.stripe_created_at desc nulls last, i.id desc limit 1) as snapshot
"""
CUSTOMERS: Final = f"select k.id, {NEWEST.format('customer')} from unnest($2::text[]) k(id)"  # noqa: S608 (a constant of ours)
SUBSCRIPTIONS: Final = f"select k.id, {NEWEST.format('subscription')} from unnest($2::text[]) k(id)"  # noqa: S608 (a constant of ours)


class SubscriptionName(Unprinted, frozen=True):
    """Whose it is and what it sells, as far as that is known; both may be empty."""

    customer: str
    plan: str

    @property
    def whole(self) -> str:
        return ": ".join(part for part in (self.customer, self.plan) if part)


class _Billed(msgspec.Struct, frozen=True):
    lines: LinesShape = LinesShape()


async def customer_names(account: str, customers: Iterable[str | None]) -> Mapping[str, str]:
    """Of those who have one."""
    wanted = sorted({one for one in customers if one})
    rows = await sql.rows(CUSTOMERS, account, wanted) if wanted else []
    found = {row["id"]: person_in(row["snapshot"]).customer_name for row in rows}
    return {customer: name for customer, name in found.items() if name}


async def subscription_names(account: str, subscriptions: Iterable[str | None]) -> Mapping[str, SubscriptionName]:
    """Of those that an invoice was read of."""
    wanted = sorted({one for one in subscriptions if one})
    rows = await sql.rows(SUBSCRIPTIONS, account, wanted) if wanted else []
    return {row["id"]: _subscription(row["snapshot"]) for row in rows if row["snapshot"] is not None}


async def object_names(account: str, ids: Iterable[str | None]) -> Mapping[str, str]:
    """What these are called, of whatever kinds; what has no name stands not in it."""
    every = {one for one in ids if one}

    def of(beginning: str) -> list[str]:
        return [one for one in every if one.startswith(beginning)]

    sold = await subscription_names(account, of("sub_"))
    found = {**await numbers_of(account, of("in_")), **await customer_names(account, of("cus_"))}
    return found | {one: name.whole for one, name in sold.items() if name.whole}


def _subscription(snapshot: bytes) -> SubscriptionName:
    lines = msgspec.json.decode(snapshot, type=_Billed).lines.data
    return SubscriptionName(person_in(snapshot).customer_name or "", plan_in(one.description for one in lines))
