"""What waits for a worker, and for how long; and whether any worker lives."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db import sql
from db.poke import Kind
from gateway.addresses import host_of
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, ago, notice, ok, wrong
from gateway.domain.doctor_house import REPLAY, Waiting, judge_beat, judge_waiting
from gateway.reconcile import cursor as cursors
from gateway.reconcile.walks import EVERY

BEHIND: Final = 4
"""A walk that has not come to its end for so many of its turns is behind."""
OFTEN: Final = 3
"""A delivery that failed as often is no accident."""

WANTING: Final = " union all ".join(
    f"""
    select '{kind}' as kind, count(*) as wanting,
        (select min(due_at) from tollbridge.{kind} where account = $1 and due_at is not null
            and (claimed_by is null or claim_until < clock_timestamp())) as due
    from tollbridge.{kind} where account = $1 and seen < poked
    """  # noqa: S608 (the kinds are a constant of ours)
    for kind in Kind
)
STORED: Final = """
    select count(*) as n, min(coalesce(try_at, received_at)) as first
    from tollbridge.delivery where account = $1 and state = 'stored'
"""
RETRIED: Final = """
    select count(*) as n, min(received_at) as first, min(id) as id, min(reason) as reason
    from tollbridge.delivery where account = $1 and state = 'stored' and tries >= $2
"""
UNTOLD: Final = """
    select count(*) as n, min(d.due_at) as first from tollbridge.event_delivery d
    join tollbridge.webhook_endpoint e on e.id = d.endpoint and e.enabled
        and (e.rests_until is null or e.rests_until <= tollbridge.business_now())
    where d.account = $1 and d.state = 'pending'
"""
FAILING: Final = """
    select id, url, description, failing_since, enabled from tollbridge.webhook_endpoint
    where account = $1 and (failing_since is not null or not enabled) order by created_at
"""
LAST_BEAT: Final = "select extract(epoch from clock_timestamp() - max(beat_at))::float8 from tollbridge.worker"


async def look(patient: Patient) -> list[Finding]:
    return [
        *[judge_waiting(one) for one in await _waiting(patient)],
        judge_waiting(await _first(patient, "inbox", STORED, REPLAY)),
        judge_waiting(await _first(patient, "outbound", UNTOLD, "see `tollbridge webhooks list`")),
        *await _retried(patient),
        *await _endpoints(patient),
        *await _walks(patient),
    ]


async def look_at_workers(patient: Patient) -> list[Finding]:
    del patient  # workers are of no account
    return [judge_beat(await sql.value(LAST_BEAT))]


async def _waiting(patient: Patient) -> list[Waiting]:
    """A poke has no time, so that what was poked alone is only counted: a worker that lives takes it within seconds."""
    rows = await sql.rows(WANTING, patient.id)
    return [Waiting(row["kind"], row["wanting"], _since(patient, row["due"])) for row in rows]


async def _first(patient: Patient, name: str, statement: str, what_to_do: str) -> Waiting:
    row = await sql.row(statement, patient.id)
    assert row is not None
    return Waiting(name, row["n"], _since(patient, row["first"]), what_to_do)


def _since(patient: Patient, at: datetime | None) -> timedelta | None:
    return None if at is None or at > patient.now else patient.waited(at)


async def _retried(patient: Patient) -> list[Finding]:
    """Deliveries that could not be routed again and again, and wait longer each time."""
    row = await sql.row(RETRIED, patient.id, OFTEN)
    assert row is not None
    if not row["n"]:
        return []
    what = f"{row['n']} deliveries can't be routed, the oldest for {ago(patient.now - row['first'])}: {row['reason']}"
    why = "each is tried again, later each time, and parked with a case in the end"
    return [notice("queue.inbox.retried", what, why, "tollbridge inbox list", concerns=row["id"])]


async def _endpoints(patient: Patient) -> list[Finding]:
    """The merchant's own endpoints that do not take what they are told."""
    told = []
    for row in await sql.rows(FAILING, patient.id):
        since = "" if row["failing_since"] is None else f" for {ago(patient.now - row['failing_since'])}"
        # Whoever reads this may not see where events go.
        place = row["description"] or host_of(row["url"])
        what = f"the endpoint {place} " + (f"fails{since}" if row["enabled"] else "is disabled")
        why = "the merchant is not told there of what happens"
        told.append(
            notice("endpoint", what, why, "mend it, then `tollbridge webhooks update --enable`", concerns=row["id"])
        )
    return told or [ok("endpoint", "no endpoint of the merchant's fails")]


async def _walks(patient: Patient) -> list[Finding]:
    """Catch-up, which brings what webhooks did not."""
    told = []
    for one in await cursors.standing(patient.id):
        late = patient.waited(one.done_to)
        name = f"{one.walk.value} {one.connection_name}".strip()
        if one.failing_since is not None:
            what = f"the walk {name} has failed for {ago(patient.now - one.failing_since)}: {one.error}"
            told.append(wrong("catch_up", what, "what webhooks lost is not seen", "tollbridge catch-up", concerns=name))
        elif late > EVERY[one.walk] * BEHIND:
            what = f"the walk {name} is {ago(late)} behind"
            told.append(
                notice("catch_up", what, "what webhooks lost is seen late", "tollbridge catch-up", concerns=name)
            )
    return told or [ok("catch_up", "every walk of catch-up has come to its end in time")]
