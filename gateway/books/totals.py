"""Rows of a settlement file, and what they come to: for whoever looks at one before it is taken in, and afterwards.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec

from processors.settlements import SettlementKind

Row: TypeAlias = tuple[str, str, str, str, str, int, str, int, int, int, str, datetime]
"""The columns of `rows.COLUMNS`, in their order; an empty `row_id` where the file has none."""


class Total(msgspec.Struct, frozen=True):
    """The rows of one kind and currency: `amount` in `currency`, as it was charged; `fee` and `net` in that of the
    payout."""

    kind: str
    currency: str
    settled_currency: str
    rows: int
    amount: int
    fee: int
    net: int


class Totals:
    """Adds up what passes."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], tuple[int, int, int, int]] = {}
        self.rows = 0
        self.first: datetime | None = None
        self.until: datetime | None = None

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            _, kind, _, _, _, amount, currency, _, fee, net, settled_currency, at = row
            key = (kind, currency, settled_currency)
            count, *sums = self._sums.get(key, (0, 0, 0, 0))
            self._sums[key] = (count + 1, sums[0] + amount, sums[1] + fee, sums[2] + net)
            self.rows += 1
            self.first = at if self.first is None or at < self.first else self.first
            self.until = at if self.until is None or at > self.until else self.until
            yield row

    def told(self) -> list[Total]:
        """By kind, in the order of their names."""
        return [Total(*key, *sums) for key, sums in sorted(self._sums.items())]


def net_of(totals: Sequence[Total]) -> dict[str, int]:
    """What a file settles, by the currency of the payout. The payouts themselves are left out: they would make it
    nothing."""
    found: dict[str, int] = {}
    for one in totals:
        if one.kind != SettlementKind.PAYOUT:
            found[one.settled_currency] = found.get(one.settled_currency, 0) + one.net
    return dict(sorted(found.items()))
