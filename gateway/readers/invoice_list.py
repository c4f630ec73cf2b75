"""The invoices of an account that are wanted: a page of them, or all as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import asyncpg

from db import sql
from db.engine import DB
from gateway.books.report import major
from gateway.books.report import row as csv_row
from gateway.books.session import own_session, pages
from gateway.readers.customer_list import person_in
from gateway.readers.invoice_search import InvoiceFilter
from gateway.readers.invoices import SELECT, InvoiceBody, shown
from gateway.readers.pages import DEFAULT, Page, listed, page, where_of

PLAN_EACH: Final = "set local plan_cache_mode = force_custom_plan"
EVERY: Final = InvoiceFilter()
AT_A_TIME: Final = 500
COLUMNS: Final = (
    "invoice", "number", "customer", "subscription", "state", "stripe_status", "collected_by", "currency", "total",
    "amount_due", "amount_remaining", "due", "paid", "next_try", "created", "why", "customer_name",
)  # fmt: skip


async def find_invoices(
    account: str, wanted: InvoiceFilter = EVERY, *, limit: int = DEFAULT, starting_after: str = ""
) -> Page[InvoiceBody]:
    """A page of an account's invoices. Raises FieldError for a `starting_after` that names nothing in the list."""
    where, also = wanted.columns(), await wanted.conditions(account)
    async with DB.transaction():
        # What is rare and what is common want other indexes.
        await sql.rows(PLAN_EACH)
        found = await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after, also=also)
    return listed(*found, shown)


async def as_csv(account: str, wanted: InvoiceFilter) -> AsyncGenerator[str, None]:
    """All of them as CSV, the newest first, so many at a time and as they stand at one moment. What is wanted is looked
    at before the first line: a file that has begun can't be refused any more."""
    where, values = where_of(account, wanted.columns(), await wanted.conditions(account))
    return _lines(f"{SELECT} where {where} order by t.created_at desc, t.id desc", values)


async def _lines(statement: str, values: Sequence[object]) -> AsyncGenerator[str, None]:
    yield csv_row(COLUMNS)
    async with (
        own_session(for_reader=True) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
        aclosing(pages(session, statement, *values, size=AT_A_TIME)) as found,
    ):
        async for part in found:
            yield "".join(csv_row((*_cells(shown(row), row["remaining"]), _payer(row))) for row in part)


def _cells(one: InvoiceBody, remaining: int) -> tuple[object, ...]:
    currency = one.currency or ""
    amounts = (major(amount, currency) for amount in (one.total, one.amount_due, remaining))
    times = (_time(at) for at in (one.due_date, one.paid_at, one.next_attempt, one.created))
    names = (one.id, one.number or "", one.customer or "", one.subscription or "")
    return (*names, one.state, one.status or "", one.collected_by or "", currency.upper(), *amounts, *times, one.reason)


def _payer(row: asyncpg.Record) -> str:
    """The customer's name as it stands on this invoice."""
    return person_in(row["snapshot"]).customer_name or ""


def _time(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat()
