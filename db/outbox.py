"""Announcements: what the merchant is told, in the transaction of the fact that it tells of.

An announcement is an event row, unique by its step (what makes it happen), numbered within its object, with one
delivery for each endpoint that wants its type. Announcing a step twice changes nothing, so whoever finds that something
should have been told may simply tell it. Sending is a worker's work; the job only wakes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from db import queue, sql
from db.engine import DB
from db.ids import new_id

ENTRYPOINT = "deliver"


class Announcement(msgspec.Struct, frozen=True):
    """One thing to tell. `data` is a struct that names the object and says little more."""

    type: str
    step: str
    data: Any


# Everything in one statement: it runs in the transaction that lets go of an invoice, and most often finds nothing to
# count. Numbers have no gaps, since only what is new is counted, and the counter's row is locked until the COMMIT.
ANNOUNCE = """
    with new as (
        select w.*, row_number() over (order by n) as place
        from unnest($4::text[], $5::text[], $6::text[], $7::text[]) with ordinality as w (id, type, step, data, n)
        where not exists (select 1 from tollbridge.outbound_event e where e.account = $1 and e.object = $3
                                                                      and e.type = w.type and e.step = w.step)
    ), counted as (
        insert into tollbridge.outbound_sequence as s (account, object, last)
        select $1, $3, count(*) from new having count(*) > 0
        on conflict (account, object) do update set last = s.last + excluded.last returning last
    ), told as (
        insert into tollbridge.outbound_event
            (id, account, type, object_kind, object, step, sequence, data, created_at)
        select new.id, $1, new.type, $2, $3, new.step, counted.last - (select count(*) from new) + new.place,
            new.data::jsonb, $8
        from new cross join counted
        returning id, type
    )
    select t.id, array(select e.id from tollbridge.webhook_endpoint e
                       where e.account = $1 and case when $9 = '' then
                           e.enabled and (e.types = '{}' or t.type = any(e.types)) else e.id = $9 end) as endpoints
    from told t
"""
HAND_OVER = """
    insert into tollbridge.event_delivery (id, account, event, endpoint, state, begun_at, due_at)
    select d.id, $1, d.event, d.endpoint, 'pending', $5, $5
    from unnest($2::text[], $3::text[], $4::text[]) as d (id, event, endpoint)
    on conflict (event, endpoint) do update set state = 'pending', tries = 0, begun_at = $5, due_at = $5,
        finished_at = null
"""


async def announce(
    account: str, kind: str, about: str, told: Sequence[Announcement], now: datetime, *, only_to: str = ""
) -> list[str]:
    """Tell these things about an object, each once; returns the ids of the events that are new.

    They go to every enabled endpoint that wants them, or to the one endpoint `only_to`. Raises TransactionMisuseError
    outside a transaction: what is told apart from its fact may be told of nothing, or not at all.
    """
    DB.current("an announcement")
    if not told:
        return []
    rows = await sql.rows(
        ANNOUNCE,
        account,
        kind,
        about,
        [new_id("evt") for _ in told],
        [one.type for one in told],
        [one.step for one in told],
        [msgspec.json.encode(one.data).decode() for one in told],
        now,
        only_to,
    )
    await hand_over(account, [(row["id"], endpoint) for row in rows for endpoint in row["endpoints"]], now)
    return [row["id"] for row in rows]


async def hand_over(account: str, pairs: Sequence[tuple[str, str]], now: datetime) -> None:
    """Have events delivered to endpoints, for the first time or again; in the caller's transaction."""
    if pairs:
        events, endpoints = [event for event, _ in pairs], [endpoint for _, endpoint in pairs]
        await sql.rows(HAND_OVER, account, [new_id("evd") for _ in pairs], events, endpoints, now)
        await wake(sorted(set(endpoints)))


async def wake(endpoints: Sequence[str]) -> None:
    """Only the jobs, one for each endpoint."""
    await queue.enqueue_many(ENTRYPOINT, [msgspec.json.encode(endpoint) for endpoint in endpoints])
