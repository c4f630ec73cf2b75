"""`python -m scripts.benches NAME`: run one benchmark, print its figures, the last line as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from scripts.benches import ingest as ingest_bench

as_json = click.option("--json", "json_", is_flag=True, help="Only the last line: one JSON object.")


@click.group()
def benches() -> None:
    """Measure one thing on real processes of this machine, against something known, in one run."""


@benches.command()
@click.option("--seconds", default=10, show_default=True, type=click.IntRange(1, 60), help="Of each run.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1, 10), help="Alternating runs.")
@as_json
def ingest(seconds: int, rounds: int, json_: bool) -> None:
    """Webhooks in: verified, deduplicated, committed and poked before the 2xx."""
    _say(ingest_bench.run(seconds=seconds, rounds=rounds), json_)


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
