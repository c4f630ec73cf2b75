"""The ledger against one connection's settlement rows: a sweep in step through both, then a look at what differs.

The sweep sees only what came since the last run, so a counterpart may lie before it: whatever does not match there is
read whole, by its key, over all time. So are the keys of breaks that are still open.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from db import sql
from db.states import BreakKind, Repair
from gateway.books import sources
from gateway.books.session import own_session, pages
from gateway.domain.breaks import Finding
from gateway.domain.matching import Attempt, Entry, Key, Standing, Verdict, groups, judge, key_of
from gateway.domain.moves import MOVES

PAGE: Final = 5_000
BATCH: Final = 500
MOVED: Final = sorted(MOVES)

OPEN: Final = """
    select id, subject from tollbridge.reconciliation_break
    where account = $1 and connection = $2 and to_run is null and seen_run < $3 and id > $4
      and kind in ('missing_in_ledger', 'missing_at_processor', 'amount_differs', 'currency_differs',
                   'duplicate_at_processor', 'wrong_invoice')
    order by id limit $5
"""

Found: TypeAlias = Callable[[Sequence[Finding]], Awaitable[None]]
"""Takes in what was found so far."""
Told: TypeAlias = Callable[[int], Awaitable[None]]
"""Hears how many entries were compared."""


class Money(msgspec.Struct):
    """How many moves, and their sum in one currency."""

    count: int = 0
    amount: int = 0


class Compared(msgspec.Struct):
    """What became of the entries of one connection. `not_covered`: no settlement file tells of their time.
    `elsewhere`: rows of another connection to the same account at the processor."""

    matched: int = 0
    elsewhere: int = 0
    breaks: int = 0
    in_transit: dict[str, Money] = {}
    not_covered: dict[str, Money] = {}
    waits_since: datetime | None = None
    """The oldest move after what the files tell of, which should be settled by now."""


async def compare(account: str, standing: Standing, since: datetime, run: int, found: Found, told: Told) -> Compared:
    """Compare what came `since` then, and every key with a break that is still open."""
    compared = Compared()
    comparing = _Comparing(account, standing, compared, found)
    async with own_session() as session, session.transaction():
        values = (account, standing.connection, since)
        ours = _Side(pages(session, sources.LEDGER_SINCE, *values, size=PAGE))
        theirs = _Side(pages(session, sources.SETTLED_SINCE, *values, MOVED, size=PAGE))
        odd: list[Key] = []
        async with aclosing(_in_step(ours, theirs)) as steps:
            async for ledger, settled in steps:
                for group in groups(ledger, settled):
                    if group.is_plain:
                        compared.matched += 1
                    else:
                        odd.append(group.key)
                while len(odd) >= BATCH:
                    await comparing.examine(odd[:BATCH])
                    del odd[:BATCH]
                await told(len(ledger) + len(settled))
        await comparing.examine(odd)
    await _still_open(account, standing.connection, run, comparing)
    if (waits := _late(standing, compared)) is not None:
        await found([waits])
    return compared


async def _still_open(account: str, connection: str, run: int, comparing: _Comparing) -> None:
    """The keys of open breaks that the sweep did not come by."""
    after = ""
    while rows := await sql.rows(OPEN, account, connection, run, after, BATCH):
        await comparing.examine(sorted({key_of(row["subject"]) for row in rows}))
        after = rows[-1]["id"]


class _Comparing(msgspec.Struct):
    """Looks at what differs, a batch of keys at a time."""

    account: str
    standing: Standing
    compared: Compared
    found: Found

    async def examine(self, keys: Sequence[Key]) -> None:
        if not keys:
            return
        where = (self.account, self.standing.connection)
        columns = [key[0] for key in keys], [key[1] for key in keys]
        ledger = [Entry(*row) for row in await sql.rows(sources.LEDGER_OF, *where, *columns)]
        settled = [Entry(*row) for row in await sql.rows(sources.SETTLED_OF, *where, *columns)]
        references = sorted({one.named for one in settled} - {""})
        charges = sorted({one.charge_id or one.processor_id for one in settled} - {""})
        rows = await sql.rows(sources.ATTEMPTS_OF, *where, references, charges) if settled else []
        by_reference = {row["reference"]: Attempt(row["id"], row["invoice"]) for row in rows}
        by_charge = {row["processor_id"]: Attempt(row["id"], row["invoice"]) for row in rows}
        others = await sql.rows(sources.ELSEWHERE, where[1], references, charges) if settled else []
        elsewhere = {row[name] for row in others for name in ("reference", "processor_id")} - {""}
        findings: list[Finding] = []
        for group in groups(ledger, settled):
            verdict = judge(group, self.standing, by_reference, by_charge, elsewhere)
            _count(self.compared, self.standing, verdict)
            findings += verdict.findings
        await self.found(findings)


def _count(compared: Compared, standing: Standing, verdict: Verdict) -> None:
    compared.matched += verdict.matched
    compared.elsewhere += verdict.elsewhere
    compared.breaks += len(verdict.findings)
    for waits, entries in ((compared.in_transit, verdict.in_transit), (compared.not_covered, verdict.not_covered)):
        for one in entries:
            money = waits.setdefault(one.currency, Money())
            money.count += 1
            money.amount += one.amount
    for one in verdict.not_covered:
        if standing.covered_to is None or one.occurred_at > standing.covered_to:
            compared.waits_since = min(compared.waits_since or one.occurred_at, one.occurred_at)


def _late(standing: Standing, compared: Compared) -> Finding | None:
    """Money waits, and the files that should tell of it don't come."""
    return None if compared.waits_since is None else late(standing, compared.waits_since)


def late(standing: Standing, since: datetime) -> Finding:
    """No settlement file tells of what moved at `since`, and one should."""
    return Finding(
        kind=BreakKind.SETTLEMENT_LATE,
        subject=f"{standing.connection} files",
        amount=0,
        currency="",
        occurred_at=since,
        repair=Repair.FETCH_SETTLEMENTS if standing.can_fetch else Repair.ASK_HUMAN,
        reason="moves of money should be settled by now, and no settlement file tells of their days",
        connection=standing.connection,
    )


class _Side:
    """One of two sorted streams, read ahead by a page."""

    def __init__(self, source: AsyncIterator[Sequence[Any]]) -> None:
        self._source = source
        self.ahead: list[Entry] = []
        self.ended = False

    async def fill(self, least: int) -> None:
        while not self.ended and len(self.ahead) < least:
            page = await anext(self._source, None)
            if page is None:
                self.ended = True
            else:
                self.ahead += [Entry(*row) for row in page]

    def before(self, key: Key | None) -> list[Entry]:
        """Take what comes before a key; all of it without one."""
        place = len(self.ahead) if key is None else bisect_left(self.ahead, key, key=lambda one: one.key)
        taken, self.ahead = self.ahead[:place], self.ahead[place:]
        return taken


async def _in_step(left: _Side, right: _Side) -> AsyncGenerator[tuple[list[Entry], list[Entry]], None]:
    """Parts of both streams, so that every key lies whole in one part. Held are two pages of each, and one key."""
    least = PAGE
    while True:  # bounded by the streams
        await left.fill(least)
        await right.fill(least)
        last = [side.ahead[-1].key for side in (left, right) if not side.ended]
        key = min(last) if last else None
        parts = left.before(key), right.before(key)
        if parts[0] or parts[1]:
            yield parts
        if key is None:
            return
        # All that was read may be of one key: then more is needed to see its end.
        least = PAGE if parts[0] or parts[1] else least + PAGE
