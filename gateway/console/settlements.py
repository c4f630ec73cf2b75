"""Settlement files: those that came, and taking one in from whoever has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from gateway.accounts import connections
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.validation import converted
from gateway.api.body import on_disk
from gateway.api.paging import After
from gateway.books import formats
from gateway.books.formats import FIELDS, NEEDED, Format
from gateway.books.settlements import upload as take_in
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import ON_A_PAGE, Said
from gateway.console.render import led, shown
from gateway.console.uploads import upload_of
from gateway.domain.roles import Action
from gateway.readers.settlements import find_settlements
from processors.settlements import SettlementKind

LONGEST_NAME: Final = 255
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


@page("/settlements")
async def settlements(
    desk: NamedDependency[Desk], of: Of = "", starting_after: After = "", said: Said = ""
) -> Template:
    """The files that came, of one connection or all; with the form for another."""
    return await _settlements(desk, of, starting_after=starting_after, said=said)


@change("/settlements", Action.RECONCILE, with_file=True)
async def upload(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> Redirect | Template:
    """Take a file in, whole or not at all; the same once more is the same file."""
    given = upload_of(request)
    of, reading = given.fields.get("connection", ""), _reading(given.fields)
    try:
        if not given.name:
            raise FieldError("file", "choose a file")
        connection = await connections.show(desk.account, of)
        name = given.name.replace("\\", "/").rpartition("/")[2][:LONGEST_NAME]
        async with on_disk(given.file) as path:
            taken = await take_in(desk.author(), desk.account, connection.id, path, reading.format(), name=name)
    except Exception as error:
        return await _settlements(desk, of, reading=reading, wrong=wrong_of(error))
    said = "settlement_again" if taken.again else "settlement_taken"
    return led(f"{desk.path}/settlements?connection={connection.name}", said)


async def _settlements(
    desk: Desk,
    of: str,
    *,
    reading: Reading | None = None,
    starting_after: str = "",
    said: str = "",
    wrong: Wrong = RIGHT,
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
        "said": said,
        "wrong": wrong,
    }
    return shown(desk, "settlements.html", context, status=wrong.status)


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


settlement_routes: Final[list[Any]] = [settlements, upload]
