"""A death at a boundary that a scenario names: "before POST /v1/charges", "after COMMIT".

Only the worker that the scenario drives dies of it (`tests/support/process.py` says how); the world then has a new one.
Which boundaries there are at all, and what follows from a death at each, is swept by `tests/crash/sweep.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx

from db import sql
from tests.support import points
from tests.support.points import Point
from tests.support.process import CURRENT

T = TypeVar("T")

Boundary = str
"""What is about to happen or has just happened."""


class _Deaths:
    """Asks the test at every boundary; where it says so, the process dies there."""

    counts = False

    def __init__(self, at: Callable[[Boundary], bool]) -> None:
        self._at = at

    async def cross(self, point: Point, effect: Callable[[], Awaitable[T]], lose: Callable[[], Exception]) -> T:
        process = CURRENT.get()
        assert process is not None
        if self._at(f"before {point.what}"):
            await process.die()
        result = await effect()
        if self._at(f"after {point.what}"):
            await process.die()
        return result


@contextmanager
def boundaries(at: Callable[[Boundary], bool]) -> Iterator[None]:
    """Call `at` at every boundary of the worker's; where it says so, the worker dies there."""
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def crossing(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        noted = points.journal()
        if noted is None:
            return await send(self, request)
        point = Point("worker", f"{request.method} {request.url.path}")
        return await noted.cross(point, lambda: send(self, request), lambda: httpx.ReadError("lost"))

    httpx.AsyncHTTPTransport.handle_async_request = crossing  # type: ignore[method-assign]
    points.open_journal(_Deaths(at))
    try:
        yield
    finally:
        points.open_journal(None)
        httpx.AsyncHTTPTransport.handle_async_request = send  # type: ignore[method-assign]


def once(boundary: Boundary) -> Callable[[Boundary], bool]:
    """Die at the first of these."""
    left = [boundary]

    def at(crossed: Boundary) -> bool:
        if left and crossed == left[0]:
            left.clear()
            return True
        return False

    return at


def then(boundary: Boundary, act: Callable[[], object]) -> Callable[[Boundary], bool]:
    """Something happens at the first of these; nobody dies."""
    left = [boundary]

    def at(crossed: Boundary) -> bool:
        if left and crossed == left[0]:
            left.clear()
            act()
        return False

    return at


async def let_claims_run_out() -> None:
    """What two minutes do to the claims of a process that is gone; machine time can't be moved."""
    for table in (
        "invoice",
        "subscription",
        "checkout_session",
        "payment_method_session",
        "payment_method",
        "refund",
        "dispute",
        "usage_stream",
        "webhook_endpoint",
    ):
        await sql.rows(
            f"update tollbridge.{table} set claim_until = clock_timestamp() - interval '1 second' "
            "where claimed_by is not null"
        )
