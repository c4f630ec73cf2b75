"""Access: what a customer may use, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.accounts.known import refuse_unknown
from gateway.clock import business_now
from gateway.domain.access import Access
from gateway.readers.pages import unix
from gateway.subscriptions.access import access_of

SUBSCRIPTION: Final = "select * from tollbridge.subscription where account = $1 and id = $2"
SUBSCRIPTIONS: Final = """
    select * from tollbridge.subscription where account = $1 and customer = $2 order by created_at desc, id desc
"""


class AccessBody(msgspec.Struct, frozen=True):
    """Whether a subscription gives access, and why: `reason` for programs, `description` for people.

    `invoice` is the one that decides. `closes_at`: when access will end unless that is paid, where the clock alone
    brings it. `status` is Stripe's; it opens nothing, and closes access only as `unpaid`.
    """

    subscription: str
    granted: bool
    reason: str
    description: str
    invoice: str | None
    closes_at: int | None
    customer: str | None
    status: str | None
    object: Literal["access"] = "access"


class CustomerAccess(msgspec.Struct, frozen=True):
    """The access of each subscription of a customer; `granted` where any gives it."""

    customer: str
    granted: bool
    subscriptions: list[AccessBody]
    object: Literal["customer_access"] = "customer_access"


async def find_access(account: str, customer: str) -> CustomerAccess:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    found = await _access(account, await sql.rows(SUBSCRIPTIONS, account, customer))
    return CustomerAccess(customer, any(one.granted for one in found), found)


async def find_subscription_access(account: str, subscription: str) -> AccessBody:
    """Raises NotThereError."""
    rows = await sql.rows(SUBSCRIPTION, account, subscription)
    if not rows:
        raise NotThereError("subscription", subscription)
    return (await _access(account, rows))[0]


async def _access(account: str, rows: Sequence[asyncpg.Record]) -> list[AccessBody]:
    found = await access_of(account, rows, await business_now())
    return [_shown(row, one) for row, one in zip(rows, found, strict=True)]


def _shown(row: asyncpg.Record, found: Access) -> AccessBody:
    return AccessBody(
        subscription=row["id"],
        granted=found.granted,
        reason=found.reason,
        description=found.description,
        invoice=found.invoice or None,
        closes_at=unix(found.closes_at),
        customer=row["customer"] or None,
        status=row["status"] or None,
    )
