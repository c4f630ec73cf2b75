"""Dying like a process: at a chosen boundary the coroutine is abandoned, and no handler of it may run.

`Killed` is no Exception, so no `except Exception` sees it. Boundaries are every outside call (before it is made, after
it was answered) and every COMMIT (before and after). A new process finds the rows as they are and claims that run out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from db import sql
from db.transaction import Transaction
from gateway.billing.client import StripeClient
from processors.transport import Transport


class Killed(BaseException):
    """The process is gone."""


_in_worker: ContextVar[bool] = ContextVar("in_worker", default=False)


@contextmanager
def dying_may_happen() -> Iterator[None]:
    """Inside, the worker that is being tested runs; what the servers do meanwhile is not its death."""
    token = _in_worker.set(True)
    try:
        yield
    finally:
        _in_worker.reset(token)


Boundary = str
"""What is about to happen or has just happened: "before POST /v1/charges", "after COMMIT"."""


@contextmanager
def boundaries(at: Callable[[Boundary], bool]) -> Iterator[None]:
    """Call `at` at every boundary; where it says so, the process dies there."""
    stripe_call, send, commit = StripeClient._call, Transport.send, Transaction.commit

    def cross(boundary: Boundary) -> None:
        if _in_worker.get() and at(boundary):
            raise Killed(boundary)

    async def killing_call(self: StripeClient, method: str, path: str, *args: Any) -> Any:
        cross(f"before {method.upper()} {path}")
        answer = await stripe_call(self, method, path, *args)
        cross(f"after {method.upper()} {path}")
        return answer

    async def killing_send(self: Transport, call: Any, *args: Any, **kwargs: Any) -> Any:
        cross(f"before {call.method} {call.path}")
        answer = await send(self, call, *args, **kwargs)
        cross(f"after {call.method} {call.path}")
        return answer

    async def killing_commit(self: Transaction) -> None:
        cross("before COMMIT")
        await commit(self)
        cross("after COMMIT")

    StripeClient._call = killing_call  # type: ignore[method-assign]
    Transport.send = killing_send  # type: ignore[method-assign]
    Transaction.commit = killing_commit  # type: ignore[method-assign]
    try:
        yield
    finally:
        StripeClient._call = stripe_call  # type: ignore[method-assign]
        Transport.send = send  # type: ignore[method-assign]
        Transaction.commit = commit  # type: ignore[method-assign]


def once(boundary: Boundary) -> Callable[[Boundary], bool]:
    """Die at the first of these."""
    left = [boundary]

    def at(crossed: Boundary) -> bool:
        if left and crossed == left[0]:
            left.clear()
            return True
        return False

    return at


class Nth:
    """Die at the n-th boundary, counted from 0; with none to die at, count them."""

    def __init__(self, n: int | None = None) -> None:
        self.n = n
        self.crossed: list[Boundary] = []

    def __call__(self, boundary: Boundary) -> bool:
        self.crossed.append(boundary)
        return self.n == len(self.crossed) - 1


async def let_claims_run_out() -> None:
    """What two minutes do to the claims of a process that is gone; machine time can't be moved."""
    for table in ("invoice", "subscription", "checkout_session"):
        await sql.rows(
            f"update tollbridge.{table} set claim_until = clock_timestamp() - interval '1 second' "
            "where claimed_by is not null"
        )
