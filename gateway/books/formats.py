"""How a connection's settlement files are to be read that people upload: kept, so that it is said once."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from db import sql
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError
from gateway.clock import business_now
from processors.settlements import SettlementKind

FIELDS: Final = (
    "date", "type", "id", "processor_id", "charge", "reference", "amount", "currency", "settled", "settled_currency",
    "fee", "net",
)  # fmt: skip
NEEDED: Final = ("date", "type", "amount", "currency")
IGNORED: Final = "ignore"

SHOW: Final = "select format from tollbridge.settlement_format where account = $1 and connection = $2"
KEEP: Final = """
    insert into tollbridge.settlement_format (account, connection, format, updated_at) values ($1, $2, $3, $4)
    on conflict (account, connection) do update set format = $3, updated_at = $4
"""


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of file. `columns` says which column holds what, `kinds` what the words in its type column mean.

    `amount` and `currency` are of what was charged; `settled`, `fee` and `net` of what is paid out, where the file
    tells. `signs`: amounts carry theirs as written, or it follows from the kind. `date_format` is strptime's; empty for
    ISO 8601. Times without a zone are UTC.
    """

    columns: dict[str, str] = {}
    kinds: dict[str, str] = {}
    units: Literal["decimal", "minor"] = "decimal"
    signs: Literal["written", "by_kind"] = "written"
    delimiter: str = ","
    decimal_comma: bool = False
    date_format: str = ""

    def validate(self) -> None:
        """Raises FieldError."""
        for field in sorted(set(self.columns) - set(FIELDS)):
            raise FieldError(f"map.{field}", f"there is no such field; there are {', '.join(FIELDS)}")
        for field in NEEDED:
            if field not in self.columns:
                raise FieldError(f"map.{field}", "which column holds it must be said")
        if not {"processor_id", "charge", "reference"} & set(self.columns):
            raise FieldError("map.processor_id", "name the column of the processor's id, the charge or our reference")
        for word, kind in self.kinds.items():
            if kind not in (IGNORED, *SettlementKind):
                raise FieldError(f"kind.{word}", f"{kind!r} is none of {', '.join(SettlementKind)}, {IGNORED}")
        if len(self.delimiter) != 1:
            raise FieldError("delimiter", "must be one letter")


def given(
    kept: Format | None, columns: Sequence[str] = (), kinds: Sequence[str] = (), **plain: object
) -> Format | None:
    """The kept format with what somebody says of a file, or what is kept where they say nothing; raises FieldError.

    `columns` take the place of those that are kept, `kinds` are added to the others. In `plain` None is unsaid.
    """
    said = {name: value for name, value in plain.items() if value is not None}
    if columns:
        said["columns"] = columns_of(columns)
    if kinds:
        said["kinds"] = {**(kept.kinds if kept else {}), **kinds_of(kinds)}
    return msgspec.structs.replace(kept or Format(), **said) if said else kept


def columns_of(told: Sequence[str]) -> dict[str, str]:
    """From `field=column`, several in one separated by commas (a name with a comma in it stands in quotes). Raises
    FieldError."""
    pairs = [(pair, *pair.partition("=")) for line in csv.reader(told) for pair in line]
    return _named(pairs, "map", "FIELD=COLUMN")


def kinds_of(told: Sequence[str]) -> dict[str, str]:
    """From `word=kind`; a word may hold an equals sign itself. Raises FieldError."""
    return _named([(pair, *pair.rpartition("=")) for pair in told], "kind", "WORD=KIND")


def _named(pairs: Sequence[tuple[str, str, str, str]], param: str, form: str) -> dict[str, str]:
    for pair, name, equals, _ in pairs:
        if not equals or not name:
            raise FieldError(param, f"{pair!r} is not {form}")
    return {name: value for _, name, _, value in pairs}


async def shown(account: str, connection: str) -> Format | None:
    """The format that is kept for a connection."""
    kept = await sql.value(SHOW, account, connection)
    return None if kept is None else msgspec.json.decode(kept, type=Format)


async def keep(by: Author, account: str, connection: str, told: Format) -> None:
    """Keep a format; raises FieldError."""
    told.validate()
    before = await shown(account, connection)
    if before == told:
        return
    async with DB.transaction():
        await sql.rows(KEEP, account, connection, msgspec.json.encode(told).decode(), await business_now())
        was = None if before is None else _plain(before)
        await by.note(account, "connection.settlement_format", connection, before=was, after=_plain(told))


def _plain(told: Format) -> Mapping[str, object]:
    return msgspec.structs.asdict(told)
