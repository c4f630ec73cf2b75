"""The journal of a span of days, streamed: movements, settlement rows, and captures that turned out to be surplus."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import date, timedelta
from typing import Any, Final, Literal, TypeAlias

import msgspec

from db import sql
from gateway.accounts.errors import FieldError
from gateway.books import sources
from gateway.books.report import major, row
from gateway.books.session import own_session, pages
from gateway.clock import business_now
from gateway.domain import journal
from gateway.domain.chart import BEANCOUNT, Chart
from gateway.domain.journal import Booked, Transaction
from gateway.domain.policy import Policy
from gateway.domain.weeks import midnight

Format: TypeAlias = Literal["csv", "beancount"]

PAGE: Final = 2_000
MOST_DAYS: Final = 3_700
POLICIES: Final = "select policies from tollbridge.account where id = $1"
CONNECTIONS: Final = "select name from tollbridge.connection where account = $1"
COLUMNS: Final = (
    "date", "transaction", "kind", "account", "debit", "credit", "currency", "invoice", "connection", "processor_id",
    "occurred", "invoice_number",
)  # fmt: skip
# Accounts open with their first line, so that files of several spans can be included side by side.
HEAD: Final = 'plugin "beancount.plugins.auto_accounts"\n'

BOOK: Final[Mapping[str, Callable[[Booked, Chart], Transaction | None]]] = {
    "movement": journal.movement,
    "surplus": journal.surplus_marked,
    "settlement": journal.settlement,
}


async def export(account: str, first: date, last: date, form: Format) -> AsyncGenerator[str, None]:
    """The journal from the `first` day to the `last`, both in it (UTC), as text; raises FieldError before any of it."""
    if not timedelta() <= last - first <= timedelta(days=MOST_DAYS):
        raise FieldError("to", f"must not be before the first day, and at most {MOST_DAYS} days after it")
    chart = msgspec.json.decode(await sql.value(POLICIES, account), type=Policy).journal
    if form == "beancount":
        await _refuse_names(account, chart)
    return _text(account, chart, first, last, form)


async def yesterday() -> date:
    """The last day that is over: nothing is booked on it any more."""
    return (await business_now()).date() - timedelta(days=1)


async def _text(account: str, chart: Chart, first: date, last: date, form: Format) -> AsyncGenerator[str, None]:
    yield HEAD if form == "beancount" else row(COLUMNS)
    shown = _beancount if form == "beancount" else _csv
    async with aclosing(transactions(account, chart, first, last)) as found:
        async for part in found:
            yield "".join(shown(one) for one in part)


async def transactions(account: str, chart: Chart, first: date, last: date) -> AsyncGenerator[list[Transaction], None]:
    """The transactions in the order in which they are booked, a page at a time."""
    begin, end = (midnight(day) for day in (first, last + timedelta(days=1)))
    async with (
        own_session(for_reader=True) as session,
        session.transaction(),
        aclosing(pages(session, sources.JOURNAL, account, begin, end, size=PAGE)) as found,
    ):
        async for part in found:
            made = (BOOK[one["source"]](_booked(one), chart) for one in part)
            yield [one for one in made if one is not None]


def _booked(found: Any) -> Booked:
    return Booked(**{name: found[name] for name in Booked.__struct_fields__})


async def _refuse_names(account: str, chart: Chart) -> None:
    """Raises FieldError for a name that beancount does not take."""
    connections = [found["name"] for found in await sql.rows(CONNECTIONS, account)]
    for name in chart.__struct_fields__:
        used = [chart.clearing_of(one) for one in connections] if name == "clearing" else [getattr(chart, name)]
        for one in used:
            if not BEANCOUNT.fullmatch(one):
                raise FieldError("format", f"the policy journal.{name} is {one!r}, which is no account for beancount")


def _csv(one: Transaction) -> str:
    of = one.of
    head = (of.booked_at.date().isoformat(), of.id, of.kind)
    tail = (of.invoice, of.connection, of.processor_id, of.occurred_at.isoformat(), of.number)
    lines = []
    for line in one.postings:
        debit = major(line.amount, line.currency) if line.amount > 0 else ""
        credit = major(-line.amount, line.currency) if line.amount <= 0 else ""
        lines.append(row((*head, line.account, debit, credit, line.currency.upper(), *tail)))
    return "".join(lines)


def _beancount(one: Transaction) -> str:
    of = one.of
    about = " ".join(part for part in (of.connection, of.processor_id) if part)
    link = f" ^{of.invoice}" if of.invoice else ""
    lines = [f"\n{of.booked_at:%Y-%m-%d} * {_quoted(of.kind)} {_quoted(about)}{link}"]
    lines += [f"  id: {_quoted(of.id)}", f"  occurred: {of.occurred_at:%Y-%m-%d}"]
    lines += [f"  {line.account}  {major(line.amount, line.currency)} {line.currency.upper()}" for line in one.postings]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
