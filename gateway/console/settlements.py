"""Settlement files: those that came, taking one in from whoever has it, and taking one back.

A file is looked at before it is taken in: what its rows come to, by kind and currency. Between the two nothing of it is
kept here; it stays with whoever has it. HTMX shows the preview inside the form, where the file is still chosen; a
browser without it gets the page again, and its user chooses the file again. A mark of what was shown comes with the
second press, so that nothing else is taken in, and nothing has to be kept, found again, or cleared away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from gateway.accounts import connections
from gateway.accounts.audit import LONGEST_REASON
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.validation import converted
from gateway.api.body import on_disk
from gateway.api.paging import After
from gateway.books import formats
from gateway.books.forget import forget as take_back
from gateway.books.formats import FIELDS, NEEDED, Format
from gateway.books.settlements import Looked, mark_of
from gateway.books.settlements import look as look_at
from gateway.books.settlements import upload as take_in
from gateway.clock import business_now
from gateway.console.desk import Desk, change, look, page
from gateway.console.errors import said_of
from gateway.console.forms import ON_A_PAGE, Posted, Reasoned, Said
from gateway.console.parts import by_htmx
from gateway.console.render import led, shown
from gateway.console.uploads import upload_of
from gateway.domain.roles import Action
from gateway.readers.actors import names_of
from gateway.readers.settlements import find_settlement, find_settlements
from processors.settlements import SettlementKind

LONGEST_NAME: Final = 255
LOOK_FIRST: Final = "Look first at what the file would bring: this one, read in this way, was not shown yet."
Of = Annotated[str, QueryParameter(name="connection", max_length=255)]


class Reading(msgspec.Struct, frozen=True):
    """How a file is to be read, as somebody has typed it."""

    columns: Mapping[str, str] = {}
    kinds: str = ""
    units: str = "decimal"
    signs: str = "written"
    delimiter: str = ","
    decimal: str = "point"
    date_format: str = ""

    def format(self) -> Format:
        """All of it: what is not typed any more is not kept. Raises FieldError."""
        typed = {
            "columns": {field: column for field, column in self.columns.items() if column},
            "kinds": formats.kinds_of([line.strip() for line in self.kinds.splitlines() if line.strip()]),
            "units": self.units,
            "signs": self.signs,
            "delimiter": "\t" if self.delimiter in ("tab", "\\t") else self.delimiter,
            "decimal_comma": self.decimal == "comma",
            "date_format": self.date_format,
        }
        return converted(typed, Format)


class Preview(msgspec.Struct, frozen=True):
    """What a file would bring, and the mark by which it is known again."""

    name: str
    looked: Looked
    mark: str


class Forgetting(Reasoned, frozen=True):
    anyway: str = ""
    """Though the journal of a day that is over changes."""


@page("/settlements")
async def settlements(
    desk: NamedDependency[Desk], of: Of = "", starting_after: After = "", said: Said = ""
) -> Template:
    """The files that came, of one connection or all; with the form for another."""
    return await _settlements(desk, of, starting_after=starting_after, said=said)


@look("/settlements/preview", Action.RECONCILE, with_file=True)
async def preview(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> Template:
    """What the file would bring: a part of the page for HTMX, else the page again."""
    given = upload_of(request)
    of, reading = given.fields.get("connection", ""), _reading(given.fields)
    found, problem, status = None, "", 200
    try:
        connection, name = await connections.show(desk.account, of), _name(given.name)
        async with on_disk(given.file) as path:
            found = await _preview(desk, connection.id, name, path, reading.format())
    except Exception as error:
        problem, status = said_of(error)
    if by_htmx(request):
        context = {"preview": found, "problem": problem, "oob": True}
        return shown(desk, "_settlement_preview.html", context)
    return await _settlements(desk, of, reading=reading, preview=found, problem=problem, status=status)


@change("/settlements", Action.RECONCILE, with_file=True)
async def upload(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> Redirect | Template:
    """Take a file in that was looked at, whole or not at all; the same once more is the same file."""
    given = upload_of(request)
    of, reading = given.fields.get("connection", ""), _reading(given.fields)
    try:
        connection, name, form = await connections.show(desk.account, of), _name(given.name), reading.format()
        async with on_disk(given.file) as path:
            if given.fields.get("seen") != await mark_of(connection.id, path, form):
                found = await _preview(desk, connection.id, name, path, form)
                return await _settlements(desk, of, reading=reading, preview=found, problem=LOOK_FIRST, status=409)
            taken = await take_in(desk.author(), desk.account, connection.id, path, form, name=name)
    except Exception as error:
        problem, status = said_of(error)
        return await _settlements(desk, of, reading=reading, problem=problem, status=status)
    said = "settlement_again" if taken.again else "settlement_taken"
    return led(f"{desk.path}/settlements?connection={connection.name}", said)


@page("/settlements/{settlement_id:str}")
async def settlement(desk: NamedDependency[Desk], settlement_id: FromPath[str]) -> Template:
    """One file: what its rows came to, who gave it, and taking it back."""
    return await _settlement(desk, settlement_id)


@change("/settlements/{settlement_id:str}/forget", Action.RECONCILE)
async def forget(
    desk: NamedDependency[Desk], settlement_id: FromPath[str], data: Posted[Forgetting]
) -> Redirect | Template:
    """Take it back, with its rows: it was read wrongly."""
    try:
        found = await find_settlement(desk.account, settlement_id)
        await take_back(desk.author(data.reason), desk.account, settlement_id, anyway=bool(data.anyway))
    except Exception as error:
        problem, status = said_of(error)
        return await _settlement(desk, settlement_id, typed=data, problem=problem, status=status)
    return led(f"{desk.path}/settlements?connection={found.connection}", "settlement_forgotten")


def _name(given: str) -> str:
    """Without its folders; raises FieldError where none was chosen."""
    if not given:
        raise FieldError("file", "choose a file")
    return given.replace("\\", "/").rpartition("/")[2][:LONGEST_NAME]


async def _preview(desk: Desk, connection: str, name: str, path: Path, form: Format) -> Preview:
    return Preview(name, await look_at(desk.account, connection, path, form), await mark_of(connection, path, form))


async def _settlement(
    desk: Desk, settlement_id: str, *, typed: Forgetting | None = None, problem: str = "", status: int = 200
) -> Template:
    found = await find_settlement(desk.account, settlement_id)
    context = {
        "file": found,
        "late": datetime.fromtimestamp(found.taken, UTC).date() != (await business_now()).date(),
        "names": await names_of(desk.account, [found.taken_by]),
        "reason": typed.reason if typed else "",
        "longest": LONGEST_REASON,
        "problem": problem,
    }
    return shown(desk, "settlement.html", context, status=status)


async def _settlements(
    desk: Desk,
    of: str,
    *,
    reading: Reading | None = None,
    preview: Preview | None = None,
    starting_after: str = "",
    said: str = "",
    problem: str = "",
    status: int = 200,
) -> Template:
    every = await connections.listed(desk.account)
    chosen = next((one for one in every if of in (one.id, one.name)), None)
    if of and chosen is None:
        raise NotThereError("connection", of)
    kept = await formats.shown(desk.account, chosen.id) if chosen else None
    found = await find_settlements(
        desk.account, connection=chosen.id if chosen else "", limit=ON_A_PAGE, starting_after=starting_after
    )
    context = {
        "found": found,
        "connections": every,
        "chosen": chosen,
        "kept": kept,
        "reading": reading or _as_typed(kept or Format()),
        "fields": FIELDS,
        "needed": NEEDED,
        "kinds": [*SettlementKind, formats.IGNORED],
        "preview": preview,
        "oob": False,
        "said": said,
        "problem": problem,
    }
    return shown(desk, "settlements.html", context, status=status)


def _reading(fields: Mapping[str, str]) -> Reading:
    return Reading(
        columns={field: fields.get(f"map.{field}", "").strip() for field in FIELDS},
        kinds=fields.get("kinds", ""),
        units=fields.get("units", ""),
        signs=fields.get("signs", ""),
        delimiter=fields.get("delimiter", ""),
        decimal=fields.get("decimal", ""),
        date_format=fields.get("date_format", "").strip(),
    )


def _as_typed(kept: Format) -> Reading:
    return Reading(
        columns={field: kept.columns.get(field, "") for field in FIELDS},
        kinds="\n".join(f"{word}={kind}" for word, kind in kept.kinds.items()),
        units=kept.units,
        signs=kept.signs,
        delimiter="tab" if kept.delimiter == "\t" else kept.delimiter,
        decimal="comma" if kept.decimal_comma else "point",
        date_format=kept.date_format,
    )


settlement_routes: Final[list[Any]] = [settlements, preview, upload, settlement, forget]
