"""`access`: what a marketplace asks before it lets anybody in, at every request of its own.

Closed load on one gateway process: each sender asks again as soon as it is answered. The same is asked of
/health/live, which only says that the server is there; the ratio of the two is what an answer costs besides HTTP.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, Final

from gateway.readers.access import OF_CUSTOMER, OF_SUBSCRIPTION
from scripts.benches import load
from scripts.benches.ground import Ground, ground, percentile

SENDERS: Final = 8
WARM_S: Final = 1.0
SEED: Final = """
    insert into tollbridge.subscription (account, id, customer, status, products, prices, access, access_reason,
        access_invoice, access_since, access_closes_at, access_closing, access_seen_at, access_changes, stale, read_at,
        created_at)
    select $1, 'sub_' || n, 'cus_' || n / 3, 'active', array['prod_' || n % 5], array['price_' || n % 5],
        'granted', 'invoice_open', 'in_' || n, now(), now() + make_interval(hours => n % 48 - 24),
        'invoice_not_collected', now() - interval '2 days', 1, false, now(), now()
    from generate_series(1, $2) n
"""
COMMITS: Final = "select xact_commit from pg_stat_database where datname = current_database()"


def run(*, seconds: int, rounds: int, subscriptions: int) -> dict[str, Any]:
    """Alternating runs of so many seconds, over so many subscriptions."""
    with ground() as house:
        return asyncio.run(_measured(house, seconds, rounds, subscriptions))


async def _measured(house: Ground, seconds: int, rounds: int, subscriptions: int) -> dict[str, Any]:
    await house.rows(SEED, house.wired.account, subscriptions)
    await house.rows("analyze tollbridge.subscription")
    kinds = {
        "health": _asking(house, lambda n: "/health/live", subscriptions),
        "subscription": _asking(house, lambda n: f"/v1/subscriptions/sub_{n}/access", subscriptions),
        "customer": _asking(house, lambda n: f"/v1/customers/cus_{n // 3}/access?product=prod_{n % 5}", subscriptions),
    }
    results: dict[str, list[load.Result]] = {kind: [] for kind in kinds}
    commits = dict.fromkeys(kinds, 0.0)
    port = int(house.urls["gateway"].rpartition(":")[2])
    for make in kinds.values():
        await load.closed(port, SENDERS, WARM_S, make)
    for _, (kind, make) in itertools.product(range(rounds), kinds.items()):
        before = await _commits(house)
        result = await load.closed(port, SENDERS, seconds, make)
        commits[kind] += await _commits(house) - before
        results[kind].append(result)
    health = _per_s(results["health"])
    return {
        "bench": "access",
        "subscriptions": subscriptions,
        "senders": SENDERS,
        **{kind: _figures(results[kind], health, commits[kind]) for kind in kinds},
        "plans": {
            "subscription": await _plan(house, OF_SUBSCRIPTION, "sub_7"),
            "customer": await _plan(house, OF_CUSTOMER, "cus_7", "prod_1"),
        },
    }


def _figures(results: list[load.Result], health: float, commits: float) -> dict[str, Any]:
    latencies = [one for result in results for one in result.latencies]
    return {
        "per_s": round(_per_s(results), 1),
        "of_health": round(_per_s(results) / health, 3),
        "p50_ms": round(percentile(latencies, 0.5) * 1000, 2),
        "p99_ms": round(percentile(latencies, 0.99) * 1000, 2),
        "not_200": sum(count for r in results for status, count in r.statuses.items() if status != 200),
        # Whose key it is, and the answer; what else works in this database meanwhile counts too.
        "statements_each": round(commits / len(latencies), 2),
    }


def _per_s(results: list[load.Result]) -> float:
    return sum(len(result.latencies) for result in results) / sum(result.seconds for result in results)


def _asking(house: Ground, path: Callable[[int], str], subscriptions: int) -> load.Make:
    """Requests about one after the other, far apart in the table."""
    numbers = itertools.count(1)

    def make() -> bytes:
        wanted = path(next(numbers) * 7919 % subscriptions + 1)
        head = f"GET {wanted} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {house.wired.api_key}\r\n\r\n"
        return head.encode()

    return make


async def _commits(house: Ground) -> int:
    """Each statement outside a transaction is one; sessions report them within a second."""
    await asyncio.sleep(1.2)
    return int((await house.rows(COMMITS))[0][0])


async def _plan(house: Ground, statement: str, *values: str) -> list[str]:
    """Where the plan looks, by its scans."""
    lines = [row[0].strip() for row in await house.rows(f"explain {statement}", house.wired.account, *values)]
    return [line.lstrip("-> ").partition("  (")[0] for line in lines if " Scan" in line]
