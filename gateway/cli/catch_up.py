"""`tollbridge catch-up`: what webhooks did not bring, now, and whether anything can still be missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gateway.accounts import accounts
from gateway.accounts.accounts import Account
from gateway.accounts.errors import FieldError
from gateway.cli.context import account_of, opened, run
from gateway.cli.output import ERR, OUT, say, table
from gateway.clock import business_now
from gateway.inbox.intake import Listed
from gateway.readers.pages import unix
from gateway.reconcile import cursor as cursors
from gateway.reconcile.by_hand import Report, Told, Walked, catch_up_now
from gateway.reconcile.catch_up import Ended, Turn
from gateway.reconcile.cursor import Standing
from gateway.runtime import Runtime

FINISHED = (Ended.FINISHED, Ended.REFUSED, Ended.THROTTLED, Ended.FAILED)


@click.command(name="catch-up")
@click.option("--account", default="", help="Name or id; else every enabled account.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Walk from then on, in UTC, instead of from where the last walk ended. Of what is older than 30 days Stripe "
    "lists no events: only what still stands there is compared.",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON value.")
def catch_up(account: str, since: datetime | None, json_: bool) -> None:
    """List what webhooks did not bring, at Stripe and at processors, and take it in.

    Says "gap = 0 up to TIME" only if every walk came to its end and every delivery was routed; else the exit code is 1.
    Workers do the same by themselves, every few minutes; they must be running, since they route what is taken in.
    """
    from_ = None if since is None else since.replace(tzinfo=UTC)

    async def work() -> list[tuple[Account, Report]]:
        async with opened() as runtime:
            now = await business_now()
            if from_ is not None and from_ > now:
                raise FieldError("--since", f"must not be in the future; it is {now:%F %T} UTC here")
            wanted = [await account_of(account)] if account else [a for a in await accounts.listed() if a.enabled]
            return [(one, await _with_progress(runtime, one, from_)) for one in wanted]

    done = run(work)
    if not done:
        raise click.ClickException("there is no enabled account")
    shown = [_body(one, report) for one, report in done]
    say({"object": "list", "data": shown}, json_, lambda: _print_all(done))
    if any(report.up_to is None for _, report in done):
        raise SystemExit(1)


async def _with_progress(runtime: Runtime, account: Account, since: datetime | None) -> Report:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[now]}"), console=ERR, transient=True) as progress:
        walks = len(await cursors.standing(account.id))
        task = progress.add_task(f"{account.name}: walks", total=walks, now="")
        return await catch_up_now(runtime, account.id, Listed(runtime.keyring), _teller(progress, task), since=since)


def _teller(progress: Progress, task: Any) -> Told:
    seen: dict[tuple[str, str], int] = {}

    def told(one: Standing, turn: Turn) -> None:
        key = (one.walk, one.connection)
        seen[key] = seen.get(key, 0) + turn.pages
        progress.update(task, now=f"{_name(one.walk, one.connection_name)}, page {seen[key]}")
        if turn.ended in FINISHED:
            progress.advance(task)

    return told


def _print_all(done: Sequence[tuple[Account, Report]]) -> None:
    columns = ("walk", "ended", "pages", "new", "done to", "error")
    for account, report in done:
        table(columns, [_row(walked) for walked in report.walks], "No walks.")
        OUT.print(_verdict(account, report))
        if (before := report.forgotten_before) is not None:
            OUT.print(
                f"{account.name}: Stripe lists no events from before {before:%F %T} UTC any more (30 days). Of that "
                "time only what still stands there was compared: invoices, credit notes, living subscriptions."
            )


def _row(one: Walked) -> tuple[Any, ...]:
    return (_name(one.walk, one.connection), one.ended, one.pages, one.new, f"{one.done_to:%F %T}", one.error)


def _verdict(account: Account, report: Report) -> str:
    if report.up_to is not None:
        since = "" if report.forgotten_before is None else f"from {report.forgotten_before:%F %T} UTC "
        return f"{account.name}: gap = 0 {since}up to {report.up_to:%F %T} UTC"
    wrong = [f"{_name(w.walk, w.connection)} {w.ended}" for w in report.walks if w.ended is not Ended.FINISHED]
    if report.unrouted:
        wrong.append(f"{report.unrouted} deliveries not routed yet (is a worker running?)")
    return f"{account.name}: something may be missing: {', '.join(wrong)}"


def _body(account: Account, report: Report) -> dict[str, Any]:
    return {
        "object": "catch_up",
        "account": account.name,
        "gap": None if report.up_to is None else 0,
        "up_to": unix(report.up_to),
        "events_forgotten_before": unix(report.forgotten_before),
        "unrouted": report.unrouted,
        "walks": [{**msgspec.structs.asdict(w), "done_to": int(w.done_to.timestamp())} for w in report.walks],
    }


def _name(walk: str, connection: str) -> str:
    return f"{walk} of {connection}" if connection else walk
