"""A processor's settlement file: what it paid out, and for what, row by row."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import msgspec

from processors.money import Money


class SettlementKind(StrEnum):
    """What one row of a settlement file is about; PAYOUT is what went to the merchant's bank."""

    CAPTURE = "capture"
    CAPTURE_REVERSED = "capture_reversed"
    CAPTURE_REINSTATED = "capture_reinstated"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    DISPUTE_WITHDRAWN = "dispute_withdrawn"
    DISPUTE_RETURNED = "dispute_returned"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    PAYOUT = "payout"


class SettlementRow(msgspec.Struct, frozen=True):
    """One row, signed from the merchant's side: `amount` as it was charged, the rest in the currency paid out.

    `processor_id` is the charge, refund or dispute that it is about; `net` is `settled` less `fee`.
    """

    row_id: str
    kind: SettlementKind
    amount: Money
    settled: Money
    fee: Money
    net: Money
    occurred_at: datetime
    processor_id: str = ""
    charge_id: str = ""
    reference: str = ""


class Settlement(msgspec.Struct, frozen=True):
    """One settlement file. Its rows balance: with the payout, `net` sums to zero in each currency."""

    processor_id: str
    day: date
    rows: tuple[SettlementRow, ...]
