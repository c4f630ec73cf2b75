"""Where settlement files come from: fetched from the processor, or uploaded by who has them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from db import sql
from db.states import BreakKind, Repair
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError
from gateway.books import files, formats
from gateway.books.formats import Format
from gateway.books.rows import RowChangedError, Taken, in_turns, known, take
from gateway.books.session import own_session
from gateway.books.totals import Row, Total, Totals
from gateway.clock import business_now
from gateway.domain.breaks import Finding
from gateway.domain.weeks import midnight
from gateway.logs import told
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from processors.errors import CallError, MoneyError
from processors.interface import ProcessorAdapter
from processors.settlements import Settlement

log = structlog.get_logger()

MOST_LISTS: Final = 100
"""In one run; the next goes on."""
AGAIN: Final = timedelta(days=7)
"""Files of so many days before the newest are looked for again: one may come late."""

KNOWN: Final = """
    select processor_id, until_at from tollbridge.settlement_file where account = $1 and connection = $2
      and processor_id = any($3)
"""
NEWEST: Final = """
    select coalesce(max(f.until_at), (select created_at from tollbridge.connection where account = $1 and id = $2))
    from tollbridge.settlement_file f where f.account = $1 and f.connection = $2 and f.taken_by = ''
"""


class Fetched(msgspec.Struct):
    """What a processor gave. `refused`: files that can't be taken in; `error`: it could not be asked."""

    files: int = 0
    rows: int = 0
    refused: list[Finding] = []
    error: str = ""


async def fetch(runtime: Runtime, account: str, connection: str) -> Fetched:
    """Take in every settlement file of a connection's processor that is not here yet. Raises nothing of its doing."""
    fetched = Fetched()
    try:
        adapter = await runtime.connections.adapter(account, connection)
        await _fetch(runtime, adapter, account, connection, fetched)
    except CallError as error:
        fetched.error = told(error, CallError)
        log.warning("settlements_not_listed", account=account, connection=connection, error=type(error).__name__)
    return fetched


async def _fetch(runtime: Runtime, adapter: ProcessorAdapter, account: str, connection: str, fetched: Fetched) -> None:
    newest: datetime = await sql.value(NEWEST, account, connection)
    since, timeout_s = (newest - AGAIN).date(), total_timeout_s(runtime, adapter)
    for _ in range(MOST_LISTS):
        listed = await within(adapter.settlements(since), timeout_s)
        rows = await sql.rows(KNOWN, account, connection, list(listed))
        known = {row["processor_id"] for row in rows}
        days = [row["until_at"].date() for row in rows if row["until_at"] is not None]
        for one in listed:
            if one not in known and (day := await _take(adapter, account, connection, one, timeout_s, fetched)):
                days.append(day)
        # A list holds the oldest: what follows is listed from the newest of them on.
        if not days or max(days) <= since:
            return
        since = max(days)


async def _take(
    adapter: ProcessorAdapter, account: str, connection: str, file: str, timeout_s: float, fetched: Fetched
) -> date | None:
    """Take one in; its day. One that can't be is a break, and the others come all the same."""
    now = await business_now()
    try:
        settlement = await within(adapter.settlement(file), timeout_s)
        taken = await take(account, connection, file, _rows(settlement), name=file, by=None, now=now)
    except (CallError, MoneyError, RowChangedError) as error:
        fetched.refused.append(_refused(connection, file, told(error, CallError, MoneyError, RowChangedError), now))
        return None
    if not taken.again:
        fetched.files, fetched.rows = fetched.files + 1, fetched.rows + taken.new
    return settlement.day


class Looked(msgspec.Struct, frozen=True):
    """What a file would bring. `first` and `until`: its oldest and newest row; `known`: it was taken in already."""

    rows: int
    first: datetime | None
    until: datetime | None
    totals: list[Total]
    known: bool


async def look(account: str, connection: str, path: Path, form: Format) -> Looked:
    """Read a file as `upload` would, and keep nothing of it. Raises FieldError."""
    form.validate()
    totals = Totals()
    async for _ in in_turns(totals.over(files.read(path, form))):
        pass
    async with own_session() as session:
        before = await known(session, account, connection, await asyncio.to_thread(files.digest, path))
    return Looked(totals.rows, totals.first, totals.until, totals.told(), known=before is not None)


async def mark_of(connection: str, path: Path, form: Format) -> str:
    """Another one for another file, another connection, and another way to read it: by that, what is taken in is what
    somebody has looked at."""
    content = await asyncio.to_thread(files.digest, path)
    return hashlib.sha256(msgspec.json.encode((connection, content, form), order="sorted")).hexdigest()


async def upload(
    by: Author,
    account: str,
    connection: str,
    path: Path,
    given: Format | None,
    progress: files.Told = lambda _: None,
    *,
    name: str = "",
) -> Taken:
    """Take in a file that somebody has, under its name or another; a format that is given is kept for the next. The
    same bytes again are the same file.

    Raises FieldError, RowChangedError.
    """
    form = given or await formats.shown(account, connection)
    if form is None:
        raise FieldError("map", "this connection has no format yet: say which column holds what")
    form.validate()
    try:
        known_by = await asyncio.to_thread(files.digest, path)
    except OSError as error:
        raise FieldError("file", f"can't read {path}: {error.strerror}") from None
    now, rows = await business_now(), files.read(path, form, progress)
    taken = await take(account, connection, known_by, rows, name=name or path.name, by=by, now=now)
    await formats.keep(by, account, connection, form)
    return taken


def _rows(settlement: Settlement) -> Iterator[Row]:
    for row in settlement.rows:
        yield (
            row.row_id,
            row.kind.value,
            row.processor_id,
            row.charge_id,
            row.reference,
            row.amount.amount,
            row.amount.currency,
            row.settled.amount,
            row.fee.amount,
            row.net.amount,
            row.net.currency,
            row.occurred_at,
        )


def _refused(connection: str, file: str, reason: str, now: datetime) -> Finding:
    fields: dict[str, Any] = {
        "amount": 0,
        "currency": "",
        "occurred_at": midnight(now.date()),
        "connection": connection,
    }
    return Finding(
        kind=BreakKind.SETTLEMENT_REFUSED,
        subject=f"{connection} file {file}",
        reason=f"settlement file {file}: {reason}",
        repair=Repair.FETCH_SETTLEMENTS,
        processor_id=file,
        **fields,
    )
