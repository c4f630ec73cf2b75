"""Column shorthands: Piccolo's own defaults (now, nullable, cascading) are not ours."""

from __future__ import annotations

from piccolo.columns import Array, BigInt, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table

SCHEMA = "tollbridge"


def at() -> Timestamptz:
    """A point in time that the code gives: never `now()`. What must be there is `not null` in the database."""
    return Timestamptz(default=None, null=True)


def optional_text() -> Text:
    return Text(default=None, null=True)


def blob() -> Bytea:
    return Bytea(default=None, null=True)


def texts() -> Array:
    return Array(base_column=Text(), default=list)


class Pokable(Table):
    """The columns of an object that `advance` works on; see `db.poke`."""

    poked = BigInt(default=0)
    seen = BigInt(default=0)
    due_at = at()
    claimed_by = optional_text()
    claim_until = at()
    failures = Integer(default=0)
    turned_away_at = at()
