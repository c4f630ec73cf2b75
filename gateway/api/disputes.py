"""/v1/disputes: what payers object to, as their processors tell of it. They are answered at the processor."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import DisputeState
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.readers.disputes import DisputeBody, find_dispute, find_disputes
from gateway.readers.pages import DEFAULT, Page

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
DisputeId = Annotated[str, PathParameter(description="The dispute's id: dsp_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only about this invoice.")]
State = Annotated[DisputeState | None, QueryParameter(name="state", description="Only disputes in this state.")]


@get("/disputes", guards=[Callers], responses=problems())
async def list_disputes(
    principal: NamedDependency[Principal],
    invoice: OfInvoice = "",
    in_state: State = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[DisputeBody]:
    """The disputes of the account, of one invoice, or in one state."""
    return await find_disputes(principal.account, in_state, invoice=invoice, limit=limit, starting_after=starting_after)


@get("/disputes/{dispute_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_dispute(principal: NamedDependency[Principal], dispute_id: DisputeId) -> DisputeBody:
    """One dispute, with its credit notes."""
    return await find_dispute(principal.account, dispute_id)


dispute_routes: Final[list[Any]] = [list_disputes, show_dispute]
