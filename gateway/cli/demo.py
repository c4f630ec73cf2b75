"""`tollbridge demo`: the main job on real parts, played and checked. Exit 0 only if Stripe = processor = ledger.

With `--marketplace` another play: two marketplaces that sell metered plans (`marketplace.py`).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from db.embedded import EmbeddedPostgres
from db.engine import DB, PoolOptions
from db.errors import EmbeddedPostgresError
from gateway.cli.aftermath import leave_behind
from gateway.cli.context import command_settings, failures
from gateway.cli.dev import CONSOLE, launched
from gateway.cli.home import read_notes
from gateway.cli.market_report import MarketReport, show
from gateway.cli.marketplace import play_marketplace
from gateway.cli.offer import OFFERS
from gateway.cli.output import ERR, OUT, as_json, fields, money, table
from gateway.cli.people import introduce, shown
from gateway.cli.play import Report, play
from gateway.cli.sandbox import advance
from gateway.cli.servers import free_ports
from gateway.cli.stage import Stage
from gateway.cli.wiring import Names, Wired, Wiring
from gateway.settings import Settings

ROLES = ("gateway", "stripe", "practice", "shop")


@click.command()
@click.option(
    "--keep",
    is_flag=True,
    help="Leave everything running afterwards, until Ctrl-C, with work for the console, and print the addresses.",
)
@click.option("--marketplace", is_flag=True, help="Two marketplaces that sell metered plans instead.")
@as_json
def demo(keep: bool, marketplace: bool, json_: bool) -> None:
    """Play a shop's first weeks on real parts: PostgreSQL, local Stripe, processor, server and worker as processes."""
    began = time.monotonic()
    settings = command_settings("warning")
    home = _home(settings)
    urls = {role: f"http://127.0.0.1:{port}" for role, port in zip(ROLES, free_ports(len(ROLES)), strict=True)}
    settings = msgspec.structs.replace(
        settings,
        home=str(home),
        database_url="",
        public_url="",
        host="127.0.0.1",
        port=int(urls["gateway"].rpartition(":")[2]),
    )
    try:
        with failures():
            _tell("Starting PostgreSQL, the local Stripe, the practice processor, the server and a worker …")
            cast = [_marketplace(name) for name in OFFERS] if marketplace else [Names()]
            with launched(settings, urls, cast[0]) as (tree, wired, found):
                report = asyncio.run(_played(found, urls, wired, cast, marketplace=marketplace, keep=keep))
                report = msgspec.structs.replace(report, elapsed_s=round(time.monotonic() - began, 1))
                tree.raise_if_ended()
                ERR.print()
                show(report) if isinstance(report, MarketReport) else _show(report)
                addresses = _addresses(urls, wired, home)
                if keep:
                    OUT.print("\nStill running, until Ctrl-C:")
                    fields(addresses | shown(wired.people))
                if json_:
                    kept = {"addresses": addresses, "console_users": wired.people} if keep else {}
                    click.echo(msgspec.json.encode(msgspec.to_builtins(report) | kept))
                if keep:
                    tree.watch()
    finally:
        with suppress(EmbeddedPostgresError):
            EmbeddedPostgres(home / "postgres").discard()
        shutil.rmtree(home, ignore_errors=True)
    if not report.good:
        raise click.exceptions.Exit(1)


async def _played(
    settings: Settings, urls: dict[str, str], wired: Wired, cast: list[Names], *, marketplace: bool, keep: bool
) -> Report | MarketReport:
    DB.configure(settings.database_url, PoolOptions(max_size=2))
    await DB.open_pool()
    try:
        if not marketplace:
            stage = _stage(urls, wired, cast[0])
            report = await play(stage)
            if keep:
                await leave_behind(stage)
            return report
        first, *others = cast
        stages = {first.account: _stage(urls, wired, first)}
        for names in others:
            async with Wiring(urls, names) as wiring:
                marketplace_wired = await wiring.wire(read_notes(settings.home_path)["platform_key"], "")
            await introduce(settings.home_path, marketplace_wired.account)
            stages[names.account] = _stage(urls, marketplace_wired, names)
        return await play_marketplace(stages)
    finally:
        await DB.close_pool()


def _marketplace(name: str) -> Names:
    return Names(account=name, stripe_key=f"sk_test_{name}", practice_key=f"practice_key_{name}")


def _stage(urls: dict[str, str], wired: Wired, names: Names) -> Stage:
    async def move_time(by: timedelta) -> None:
        await advance([urls["stripe"], urls["practice"]], by)

    return Stage(
        gateway_url=urls["gateway"],
        stripe_url=urls["stripe"],
        practice_url=urls["practice"],
        api_key=wired.api_key,
        stripe_key=names.stripe_key,
        practice_key=names.practice_key,
        price=wired.price,
        tax_rate=wired.tax_rate,
        move_time=move_time,
        tell=_tell,
    )


def _show(report: Report) -> None:
    rows = [
        (
            line.payer,
            line.number,
            line.stripe_status,
            " ".join(line.attempts),
            line.captures,
            *(money(amount, line.currency) for amount in (line.stripe_paid, line.captured, line.ledger)),
            " = ".join(sorted({money(amount, line.currency) for amount in line.returned})),
            "open" if line.access else "closed",
        )
        for line in report.lines
    ]
    columns = (
        "payer",
        "invoice",
        "status",
        "attempts",
        "captures",
        "Stripe",
        "processor",
        "ledger",
        "returned",
        "access",
    )
    table(columns, rows, "no invoices")
    OUT.print(
        f"\nOn the way: {report.lost_answers} answer of the processor's lost, "
        f"{report.webhooks} webhooks from Stripe, {report.doubled_webhooks} of them doubled."
    )
    verdict = "Stripe = processor = ledger" if report.good else "THEY DO NOT AGREE"
    OUT.print(
        f"{verdict}: {report.paid} of {report.invoices} invoices paid, {report.captures} captures, "
        f"{report.refunds} refund, {report.double_charges} double charges, {len(report.open_cases)} open cases; "
        f"{report.elapsed_s} s."
    )
    for case in report.open_cases:
        OUT.print(f"Open case: {case}")


def _addresses(urls: dict[str, str], wired: Wired, home: Path) -> dict[str, str]:
    return {
        "console": f"{urls['gateway']}{CONSOLE}",
        "checkout page": f"{urls['shop']}/checkout",
        "API": f"{urls['gateway']}/docs",
        "local Stripe": urls["stripe"],
        "practice processor": urls["practice"],
        "API key": wired.api_key,
        "logs": str(home / "logs"),
    }


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _home(settings: Settings) -> Path:
    """A folder of its own for one run, so that nothing of an earlier one is met."""
    parent = settings.home_path
    parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="demo-", dir=parent))
    # The embedded server's account must pass through it; what is secret in it has a mode of its own.
    home.chmod(0o755)
    return home
