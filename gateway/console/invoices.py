"""Invoices: the list."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template

from db.states import InvoiceState
from gateway.api.paging import After
from gateway.console.desk import Desk, page
from gateway.console.render import shown
from gateway.readers.invoices import find_invoices

ON_A_PAGE: Final = 25
Wanted = Annotated[InvoiceState | None, QueryParameter(name="state")]


@page("/invoices")
async def invoices(desk: NamedDependency[Desk], in_state: Wanted = None, starting_after: After = "") -> Template:
    """The account's invoices, the newest first."""
    found = await find_invoices(desk.account, in_state, limit=ON_A_PAGE, starting_after=starting_after)
    return shown(desk, "invoices.html", {"found": found, "state": in_state, "states": list(InvoiceState)})


invoice_routes: Final[list[Any]] = [invoices]
