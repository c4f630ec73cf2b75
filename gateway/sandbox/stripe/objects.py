"""What every object is: a dict in Stripe's shape. Helpers that need no account."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

Obj = dict[str, Any]
LINES_SHOWN = 10
API_VERSION = "2026-08-26.dahlia"
BOUNDS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def snapshot(value: Any) -> Any:
    """A deep copy, notes of ours (``_…``) included."""
    if isinstance(value, dict):
        return {key: snapshot(item) for key, item in value.items()}
    return [snapshot(item) for item in value] if isinstance(value, list) else value


def contents(value: Any) -> list[tuple[Any, Any]]:
    """Every map and list within, each beside a copy of what it holds: what `restore` needs. Other objects may refer to
    the parts themselves, as subscriptions and their items do, so they are kept and not copied."""
    if not isinstance(value, dict | list):
        return []
    found = [(value, value.copy())]
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            found += contents(item)
    return found


def restore(parts: list[tuple[Any, Any]]) -> None:
    """Put everything back in its place."""
    for part, held in parts:
        part.clear()
        part.extend(held) if isinstance(part, list) else part.update(held)


def public(value: Any) -> Any:
    """A deep copy as Stripe shows it. Only objects carry notes: a metadata key may begin with ``_``."""
    if isinstance(value, dict):
        if value.get("object") == "invoice" and "lines" in value:
            value = {**value, "lines": _first_page(value["lines"])}
        if "object" in value:
            return {key: public(item) for key, item in value.items() if key[0] != "_"}
        return {key: public(item) for key, item in value.items()}
    return [public(item) for item in value] if isinstance(value, list) else value


def _first_page(lines: Obj) -> Obj:
    """An invoice shows its first ten lines; the others have their own pages."""
    rows = lines["data"]
    return {**lines, "data": rows[:LINES_SHOWN], "has_more": True} if len(rows) > LINES_SHOWN else lines


def difference(before: Obj, after: Obj) -> Obj:
    """The old values of what changed, as in an event's ``previous_attributes``; nested maps by their changed keys."""
    changed: Obj = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and "object" not in old:
            changed[key] = difference(old, new)
        else:
            changed[key] = old
    return changed


def listing(url: str, data: Sequence[Any], has_more: bool = False) -> Obj:
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def merge_metadata(obj: Obj, params: Obj) -> None:
    """Metadata is merged by key; an empty value unsets a key, an empty map all of them."""
    if "metadata" not in params:
        return
    if params["metadata"] == "":
        obj["metadata"] = {}
        return
    merged = {**(obj.get("metadata") or {}), **params["metadata"]}
    obj["metadata"] = {key: value for key, value in merged.items() if value != ""}


def in_range(value: float | None, wanted: Any) -> bool:
    """Stripe's ``created`` filters: a number or gt, gte, lt, lte."""
    if wanted is None:
        return True
    if value is None:
        return False
    if isinstance(wanted, int):
        return value == wanted
    return all(BOUNDS[name](value, bound) for name, bound in wanted.items())
