"""The invoices of an account that are wanted: a page of them, or all, one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from db import sql
from db.engine import DB
from gateway.books.session import own_session, pages
from gateway.readers.invoice_search import InvoiceFilter
from gateway.readers.invoices import SELECT, InvoiceBody, fields_of
from gateway.readers.pages import DEFAULT, Page, listed, page, where_of

PLAN_EACH: Final = "set local plan_cache_mode = force_custom_plan"
EVERY: Final = InvoiceFilter()
AT_A_TIME: Final = 500


async def find_invoices(
    account: str, wanted: InvoiceFilter = EVERY, *, limit: int = DEFAULT, starting_after: str = ""
) -> Page[InvoiceBody]:
    """A page of an account's invoices. Raises FieldError for a `starting_after` that names nothing in the list."""
    where, also = wanted.columns(), await wanted.conditions(account)
    async with DB.transaction():
        # What is rare and what is common want other indexes.
        await sql.rows(PLAN_EACH)
        found = await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after, also=also)
    return listed(*found, lambda row: InvoiceBody(**fields_of(row)))


async def walk_invoices(account: str, wanted: InvoiceFilter) -> AsyncGenerator[list[InvoiceBody], None]:
    """All of them, the newest first, so many at a time and as they stand at one moment."""
    where, values = where_of(account, wanted.columns(), await wanted.conditions(account))
    statement = f"{SELECT} where {where} order by t.created_at desc, t.id desc"
    async with (
        own_session(for_reader=True) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
        aclosing(pages(session, statement, *values, size=AT_A_TIME)) as found,
    ):
        async for part in found:
            yield [InvoiceBody(**fields_of(row)) for row in part]
