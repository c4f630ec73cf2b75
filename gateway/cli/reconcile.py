"""`tollbridge reconcile`: the books, compared now with a progress bar, and what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import click
import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from db.states import BreakKind
from gateway.accounts import accounts, connections
from gateway.accounts.accounts import Account
from gateway.books import formats, repair, report, runs
from gateway.books.forget import forget
from gateway.books.formats import Format
from gateway.books.reconcile import reconcile as compare
from gateway.books.runs import Run
from gateway.books.settlements import upload
from gateway.cli.break_text import BREAK_KINDS, BREAK_REPAIRS, ROW_KINDS
from gateway.cli.context import ACCOUNT, WrongUseError, account_of, author, opened, run
from gateway.cli.output import ERR, OUT, as_json, fields, money, say, table, when
from gateway.clock import business_now
from gateway.readers.pages import Page
from gateway.readers.reconciliations import (
    BreakBody,
    ReconciliationBody,
    find_break,
    find_breaks,
    find_run,
    find_runs,
    shown,
)
from gateway.readers.settlements import SettlementBody, find_settlements
from gateway.runtime import Runtime

KIND_HELP: Final = f"What a word in the type column means: {ROW_KINDS}; kept."
WAIT_S: Final = 0.5
WAIT_TIMES: Final = 7_200
RUN: Final = click.option("--run", "number", type=int, help="Of the run with this number; else of the last.")


@click.group(invoke_without_command=True)
@click.option("--account", default="", help="Name or id; else every enabled account.")
@click.option("--whole", is_flag=True, help="Compare everything, not only what came since the last run.")
@click.option("--live", is_flag=True, help="Read at Stripe once more what differs.")
@click.option("--file", "file", type=click.Path(path_type=Path), help="First take in this settlement file (CSV).")
@click.option("--connection", default="", help="Whose file it is.")
@click.option("--map", "columns", multiple=True, metavar="FIELD=COLUMN,…", help="Which column holds what; kept.")
@click.option("--kind", "kinds", multiple=True, metavar="WORD=KIND", help=KIND_HELP)
@click.option("--units", type=click.Choice(["decimal", "minor"]), help="How amounts are written; kept.")
@click.option("--signs", type=click.Choice(["written", "by_kind"]), help="Whether amounts carry their sign; kept.")
@click.option("--delimiter", help="Between columns; kept.")
@click.option("--decimal-comma/--decimal-point", default=None, help="In amounts; kept.")
@click.option("--date-format", help="As strptime reads it; else ISO 8601. Kept.")
@click.option("--csv", "target", type=click.Path(path_type=Path), help="Write the breaks that stand to this file.")
@as_json
@click.pass_context
def reconcile(
    ctx: click.Context,
    account: str,
    whole: bool,
    live: bool,
    file: Path | None,
    connection: str,
    columns: tuple[str, ...],
    kinds: tuple[str, ...],
    units: Literal["decimal", "minor"] | None,
    signs: Literal["written", "by_kind"] | None,
    delimiter: str | None,
    decimal_comma: bool | None,
    date_format: str | None,
    target: Path | None,
    json_: bool,
) -> None:
    """Compare the ledger with the processors' settlements and with Stripe. It happens by itself once a day.

    With --file a settlement file is taken in first. Fields to map: date, type, amount, currency, and processor_id,
    charge or reference; id, settled, settled_currency, fee and net where the file has them. The exit code is 1 where
    anything differs.
    """
    if ctx.invoked_subcommand is not None:
        return
    if file is not None and not file.is_file():
        raise WrongUseError(f"can't read {file}: there is no such file")
    said: dict[str, Any] = {"columns": columns, "kinds": kinds, "units": units, "signs": signs}
    said |= {"delimiter": delimiter, "decimal_comma": decimal_comma, "date_format": date_format}

    async def work() -> list[tuple[Account, ReconciliationBody]]:
        async with opened() as runtime:
            if file is not None:
                taken = await _upload(await account_of(account), connection, file, said)
                if not json_:
                    OUT.print(taken)
            wanted = [await account_of(account)] if account else [a for a in await accounts.listed() if a.enabled]
            done = [(one, await _run(runtime, one, whole=whole, live=live)) for one in wanted]
            if target is not None:
                await _write(target, [found for _, found in done])
            return [(one, shown(found)) for one, found in done]

    done = run(work)
    say(Page([body for _, body in done], has_more=False), json_, lambda: _print_all(done))
    if any(body.breaks for _, body in done):
        raise SystemExit(1)


@reconcile.command(name="list")
@ACCOUNT
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@as_json
def list_(account: str, limit: int, json_: bool) -> None:
    """List the runs, the newest first."""

    async def work() -> Page[ReconciliationBody]:
        async with opened():
            return await find_runs((await account_of(account)).id, limit=limit)

    found = run(work)
    rows = [(r.number, when(r.created), r.asked_by, r.state, sum(r.breaks.values()), r.new, r.gone) for r in found.data]
    columns = ("run", "asked", "by", "state", "breaks", "new", "gone")
    say(found, json_, lambda: table(columns, rows, "No runs yet."))


@reconcile.command(epilog=BREAK_KINDS)
@ACCOUNT
@RUN
@click.option("--kind", type=click.Choice([kind.value for kind in BreakKind]), help="Only of this kind.")
@click.option("--invoice", default="", metavar="ID", help="Only about this invoice.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this break.")
@as_json
def breaks(
    account: str, number: int | None, kind: str | None, invoice: str, limit: int, starting_after: str, json_: bool
) -> None:
    """List what differs."""

    async def work() -> Page[BreakBody]:
        async with opened():
            of = await _run_of(account, number)
            wanted = BreakKind(kind) if kind else None
            return await find_breaks(of, wanted, invoice=invoice, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [
        (b.id, when(b.first_seen), b.kind, money(b.amount, b.currency), b.connection, b.invoice or b.processor_id,
         b.reason, b.repair)
        for b in found.data
    ]  # fmt: skip
    columns = ("break", "since", "kind", "amount", "connection", "about", "reason", "repair")

    def text() -> None:
        table(columns, rows, "Nothing differs.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@reconcile.command(name="repair", epilog=BREAK_REPAIRS)
@click.argument("wanted", metavar="BREAK")
@ACCOUNT
@as_json
def repair_(wanted: str, account: str, json_: bool) -> None:
    """Try what may mend a break: it asks or pokes, and moves no money. The next run shows what it did."""

    async def work() -> BreakBody:
        async with opened() as runtime:
            of = await _run_of(account, None)
            await repair.mend(runtime, author().name, of.account, wanted)
            return await find_break(of, wanted)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{found.repair}: {found.repair_outcome}", markup=False))


@reconcile.command(name="report")
@ACCOUNT
@RUN
def report_(account: str, number: int | None) -> None:
    """Print the breaks of a run as CSV."""

    async def work() -> None:
        async with opened():
            async for part in report.lines(await _run_of(account, number)):
                click.echo(part, nl=False)

    run(work)


@reconcile.command()
@ACCOUNT
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True)
@as_json
def files(account: str, limit: int, json_: bool) -> None:
    """List the settlement files that were taken in, the newest first."""

    async def work() -> Page[SettlementBody]:
        async with opened():
            return await find_settlements((await account_of(account)).id, limit=limit)

    found = run(work)
    rows = [
        (f.id, f.connection, f.name, f.rows, f.new_rows, _settled(f), when(f.taken), f.taken_by or "its processor")
        for f in found.data
    ]
    columns = ("file", "connection", "name", "rows", "new", "settles", "taken in", "by")
    say(found, json_, lambda: table(columns, rows, "No files yet."))


def _settled(file: SettlementBody) -> str:
    """What a file's rows come to, without the payouts: a file that was read wrongly shows here."""
    return ", ".join(money(amount, currency) for currency, amount in sorted(file.net.items()))


