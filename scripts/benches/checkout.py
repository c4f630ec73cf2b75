"""`checkout`: a hundred payers look at their checkout page, which asks for the initial invoice's amount each second.

The load is open: a request is due whether or not the last one was answered. What counts is how long the slowest wait,
and how often Stripe is asked for it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any, Final
from uuid import uuid4

import httpx

from gateway.billing.pace import operation
from scripts.benches import load
from scripts.benches.ground import Ground, ground, percentile

POLLERS: Final = 100


def run(*, seconds: int) -> dict[str, Any]:
    """Poll for so many seconds."""
    with ground() as house:
        return asyncio.run(_measured(house, seconds))


async def _measured(house: Ground, seconds: int) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        slots = asyncio.Semaphore(8)

        async def open_session() -> tuple[str, str]:
            async with slots:
                answer = await http.post(
                    f"{house.urls['gateway']}/v1/checkout_sessions",
                    json={
                        "client_reference": uuid4().hex,
                        "customer_details": {"name": "A. Payer", "address": {"country": "DE"}},
                        "items": [{"price": house.wired.price}],
                    },
                    headers={"authorization": f"Bearer {house.wired.api_key}", "idempotency-key": uuid4().hex},
                )
            answer.raise_for_status()
            session = answer.json()
            return session["id"], session["client_secret"]

        sessions = await asyncio.gather(*(open_session() for _ in range(POLLERS)))
        await asyncio.sleep(2)  # the last webhooks of what was made
        await http.delete(f"{house.urls['stripe']}/_sandbox/calls")
        turns = itertools.cycle([_request(house, *session) for session in sessions])
        port = int(house.urls["gateway"].rpartition(":")[2])
        result = await load.opened(port, POLLERS, seconds, lambda: next(turns))
        calls = (await http.get(f"{house.urls['stripe']}/_sandbox/calls")).json()["data"]
    return {
        "bench": "checkout",
        "pollers": POLLERS,
        "seconds": seconds,
        "requests": len(result.latencies),
        "answers": {str(status): count for status, count in result.statuses.items()},
        "p50_ms": round(percentile(result.latencies, 0.5) * 1000, 2),
        "p99_ms": round(percentile(result.latencies, 0.99) * 1000, 2),
        "stripe_reads_per_minute": round(len(calls) * 60 / result.seconds, 1),
        "stripe_reads": dict(Counter(operation(call["method"], call["path"]) for call in calls)),
    }


def _request(house: Ground, session: str, secret: str) -> bytes:
    head = (
        f"GET /v1/checkout_sessions/{session} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {secret or house.wired.api_key}\r\n\r\n"
    )
    return head.encode()
