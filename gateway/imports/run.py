"""All rows of an import: some customers at once, each row told as soon as it is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from gateway.imports.adopting import adopt
from gateway.imports.asked import Import
from gateway.imports.rows import Refused, Result, Row, Status, result, unlike

AT_ONCE: Final = 16
"""Customers. Stripe's own limits (`billing/pace.py`) and a processor's 429 slow them down where that is too much."""
MOST_FAILED: Final = 20
"""After so many customers in a row of whom nobody could be asked, no other one is begun."""


class Totals(msgspec.Struct):
    """What became of the rows so far. `amounts`: of the open invoices that are charged at once, in minor units."""

    rows: dict[str, int] = msgspec.field(default_factory=lambda: {status.value: 0 for status in Status})
    collect: int = 0
    left_alone: int = 0
    amounts: dict[str, int] = {}

    def add(self, one: Result) -> None:
        self.rows[one.status] += 1
        self.collect += len(one.collect)
        self.left_alone += len(one.left_alone)
        self.amounts = dict(Counter(self.amounts) + Counter(one.amounts))

    @property
    def all_well(self) -> bool:
        return not self.rows[Status.REFUSED] and not self.rows[Status.FAILED]


async def run_import(asked: Import, rows: Sequence[Row | Refused], told: Callable[[Result], None]) -> None:
    """Adopt them all, or say what would become of each (`asked.apply`). Raises only what is wrong with every row."""
    customers: dict[str, list[Row]] = {}
    for row in unlike(rows):
        if isinstance(row, Refused):
            told(Result(row.line, Status.REFUSED, row.reason))
        else:
            customers.setdefault(row.customer, []).append(row)
    turns = _Turns(asked, iter(customers.values()), told)
    working = [asyncio.create_task(turns.work()) for _ in range(min(AT_ONCE, len(customers)))]
    try:
        await asyncio.gather(*working)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


class _Turns:
    """The customers that wait, and how many in a row could not be asked about."""

    def __init__(self, asked: Import, waiting: Iterator[Sequence[Row]], told: Callable[[Result], None]) -> None:
        self._asked = asked
        self._waiting = waiting
        self._told = told
        self._failed = 0

    async def work(self) -> None:
        for rows in self._waiting:
            done = await self._done(rows)
            self._failed = self._failed + 1 if any(one.status is Status.FAILED for one in done) else 0
            for one in done:
                self._told(one)

    async def _done(self, rows: Sequence[Row]) -> Sequence[Result]:
        if self._failed >= MOST_FAILED:
            reason = f"not begun: {MOST_FAILED} in a row before it could not be asked about; run the same again"
            return [result(row, Status.FAILED, reason) for row in rows]
        return await adopt(self._asked, rows)
