"""What comparisons, breaks and money in transit look like in JSON."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import BreakKind, MovementKind, ReconciliationState, Repair
from gateway.accounts.errors import NotThereError
from gateway.books import report, runs, sources
from gateway.books.processor_side import Money
from gateway.books.runs import ConnectionSummary, Run
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SELECT: Final = "select t.* from tollbridge.reconciliation t"
LONE: Final = f"{report.BREAKS} where t.account = $1 and t.id = $2 and r.number = t.seen_run"
BREAKS: Final = f"select t.* from ({report.BREAKS}) t"  # noqa: S608


class MoneyBody(msgspec.Struct, frozen=True):
    """So many moves of money, and their sum, signed from the merchant's side."""

    currency: str
    count: int
    amount: int


class ComparedConnection(msgspec.Struct, frozen=True):
    """The ledger against one processor. `in_transit`: younger than settling takes; `not_covered`: no file tells of its
    days."""

    connection: str
    compared: Annotated[bool, about("False where no settlement file ever came.")]
    covered_from: Annotated[int | None, about("The oldest move that its files tell of.")]
    covered_to: Annotated[int | None, about("The newest.")]
    new_files: int
    elsewhere: Annotated[int, about("Rows of another connection to the same account at the processor.")]
    matched: Annotated[int, about("Of what came since the last run, and of breaks that were open.")]
    breaks: int
    in_transit: list[MoneyBody]
    not_covered: list[MoneyBody]
    error: Annotated[str | None, about("Why its processor could not be asked.")]


class ComparedInvoices(msgspec.Struct, frozen=True):
    """The ledger against our copies of Stripe's invoices."""

    compared: int
    breaks: int
    read_from: Annotated[int | None, about("How old the oldest copy is that was gone by.")]
    read_again: Annotated[int, about("How many that differed were read at Stripe once more.")]
    error: str | None


class ReconciliationBody(msgspec.Struct, frozen=True):
    """One comparison of the books. `breaks` stand, by kind; `new` and `gone` since the one before."""

    id: str
    number: int
    state: ReconciliationState
    asked_by: str
    whole: Annotated[bool, about("Everything was compared, not only what came since the last.")]
    live: Annotated[bool, about("What differed from Stripe was read there once more.")]
    since: int | None
    breaks: dict[BreakKind, int]
    new: int
    gone: int
    connections: list[ComparedConnection]
    invoices: ComparedInvoices
    error: str | None
    created: int
    began: int | None
    finished: int | None
    object: Literal["reconciliation"] = "reconciliation"


class BreakBody(msgspec.Struct, frozen=True):
    """A difference. `amount` is what is in doubt; `ledger_amount` and `other_amount` are signed from the merchant's
    side, in minor units, null where that side has nothing."""

    id: str
    kind: BreakKind
    reason: str
    amount: int
    currency: str | None
    ledger_amount: int | None
    other_amount: int | None
    connection: str | None
    invoice: str | None
    attempt: str | None
    movement: str | None
    settlement_row: str | None
    credit_notes: list[str]
    processor_id: str | None
    occurred: int
    first_seen: Annotated[int, about("It stands since then, over all runs.")]
    mirror_read: Annotated[int | None, about("How old our copy of the invoice is.")]
    repair: Annotated[Repair, about("What may mend it; none moves money.")]
    repair_asked: int | None
    repaired: Annotated[int | None, about("When its repair was tried last.")]
    repair_outcome: str | None
    object: Literal["break"] = "break"


class TransitBody(msgspec.Struct, frozen=True):
    """A movement that its processor has not settled, and need not have."""

    id: str
    kind: MovementKind
    amount: int
    currency: str
    connection: str
    invoice: str
    attempt: str | None
    processor_id: str
    occurred: int
    object: Literal["movement"] = "movement"


class NewReconciliation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison to be made; one that is asked for already is given back."""

    whole: Annotated[bool, about("Compare everything, not only what came since the last.")] = False
    live: Annotated[bool, about("Read at Stripe once more what differs.")] = False


class Repairing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Try to mend a break."""

    wait_s: Annotated[int, msgspec.Meta(ge=0, le=20, description="How long to wait for it, in seconds.")] = 20


def shown(run: Run) -> ReconciliationBody:
    """A run as it stands in JSON."""
    told, invoices = run.summary, run.summary.invoices
    return ReconciliationBody(
        id=run.id,
        number=run.number,
        state=run.state,
        asked_by=run.asked_by,
        whole=run.whole,
        live=run.live,
        since=unix(run.since_at),
        breaks={BreakKind(kind): count for kind, count in told.breaks.items()},
        new=told.new,
        gone=told.gone,
        connections=[_connection(one) for one in told.connections],
        invoices=ComparedInvoices(
            invoices.compared, invoices.breaks, unix(invoices.read_from), invoices.read_again, invoices.error or None
        ),
        error=run.error or None,
        created=unix(run.created_at),
        began=unix(run.began_at),
        finished=unix(run.finished_at),
    )


