"""`python -m scripts.benches NAME`: run one benchmark, print its figures, the last line as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from gateway.logs import configure_logging
from scripts.benches import access as access_bench
from scripts.benches import checkout as checkout_bench
from scripts.benches import console as console_bench
from scripts.benches import growth as growth_bench
from scripts.benches import ingest as ingest_bench
from scripts.benches import reconcile as reconcile_bench
from scripts.benches import settle as settle_bench
from scripts.benches import usage as usage_bench
from scripts.benches import year as year_bench

as_json = click.option("--json", "json_", is_flag=True, help="Only the last line: one JSON object.")


@click.group()
def benches() -> None:
    """Measure one thing on real processes of this machine, against something known, in one run."""
    configure_logging("warning", "console")


@benches.command()
@click.option("--seconds", default=10, show_default=True, type=click.IntRange(1, 60), help="Of each run.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1, 10), help="Alternating runs.")
@as_json
def ingest(seconds: int, rounds: int, json_: bool) -> None:
    """Webhooks in: verified, deduplicated, committed and poked before the 2xx."""
    _say(ingest_bench.run(seconds=seconds, rounds=rounds), json_)


@benches.command()
@click.option("--seconds", default=10, show_default=True, type=click.IntRange(1, 60), help="Of each run.")
@as_json
def usage(seconds: int, json_: bool) -> None:
    """Usage in: checked, made unique, committed and poked before it is accepted."""
    _say(usage_bench.run(seconds=seconds), json_)


@benches.command()
@click.option("--invoices", default=10_000, show_default=True, type=click.IntRange(10, 20_000))
@click.option("--limited", default=1_000, show_default=True, type=click.IntRange(10, 5_000), help="Under the limit.")
@click.option("--only", type=click.Choice([one.name for one in settle_bench.ALL]), help="One of the three runs.")
@as_json
def settle(invoices: int, limited: int, only: str | None, json_: bool) -> None:
    """Renewals that fall due in one second: at zero latency, at real ones, and under Stripe's limits."""
    counts = {settle_bench.LIMITED: limited}
    runs = [one for one in settle_bench.ALL if only in (None, one.name)]
    figures = {one.name: settle_bench.run(one, counts.get(one, invoices)) for one in runs}
    _say({"bench": "settle", **figures}, json_)


@benches.command()
@click.option("--invoices", default=300, show_default=True, type=click.IntRange(10, 5_000), help="In each round.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 9))
@as_json
def growth(invoices: int, rounds: int, json_: bool) -> None:
    """Whether it stays as fast with 200,000 old invoices and 2,000,000 old events."""
    _say(growth_bench.run(invoices=invoices, rounds=rounds), json_)


@benches.command()
@click.option("--seconds", default=20, show_default=True, type=click.IntRange(1, 120))
@as_json
def checkout(seconds: int, json_: bool) -> None:
    """The initial amount, asked for by a hundred pages."""
    _say(checkout_bench.run(seconds=seconds), json_)


@benches.command()
@click.option("--seconds", default=5, show_default=True, type=click.IntRange(1, 60), help="Of each run.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 10), help="Alternating runs.")
@click.option("--subscriptions", default=100_000, show_default=True, type=click.IntRange(100, 1_000_000))
@as_json
def access(seconds: int, rounds: int, subscriptions: int, json_: bool) -> None:
    """Whether a customer may in: asked without end, beside a server that only says that it is there."""
    _say(access_bench.run(seconds=seconds, rounds=rounds, subscriptions=subscriptions), json_)


@benches.command()
@click.option("--customers", default=300, show_default=True, type=click.IntRange(10, 5_000))
@click.option("--full", is_flag=True, help="2,000 customers.")
@click.option("--seed", default=1, show_default=True, help="Draws who joins when, and what their cards do.")
@as_json
def year(customers: int, full: bool, seed: int, json_: bool) -> None:
    """A year of renewals with declines and outages: how each invoice ends, and how much is recovered."""
    _say(year_bench.run(customers=2_000 if full else customers, seed=seed), json_)


@benches.command()
@click.option("--invoices", default=100_000, show_default=True, type=click.IntRange(1_000, 1_000_000))
@click.option("--events", default=1_000_000, show_default=True, type=click.IntRange(1_000, 5_000_000))
@click.option("--rounds", default=40, show_default=True, type=click.IntRange(20, 1_000), help="Of each page.")
@as_json
def console(invoices: int, events: int, rounds: int, json_: bool) -> None:
    """Pages of the finance console: the overview, lists, searches, one invoice."""
    _say(console_bench.run(invoices=invoices, events=events, rounds=rounds), json_)


@benches.command()
@click.option("--rows", default=1_000_000, show_default=True, type=click.IntRange(1_000, 5_000_000))
@as_json
def reconcile(rows: int, json_: bool) -> None:
    """A settlement file against the ledger and Stripe, with 500 planted breaks."""
    _say(reconcile_bench.run(rows=rows), json_)


def _say(figures: dict[str, Any], json_: bool) -> None:
    if not json_:
        _lines(figures, "")
    click.echo(msgspec.json.encode(figures))


def _lines(figures: Mapping[str, Any], indent: str) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            click.echo(f"{indent}{name}")
            _lines(value, indent + "  ")
        else:
            click.echo(f"{indent}{name:<32} {value}")


if __name__ == "__main__":
    benches()
