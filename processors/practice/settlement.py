"""The practice processor's settlement files, read and held to their own sums. Pure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime
from typing import Final

from processors.errors import OutcomeUnknownError
from processors.money import Exponents, from_minor
from processors.values import Settlement, SettlementKind, SettlementRow

MAX_ROWS: Final = 100_000


def settlement(processor_id: str, day: str, content: bytes, units: Exponents) -> Settlement:
    """A file's rows; raises OutcomeUnknownError for one that can't be read or doesn't balance, and MoneyError."""
    try:
        lines = list(csv.DictReader(io.StringIO(content.decode())))[: MAX_ROWS + 1]
        rows = tuple(_row(line, units) for line in lines)
        read = Settlement(processor_id, date.fromisoformat(day), rows)
    except (KeyError, TypeError, ValueError, csv.Error):
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


def _row(line: dict[str, str], units: Exponents) -> SettlementRow:
    paid_in = line["settlement_currency"]
    return SettlementRow(
        row_id=line["id"],
        kind=SettlementKind(line["kind"]),
        amount=from_minor(int(line["amount"]), line["currency"], units),
        settled=from_minor(int(line["settled"]), paid_in, units),
        fee=from_minor(int(line["fee"]), paid_in, units),
        net=from_minor(int(line["net"]), paid_in, units),
        occurred_at=datetime.fromisoformat(line["occurred_at"]).astimezone(UTC),
        processor_id=line["object"],
        charge_id=line["charge"],
        reference=line["reference"],
    )
