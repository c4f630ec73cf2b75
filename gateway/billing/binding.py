"""Whose an account's key is, asked of Stripe before the first thing that is done with it, once in the account's life.

Equal keys under two names are refused where they are given. Two keys of one Stripe account (a restricted one beside a
secret one, or one that was rolled) only Stripe can tell: both accounts would charge its invoices, each with constraints
and idempotency keys of its own (laws 1 and 11). The database holds one account for a Stripe account, and the second
gets no call through, so that nothing is charged for it: every charge begins with a look at Stripe.

A restricted key that may not read its account works all the same, unbound; `tollbridge doctor` tells of it.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import structlog

from db import cases, sql
from db.engine import DB
from gateway.billing.client import OWN_ACCOUNT, StripeClient
from gateway.billing.errors import (
    StripeForbiddenError,
    StripeKeyRefusedError,
    StripeNotSentError,
    StripeRefusedError,
    StripeUnknownError,
)
from gateway.billing.shapes import AccountShape
from gateway.clock import business_now
from gateway.domain.case_kinds import REPAIR, CaseKind

log = structlog.get_logger()

BOUND: Final = "select stripe_account from tollbridge.account where id = $1"
BIND: Final = "update tollbridge.account set stripe_account = $2 where id = $1 and stripe_account = ''"


async def bind(account: str, stripe: StripeClient) -> None:
    """Keep whose the key is, unless that is known by now.

    Raises StripeForbiddenError where another account here is that Stripe account's, and StripeNotSentError.
    """
    if await sql.value(BOUND, account):
        return
    try:
        found = (await stripe.get(OWN_ACCOUNT, AccountShape)).id
    except StripeKeyRefusedError:
        raise
    except (StripeForbiddenError, StripeRefusedError):
        log.info("account_not_bound", account=account)
        return
    except StripeUnknownError as error:
        # Of the call that waits for this nothing has happened.
        raise StripeNotSentError(str(error)) from error
    try:
        await sql.rows(BIND, account, found)
    except asyncpg.UniqueViolationError:
        await _refuse(account, found)


async def _refuse(account: str, found: str) -> None:
    reason = f"Stripe account {found} is that of another account here: both would charge its invoices"
    async with DB.transaction():
        kind = CaseKind.STRIPE_ACCOUNT_TWICE
        await cases.open_case(account, kind, account, reason=reason, action=REPAIR[kind], now=await business_now())
    raise StripeForbiddenError(reason)
