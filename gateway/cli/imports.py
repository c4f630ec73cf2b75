"""`tollbridge import`: customers, subscriptions and tokens from before Tollbridge, a dry run first."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gateway.accounts import connections
from gateway.accounts.accounts import Account
from gateway.accounts.errors import FieldError
from gateway.cli.context import account_of, author, opened, run
from gateway.cli.output import ERR, OUT, money, say
from gateway.clock import business_now
from gateway.imports.asked import Import
from gateway.imports.csv_file import read_file
from gateway.imports.metadata import read_metadata
from gateway.imports.rows import Refused, Result, Row, Status
from gateway.imports.run import Totals, run_import
from gateway.runtime import Runtime

REPORT: Final = (
    "line",
    "status",
    "reason",
    "customer",
    "connection",
    "payment_method",
    "subscriptions",
    "collect",
    "left_alone",
    "switched",
)
NEWS: Final = frozenset({Status.REFUSED, Status.FAILED})
"""What an import that is applied shows of its rows; the report has them all."""
MOST_SHOWN: Final = 100


@click.command(name="import")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from-stripe", is_flag=True, help="Take the references from the metadata of Stripe's customers.")
@click.option("--account", default="", help="Name or id; not needed where there is only one.")
@click.option("--connection", default="", help="For rows that name none.")
@click.option("--dry-run/--apply", default=True, show_default=True, help="Say what would happen, or do it.")
@click.option(
    "--collect-from",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Collect open invoices created from then on, in UTC. Older ones are left alone until somebody resumes them; "
    "without this option, all that are open or drafts now.",
)
@click.option("--accept-unverified", is_flag=True, help="Store tokens of which the processor can't say anything, too.")
@click.option(
    "--switch",
    is_flag=True,
    help="Have subscriptions that Stripe charges by itself collected here, once Stripe has let go of them.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A CSV with a line for each row, written as it is done; no token is in it.",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON value.")
def import_(
    file: Path | None,
    from_stripe: bool,
    account: str,
    connection: str,
    dry_run: bool,
    collect_from: datetime | None,
    accept_unverified: bool,
    switch: bool,
    report: Path | None,
    json_: bool,
) -> None:
    """Adopt customers of Stripe whose payment methods are stored at a processor already.

    FILE is a CSV in UTF-8 whose first line names its columns: customer (cus_…) and token, and if you like connection,
    subscription (sub_…; else all that live), processor_customer, initial_payment, brand, last4, exp_month, exp_year,
    position. Stripe is asked about the customer, and the processor about the token.

    Applied again, the same file changes nothing: what is stored is "unchanged". So after Ctrl-C, a crash or a failure
    run the same again. Exit code 1: some rows were refused, or could not be asked about.
    """
    if (file is None) is not from_stripe:
        raise click.UsageError("name a FILE, or --from-stripe")
    if file is not None and report is not None and report.exists() and report.samefile(file):
        raise click.UsageError("--report would overwrite FILE")
    from_ = None if collect_from is None else collect_from.replace(tzinfo=UTC)
    totals, done = Totals(), list[Result]()

    async def work() -> Account:
        async with opened(needs_worker=not dry_run) as runtime:
            owner = await account_of(account)
            if not json_:
                OUT.print(_headline(owner, dry_run, from_))
            by, known = (
                author(f"import of {file.name if file else 'Stripe metadata'}"),
                await connections.listed(owner.id),
            )
            asked = Import(
                runtime,
                by,
                owner.id,
                {one.name: one for one in known},
                not dry_run,
                await _past(from_),
                accept_unverified,
                switch,
            )
            with _reporting(report) as wrote, _progress(json_) as progress:
                rows = read_file(file, connection) if file else await _listed(runtime, owner, connection, progress)
                task = progress.add_task("rows", total=len(rows))

                def told(one: Result) -> None:
                    totals.add(one)
                    done.append(one)
                    wrote(one)
                    progress.advance(task)

                await run_import(asked, rows, told)
            return owner

    try:
        owner = run(work)
    except BaseException:
        if done:
            ERR.print(f"Broken off: {len(done)} rows are done ({_counted(totals)}). Run the same again for the rest.")
        raise
    done.sort(key=lambda one: one.line)
    body = _body(owner, dry_run, totals, done)
    say(body, json_, lambda: _print(dry_run, totals, done))
    if not totals.all_well:
        raise SystemExit(1)


async def _past(at: datetime | None) -> datetime | None:
    """Raises FieldError: of what comes later nobody could say now what to leave alone."""
    now = await business_now()
    if at is not None and at > now:
        raise FieldError("--collect-from", f"must not be in the future; it is {now:%F %T} UTC here")
    return at


async def _listed(runtime: Runtime, owner: Account, connection: str, progress: Progress) -> list[Row | Refused]:
    task = progress.add_task("customers at Stripe", total=None)
    found = await read_metadata(
        await runtime.stripe(owner.id), connection, lambda more: progress.update(task, advance=more)
    )
    progress.remove_task(task)
    return found


@contextmanager
def _progress(json_: bool) -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json_ or not ERR.is_terminal) as progress:
        yield progress


@contextmanager
def _reporting(path: Path | None) -> Iterator[Callable[[Result], None]]:
    """Writes each row at once, so that whatever ends the command leaves what was done."""
    if path is None:
        yield lambda _: None
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(REPORT)
        yield lambda one: _write(file, writer, one)


def _write(file: IO[str], writer: Any, one: Result) -> None:
    writer.writerow(_cells(one))
    file.flush()


def _cells(one: Result) -> list[Any]:
    return [" ".join(cell) if isinstance(cell := getattr(one, name), list | tuple) else cell for name in REPORT]


def _headline(owner: Account, dry_run: bool, collect_from: datetime | None) -> str:
    mode = "LIVE mode" if owner.livemode else "test mode"
    doing = "dry run, nothing is changed" if dry_run else "applied"
    since = f"created before {collect_from:%F %T} UTC" if collect_from else "open or drafts now"
    return (
        f"Account {owner.name} ({owner.id}), {mode}; {doing}.\n"
        f"Invoices of new customers that are {since} are left alone, until somebody resumes them."
    )


def _print(dry_run: bool, totals: Totals, done: list[Result]) -> None:
    rows = [one for one in done if dry_run or one.status in NEWS]
    for one in rows[:MOST_SHOWN]:
        OUT.print(_line(one), markup=False, soft_wrap=True)
    if len(rows) > MOST_SHOWN:
        OUT.print(f"… and {len(rows) - MOST_SHOWN} more: --report has them all")
    OUT.print(f"{_counted(totals) or 'no rows'}.")
    verb = "would be" if dry_run else "are"
    if totals.collect:
        sums = ", ".join(money(amount, currency) for currency, amount in sorted(totals.amounts.items()))
        OUT.print(f"{totals.collect} open invoices {verb} collected at once: {sums}.")
    if totals.left_alone:
        OUT.print(
            f"{totals.left_alone} invoices {verb} left alone: the integration before may have a charge on them under "
            "way. For each that it has not: tollbridge invoices resume-collection INVOICE --reason …"
        )


def _line(one: Result) -> str:
    """A row in one line, with what it means for the invoices that are open."""
    means = [
        f"{len(ids)} {what}"
        for ids, what in (
            (one.switched, "switched from Stripe"),
            (one.collect, "collected at once"),
            (one.left_alone, "left alone"),
        )
        if ids
    ]
    told = "; ".join(part for part in (one.reason, *means) if part)
    return (
        f"line {one.line}: {one.status}" + (f" {one.customer}" if one.customer else "") + (f": {told}" if told else "")
    )


def _counted(totals: Totals) -> str:
    return ", ".join(f"{count} {status}" for status, count in totals.rows.items() if count)


def _body(owner: Account, dry_run: bool, totals: Totals, done: list[Result]) -> dict[str, Any]:
    return {
        "object": "import",
        "account": owner.name,
        "livemode": owner.livemode,
        "applied": not dry_run,
        "totals": totals,
        "data": [msgspec.to_builtins(one) for one in done],
    }
