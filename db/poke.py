"""Pokes and claims: how an object is told that something about it may have changed, and how one worker holds it.

A poke raises a counter on the object's row, in the transaction of the fact that caused it, and wakes a worker. A
worker takes the claim, reads the counter, works, and releases only `where poked = seen`: a poke that came meanwhile
makes it go round again. So no poke is lost, whatever is queued, delayed, doubled or killed. Claims are machine time:
they use the database's clock, which nobody moves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import uuid4

import msgspec

from db import queue, sql
from db.engine import DB

ENTRYPOINT = "advance"
PATIENCE = timedelta(days=1)
"""An object that is turned away for so long (429, no connection) is no better off than one whose turns fail."""
URGENT = 1
"""The priority of wake-ups that somebody waits for; a month's renewals don't hold them up."""


class Kind(StrEnum):
    """The objects that `advance` works on; the value is the table's name."""

    INVOICE = "invoice"
    SUBSCRIPTION = "subscription"
    CHECKOUT = "checkout_session"
    METHOD_SESSION = "payment_method_session"
    METHOD = "payment_method"
    REFUND = "refund"
    DISPUTE = "dispute"
    USAGE = "usage_stream"


MIRRORED = frozenset({Kind.INVOICE, Kind.SUBSCRIPTION, Kind.USAGE})
"""Kinds whose row mirrors what Stripe has: a poke of an unknown one makes a stub, and may mark it stale."""

IN_ORDER = (
    Kind.CHECKOUT,
    Kind.METHOD_SESSION,
    Kind.METHOD,
    Kind.SUBSCRIPTION,
    Kind.INVOICE,
    Kind.REFUND,
    Kind.DISPUTE,
    Kind.USAGE,
)
"""Every kind, in the order in which rows are locked (gateway/README.md)."""

WAITED_FOR = frozenset({Kind.CHECKOUT, Kind.METHOD_SESSION})
"""Kinds of which a payer waits for every step."""


class WakeUp(msgspec.Struct, frozen=True):
    """The payload of a job: look at this object again."""

    kind: Kind
    account: str
    id: str


class Claim(msgspec.Struct):
    """The right to work on one object until it runs out; `holder` is unique to this holding.

    `held_at`: machine time (monotonic) just before it was taken or last lengthened.
    """

    kind: Kind
    account: str
    id: str
    holder: str
    poked: int
    """The counter when it was taken."""
    held_at: float


class ClaimLostError(Exception):
    """The claim ran out and another worker may hold the object: store nothing but late answers."""


async def poke(
    kind: Kind, account: str, ids: Sequence[str], now: datetime, *, stale: bool = False, urgent: bool = False
) -> None:
    """Raise the counters of these objects and wake a worker for each, in the caller's transaction.

    `stale`: what Stripe shows may have changed too, so the next advance reads it. Order of rows is fixed, so that two
    pokes of the same set never wait for each other crosswise. `urgent`: a person waits, as always with a session.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return
    DB.current("a poke")
    if kind in MIRRORED:
        await sql.rows(
            f"""insert into tollbridge.{kind} as o (account, id, created_at, poked, stale)
                select $1, i, $3, 1, true from unnest($2::text[]) as i order by i
                on conflict (account, id) do update set poked = o.poked + 1, stale = o.stale or $4""",  # noqa: S608
            account,
            wanted,
            now,
            stale,
        )
        found = wanted
    else:
        found = [
            r["id"]
            for r in await sql.rows(
                f"update tollbridge.{kind} set poked = poked + 1 where account = $1 and id = any($2) returning id",  # noqa: S608
                account,
                wanted,
            )
        ]
    await wake([WakeUp(kind, account, i) for i in found], urgent=urgent or kind in WAITED_FOR)


async def wake(wake_ups: Sequence[WakeUp], *, urgent: bool = False) -> None:
    """Only the job, without raising a counter: for rows whose wake-up was lost."""
    priority = URGENT if urgent else 0
    await queue.enqueue_many(ENTRYPOINT, [msgspec.json.encode(w) for w in wake_ups], priority=priority)


async def take(wake_up: WakeUp, for_s: float) -> Claim | None:
    """The claim on an object, or None while another worker holds it, where it does not exist, or while its account is
    disabled: what such an account's objects wait for waits on, and the sweep finds it once the account is enabled."""
    holder, held_at = uuid4().hex, time.monotonic()
    taken = await sql.row(
        f"""update tollbridge.{wake_up.kind}
            set claimed_by = $3, claim_until = clock_timestamp() + make_interval(secs => $4)
            where account = $1 and id = $2 and (claimed_by is null or claim_until < clock_timestamp())
              and exists (select 1 from tollbridge.account a where a.id = $1 and a.enabled)
            returning poked""",  # noqa: S608
        wake_up.account,
        wake_up.id,
        holder,
        for_s,
    )
    if taken is None:
        return None
    return Claim(wake_up.kind, wake_up.account, wake_up.id, holder, taken["poked"], held_at)


