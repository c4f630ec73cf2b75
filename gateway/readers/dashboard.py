"""Where something stands in Stripe's own dashboard."""

from __future__ import annotations

import asyncpg

from db import sql


def dashboard(row: asyncpg.Record) -> str:
    """The dashboard of the account whose `stripe_account` and `livemode` these are."""
    account = f"/{row['stripe_account']}" if row["stripe_account"] else ""
    return f"https://dashboard.stripe.com{account}{'' if row['livemode'] else '/test'}"


async def dashboard_of(account: str) -> str:
    """The same, for an account."""
    row = await sql.row("select stripe_account, livemode from tollbridge.account where id = $1", account)
    assert row is not None, "whoever asks has found the account"
    return dashboard(row)