@reconcile.command(name="forget")
@click.argument("file")
@click.option("--reason", required=True, help="Why; it goes into the audit log.")
@click.option("--anyway", is_flag=True, help="Though the day on which it came is over, and its journal changes.")
@ACCOUNT
def forget_(file: str, reason: str, anyway: bool, account: str) -> None:
    """Take a file back that was read wrongly, with its rows; then give it again with the right map."""

    async def work() -> int:
        async with opened():
            return await forget(author(reason), (await account_of(account)).id, file, anyway=anyway)

    OUT.print(f"{file} is forgotten, with {run(work)} rows.")


@reconcile.command(name="format")
@click.argument("connection")
@ACCOUNT
@as_json
def format_(connection: str, account: str, json_: bool) -> None:
    """How a connection's files are read: the map that is kept."""

    async def work() -> Format:
        async with opened():
            of = await connections.show((await account_of(account)).id, connection)
            return await formats.shown(of.account, of.id) or Format()

    found = run(work)
    say(found, json_, lambda: fields(msgspec.structs.asdict(found)))


async def _run_of(account: str, number: int | None) -> Run:
    """The run of this number, or the last that is over; raises click's error."""
    owner = (await account_of(account)).id
    found = await runs.numbered(owner, number)
    if found is None:
        raise click.ClickException("there is no such run" if number else "nothing was compared yet")
    return found


