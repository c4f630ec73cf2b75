"""Rows for the page: one screenful of a long list at a time, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import msgspec

PAGE = 50
MAX_COLUMNS = 7
COLUMNS = (
    "number", "name", "email", "type", "status", "kind", "amount", "amount_due", "amount_remaining", "unit_amount",
    "total", "currency", "customer", "subscription", "invoice", "reference", "method", "object_id", "url", "reason",
    "revoked", "description", "created", "created_at",
)  # fmt: skip
GOOD = frozenset({"paid", "succeeded", "active", "completed", "complete", "enabled", "delivered", "issued", "won"})
BAD = frozenset({"failed", "uncollectible", "past_due", "unpaid", "expired", "lost", "dropped", "given up", "revoked"})
T = TypeVar("T")


class Cell(msgspec.Struct):
    """`link` is a query of the page; `mood` is good, bad or nothing, beside what the text says."""

    text: str
    link: str = ""
    mood: str = ""
    number: bool = False


class Table(msgspec.Struct):
    columns: Sequence[str]
    rows: list[list[Cell]]
    page: int = 1
    more: bool = False
    total: int = 0
    empty: str = "Nothing yet."


def cut(items: Iterable[T], page: int) -> tuple[list[T], bool]:
    """One screenful, and whether more follow."""
    found = list(islice(items, (page - 1) * PAGE, page * PAGE + 1))
    return found[:PAGE], len(found) > PAGE


def of_objects(items: Iterator[tuple[str, dict[str, Any]]], page: int, total: int) -> Table:
    """Any objects, with the columns that they have something in."""
    found, more = cut(items, page)
    used = [name for name in COLUMNS if any(_is_plain(one.get(name)) for _, one in found)][:MAX_COLUMNS]
    if any("created" in one for _, one in found) and "created" not in used:
        used[MAX_COLUMNS - 1 :] = ["created"]
    rows = [[Cell(id, f"id={id}"), *(cell(name, one.get(name)) for name in used)] for id, one in found]
    return Table(["id", *used], rows, page, more, total)


def of(
    items: Iterable[T], page: int, total: int, columns: Sequence[str], row: Callable[[T], list[Cell]], empty: str
) -> Table:
    found, more = cut(items, page)
    return Table(columns, [row(one) for one in found], page, more, total, empty)


def cell(name: str, value: Any) -> Cell:
    """One field of an object."""
    if value is None or not _is_plain(value):
        return Cell("")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return Cell(when(value), number=True) if is_time(name, value) else Cell(str(value), number=True)
    text = str(value)
    return Cell(text, f"id={text}" if _is_id(text) else "", mood(text) if name == "status" else "")


def status_cell(status: int | None) -> Cell:
    """An HTTP status; none where nothing was answered."""
    if status is None:
        return Cell("no answer", mood="bad")
    return Cell(str(status), mood="good" if status < 300 else "bad" if status >= 400 else "", number=True)


def mood(text: str) -> str:
    return "good" if text in GOOD else "bad" if text in BAD else ""


def when(seconds: float) -> str:
    """Unix seconds for people, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def is_time(name: str, value: int) -> bool:
    return value > 10**9 and (name in ("created", "at", "due_date") or name.endswith(("_at", "_end", "_start")))


def _is_id(text: str) -> bool:
    prefix, _, rest = text.partition("_")
    return prefix.isalpha() and len(rest) >= 8 and rest.replace("_", "").isalnum()


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, dict | list)
