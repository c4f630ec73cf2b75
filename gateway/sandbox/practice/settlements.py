"""Settlement files: one for each day on which money moved, as a processor pays it out. Written from the books.

A day's file is there once the day is over (UTC). Amounts are in minor units, signed from the merchant's side: `amount`
in the charge's currency, `settled`, `fee` and `net` in the currency that is paid out. `net` is settled less fee, and
the last row of each currency, the payout, takes out what is there: so `net` sums to zero.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec

from gateway.sandbox.practice.account import Account, Entry
from gateway.sandbox.practice.manner import Manner
from gateway.sandbox.practice.money import converted, decimals, share

DAY_S = 86400


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a file, in the order of its columns."""

    id: str
    kind: str
    object: str
    charge: str
    reference: str
    occurred_at: str
    amount: int
    currency: str
    rate: str
    settled: int
    fee: int
    net: int
    settlement_currency: str


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    day: str
    rows: list[Row]

    def shown(self) -> dict[str, Any]:
        payouts = [row for row in self.rows if row.kind == "payout"]
        return {
            "object": "settlement",
            "id": self.id,
            "day": self.day,
            "rows": len(self.rows),
            "payouts": [{"amount": -row.net, "currency": row.settlement_currency} for row in payouts],
        }

    def csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(Row.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(row) for row in self.rows)
        return text.getvalue().encode()


def settlements(account: Account, now: int) -> list[Settlement]:
    """The files of the days that are over, oldest first."""
    over = [one for one in account.entries if one.at // DAY_S < now // DAY_S]
    days = groupby(sorted(over, key=_day), _day)
    return [_settlement(account.manner, day, list(entries)) for day, entries in days]


def _settlement(manner: Manner, day: int, entries: list[Entry]) -> Settlement:
    date = datetime.fromtimestamp(day * DAY_S, UTC).date()
    rows = [_row(manner, entry) for entry in entries]
    currencies = sorted({row.settlement_currency for row in rows})
    payouts = [_payout(f"{date:%Y%m%d}", currency, rows) for currency in currencies]
    return Settlement(id=f"pst_{date:%Y%m%d}", day=date.isoformat(), rows=[*rows, *payouts])


def _row(manner: Manner, entry: Entry) -> Row:
    currency = manner.settlement_currency or entry.currency
    rate = "1" if currency == entry.currency else manner.rates.get(entry.currency, "1")
    places = decimals(entry.currency, manner.decimals), decimals(currency, manner.decimals)
    settled = converted(entry.amount, rate, *places)
    # A fee is taken for what is captured, and isn't given back.
    fee = share(settled, manner.fee_basis_points) + manner.fee_fixed if entry.kind == "capture" else 0
    return Row(
        id=entry.id,
        kind=entry.kind,
        object=entry.object_id,
        charge=entry.charge,
        reference=entry.reference,
        occurred_at=_moment(entry.at),
        amount=entry.amount,
        currency=entry.currency,
        rate=rate,
        settled=settled,
        fee=fee,
        net=settled - fee,
        settlement_currency=currency,
    )


def _payout(day: str, currency: str, rows: list[Row]) -> Row:
    """What goes to the merchant's bank; where more went back than came in, what is taken from there."""
    net = sum(row.net for row in rows if row.settlement_currency == currency)
    last = max(row.occurred_at for row in rows if row.settlement_currency == currency)
    return Row(
        id=f"ppo_{day}_{currency}",
        kind="payout",
        object="",
        charge="",
        reference="",
        occurred_at=last,
        amount=-net,
        currency=currency,
        rate="1",
        settled=-net,
        fee=0,
        net=-net,
        settlement_currency=currency,
    )


def _day(entry: Entry) -> int:
    return entry.at // DAY_S


def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
