"""A settlement file that somebody uploads: CSV, read by its format, a row at a time."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import DecimalException
from functools import lru_cache, partial
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from gateway.accounts.errors import FieldError
from gateway.books.formats import FIELDS, IGNORED, Format
from gateway.books.totals import Row
from gateway.domain.moves import MOVES, SETTLED_SIGN
from processors.errors import MoneyError
from processors.money import Exponents, from_decimal_string, from_minor
from processors.settlements import SettlementKind

UNITS: Final = Exponents("the settlement file")
"""ISO 4217: what a file writes, unless it is an adapter's."""
POINT: Final = re.compile(r"-?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?")
COMMA: Final = re.compile(r"-?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?")
"""Amounts by what their decimals stand after. The other mark groups thousands, by three, and is nothing else: what was
meant as decimals would be read a hundred times too large."""
REMEMBERED: Final = 1 << 16
TELL_EVERY: Final = 10_000
LONGEST_LINE: Final = 1 << 20
"""In bytes: no file is held whole, though it may have no line's end."""
LONGEST: Final = 255
"""Of an id: it must fit into an index."""

Told = Callable[[int], None]
"""Hears how many bytes of the file were read."""


def digest(path: Path) -> str:
    """What a file is known by: it may be given twice under any name."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, told: Format, progress: Told = lambda _: None) -> Iterator[Row]:
    """The rows of a file, but for those whose type is to be ignored; raises FieldError naming the line."""
    with path.open("rb") as raw:

        def lines() -> Iterator[str]:
            for number, line in enumerate(iter(partial(raw.readline, LONGEST_LINE), b"")):
                if number % TELL_EVERY == 0:
                    progress(raw.tell())
                if len(line) == LONGEST_LINE:
                    raise FieldError("file", f"line {number + 1} is longer than {LONGEST_LINE:,} bytes")
                if b"\0" in line:
                    raise FieldError("file", f"line {number + 1} holds the character NUL")
                try:
                    yield line.decode("utf-8-sig" if number == 0 else "utf-8")
                except UnicodeDecodeError:
                    raise FieldError("file", f"line {number + 1} is not UTF-8") from None

        try:
            table = csv.reader(lines(), delimiter=told.delimiter, strict=True)
            reader = _Reader(told, next(table, []))
            for cells in table:
                if cells and (row := reader.row(cells, table.line_num)) is not None:
                    yield row
            progress(raw.tell())
        except csv.Error as error:
            raise FieldError("file", f"line {table.line_num}: {error}") from None


class _Cells(NamedTuple):
    """The cells of a line by their fields, in the order of FIELDS; empty where the file has no such column."""

    date: str
    type: str
    id: str
    processor_id: str
    charge: str
    reference: str
    amount: str
    currency: str
    settled: str
    settled_currency: str
    fee: str
    net: str


class _Reader:
    """Reads lines of one file, whose first line names its columns."""

    def __init__(self, told: Format, header: list[str]) -> None:
        self._format = told
        self._width = len(header)
        # What the file does not tell stands in an empty cell behind the others.
        self._places = dict.fromkeys(FIELDS, self._width)
        for field, column in told.columns.items():
            if column not in header:
                raise FieldError(f"map.{field}", f"the file has no column {column!r}; it has {', '.join(header)}")
            self._places[field] = header.index(column)
        self._pick = itemgetter(*(self._places[field] for field in FIELDS))
        self._minor = lru_cache(REMEMBERED)(self._amount)
        self._when = lru_cache(REMEMBERED)(self._moment)
        self._kinds = {kind.value: kind.value for kind in SettlementKind} | told.kinds

    def row(self, cells: list[str], line: int) -> Row | None:
        """None for one that is to be ignored; raises FieldError."""
        if len(cells) != self._width:
            raise FieldError("file", f"line {line} has {len(cells)} cells, and the first line {self._width}")
        told = _Cells(*self._pick([*(cell.strip() for cell in cells), ""]))
        word = told.type
        kind = self._kinds.get(word)
        if kind is None:
            where = self._where(line, "type")
            raise FieldError(f"kind.{word}", f"{where}: say what this type means, or {IGNORED!r}")
        if kind == IGNORED:
            return None
        try:
            return self._read(kind, told)
        except (ValueError, MoneyError, DecimalException) as error:
            where = self._where(line, self._at_fault(told))
            raise FieldError("file", f"{where}: {error or type(error).__name__}") from None

    def _where(self, line: int, field: str) -> str:
        """Empty for what lies in no single cell."""
        return f"line {line}, column {self._format.columns[field]!r}" if field else f"line {line}"

    def _at_fault(self, told: _Cells) -> str:
        """The first field that can't be read by itself. Asked only once a line is known to be wrong."""
        currency = told.currency.lower()
        paid_in = told.settled_currency.lower() or currency
        texts = {"settled": told.settled, "fee": told.fee, "net": told.net}
        reads: dict[str, Callable[[], object]] = {
            "date": partial(self._moment, told.date),
            "currency": partial(self._amount, "0", currency),
            "settled_currency": partial(self._amount, "0", paid_in),
            "amount": partial(self._amount, told.amount, currency),
            **{field: partial(self._amount, text, paid_in) for field, text in texts.items() if text},
        }
        for field, read_it in reads.items():
            try:
                read_it()
            except (ValueError, MoneyError, DecimalException):
                return field
        ids = ("id", "processor_id", "charge", "reference")
        return next((field for field in ids if len(getattr(told, field)) > LONGEST), "")

    def _read(self, kind: str, told: _Cells) -> Row:
        currency = told.currency.lower()
        paid_in = told.settled_currency.lower() or currency
        amount = self._signed(kind, self._minor(told.amount, currency))
        settled, fee, net = self._paid_out(kind, amount, told, paid_in, same=paid_in == currency)
        processor_id = told.processor_id or (told.charge if kind.startswith("capture") else "")
        names = (told.id, kind, processor_id, told.charge, told.reference)
        if max(map(len, names)) > LONGEST:
            raise ValueError(f"an id has more than {LONGEST} letters")
        return (*names, amount, currency, settled, fee, net, paid_in, self._when(told.date))

    def _paid_out(self, kind: str, amount: int, told: _Cells, currency: str, *, same: bool) -> tuple[int, int, int]:
        """Settled, fee and net, of which a file may leave out what follows from the others."""
        fee = self._minor(told.fee, currency) if told.fee else 0
        net = self._minor(told.net, currency) if told.net else None
        if told.settled:
            settled = self._signed(kind, self._minor(told.settled, currency))
        elif same:
            settled = amount
        elif net is not None:
            settled = net + fee
        else:
            raise ValueError("it is settled in another currency, and does not say how much")
        if net is not None and net != settled - fee:
            if net != settled + fee:
                raise ValueError("net is not what is settled less the fee")
            fee = -fee  # written as what it takes away
        return settled, fee, settled - fee

    def _signed(self, kind: str, amount: int) -> int:
        if self._format.signs == "written" or kind not in MOVES:
            return amount
        return SETTLED_SIGN[SettlementKind(kind)] * abs(amount)

    def _amount(self, text: str, currency: str) -> int:
        if self._format.units == "minor":
            try:
                minor = int(text)
            except ValueError:
                raise ValueError(f"{text!r} is no whole number of minor units") from None
            return from_minor(minor, currency, UNITS).amount
        form, after, groups = (COMMA, "comma", ".") if self._format.decimal_comma else (POINT, "point", ",")
        if not form.fullmatch(text):
            raise ValueError(f"{text!r} is no amount whose decimals stand after a {after}")
        return from_decimal_string(text.replace(groups, "").replace(",", "."), currency, UNITS).amount

    def _moment(self, text: str) -> datetime:
        form = self._format.date_format
        try:
            at = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 (UTC, below)
        except ValueError:
            raise ValueError(f"{text!r} is no date as {form or 'ISO 8601'} writes it") from None
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
