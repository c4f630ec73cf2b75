"""The practice processor's settlement files, read and held to their own sums. Pure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date, datetime
from itertools import islice
from typing import Annotated, Final

import msgspec

from processors.errors import OutcomeUnknownError
from processors.money import Exponents, from_minor
from processors.settlements import Settlement, SettlementKind, SettlementRow

MAX_ROWS: Final = 100_000


class ApiRow(msgspec.Struct, frozen=True):
    """A line, by the names of its columns."""

    id: str
    kind: SettlementKind
    object: str
    charge: str
    reference: str
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    amount: int
    currency: str
    settled: int
    fee: int
    net: int
    settlement_currency: str


def settlement(processor_id: str, day: str, content: bytes, units: Exponents) -> Settlement:
    """A file's rows; raises OutcomeUnknownError for one that can't be read or doesn't balance, and MoneyError."""
    try:
        lines = csv.DictReader(io.StringIO(content.decode()), strict=True)
        if lines.fieldnames is None or not set(ApiRow.__struct_fields__) <= set(lines.fieldnames):
            raise ValueError("it has other columns")
        told = [msgspec.convert(line, ApiRow, strict=False) for line in islice(lines, MAX_ROWS + 1)]
        rows = tuple(_row(one, units) for one in told)
        read = Settlement(processor_id, date.fromisoformat(day), rows)
    except (ValueError, csv.Error):  # msgspec's ValidationError is a ValueError
        raise OutcomeUnknownError(f"the settlement file {processor_id} can't be read") from None
    if len(rows) > MAX_ROWS:
        raise OutcomeUnknownError(f"the settlement file {processor_id} has more than {MAX_ROWS} rows")
    _check(read)
    return read


def _check(read: Settlement) -> None:
    """Raises OutcomeUnknownError."""
    left: Counter[str] = Counter()
    for row in read.rows:
        if row.net != row.settled - row.fee:
            raise OutcomeUnknownError(f"in {read.processor_id}, row {row.row_id} is not settled less fee")
        left[row.net.currency] += row.net.amount
    if any(left.values()):
        raise OutcomeUnknownError(f"the settlement file {read.processor_id} does not balance")


def _row(told: ApiRow, units: Exponents) -> SettlementRow:
    paid_in = told.settlement_currency
    return SettlementRow(
        row_id=told.id,
        kind=told.kind,
        amount=from_minor(told.amount, told.currency, units),
        settled=from_minor(told.settled, paid_in, units),
        fee=from_minor(told.fee, paid_in, units),
        net=from_minor(told.net, paid_in, units),
        occurred_at=told.occurred_at,
        processor_id=told.object,
        charge_id=told.charge,
        reference=told.reference,
    )
