"""Reconciliation: the comparisons, one with its breaks, what is in transit, and asking for another."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Stream, Template

from db.states import BreakKind
from gateway.api.files import CSV, as_file
from gateway.api.paging import After
from gateway.books import report, runs
from gateway.books.session import taken_away
from gateway.clock import business_now
from gateway.console.desk import Desk, change, page
from gateway.console.forms import ON_A_PAGE, Form, Posted, Said
from gateway.console.parts import Looks, again
from gateway.console.render import led, money, shown
from gateway.domain.breaks import BREAKS, REPAIRS
from gateway.domain.roles import Action
from gateway.readers.actors import names_of
from gateway.readers.invoice_names import invoice_briefs
from gateway.readers.object_names import object_names
from gateway.readers.reconciliations import (
    MoneyBody,
    find_breaks,
    find_in_transit,
    find_run,
    find_runs,
)
from gateway.readers.reconciliations import shown as shown_run

OfKind = Annotated[BreakKind | None, QueryParameter(name="kind")]


class Starting(Form, frozen=True):
    """Two boxes, which a browser sends if they are ticked."""

    whole: str = ""
    live: str = ""


@page("/reconciliations")
async def reconciliations(desk: NamedDependency[Desk], starting_after: After = "", said: Said = "") -> Template:
    """The comparisons of the books, the newest first."""
    found = await find_runs(desk.account, limit=ON_A_PAGE, starting_after=starting_after)
    names = await names_of(desk.account, [one.asked_by for one in found.data])
    return shown(desk, "reconciliations.html", {"found": found, "names": names, "said": said})


@change("/reconciliations", Action.RECONCILE)
async def start(desk: NamedDependency[Desk], data: Posted[Starting]) -> Redirect:
    """Compare now; one that is wanted already, or under way, is as good."""
    now = await business_now()
    run = await runs.ask(desk.author(), desk.account, now, whole=bool(data.whole), live=bool(data.live))
    return led(f"{desk.path}/reconciliations/{run.id}", "reconciliation_asked")


@page("/reconciliations/{run_id:str}")
async def reconciliation(
    desk: NamedDependency[Desk],
    run_id: FromPath[str],
    of_kind: OfKind = None,
    starting_after: After = "",
    said: Said = "",
    looks: Looks = 0,
) -> Template:
    """One comparison, with the breaks that stood in it."""
    run = await find_run(desk.account, run_id)
    found = await find_breaks(run, of_kind, limit=ON_A_PAGE, starting_after=starting_after)
    context = {
        "run": shown_run(run),
        "found": found,
        "invoices": await invoice_briefs(desk.account, [one.invoice for one in found.data]),
        "kind": of_kind,
        "means": BREAKS,
        "does": REPAIRS,
        "sums": _sums,
        "names": await names_of(desk.account, [run.asked_by]),
        "said": said,
        **again(looks),
    }
    return shown(desk, "reconciliation.html", context)


@page("/reconciliations/{run_id:str}/in_transit")
async def in_transit(desk: NamedDependency[Desk], run_id: FromPath[str], starting_after: After = "") -> Template:
    """What no settlement file showed by then, and need not have."""
    run = await find_run(desk.account, run_id)
    found = await find_in_transit(run, limit=ON_A_PAGE, starting_after=starting_after)
    called = await object_names(desk.account, [one.invoice for one in found.data])
    return shown(desk, "in_transit.html", {"run": run, "found": found, "called": called})


@page("/reconciliations/{run_id:str}/report", Action.EXPORT)
async def download(desk: NamedDependency[Desk], run_id: FromPath[str]) -> Stream:
    """The breaks of a comparison as a CSV file, as they were then."""
    run = await find_run(desk.account, run_id)
    return Stream(await taken_away(report.lines(run)), media_type=CSV, headers=as_file(f"{run.id}.csv"))


def _sums(of: list[MoneyBody]) -> str:
    return ", ".join(f"{one.count} moves, {money(one.amount, one.currency)}" for one in of)


reconciliation_routes: Final[list[Any]] = [reconciliations, start, reconciliation, in_transit, download]
