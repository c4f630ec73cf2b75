"""/v1/reconciliations: the ledger against processors and Stripe, what differs, and what may mend it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from db.states import BreakKind
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.files import CSV, as_file
from gateway.api.openapi import also, changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.books import repair, report, runs
from gateway.books.session import taken_away
from gateway.clock import business_now
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.reconciliations import (
    BreakBody,
    NewReconciliation,
    ReconciliationBody,
    Repairing,
    TransitBody,
    find_break,
    find_breaks,
    find_in_transit,
    find_run,
    find_runs,
    shown,
)

Callers: Final = requires(Scope.FINANCE)
FILE: Final = also(200, str, "A CSV file.", media_type=CSV)


ASK: Final = example("What differs is read at Stripe", {"live": True})
REPAIR: Final = example("Without waiting", {"wait_s": 0})
RunId = Annotated[str, PathParameter(description="The reconciliation's id: rcn_…")]
BreakId = Annotated[str, PathParameter(description="The break's id: brk_…")]
OfKind = Annotated[BreakKind | None, QueryParameter(description="Only of this kind.")]
OfInvoice = Annotated[str, QueryParameter(description="Only about this invoice.")]


@post("/reconciliations", status_code=200, guards=[Callers], **changing(), summary="Compare the books")
async def ask(principal: NamedDependency[Principal], data: Annotated[NewReconciliation, ASK]) -> ReconciliationBody:
    """A worker does it, one at a time. It happens by itself once a day."""
    by, now = Author(principal.actor), await business_now()
    return shown(await runs.ask(by, principal.account, now, whole=data.whole, live=data.live))


@get("/reconciliations", guards=[Callers], responses=problems())
async def list_reconciliations(
    principal: NamedDependency[Principal], limit: Limit = DEFAULT, starting_after: After = ""
) -> Page[ReconciliationBody]:
    """The account's comparisons."""
    return await find_runs(principal.account, limit=limit, starting_after=starting_after)


@get("/reconciliations/{reconciliation_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_reconciliation(principal: NamedDependency[Principal], reconciliation_id: RunId) -> ReconciliationBody:
    """One comparison."""
    return shown(await find_run(principal.account, reconciliation_id))


@get("/reconciliations/{reconciliation_id:str}/breaks", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_breaks(
    principal: NamedDependency[Principal],
    reconciliation_id: RunId,
    kind: OfKind = None,
    invoice: OfInvoice = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[BreakBody]:
    """The breaks that stood in a comparison."""
    run = await find_run(principal.account, reconciliation_id)
    return await find_breaks(run, kind, invoice=invoice, limit=limit, starting_after=starting_after)


@get("/reconciliations/{reconciliation_id:str}/in_transit", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_in_transit(
    principal: NamedDependency[Principal],
    reconciliation_id: RunId,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[TransitBody]:
    """What no settlement file showed by then, and need not have."""
    run = await find_run(principal.account, reconciliation_id)
    return await find_in_transit(run, limit=limit, starting_after=starting_after)


@get(
    "/reconciliations/{reconciliation_id:str}/report",
    guards=[Callers],
    media_type=CSV,
    responses=FILE | problems(Code.NOT_FOUND, Code.OVERLOADED),
)
async def download(principal: NamedDependency[Principal], reconciliation_id: RunId) -> Stream:
    """The breaks of a comparison as a CSV file, as they were then; the oldest first."""
    run = await find_run(principal.account, reconciliation_id)
    return Stream(await taken_away(report.lines(run)), media_type=CSV, headers=as_file(f"{run.id}.csv"))


@post(
    "/reconciliations/{reconciliation_id:str}/breaks/{break_id:str}/repair",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
    summary="Try to mend a break",
)
async def mend(
    principal: NamedDependency[Principal],
    reconciliation_id: RunId,
    break_id: BreakId,
    data: Annotated[Repairing, REPAIR],
) -> BreakBody:
    """A worker asks, or pokes what then decides by itself; no money is moved. The next comparison shows what it did."""
    run = await find_run(principal.account, reconciliation_id)
    await find_break(run, break_id)
    await repair.ask_for(Author(principal.actor), run.account, break_id)
    await repair.wait_for(run.account, break_id, data.wait_s)
    return await find_break(run, break_id)


reconciliation_routes: Final[list[Any]] = [
    ask,
    list_reconciliations,
    show_reconciliation,
    list_breaks,
    list_in_transit,
    download,
    mend,
]
