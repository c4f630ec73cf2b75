"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

import os
import time
from typing import Any, Final

import msgspec
import structlog
from litestar import Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from db import sql, states
from db.engine import DB, ping
from db.errors import DATABASE_AWAY
from db.migrate import pending
from gateway.clock import business_now

log = structlog.get_logger()

AWAY: Final = (*DATABASE_AWAY, OSError, TimeoutError)
MODE: Final = "mostrecent"
DATABASE_UP: Final = Gauge("tollbridge_database_up", "1 while the database answers.", multiprocess_mode=MODE)
UNRESOLVED: Final = Gauge(
    "tollbridge_attempts_unresolved", "Attempts whose end is not known.", ["state"], multiprocess_mode=MODE
)
CASES: Final = Gauge("tollbridge_cases_open", "Cases that wait for a human.", multiprocess_mode=MODE)
UNROUTED: Final = Gauge(
    "tollbridge_deliveries_oldest_seconds", "Age of the oldest delivery not yet routed.", multiprocess_mode=MODE
)
UNSENT: Final = Gauge(
    "tollbridge_events_late_seconds",
    "How long the first of the events that are due to an enabled endpoint has been due.",
    multiprocess_mode=MODE,
)
BEAT: Final = Gauge(
    "tollbridge_worker_beat_seconds", "Time since a worker last said that it lives.", multiprocess_mode=MODE
)
CIRCUITS: Final = Gauge(
    "tollbridge_circuits_open",
    "Connections whose processor does not answer.",
    multiprocess_mode=MODE,
)
CIRCUIT_OPEN: Final = Gauge(
    "tollbridge_circuit_open_seconds", "How long the longest open circuit has been open.", multiprocess_mode=MODE
)
CATCH_UP: Final = Gauge(
    "tollbridge_catch_up_age_seconds",
    "Time since which a walk of catch-up has not come to an end, of the account that is furthest behind.",
    ["walk"],
    multiprocess_mode=MODE,
)
CATCH_UP_FAILING: Final = Gauge(
    "tollbridge_catch_up_failing", "Walks of catch-up whose last turn failed.", multiprocess_mode=MODE
)

# The states in words name the index of the unresolved ones.
UNRESOLVED_NOW: Final = f"""
    select s.state, count(a.id) from unnest($1::text[]) as s (state)
        left join tollbridge.attempt a on a.state = s.state and a.state in {sql.UNRESOLVED_STATES} group by s.state
"""  # noqa: S608 (a constant of ours)
CIRCUITS_NOW: Final = """
    select count(*), coalesce(extract(epoch from tollbridge.business_now() - min(opened_at)), 0)::float8 as open_s
    from tollbridge.circuit where opened_at is not null
"""
CATCH_UP_NOW: Final = """
    select c.walk, extract(epoch from tollbridge.business_now() - min(c.done_to))::float8 as age_s,
        count(*) filter (where c.failing_since is not null) as failing
    from tollbridge.catch_up c join tollbridge.account a on a.id = c.account where a.enabled group by c.walk
"""
CASES_NOW: Final = "select count(*) from tollbridge.review_case where state = 'open'"
# Those of a disabled account are meant to wait.
OLDEST: Final = """
    select min(d.received_at) from tollbridge.delivery d join tollbridge.account a on a.id = d.account and a.enabled
    where d.state = 'stored'
"""
FIRST_DUE: Final = """
    select min(d.due_at) from tollbridge.event_delivery d
    join tollbridge.webhook_endpoint e on e.id = d.endpoint and e.enabled where d.state = 'pending'
"""
LAST_BEAT: Final = "select extract(epoch from clock_timestamp() - max(beat_at))::float8 from tollbridge.worker"


class Ready(msgspec.Struct, frozen=True):
    """The state of what this process needs. Ages in seconds, null where there is nothing to have an age."""

    status: str
    database: str
    database_ms: float | None = None
    migrations_pending: list[str] | None = None
    oldest_unrouted_delivery_s: float | None = None
    last_worker_beat_s: float | None = None


@get("/health/live", include_in_schema=False)
async def live() -> dict[str, str]:
    """200 while the process answers at all."""
    return {"status": "live"}


@get("/health/ready", include_in_schema=False)
async def ready(state: State) -> Response[Ready]:
    """200 where requests can be served; 503 while the database is away or older than this version."""
    try:
        began = time.perf_counter()
        await ping()
        answered_ms = round((time.perf_counter() - began) * 1000, 1)
        missing = await _pending(state)
        if missing:
            report = Ready("migrations_pending", "up", answered_ms, missing)
        else:
            report = Ready("ready", "up", answered_ms, [], await _since_s(OLDEST), await sql.value(LAST_BEAT))
    except AWAY as error:
        log.warning("not_ready", error=type(error).__name__)
        report = Ready("database_unavailable", "down")
    headers = {} if report.status == "ready" else {"Retry-After": "2"}
    return Response(report, status_code=200 if report.status == "ready" else 503, headers=headers)


@get("/metrics", include_in_schema=False)
async def metrics() -> Response[bytes]:
    """Prometheus' text format. Numbers only: no ids, no names."""
    await _measure()
    registry = REGISTRY
    # With several processes behind one port each scrape must see them all, through files that they share.
    if _several():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _pending(state: State) -> list[str]:
    """Asked until there is nothing pending; after that it stays so for this process."""
    if state.get("migrated"):
        return []
    missing = await pending(DB.dsn)
    state["migrated"] = not missing
    return missing


async def _since_s(statement: str) -> float | None:
    """How long ago that is, by business time."""
    at = await sql.value(statement)
    return None if at is None else max(0.0, (await business_now() - at).total_seconds())


async def _measure() -> None:
    try:
        await ping()
        for row in await sql.rows(UNRESOLVED_NOW, sorted(states.UNRESOLVED)):
            UNRESOLVED.labels(row["state"]).set(row["count"])
        CASES.set(await sql.value(CASES_NOW))
        circuits = await sql.row(CIRCUITS_NOW)
        assert circuits is not None
        CIRCUITS.set(circuits["count"])
        CIRCUIT_OPEN.set(circuits["open_s"])
        walks = await sql.rows(CATCH_UP_NOW)
        for row in walks:
            CATCH_UP.labels(row["walk"]).set(row["age_s"])
        CATCH_UP_FAILING.set(sum(row["failing"] for row in walks))
        UNROUTED.set(await _since_s(OLDEST) or 0)
        UNSENT.set(await _since_s(FIRST_DUE) or 0)
        BEAT.set(await sql.value(LAST_BEAT) or 0)
        DATABASE_UP.set(1)
    except AWAY:
        DATABASE_UP.set(0)


def _several() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


health_routes: Final[list[Any]] = [live, ready, metrics]