def _connection(one: ConnectionSummary) -> ComparedConnection:
    return ComparedConnection(
        connection=one.name,
        compared=one.compared,
        covered_from=unix(one.covered_from),
        covered_to=unix(one.covered_to),
        new_files=one.files,
        elsewhere=one.result.elsewhere,
        matched=one.result.matched,
        breaks=one.result.breaks,
        in_transit=_money(one.result.in_transit),
        not_covered=_money(one.result.not_covered),
        error=one.error or None,
    )


def _money(sums: dict[str, Money]) -> list[MoneyBody]:
    return [MoneyBody(currency, of.count, of.amount) for currency, of in sorted(sums.items())]


def break_of(row: asyncpg.Record) -> BreakBody:
    return BreakBody(
        id=row["id"],
        kind=BreakKind(row["kind"]),
        reason=row["reason"],
        amount=row["amount"],
        currency=row["currency"] or None,
        ledger_amount=row["ledger_amount"],
        other_amount=row["other_amount"],
        connection=row["connection_name"],
        invoice=row["invoice"] or None,
        attempt=row["attempt"] or None,
        movement=row["movement"] or None,
        settlement_row=row["settlement_row"] or None,
        credit_notes=row["credit_notes"].split(),
        processor_id=row["processor_id"] or None,
        occurred=unix(row["occurred_at"]),
        first_seen=unix(row["first_seen_at"]),
        mirror_read=unix(row["mirror_read_at"]),
        repair=Repair(row["repair"]),
        repair_asked=unix(row["repair_asked_at"]),
        repaired=unix(row["repaired_at"]),
        repair_outcome=row["repair_outcome"] or None,
    )


def transit_of(row: asyncpg.Record) -> TransitBody:
    return TransitBody(
        id=row["id"],
        kind=MovementKind(row["kind"]),
        amount=row["amount"],
        currency=row["currency"],
        connection=row["connection_name"],
        invoice=row["invoice"],
        attempt=row["attempt"],
        processor_id=row["processor_id"],
        occurred=unix(row["occurred_at"]),
    )


async def find_runs(account: str, *, limit: int = DEFAULT, starting_after: str = "") -> Page[ReconciliationBody]:
    """A page of an account's comparisons."""
    found = await page(account, SELECT, "created_at", {}, limit=limit, starting_after=starting_after)
    return listed(*found, lambda row: shown(runs.run_of(row)))


async def find_run(account: str, run: str) -> Run:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, run)
    if row is None:
        raise NotThereError("reconciliation", run)
    return runs.run_of(row)


async def find_breaks(
    run: Run, kind: BreakKind | None = None, *, invoice: str = "", limit: int = DEFAULT, starting_after: str = ""
) -> Page[BreakBody]:
    """A page of the breaks that stood in a run."""
    where, within = {"kind": kind, "invoice": invoice}, {"reconciliation": run.id}
    found = await page(
        run.account, BREAKS, "first_seen_at", where, limit=limit, starting_after=starting_after, within=within
    )
    return listed(*found, break_of)


async def find_break(run: Run, wanted: str) -> BreakBody:
    """Raises NotThereError."""
    row = await sql.row(
        f"{report.BREAKS} where r.account = $1 and r.id = $2 and t.id = $3", run.account, run.id, wanted
    )
    if row is None:
        raise NotThereError("break", wanted)
    return break_of(row)


async def find_in_transit(run: Run, *, limit: int = DEFAULT, starting_after: str = "") -> Page[TransitBody]:
    """A page of what no settlement file showed by a run, and need not have."""
    within = {"reconciliation": run.id}
    found = await page(
        run.account, sources.IN_TRANSIT, "occurred_at", {}, limit=limit, starting_after=starting_after, within=within
    )
    return listed(*found, transit_of)


class LoneBreak(msgspec.Struct, frozen=True):
    """A break by itself: `run` is the last comparison that found it; once another has not, it no longer `stands`."""

    body: BreakBody
    run: str
    stands: bool


async def find_lone_break(account: str, wanted: str) -> LoneBreak:
    """Raises NotThereError."""
    row = await sql.row(LONE, account, wanted)
    if row is None:
        raise NotThereError("break", wanted)
    return LoneBreak(break_of(row), row["reconciliation"], row["to_run"] is None)
