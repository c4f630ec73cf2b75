"""Subscriptions that somebody names."""

from __future__ import annotations

from typing import Final

import asyncpg

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.subscriptions.errors import SubscriptionEndedError

ROW: Final = "select * from tollbridge.subscription where account = $1 and id = $2"
LONGEST_REASON: Final = 500
"""Of a change; Stripe keeps that of an end as its comment."""


async def living(account: str, subscription: str) -> asyncpg.Record:
    """Its row. Raises NotThereError, SubscriptionEndedError."""
    return _living(await sql.row(ROW, account, subscription), subscription)


async def hold_living(account: str, subscription: str) -> asyncpg.Record:
    """Its row, locked in the caller's transaction. Raises NotThereError, SubscriptionEndedError."""
    return _living(await sql.row(f"{ROW} for no key update", account, subscription), subscription)


def _living(row: asyncpg.Record | None, subscription: str) -> asyncpg.Record:
    if row is None:
        raise NotThereError("subscription", subscription)
    if row["ended_at"] is not None:
        raise SubscriptionEndedError("the subscription has ended, which is final")
    return row
