"""/v1/attempts: every try to take money, whatever came of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db import sql
from db.states import AttemptState
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.readers.attempts import SELECT, AttemptBody, shown
from gateway.readers.pages import DEFAULT, Page, listed, page

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
AttemptId = Annotated[str, PathParameter(description="The attempt's id: att_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only of this invoice.")]
State = Annotated[AttemptState | None, QueryParameter(name="state", description="Only attempts in this state.")]


@get("/attempts", guards=[Callers], responses=problems())
async def list_attempts(
    principal: NamedDependency[Principal],
    invoice: OfInvoice = "",
    in_state: State = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[AttemptBody]:
    """The attempts of the account, of one invoice, or in one state."""
    where = {"invoice": invoice, "state": in_state}
    return listed(
        *await page(principal.account, SELECT, "created_at", where, limit=limit, starting_after=starting_after), shown
    )


@get("/attempts/{attempt_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_attempt(principal: NamedDependency[Principal], attempt_id: AttemptId) -> AttemptBody:
    """One attempt."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", principal.account, attempt_id)
    if row is None:
        raise NotThereError("attempt", attempt_id)
    return shown(row)


attempt_routes: Final[list[Any]] = [list_attempts, show_attempt]
