"""The ledger in double entry: what each movement, and each row that a processor settled, does to which accounts. Pure.

A line is booked on the day on which we learned of it, which is never in a day that was exported before: exports of one
span after the other hold every line once. When it happened stands beside it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from db.states import MovementKind
from gateway.domain.chart import Chart
from gateway.domain.moves import MOVES, SIGN
from processors.settlements import SettlementKind


class Posting(msgspec.Struct, frozen=True):
    """One line: what is debited, in Stripe's minor units; credited where it is negative."""

    account: str
    amount: int
    currency: str


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """Something to book. Of a movement, `amount` has no sign; of a settlement row all amounts are the merchant's.

    `number`: the invoice's. `surplus`: the capture that it is about was known as surplus by then.
    """

    id: str
    kind: str
    booked_at: datetime
    occurred_at: datetime
    amount: int
    currency: str
    connection: str = ""
    invoice: str = ""
    number: str = ""
    processor_id: str = ""
    surplus: bool = False
    settled: int = 0
    fee: int = 0
    net: int = 0
    settled_currency: str = ""


class Transaction(msgspec.Struct, frozen=True):
    """One entry of the journal; in each currency its postings sum to zero."""

    of: Booked
    postings: tuple[Posting, ...]


def movement(of: Booked, chart: Chart) -> Transaction:
    """A movement of the ledger."""
    kind = MovementKind(of.kind)
    amount, clearing = SIGN[kind] * of.amount, chart.clearing_of(of.connection)
    match kind:
        case MovementKind.RECEIPT:
            return _transfer(of, chart.receipts, chart.receivable, amount, of.currency)
        case MovementKind.REFUND | MovementKind.REFUND_FAILED:
            return _transfer(of, clearing, chart.refunds, amount, of.currency)
        case MovementKind.DISPUTE_WITHDRAWN | MovementKind.DISPUTE_RETURNED:
            return _transfer(of, clearing, chart.disputes, amount, of.currency)
        case _:
            return _transfer(of, clearing, chart.surplus if of.surplus else chart.receivable, amount, of.currency)


def surplus_marked(of: Booked, chart: Chart) -> Transaction:
    """A capture that had cleared a receivable turned out to be the payer's money."""
    return _transfer(of, chart.receivable, chart.surplus, of.amount, of.currency)


def settlement(of: Booked, chart: Chart) -> Transaction | None:
    """A row of a settlement file: the ledger has booked what it moved, so this is its fee, and its conversion; or what
    only the processor knows. None where nothing is left to book."""
    clearing, paid_in = chart.clearing_of(of.connection), of.settled_currency
    match SettlementKind(of.kind):
        case SettlementKind.PAYOUT:
            return _transfer(of, clearing, chart.bank, of.net, paid_in)
        case SettlementKind.FEE:
            return _transfer(of, clearing, chart.fees, of.net, paid_in)
        case SettlementKind.ADJUSTMENT:
            return _transfer(of, clearing, chart.adjustments, of.net, paid_in)
        case kind:
            assert kind in MOVES, "a move of money, or one of the above"
    postings = [Posting(chart.fees, of.fee, paid_in), Posting(clearing, -of.fee, paid_in)] if of.fee else []
    if paid_in != of.currency:
        postings += _pair(clearing, chart.conversion, -of.amount, of.currency)
        postings += _pair(clearing, chart.conversion, of.settled, paid_in)
    elif of.settled != of.amount:
        postings += _pair(clearing, chart.adjustments, of.settled - of.amount, paid_in)
    return Transaction(of, tuple(postings)) if postings else None


def _transfer(of: Booked, debit: str, credit: str, amount: int, currency: str) -> Transaction:
    return Transaction(of, tuple(_pair(debit, credit, amount, currency)))


def _pair(debit: str, credit: str, amount: int, currency: str) -> list[Posting]:
    return [Posting(debit, amount, currency), Posting(credit, -amount, currency)]
