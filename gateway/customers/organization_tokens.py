"""Tokens for the view of one organization: what a merchant embeds in its own pages, for a customer or one subscription.

Opaque, and stored as a hash: nobody can give one again. It opens that view and nothing else, for an hour at most, by
machine time, as it guards and bills nothing. It is revoked by its end.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.ids import new_id
from gateway.accounts.errors import NotThereError
from gateway.accounts.known import refuse_unknown
from processors.values import Unprinted

PREFIX: Final = "tborg_secret_"
LONGEST_S: Final = 3600

INSERT: Final = """
    insert into tollbridge.organization_token (id, account, customer, subscription, hash, return_url, made_at,
        expires_at)
    values ($1, $2, $3, $4, $5, $6, clock_timestamp(), clock_timestamp() + $7 * interval '1 second')
    returning expires_at
"""
OPENS: Final = """
    select t.id, t.account, t.customer, t.subscription, t.return_url, t.expires_at, a.livemode, a.enabled
    from tollbridge.organization_token t join tollbridge.account a on a.id = t.account
    where t.hash = $1 and t.expires_at > clock_timestamp()
"""
OF_CUSTOMER: Final = """
    select exists (select 1 from tollbridge.subscription where account = $1 and id = $2 and customer = $3)
"""


class Made(Unprinted, frozen=True):
    """A new token, shown once."""

    id: str
    token: str
    expires_at: datetime


class Scope(msgspec.Struct, frozen=True):
    """What a token shows: a customer's, or of that one `subscription` alone."""

    account: str
    customer: str
    subscription: str = ""


async def make(scope: Scope, expires_in_s: int, return_url: str = "") -> Made:
    """Raises NotThereError for a customer of whom the account knows nothing, or a subscription that is another's."""
    account, customer, subscription = scope.account, scope.customer, scope.subscription
    await refuse_unknown(account, customer)
    if subscription and not await sql.value(OF_CUSTOMER, account, subscription, customer):
        raise NotThereError("subscription", subscription)
    made, token = new_id("ogt"), PREFIX + secrets.token_urlsafe(32)
    values = (made, account, customer, subscription, _hash(token), return_url, expires_in_s)
    return Made(made, token, await sql.value(INSERT, *values))


async def opened_by(token: str) -> asyncpg.Record | None:
    """What a token opens now; None for one that was never made, or has expired."""
    return await sql.row(OPENS, _hash(token))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