async def hold(claim: Claim, for_s: float) -> int:
    """Lengthen a claim to `for_s` from now, and read the counter; raises ClaimLostError.

    What writes an intent holds in the same transaction, so that the row stays ours until it is committed.
    """
    held_at = time.monotonic()
    held = await sql.row(
        f"""update tollbridge.{claim.kind} set claim_until = clock_timestamp() + make_interval(secs => $4)
            where account = $1 and id = $2 and claimed_by = $3 and claim_until > clock_timestamp()
            returning poked""",  # noqa: S608
        claim.account,
        claim.id,
        claim.holder,
        for_s,
    )
    if held is None:
        raise ClaimLostError(f"{claim.kind} {claim.id}")
    claim.held_at = held_at
    return int(held["poked"])


async def release(claim: Claim, *, seen: int, due_at: datetime | None, tried: bool = True) -> bool:
    """Let go, if nothing was poked since `seen` was read; False means: go round again (or the claim is lost).

    Not `tried`: the object still rests from its last failure, which this turn says nothing against.
    """
    released = await sql.row(
        f"""update tollbridge.{claim.kind}
            set seen = $4, due_at = $5, claimed_by = null, claim_until = null,
                failures = case when $6 then 0 else failures end,
                turned_away_at = case when $6 then null else turned_away_at end
            where account = $1 and id = $2 and claimed_by = $3 and poked = $4
            returning id""",  # noqa: S608
        claim.account,
        claim.id,
        claim.holder,
        seen,
        due_at,
        tried,
    )
    return released is not None


async def give_up_turn(claim: Claim, *, now: datetime, waits_s: Sequence[float], failed: bool) -> int:
    """Let go without having finished. Returns how often in a row it has failed.

    A turn that did not fail was turned away; after a day of nothing else each of these counts as a failure too.

    The object comes again after `waits_s[n]` seconds of business time at the n-th failure in a row, the last repeating;
    at once where it was poked after this claim was taken, since what failed may be mended.
    """
    let_go = await sql.value(
        f"""update tollbridge.{claim.kind}
            set claimed_by = null, claim_until = null, seen = $7, turned_away_at = coalesce(turned_away_at, $4),
                failures = failures + case when $6 or turned_away_at < $8 then 1 else 0 end,
                due_at = $4::timestamptz + make_interval(secs => ($5::float8[])[least(failures + 1, cardinality($5))])
            where account = $1 and id = $2 and claimed_by = $3
            returning failures""",  # noqa: S608
        claim.account,
        claim.id,
        claim.holder,
        now,
        [float(w) for w in waits_s],
        failed,
        claim.poked,
        now - PATIENCE,
    )
    return int(let_go or 0)


async def try_again(account: str, now: datetime) -> None:
    """What failed, or was turned away, is due at once: what kept it may be mended. In the caller's transaction."""
    for kind in IN_ORDER:
        await sql.rows(
            f"""update tollbridge.{kind} set due_at = $2 where account = $1 and id in (
                    select id from tollbridge.{kind}
                    where account = $1 and (failures > 0 or turned_away_at is not null) and due_at > $2
                    order by id for no key update)""",  # noqa: S608
            account,
            now,
        )


async def lost_wake_ups(kinds: Sequence[Kind], now: datetime, limit: int) -> list[WakeUp]:
    """Of each kind at most `limit` objects of enabled accounts that want a worker: poked and not seen, due by business
    time, or held by a claim that ran out. One statement, since a sweep mostly finds nothing of any kind."""
    found = await sql.rows(" union all ".join(map(_lost, kinds)), now, limit)
    return [WakeUp(Kind(r["kind"]), r["account"], r["id"]) for r in found]


def _lost(kind: Kind) -> str:
    return f"""(select '{kind}' as kind, account, id from tollbridge.{kind}
        where ((claimed_by is null and (seen < poked or due_at <= $1))
           or (claimed_by is not null and claim_until < clock_timestamp()))
          and account in (select a.id from tollbridge.account a where a.enabled)
        order by due_at nulls first limit $2)"""  # noqa: S608
