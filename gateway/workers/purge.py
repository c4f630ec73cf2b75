"""What is not kept for ever (README, "Running it"): raw deliveries and what the merchant was told 35 days, replies 24
hours, usage that has come through 180 days, the queue's log 7 days; also pauses that are over, tokens and sessions
that have expired, workers that no longer live, and after a day how often a door turned deliveries away.

What may be much goes in small batches, each a transaction of its own, so that nothing waits for it; twice at the same
time does no harm.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db import sql
from db.engine import DB
from db.queue import purge_log
from gateway.runtime import Runtime
from gateway.users import sessions, throttle

DELIVERIES_FOR: Final = timedelta(days=35)
EVENTS_FOR: Final = timedelta(days=35)
"""Longer than anything is news (`domain/news.py`): what was told must be known for as long as it could be told."""
REPLIES_FOR: Final = timedelta(hours=24)
USAGE_FOR: Final = timedelta(days=180)
"""Usage that has ended: what it is dated may lie 35 days back, it is billed within its period, and a payer may dispute
that for 120 days (the card schemes' usual time). Stripe knows an identifier for a day, we know it as long as this."""
QUEUE_LOG_FOR: Final = timedelta(days=7)
WORKERS_FOR: Final = timedelta(days=35)
REFUSED_FOR: Final = timedelta(days=1)
BATCH: Final = 5_000
BATCHES: Final = 1_000

# Account by account and the oldest first, as the API's lists are indexed: nothing ends before it came. A parked one is
# evidence for as long as its case is open.
DELIVERIES = """
    with old as (
        delete from tollbridge.delivery where id = any (array(
            select o.id from tollbridge.account a cross join lateral (
                select d.id from tollbridge.delivery d
                where d.account = a.id and d.received_at < $1 and d.state <> 'stored' and d.finished_at < $1
                  and not exists (select 1 from tollbridge.review_case r
                                  where r.account = d.account and r.subject = d.id and r.state = 'open')
                order by d.received_at limit $2) o
            limit $2)) returning 1)
    select count(*) from old
"""
TOLD = """
    with old as (
        delete from tollbridge.event_delivery where id = any (array(
            select o.id from tollbridge.account a cross join lateral (
                select d.id from tollbridge.outbound_event e join tollbridge.event_delivery d on d.event = e.id
                where e.account = a.id and e.created_at < $1
                order by e.created_at limit $2) o
            limit $2)) returning 1)
    select count(*) from old
"""
EVENTS = """
    with old as (
        delete from tollbridge.outbound_event where id = any (array(
            select o.id from tollbridge.account a cross join lateral (
                select e.id from tollbridge.outbound_event e
                where e.account = a.id and e.created_at < $1
                  and not exists (select 1 from tollbridge.event_delivery d where d.event = e.id)
                order by e.created_at limit $2) o
            limit $2)) returning 1)
    select count(*) from old
"""
REPLIES = """
    with old as (
        delete from tollbridge.idempotent_reply where (account, principal, key) in (
            select account, principal, key from tollbridge.idempotent_reply where created_at < $1 limit $2) returning 1)
    select count(*) from old
"""
USAGE = """
    with old as (
        delete from tollbridge.usage_event where id = any (array(
            select o.id from tollbridge.account a cross join lateral (
                select u.id from tollbridge.usage_event u
                where u.account = a.id and u.created_at < $1 and u.resolved_at < $1
                order by u.created_at limit $2) o
            limit $2)) returning 1)
    select count(*) from old
"""
PAUSES = """
    with old as (delete from tollbridge.collection_pause where until_at < $1 returning 1) select count(*) from old
"""
TOKENS = """
    with old as (delete from tollbridge.organization_token
                 where expires_at < clock_timestamp() - interval '1 day' returning 1)
    select count(*) from old
"""
REFUSED = """
    with old as (delete from tollbridge.refused_delivery where minute < clock_timestamp() - $1::interval returning 1)
    select count(*) from old
"""
WORKERS = """
    with old as (delete from tollbridge.worker where beat_at < clock_timestamp() - $1::interval returning 1)
    select count(*) from old
"""


async def purge(runtime: Runtime, now: datetime) -> int:
    """Delete what is too old at `now`, business time (the queue's log: the database's); returns rows deleted."""
    del runtime  # every timer is called alike
    DB.assert_no_transaction("purging")
    gone = await _batches(DELIVERIES, now - DELIVERIES_FOR)
    gone += await _batches(TOLD, now - EVENTS_FOR)
    gone += await _batches(EVENTS, now - EVENTS_FOR)
    gone += await _batches(REPLIES, now - REPLIES_FOR)
    gone += await _batches(USAGE, now - USAGE_FOR)
    gone += int(await sql.value(WORKERS, WORKERS_FOR))
    gone += int(await sql.value(REFUSED, REFUSED_FOR))
    gone += int(await sql.value(PAUSES, now))
    gone += int(await sql.value(TOKENS))
    gone += await sessions.purge() + await throttle.purge()
    return gone + await purge_log(QUEUE_LOG_FOR)


async def _batches(statement: str, before: datetime) -> int:
    total = 0
    for _ in range(BATCHES):
        gone = int(await sql.value(statement, before, BATCH))
        total += gone
        if gone < BATCH:
            break
    return total
