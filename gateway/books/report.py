"""What a run found, as it was then, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from gateway.books.runs import Run
from gateway.books.session import own_session, pages
from processors.money import Money, to_decimal

PAGE: Final = 1_000
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\u2212", "\uff20")
"""How a formula begins (OWASP, CSV injection): also with the wide signs, which Japanese and Chinese versions read."""

# A break stood in a run that began with or after the one that found it, and before the one that did not any more.
BREAKS: Final = """
    select t.*, c.name as connection_name, i.read_at as mirror_read_at, r.id as reconciliation
    from tollbridge.reconciliation r
    join tollbridge.reconciliation_break t on t.account = r.account and t.from_run <= r.number
        and (t.to_run is null or t.to_run > r.number)
    left join tollbridge.connection c on c.account = t.account and c.id = t.connection
    left join tollbridge.invoice i on i.account = t.account and i.id = t.invoice
"""
OF_RUN: Final = f"{BREAKS} where r.account = $1 and r.id = $2 order by t.first_seen_at, t.id"
COLUMNS: Final = (
    "break", "kind", "amount", "currency", "age_days", "first_seen", "occurred", "connection", "invoice", "attempt",
    "movement", "settlement_row", "credit_notes", "processor_id", "ledger_amount", "other_amount", "repair", "reason",
)  # fmt: skip


async def lines(run: Run) -> AsyncGenerator[str, None]:
    """The report of a run as CSV, a page at a time: its breaks, the oldest first."""
    yield row(COLUMNS)
    async with (
        own_session(for_reader=True) as session,
        session.transaction(),
        aclosing(pages(session, OF_RUN, run.account, run.id, size=PAGE)) as found,
    ):
        async for part in found:
            yield "".join(row(_cells(one, run.finished_at or one["first_seen_at"])) for one in part)


def row(cells: Sequence[object]) -> str:
    """One line of CSV (RFC 4180). What a processor wrote must not become a formula where people open it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def major(amount: int | None, currency: str) -> str:
    """An amount in major units, with the currency's decimals; empty where there is none."""
    return "" if amount is None or not currency else f"{to_decimal(Money(amount, currency))}"


def _harmless(cell: object) -> object:
    """Numbers of ours may begin with a minus; words don't."""
    if isinstance(cell, str) and cell.startswith(FORMULA) and not cell.lstrip("-").replace(".", "").isdigit():
        return f"'{cell}"
    return cell


def _cells(one: Any, at: datetime) -> tuple[object, ...]:
    currency = one["currency"]
    return (
        one["id"],
        one["kind"],
        major(one["amount"], currency),
        currency,
        (at - one["first_seen_at"]).days,
        one["first_seen_at"].isoformat(),
        one["occurred_at"].isoformat(),
        one["connection_name"] or "",
        one["invoice"],
        one["attempt"],
        one["movement"],
        one["settlement_row"],
        one["credit_notes"],
        one["processor_id"],
        major(one["ledger_amount"], currency),
        major(one["other_amount"], currency),
        one["repair"],
        one["reason"],
    )
