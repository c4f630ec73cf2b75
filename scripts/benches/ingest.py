"""`ingest`: how fast signed webhooks are verified, deduplicated, committed and poked, before they are answered 2xx.

Two server processes over loopback, bodies of 1.5 and 8 kB. In the same run, in turns: the same web server with an
empty handler, and pgbench, which inserts rows of the same size into the same table, one for each transaction, by 16
clients. Then an open model: 1,000 arrivals a second, whose latencies count from the moment at which they were due.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import subprocess
import sys
import time
from statistics import median
from typing import Any, Final

import httpx

from gateway.cli.home import read_notes
from gateway.cli.servers import free_ports
from gateway.cli.wiring import ACCOUNT
from scripts.benches import load, pgbench
from scripts.benches.ground import Ground, ground, percentile
from scripts.benches.load import Result
from scripts.benches.processes import memory_mib

SECRET: Final = "whsec_made_up_for_the_benchmark"
SENDERS: Final = 64
ARRIVALS_PER_S: Final = 1_000
SIZES: Final = {"1.5kB": 1_536, "8kB": 8_192}
EMPTIED: Final = ("tollbridge.delivery", "tollbridge_queue.pgqueuer", "tollbridge_queue.pgqueuer_log")
READY_S: Final = 30


def run(*, seconds: int, rounds: int) -> dict[str, Any]:
    """Measure; `rounds` alternating runs of so many seconds each."""
    with ground() as house:
        return _measured(house, seconds, rounds)


def _measured(house: Ground, seconds: int, rounds: int) -> dict[str, Any]:
    _add_secret(house)
    ours, empty = free_ports(2)
    server = house.tree.start(
        "serve-two", "serve", "--workers", "2", "--port", str(ours), ready=f"http://127.0.0.1:{ours}/health/ready"
    )
    for name in ("shop", "work", "serve", "sandbox"):  # nothing else runs meanwhile
        house.tree.child(name).terminate()
        house.tree.child(name).wait()
    blank = subprocess.Popen([sys.executable, "-m", "scripts.benches.empty", str(empty)])
    try:
        _wait(empty)
        figures: dict[str, Any] = {"bench": "ingest", "seconds": seconds, "rounds": rounds, "sizes": {}}
        for name, size in SIZES.items():
            figures["sizes"][name] = asyncio.run(_one_size(house, ours, empty, size, seconds, rounds))
        figures["server_memory_mib"] = round(memory_mib(server.pid), 1)
        return figures
    finally:
        blank.terminate()
        blank.wait()


async def _one_size(house: Ground, ours: int, empty: int, size: int, seconds: int, rounds: int) -> dict[str, Any]:
    make = Requests(size)
    gateway, bare, postgres = [], [], []
    await _emptied(house)
    for _ in range(rounds):
        gateway.append(_sound(await load.closed(ours, SENDERS, seconds, make)))
        stored = (await house.rows("select count(*) from tollbridge.delivery"))[0][0]
        answered = len(gateway[-1].latencies)
        assert stored == answered, f"{answered} webhooks were answered 2xx, and {stored} are stored"
        await _emptied(house)
        bare.append(_sound(await load.closed(empty, SENDERS, seconds, make)))
        postgres.append(await pgbench.rows_per_s(house.dsn, house.wired.account, size, seconds, house.home))
        await _emptied(house)
    steady = _sound(await load.opened(ours, ARRIVALS_PER_S, seconds, make))
    await _emptied(house)
    per_s, bare_per_s = median(r.per_s for r in gateway), median(r.per_s for r in bare)
    return {
        "gateway_per_s": round(per_s),
        "empty_handler_per_s": round(bare_per_s),
        "pgbench_per_s": round(median(postgres)),
        "ratio_pgbench": round(per_s / median(postgres), 2),
        "ratio_empty_handler": round(per_s / bare_per_s, 2),
        "closed_ms": _milliseconds([x for r in gateway for x in r.latencies]),
        "open_1000_per_s_ms": _milliseconds(steady.latencies),
        "open_most_waiting": steady.most_waiting,
    }


class Requests:
    """Signed events of one size, each with an id of its own."""

    def __init__(self, size: int) -> None:
        self._made = 0
        self._run = f"{time.time_ns():x}"
        head = (
            '{"id":"%s","object":"event","api_version":"2026-08-26.dahlia","type":"invoice.updated","livemode":false,'
        )
        about = '"data":{"object":{"id":"in_%s","object":"invoice","metadata":{"filling":"%s"}}}}'
        self._body = head + about
        self._filling = "x" * (size - len(self._next("")))

    def _next(self, filling: str) -> bytes:
        self._made += 1
        number = f"{self._run}{self._made:09d}"
        return (self._body % (f"evt_{number}", number, filling)).encode()

    def __call__(self) -> bytes:
        body, now = self._next(self._filling), int(time.time())
        signature = hmac.digest(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hex()
        head = (
            f"POST /webhooks/stripe/{ACCOUNT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"stripe-signature: t={now},v1={signature}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _add_secret(house: Ground) -> None:
    answer = httpx.post(
        f"{house.urls['gateway']}/v1/accounts/{house.wired.account}/webhook_secrets",
        json={"secret": SECRET},
        headers={"authorization": f"Bearer {read_notes(house.home)['platform_key']}"},
    )
    answer.raise_for_status()


async def _emptied(house: Ground) -> None:
    for table in EMPTIED:
        await house.rows(f"truncate {table}")


def _sound(result: Result) -> Result:
    """A run in which anything was refused measures something else."""
    assert set(result.statuses) == {200}, f"answers: {dict(result.statuses)}"
    return result


def _milliseconds(latencies: list[float]) -> dict[str, float]:
    return {name: round(percentile(latencies, share) * 1000, 2) for name, share in (("p50", 0.5), ("p99", 0.99))}


def _wait(port: int) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=1)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port}")
