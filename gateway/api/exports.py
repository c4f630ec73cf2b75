"""/v1/exports: what accountants take away."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.files import as_file
from gateway.api.openapi import also, problems
from gateway.api.problems import Code
from gateway.books.journal import Format, export, yesterday
from gateway.books.session import taken_away

Callers: Final = requires(Scope.FINANCE)
TEXT: Final = "text/plain"
"""Of either format: an operation is described with one."""

First = Annotated[date | None, QueryParameter(name="from", description="The first day, in UTC; else the last one.")]
Last = Annotated[date | None, QueryParameter(name="to", description="The last day; else yesterday.")]
As = Annotated[Format, QueryParameter(name="format", description="How it is written.")]


@get(
    "/exports/journal",
    guards=[Callers],
    media_type=TEXT,
    responses=also(200, str, "The journal.", media_type=TEXT) | problems(Code.OVERLOADED),
)
async def export_journal(
    principal: NamedDependency[Principal], first: First = None, last: Last = None, form: As = "csv"
) -> Stream:
    """The ledger of these days in double entry, as a file. Each day balances in each currency; what is booked on a day
    that is over stays as it is, so that one export after the other holds every line once."""
    last = last or await yesterday()
    first = first or last
    parts = await taken_away(await export(principal.account, first, last, form))
    name = f"journal-{first}-{last}.{form}"
    return Stream(parts, media_type=TEXT, headers=as_file(name))


export_routes: Final[list[Any]] = [export_journal]
