"""/v1/disputes: what payers object to, as their processors tell of it. They are answered at the processor."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import DisputeState
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import also, changing, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.api.refunds import DECISION_EXAMPLE, Decision
from gateway.readers.disputes import DisputeBody, find_dispute, find_disputes
from gateway.readers.pages import DEFAULT, Page
from gateway.returns.retrying import is_settled, retry_dispute
from gateway.waiting import until

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
DisputeId = Annotated[str, PathParameter(description="The dispute's id: dsp_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only about this invoice.")]
LATER: Final = also(202, DisputeBody, "the dispute as it is: its credit note takes longer")
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


@post(
    "/disputes/{dispute_id:str}/retry",
    status_code=200,
    guards=[requires(Scope.FINANCE)],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT, moves_money=True, also=LATER),
    summary="Try again the credit note of a lost dispute, which Stripe has refused",
)
async def retry_note(
    principal: NamedDependency[Principal], dispute_id: DisputeId, data: Annotated[Decision, DECISION_EXAMPLE]
) -> Response[DisputeBody]:
    """For what is gone and not credited; no money moves at the processor."""
    await retry_dispute(Author(principal.actor, data.reason), principal.account, dispute_id)

    async def rests(_: DisputeBody) -> bool:
        return await is_settled(principal.account, dispute_id)

    body = await until(rests, lambda: find_dispute(principal.account, dispute_id), data.wait_s)
    return Response(body, status_code=200 if await rests(body) else 202)


dispute_routes: Final[list[Any]] = [list_disputes, show_dispute, retry_note]
