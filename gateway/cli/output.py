"""What a command says: a table or lines for people, one JSON value for programs. Progress goes to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from gateway.readers.pages import Page
from processors.money import to_text

F = TypeVar("F", bound=Callable[..., Any])

WIDEST: Final = 10_000
"""Where nobody looks on, in a pipe or a file, a table stays one: a line for a row."""
OUT: Final = Console(highlight=False, width=None if sys.stdout.isatty() else WIDEST)
ERR: Final = Console(stderr=True, highlight=False)

as_json = click.option("--json", "json_", is_flag=True, help="Print one JSON value.")


def say(value: Any, json_: bool, text: Callable[[], None]) -> None:
    """`value` as JSON, or whatever `text` prints."""
    if json_:
        click.echo(msgspec.json.encode(value))
    else:
        text()


def say_all(values: Sequence[Any], json_: bool, text: Callable[[], None]) -> None:
    """The same for a list that is complete; as JSON it is the list object that the API gives."""
    say(Page(list(values), has_more=False), json_, text)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """A table, or each row as lines where it is wider than the terminal: a folded id can't be copied.

    `empty` is said where there is nothing in it.
    """
    if not rows:
        OUT.print(empty)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, no_wrap=True)
    for row in rows:
        shown.add_row(*(escape(_cell(value)) for value in row))
    if Measurement.get(OUT, OUT.options.update(max_width=WIDEST), shown).maximum <= OUT.width:
        OUT.print(shown)
        return
    for row in rows:
        fields({name: value for name, value in zip(columns, row, strict=True) if _cell(value)})
        OUT.print()


def fields(value: Mapping[str, Any]) -> None:
    """Names and values, one to a line; further lines of a value stand below its first."""
    width = max((len(name) for name in value), default=0)
    for name, one in value.items():
        OUT.print(f"[bold]{name.ljust(width)}[/bold]  ", end="")
        OUT.print(_cell(one).replace("\n", "\n" + " " * (width + 2)), markup=False, soft_wrap=True)


def when(seconds: int | None) -> str:
    """A time of the API's for people, in UTC."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def money(amount: int, currency: str | None) -> str:
    """An amount for people: `12.00 EUR`. Empty where no currency is known yet, and with it no amount."""
    return to_text(amount, currency) if currency else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    return str(value)
