"""Payment methods that their payer has ended: what happens to each subscription, told to the merchant once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import outbox, poke, sql
from db.engine import DB
from db.outbox import Announcement
from db.poke import Claim
from db.states import CancellationState, Ends
from gateway.domain.agreement import Concerned, Fate, fates
from gateway.domain.news_types import Affected, NewsType, RevokedNews
from gateway.domain.policy import Policy

STEP: Final = "revoked {}"
# What the end of the method had us ask for is the first wish since; of whatever was asked for before, the mirror tells.
CONCERNED: Final = """
    select s.id, s.ended_at is not null as ended, s.cancel_at_period_end or s.cancel_at is not null as ending,
        c.ends as wish, c.state as told, exists (
            select 1 from tollbridge.payment_method p
            where p.account = s.account and p.customer = s.customer and p.status = 'active'
              and tollbridge.serves(p.account, p.id, s.id)) as method_left, exists (
            select 1 from tollbridge.cancellation o
            where o.account = s.account and o.subscription = s.id and o.created_at >= $3) as answered
    from tollbridge.subscription s left join lateral (
        select c.ends, c.state from tollbridge.cancellation c
        where c.account = s.account and c.subscription = s.id and c.origin = 'agreement' and c.ends <> 'never'
          and c.created_at >= $3
        order by c.created_at, c.id limit 1
    ) c on true
    where s.account = $1 and s.customer = $2 and s.collection_method = 'send_invoice'
      and tollbridge.collection(s.account, s.customer, s.id) = 'processor'
      and (s.ended_at is null or c.ends is not null)
      -- It may have been given for others alone.
      and tollbridge.serves(s.account, $4, s.id)
    order by s.id
"""
OPTED_OUT: Final = "select opted_out from tollbridge.customer where account = $1 and id = $2"
ANSWERED: Final = """
    update tollbridge.payment_method set end_answered = true where account = $1 and id = $2 and not end_answered
    returning id
"""


async def fates_of(method: asyncpg.Record) -> dict[str, Fate] | None:
    """What happens to each subscription that we collect and that it was for; None while one has yet to decide."""
    account, customer, since = method["account"], method["customer"], method["revoked_at"]
    if await sql.value(OPTED_OUT, account, customer):
        return {}
    policy = msgspec.json.decode(method["policies"], type=Policy)
    concerned = [_concerned(row) for row in await sql.rows(CONCERNED, account, customer, since, method["id"])]
    return fates(concerned, policy)


async def answer(claim: Claim, method: asyncpg.Record, fated: Mapping[str, Fate], hold_s: float, now: datetime) -> None:
    """Tell it, unless every subscription was set to end anyway, and be done with it."""
    connection = await sql.value("select name from tollbridge.connection where id = $1", method["connection"])
    told = []
    if any(fate is not Fate.ENDING_ALREADY for fate in fated.values()):
        data = RevokedNews(
            id=claim.id,
            customer=method["customer"],
            connection=connection,
            subscriptions=[Affected(subscription, fate) for subscription, fate in fated.items()],
        )
        # One that was reinstated may be ended once more.
        step = STEP.format(int(method["revoked_at"].timestamp()))
        told = [Announcement(NewsType.METHOD_REVOKED, step, data)]
    async with DB.transaction():
        await poke.hold(claim, hold_s)
        if await sql.row(ANSWERED, claim.account, claim.id) is not None:
            await outbox.announce(claim.account, "payment_method", claim.id, told, now)


def _concerned(row: asyncpg.Record) -> Concerned:
    wish, told = row["wish"], row["told"]
    state = told and CancellationState(told)
    return Concerned(
        row["id"], row["ended"], row["ending"], wish and Ends(wish), state, row["answered"], row["method_left"]
    )