async def _run(runtime: Runtime, account: Account, *, whole: bool, live: bool) -> Run:
    """Ask for a run and do it here; one that a worker does already is waited for."""
    asked = await runs.ask(author(), account.id, await business_now(), whole=whole, live=live)
    holding = await runs.take(await business_now(), asked.id)
    if holding is None:
        return await _ended(account, asked.id)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def told(what: str, more: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(f"{account.name}: {what}", total=None)
            progress.advance(tasks[what], more)

        await compare(runtime, holding, told)
    return await find_run(account.id, asked.id)


async def _ended(account: Account, wanted: str) -> Run:
    """The run, once the worker that does it is done; raises click's error."""
    with ERR.status(f"{account.name}: a worker compares already"):
        for _ in range(WAIT_TIMES):
            found = await find_run(account.id, wanted)
            if found.finished_at is not None:
                return found
            await asyncio.sleep(WAIT_S)
    raise click.ClickException(f"{account.name}: a worker is comparing still; see `tollbridge reconcile list`")


async def _upload(account: Account, connection: str, file: Path, said: dict[str, Any]) -> str:
    if not connection:
        raise WrongUseError("say with --connection whose file it is")
    of = await connections.show(account.id, connection)
    told = formats.given(await formats.shown(account.id, of.id), **said)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        task = progress.add_task(file.name, total=_size(file))
        by, heard = author(), lambda done: progress.update(task, completed=done)
        taken = await upload(by, account.id, of.id, file, told, heard)
    if taken.again:
        return f"{file.name} is here already."
    return f"{file.name}: {taken.rows} rows, {taken.new} of them new."


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.exists() else None


async def _write(target: Path, found: Sequence[Run]) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        for place, one in enumerate(found):
            first = place > 0
            async for part in report.lines(one):
                # One line of names for all accounts.
                file.write("" if first else part)
                first = False


def _print_all(done: Sequence[tuple[Account, ReconciliationBody]]) -> None:
    for account, body in done:
        rows = [
            (c.connection, "yes" if c.compared else "no file yet", c.matched, c.breaks, _sums(c.in_transit),
             _sums(c.not_covered), c.error)
            for c in body.connections
        ]  # fmt: skip
        columns = ("connection", "compared", "matched", "breaks", "in transit", "not covered", "error")
        table(columns, rows, "No connections.")
        invoices = body.invoices
        OUT.print(f"{invoices.compared} invoices, by copies as old as {when(invoices.read_from) or 'none'}")
        told = ", ".join(f"{count} {kind}" for kind, count in body.breaks.items()) or "nothing differs"
        OUT.print(f"{account.name}: run {body.number}: {told} ({body.new} new, {body.gone} gone)")


def _sums(sums: Sequence[Any]) -> str:
    return ", ".join(f"{one.count}: {money(one.amount, one.currency)}" for one in sums)
