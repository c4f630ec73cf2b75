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
Condition = tuple[str, tuple[object, ...]]
"""One on the table `t` of a statement whose `$1` is the account, and its values: `{0}` is where the first stands."""
NOTHING: Final[Mapping[str, Any]] = {}
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
    before: datetime | None = None,
    also: Sequence[Condition] = (),
    within: Mapping[str, Any] = NOTHING,
) -> tuple[list[asyncpg.Record], bool]:
    """One page of an account's rows, newest first by `order` and id (from `since`, until `before`); and whether more
    follow.

    `select` is a statement over a table `t`, up to its where. `wanted` are columns of `t` and their values, of which
    the empty ones are no condition; `also` are others, and `within` such columns as never change: whose list it is.
    Raises FieldError for a `starting_after` that names nothing of the account, or not `within`. A row that fitted when
    its page was shown may fit no longer: the next page follows it all the same.
    """
    times = [(f"t.{order} >= {{0}}", since), (f"t.{order} < {{0}}", before)]
    bounds: list[Condition] = [(text, (at,)) for text, at in times if at is not None]
    where, values = where_of(account, {**wanted, **within}, [*bounds, *also])
    place = len(values) + 1
    if starting_after:
        known, ids = where_of(account, within, [("t.id = {0}", (starting_after,))])
        cursor = await sql.row(f"{select} where {known}", *ids)
        if cursor is None:
            raise FieldError("starting_after", "names no object of this list")
        where += f" and (t.{order}, t.id) < (${place}, ${place + 1})"
        values += [cursor[order], starting_after]
    found = await sql.rows(f"{select} where {where} order by t.{order} desc, t.id desc limit {limit + 1}", *values)
    return found[:limit], len(found) > limit


def where_of(account: str, wanted: Mapping[str, Any], also: Sequence[Condition]) -> tuple[str, list[Any]]:
    """The text after `where`, and the statement's values, as `page` has them."""
    told: list[Condition] = [
        (f"t.{column} = {{0}}", (value,)) for column, value in wanted.items() if value not in ("", None)
    ]
    conditions, values = ["t.account = $1"], list[Any]([account])
    for text, given in [*told, *also]:
        conditions.append(text.format(*(f"${len(values) + 1 + n}" for n in range(len(given)))))
        values += given
    return " and ".join(conditions), values


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
