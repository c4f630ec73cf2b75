"""Exports: what accountants take away, as files."""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream, Template

from gateway.accounts.errors import FieldError
from gateway.api.files import CSV, as_file
from gateway.books.journal import Format, export, yesterday
from gateway.books.session import TooManyReadersError, taken_away
from gateway.console.dates import day
from gateway.console.desk import Desk, page
from gateway.console.errors import said_of
from gateway.console.render import shown
from gateway.domain.roles import Action
from gateway.readers.reconciliations import find_runs

RUNS: Final = 10
MEDIA_TYPES: Final = {"csv": CSV, "beancount": "text/plain"}
First = Annotated[str, QueryParameter(name="from", max_length=10)]
Last = Annotated[str, QueryParameter(name="to", max_length=10)]
As = Annotated[Format, QueryParameter(name="format")]


@page("/exports", Action.EXPORT)
async def exports(desk: NamedDependency[Desk]) -> Template:
    """What there is to take away."""
    last = await yesterday()
    return await _exports(desk, last.replace(day=1).isoformat(), last.isoformat(), "csv")


@page("/exports/journal", Action.EXPORT)
async def journal(
    desk: NamedDependency[Desk], first: First = "", last: Last = "", form: As = "csv"
) -> Stream | Template:
    """The ledger of these days in double entry, streamed as it is read."""
    try:
        begin, end = day(first, "from"), day(last, "to")
        parts = await taken_away(await export(desk.account, begin, end, form))
    except (FieldError, TooManyReadersError) as error:
        problem, status = said_of(error)
        return await _exports(desk, first, last, form, problem=problem, status=status)
    return Stream(parts, media_type=MEDIA_TYPES[form], headers=as_file(f"journal-{begin}-{end}.{form}"))


async def _exports(
    desk: Desk, first: str, last: str, form: Format, *, problem: str = "", status: int = 200
) -> Template:
    context = {
        "first": first,
        "last": last,
        "form": form,
        "formats": get_args(Format),
        "found": await find_runs(desk.account, limit=RUNS),
        "problem": problem,
    }
    return shown(desk, "exports.html", context, status=status)


export_routes: Final[list[Any]] = [exports, journal]
