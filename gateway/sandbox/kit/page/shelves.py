"""What the accounts of any sandbox hold, by name: found by looking, so that a new collection shows up by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

Shelf = dict[str, Any]


def shelves(account: Any) -> dict[str, Shelf]:
    """The collections of one account, each with its objects by id. Indexes (`by_…`, defaultdicts) are none."""
    fields = account.__struct_fields__ if isinstance(account, msgspec.Struct) else vars(account)
    found = {name: getattr(account, name) for name in fields}
    return {name: one for name, one in found.items() if not name.startswith(("_", "by_")) and _is_shelf(one)}


def _is_shelf(value: Any) -> bool:
    if not isinstance(value, dict) or isinstance(value, defaultdict):
        return False
    first = next(iter(value.values()), None)
    return first is None or not isinstance(first, str | int | list | set)


def find(accounts: Mapping[str, Any], id: str) -> Iterator[tuple[Any, str, Any]]:
    """The account, shelf and object behind an id."""
    for account in accounts.values():
        for name, shelf in shelves(account).items():
            if id in shelf:
                yield account, name, shelf[id]


def shown(item: Any) -> dict[str, Any]:
    """An object as plain JSON values, without the sandbox's own notes on it."""
    if hasattr(item, "body"):
        body: dict[str, Any] = msgspec.json.decode(item.body())
        return body
    plain = msgspec.to_builtins(item, enc_hook=str)
    public: dict[str, Any] = _public(plain)
    return public


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        notes = "object" in value
        return {key: _public(one) for key, one in value.items() if not (notes and key.startswith("_"))}
    return [_public(one) for one in value] if isinstance(value, list) else value
