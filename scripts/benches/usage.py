"""`usage`: how fast reported usage is checked, made unique, committed and poked, before it is accepted.

Two server processes over loopback, events alone and in batches of a hundred, by 16 callers, each under an idempotency
key. After each, pgbench inserts as many rows into the same table in each transaction, by 16 clients.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import msgspec

from gateway.cli.servers import free_ports
from scripts.benches import load, pgbench
from scripts.benches.ground import Ground, ground, percentile

CALLERS: Final = 16
BATCHES: Final = (1, 100)
EMPTIED: Final = (
    "tollbridge.usage_event",
    "tollbridge.idempotent_reply",
    "tollbridge_queue.pgqueuer",
    "tollbridge_queue.pgqueuer_log",
)
KNOWN: Final = (
    "insert into tollbridge.customer (account, id, created_at) values ($1, 'cus_bench', now())",
    "insert into tollbridge.meter (account, id, event_name, active, formula, customer_key, value_key) "
    "values ($1, 'mtr_bench', 'calls', true, 'sum', 'stripe_customer_id', 'value')",
    "insert into tollbridge.usage_stream (account, id, stale, read_at, created_at) "
    "values ($1, $1, false, now(), now())",
)
SCRIPT: Final = r"""
\set n random(1, 9000000000000000000)
insert into tollbridge.usage_event (id, account, identifier, customer, event_name, value, used_at, state, created_at)
select 'use_' || :client_id || '_' || :n || '_' || i, '{account}', 'u' || :client_id || '_' || :n || '_' || i,
    'cus_bench', 'calls', '250', now(), 'accepted', now() from generate_series(1, {rows}) as i;
"""


def run(*, seconds: int) -> dict[str, Any]:
    """Measure; each run takes so many seconds."""
    with ground() as house:
        [port] = free_ports(1)
        house.tree.start(
            "serve-two", "serve", "--workers", "2", "--port", str(port), ready=f"http://127.0.0.1:{port}/health/ready"
        )
        for name in ("shop", "work", "serve", "sandbox"):  # nothing else runs meanwhile
            house.tree.child(name).terminate()
            house.tree.child(name).wait()
        figures = asyncio.run(_measured(house, port, seconds))
        return {"bench": "usage", "seconds": seconds, "batches": figures}


async def _measured(house: Ground, port: int, seconds: int) -> dict[str, Any]:
    for statement in KNOWN:
        await house.rows(statement, house.wired.account)
    return {str(size): await _one_size(house, port, size, seconds) for size in BATCHES}


async def _one_size(house: Ground, port: int, size: int, seconds: int) -> dict[str, Any]:
    await _emptied(house)
    result = await load.closed(port, CALLERS, seconds, Requests(house.wired.api_key, size))
    assert set(result.statuses) == {200}, f"answers: {dict(result.statuses)}"
    stored, answered = (await house.rows("select count(*) from tollbridge.usage_event"))[0][0], len(result.latencies)
    assert stored == answered * size, f"{answered * size} events were accepted, and {stored} are stored"
    await _emptied(house)
    script = SCRIPT.format(account=house.wired.account, rows=size)
    bare = await pgbench.per_s(house.dsn, script, seconds, house.home) * size
    await _emptied(house)
    events = result.per_s * size
    return {
        "events_per_s": round(events),
        "pgbench_rows_per_s": round(bare),
        "ratio_pgbench": round(events / bare, 2),
        "ms": {name: round(percentile(result.latencies, p) * 1000, 2) for name, p in (("p50", 0.5), ("p99", 0.99))},
    }


class Requests:
    """Reports of so many events, each under an identifier of its own."""

    def __init__(self, api_key: str, size: int) -> None:
        self._key, self._size = api_key, size
        self._made = 0
        self._run = f"{time.time_ns():x}"

    def __call__(self) -> bytes:
        self._made += 1
        name = f"{self._run}-{self._made}"
        event = {"event_name": "calls", "customer": "cus_bench", "value": 250}
        body = msgspec.json.encode({"events": [{"identifier": f"{name}-{n}", **event} for n in range(self._size)]})
        head = (
            "POST /v1/usage HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self._key}\r\nidempotency-key: {name}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def _emptied(house: Ground) -> None:
    for table in EMPTIED:
        await house.rows(f"truncate {table}")
