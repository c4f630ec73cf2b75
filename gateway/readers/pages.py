"""Lists in Stripe's manner: a page of rows, and whether more follow; times as they stand in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar, overload

import asyncpg
import msgspec

from db import sql
from gateway.accounts.errors import FieldError

T = TypeVar("T")
DEFAULT: Final = 10
"""How many stand on a page unless the caller says otherwise."""
LATEST: Final = 253_402_300_800
"""The first second of the year 10000, which no calendar of ours knows."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, the newest first. `has_more`: ask again with `starting_after` the last id."""

    data: list[T]
    has_more: bool
    object: Literal["list"] = "list"


async def page(
    account: str,
    select: str,
    order: str,
    wanted: Mapping[str, Any],
    *,
    limit: int,
    starting_after: str,
    since: datetime | None = None,
    also: Mapping[str, Any] | None = None,
) -> tuple[list[asyncpg.Record], bool]:
    """One page of an account's rows, newest first by `order` and id (`since` a time of it); and whether more follow.

    `select` is a statement over a table `t`, up to its where. `wanted` are columns of `t` and their values, of which
    the empty ones are no condition; `also` are other conditions by the same rule, in which {} stands for the value.
    Raises FieldError for a `starting_after` that names nothing in the list.
    """
    conditions: list[str] = ["t.account = $1"]
    values: list[Any] = [account]
    for column, value in wanted.items():
        if value not in ("", None):
            values.append(value)
            conditions.append(f"t.{column} = ${len(values)}")
    for condition, value in (also or {}).items():
        if value not in ("", None):
            values.append(value)
            conditions.append(condition.replace("{}", f"${len(values)}"))
    if since is not None:
        values.append(since)
        conditions.append(f"t.{order} >= ${len(values)}")
    where, place = " and ".join(conditions), len(values) + 1
    if starting_after:
        cursor = await sql.row(f"{select} where {where} and t.id = ${place}", *values, starting_after)
        if cursor is None:
            raise FieldError("starting_after", "names no object of this list")
        where += f" and (t.{order}, t.id) < (${place}, ${place + 1})"
        values += [cursor[order], starting_after]
    found = await sql.rows(f"{select} where {where} order by t.{order} desc, t.id desc limit {limit + 1}", *values)
    return found[:limit], len(found) > limit


def listed(rows: Sequence[asyncpg.Record], has_more: bool, shown: Callable[[asyncpg.Record], T]) -> Page[T]:
    """The page of these rows."""
    return Page([shown(row) for row in rows], has_more)


@overload
def unix(at: datetime) -> int: ...
@overload
def unix(at: datetime | None) -> int | None: ...
def unix(at: datetime | None) -> int | None:
    """A time as it stands in JSON: Unix seconds."""
    return None if at is None else int(at.timestamp())
