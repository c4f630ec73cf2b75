"""/v1/settlements: the processors' settlement files, taken in from whoever has them, and those that came."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from gateway.accounts import connections
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.body import on_disk, pieces
from gateway.api.openapi import problems, taking_csv
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.books import formats
from gateway.books.settlements import upload
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.settlements import SettlementBody, find_settlement, find_settlements
from gateway.runtime import Runtime

Callers: Final = requires(Scope.FINANCE)
KEPT: Final = "Kept for the connection's next files."

Whose = Annotated[str, QueryParameter(min_length=1, max_length=255, description="Whose file it is: name or id.")]
OfConnection = Annotated[str, QueryParameter(max_length=255, description="Only of this connection: name or id.")]
Name = Annotated[str, QueryParameter(max_length=255, description="What the file is called; for people.")]
Map = Annotated[
    list[str] | None,
    QueryParameter(name="map", description=f"Which column holds what, as FIELD=COLUMN,FIELD=COLUMN,… {KEPT}"),
]
Kinds = Annotated[
    list[str] | None,
    QueryParameter(name="kind", description=f"What a word in the type column means, as WORD=KIND. {KEPT}"),
]
Units = Annotated[
    Literal["decimal", "minor"] | None, QueryParameter(description=f"How amounts are written; else decimal. {KEPT}")
]
Signs = Annotated[
    Literal["written", "by_kind"] | None,
    QueryParameter(description=f"Whether amounts carry their sign, or the kind says it; else written. {KEPT}"),
]
Delimiter = Annotated[str | None, QueryParameter(description=f"Between columns; else a comma. {KEPT}")]
Comma = Annotated[bool | None, QueryParameter(description=f"Amounts have a decimal comma; else a point. {KEPT}")]
DateFormat = Annotated[str | None, QueryParameter(description=f"As strptime reads it; else ISO 8601. {KEPT}")]
SettlementId = Annotated[str, PathParameter(description="The settlement's id: sfl_…")]


@post(
    "/settlements",
    status_code=200,
    guards=[Callers],
    **taking_csv(Code.NOT_FOUND, Code.STATE_CONFLICT),
    summary="Take a settlement file in",
)
async def take_settlement(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
    connection: Whose,
    name: Name = "",
    columns: Map = None,
    kinds: Kinds = None,
    units: Units = None,
    signs: Signs = None,
    delimiter: Delimiter = None,
    decimal_comma: Comma = None,
    date_format: DateFormat = None,
) -> SettlementBody:
    """The body is the file: CSV whose first line names its columns. It is taken in whole or not at all, each row once
    however many files hold it; the same file again gives the same settlement. How it is to be read is said once for a
    connection and kept.

    Fields to map: `date`, `type`, `amount`, `currency`, and `processor_id`, `charge` or `reference`; `id`, `settled`,
    `settled_currency`, `fee` and `net` where the file has them."""
    of = await connections.show(principal.account, connection)
    told = formats.given(
        await formats.shown(of.account, of.id),
        columns or (),
        kinds or (),
        units=units,
        signs=signs,
        delimiter=delimiter,
        decimal_comma=decimal_comma,
        date_format=date_format,
    )
    body = pieces(request.scope, request.receive, runtime.settings.max_settlement_bytes)
    async with on_disk(body) as path:
        taken = await upload(Author(principal.actor), of.account, of.id, path, told, name=name or "upload")
    return await find_settlement(of.account, taken.id)


@get("/settlements", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_settlements(
    principal: NamedDependency[Principal],
    connection: OfConnection = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[SettlementBody]:
    """The settlement files that came, fetched from processors or taken in here."""
    of = (await connections.show(principal.account, connection)).id if connection else ""
    return await find_settlements(principal.account, connection=of, limit=limit, starting_after=starting_after)


@get("/settlements/{settlement_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_settlement(principal: NamedDependency[Principal], settlement_id: SettlementId) -> SettlementBody:
    """One settlement file."""
    return await find_settlement(principal.account, settlement_id)


settlement_routes: Final[list[Any]] = [take_settlement, list_settlements, show_settlement]
