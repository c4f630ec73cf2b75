"""Double entry: whatever is booked balances, and money that came and went leaves every account at nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.states import MovementKind
from gateway.domain.chart import BEANCOUNT, Chart
from gateway.domain.journal import Booked, Transaction, movement, settlement, surplus_marked
from processors.settlements import SettlementKind

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
CHART = Chart()


def booked(kind: str, amount: int = 1000, **changes: Any) -> Booked:
    told = {"id": "x", "booked_at": NOW, "occurred_at": NOW, "currency": "eur", "connection": "practice-eu"} | changes
    return Booked(kind=kind, amount=amount, **told)


def row(kind: str, amount: int = 1000, *, fee: int = 0, settled: int | None = None, **changes: Any) -> Booked:
    settled = amount if settled is None else settled
    told = {"settled": settled, "fee": fee, "net": settled - fee, "settled_currency": "eur"} | changes
    return booked(kind, amount, **told)


def sums(*transactions: Transaction | None) -> dict[tuple[str, str], int]:
    """What stands on each account in each currency, without those at zero."""
    left: Counter[tuple[str, str]] = Counter()
    for one in transactions:
        for line in one.postings if one else ():
            left[line.account, line.currency] += line.amount
    return {account: amount for account, amount in left.items() if amount}


CLEARING = ("Assets:Clearing:Practice-eu", "eur")
amounts = st.integers(-(10**9), 10**9)


@given(st.sampled_from(list(MovementKind)), st.integers(1, 10**9), st.booleans())
def test_every_movement_balances(kind: MovementKind, amount: int, surplus: bool) -> None:
    assert sum(line.amount for line in movement(booked(kind, amount, surplus=surplus), CHART).postings) == 0


@given(st.sampled_from(list(SettlementKind)), amounts, amounts, amounts, st.sampled_from(["eur", "usd"]))
def test_every_row_balances_in_each_currency(kind: str, amount: int, settled: int, fee: int, paid_in: str) -> None:
    made = settlement(row(kind, amount, fee=fee, settled=settled, settled_currency=paid_in), CHART)
    by_currency: Counter[str] = Counter()
    for line in made.postings if made else ():
        by_currency[line.currency] += line.amount
    assert not any(by_currency.values())


def test_a_sale_that_was_paid_out_leaves_nothing_at_the_processor() -> None:
    day = (movement(booked("capture"), CHART), settlement(row("capture", fee=30), CHART),
           settlement(row("payout", -970), CHART))  # fmt: skip
    assert sums(*day) == {
        ("Assets:Receivable", "eur"): -1000, ("Expenses:Processor-Fees", "eur"): 30, ("Assets:Bank", "eur"): 970
    }  # fmt: skip


def test_another_currency_passes_through_conversion() -> None:
    day = (movement(booked("capture"), CHART),
           settlement(row("capture", settled=1083, fee=33, settled_currency="usd"), CHART),
           settlement(row("payout", -1050, currency="usd", settled_currency="usd"), CHART))  # fmt: skip
    left = sums(*day)
    assert (CLEARING not in left, (CLEARING[0], "usd") not in left) == (True, True)
    assert (left["Equity:Conversion", "eur"], left["Equity:Conversion", "usd"]) == (1000, -1083)


def test_a_refund_and_one_that_failed() -> None:
    assert sums(movement(booked("refund"), CHART)) == {CLEARING: -1000, ("Liabilities:Refunds", "eur"): 1000}
    assert sums(movement(booked("refund"), CHART), movement(booked("refund_failed"), CHART)) == {}


def test_a_dispute_that_was_won() -> None:
    assert sums(movement(booked("dispute_withdrawn"), CHART))["Assets:Disputed", "eur"] == 1000
    assert sums(movement(booked("dispute_withdrawn"), CHART), movement(booked("dispute_returned"), CHART)) == {}


@pytest.mark.parametrize("known_at_once", [True, False])
def test_surplus_goes_back_and_leaves_nothing(known_at_once: bool) -> None:
    captured = movement(booked("capture", surplus=known_at_once), CHART)
    marked = None if known_at_once else surplus_marked(booked("surplus_marked"), CHART)
    assert sums(captured, marked)["Liabilities:Surplus", "eur"] == -1000
    assert sums(captured, marked, movement(booked("surplus_returned", surplus=True), CHART)) == {}


def test_an_overpayment_that_nobody_marked_goes_back_from_the_receivable() -> None:
    back = movement(booked("surplus_returned", 200), CHART)
    assert sums(movement(booked("capture", 1200), CHART), back)["Assets:Receivable", "eur"] == -1000


def test_a_payment_by_hand_never_was_at_a_processor() -> None:
    received = movement(booked("receipt", connection=""), CHART)
    assert sums(received) == {("Assets:Receipts", "eur"): 1000, ("Assets:Receivable", "eur"): -1000}


def test_a_row_that_says_nothing_new_is_not_booked() -> None:
    assert settlement(row("capture"), CHART) is None


def test_the_default_names_are_beancounts() -> None:
    names = [getattr(CHART, name) for name in CHART.__struct_fields__ if name != "clearing"]
    assert all(BEANCOUNT.fullmatch(name) for name in [*names, CHART.clearing_of("a_b-1")])
    assert Chart(bank="1200").wrong() is None
    assert Chart(bank=" ").wrong() == ("bank", "must have 1 to 200 printable letters")
