"""Whose usage it is: a customer of this account's, named or found by the subscription."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import asyncpg

from db import sql
from gateway.domain.usage import Owner, Refusal, Refused, Reported

# What makes a customer known is what `accounts.known` says.
CUSTOMERS: Final = """
    select w.id, k.deleted_at is not null as deleted from unnest($2::text[]) as w (id)
    left join tollbridge.customer k on k.account = $1 and k.id = w.id
    where k.id is not null
       or exists (select 1 from tollbridge.subscription s where s.account = $1 and s.customer = w.id)
       or exists (select 1 from tollbridge.invoice i where i.account = $1 and i.customer = w.id)
"""
SUBSCRIPTIONS: Final = """
    select s.id, s.customer, s.ended_at, k.deleted_at is not null as deleted
    from tollbridge.subscription s left join tollbridge.customer k on k.account = s.account and k.id = s.customer
    where s.account = $1 and s.id = any($2)
"""

Owners: TypeAlias = dict[tuple[str, str], Owner | Refused]


async def find(account: str, told: Sequence[Reported]) -> Owners:
    """By what was named: customer and subscription, of which one may be empty."""
    named = {(one.customer, one.subscription) for one in told}
    customers = sorted({customer for customer, _ in named if customer})
    subscriptions = sorted({subscription for _, subscription in named if subscription})
    found = {row["id"]: row for row in await sql.rows(CUSTOMERS, account, customers)} if customers else {}
    billed = {row["id"]: row for row in await sql.rows(SUBSCRIPTIONS, account, subscriptions)} if subscriptions else {}
    return {
        (customer, subscription): _owner(customer, found.get(customer), subscription, billed.get(subscription))
        for customer, subscription in named
    }


def _owner(
    customer: str, known: asyncpg.Record | None, subscription: str, billed: asyncpg.Record | None
) -> Owner | Refused:
    if not customer and not subscription:
        return Refused(Refusal.INVALID, "customer", "is required, or a subscription")
    if customer and known is None:
        return Refused(Refusal.NOT_FOUND, "customer", f"no customer {customer!r}")
    if not subscription:
        return Owner(customer, deleted=known is not None and known["deleted"])
    if billed is None:
        return Refused(Refusal.NOT_FOUND, "subscription", f"no subscription {subscription!r}")
    whose = billed["customer"] or customer
    if not whose:
        return Refused(Refusal.CONFLICT, "subscription", "has not been read from Stripe yet: name its customer")
    if customer and customer != whose:
        return Refused(Refusal.INVALID, "customer", "the subscription is another customer's")
    return Owner(whose, billed["deleted"], subscription, billed["ended_at"])
