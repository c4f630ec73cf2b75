"""The card schemes' limits: how often one card may be tried, over all its invoices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.budget import BUDGETS, LONGEST, SLACK, next_within_budget

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

BRANDS = st.sampled_from(sorted(BUDGETS))
AGES = st.lists(st.integers(0, 45 * 24 * 60), max_size=60)


def ago(*ages: timedelta) -> list[datetime]:
    return [NOW - age for age in ages]


@pytest.mark.parametrize(
    ("brand", "tries", "expected"),
    [
        ("mastercard", ago(*[n * HOUR for n in range(9)]), NOW),
        ("mastercard", ago(*[n * HOUR for n in range(1, 11)]), NOW + 14 * HOUR + SLACK),
        ("MasterCard", ago(*[n * HOUR for n in range(1, 11)]), NOW + 14 * HOUR + SLACK),
        ("mastercard", ago(*[n * 20 * HOUR for n in range(1, 36)]), NOW + LONGEST - 35 * 20 * HOUR + SLACK),
        ("visa", ago(*[n * HOUR for n in range(1, 20)]), NOW),
        ("visa", ago(*[n * HOUR for n in range(1, 21)]), NOW + LONGEST - 20 * HOUR + SLACK),
        ("visa", ago(*[LONGEST + n * HOUR for n in range(1, 41)]), NOW),
        ("bank_debit", ago(*[n * HOUR for n in range(50)]), NOW),
        ("", [], NOW),
    ],
    ids=["nine", "ten a day", "any case", "35 a month", "visa 19", "visa 20", "long ago", "no card", "nothing"],
)
def test_the_next_try_waits_for_its_window(brand: str, tries: list[datetime], expected: datetime) -> None:
    assert next_within_budget(tries, brand, NOW) == expected


@given(BRANDS, st.lists(st.integers(0, 300), min_size=12, max_size=80))
def test_no_window_ever_holds_more_than_the_budget(brand: str, waits: list[int]) -> None:
    """Whoever asks before each try never goes over, however fast he wants to be."""
    tries: list[datetime] = []
    at = NOW
    for wait in waits:
        at = next_within_budget(tries, brand, at + wait * timedelta(minutes=1))
        tries.append(at)
    for budget in BUDGETS[brand]:
        for first in tries:
            assert sum(first <= one <= first + budget.within for one in tries) <= budget.most


@given(BRANDS, AGES, st.integers(0, 60 * 24 * 60))
def test_it_is_never_in_the_past_and_a_wait_is_kept(brand: str, ages: list[int], later: int) -> None:
    tries = [NOW - timedelta(minutes=age) for age in ages]
    at = next_within_budget(tries, brand, NOW)
    then = NOW + timedelta(minutes=later)
    assert at >= NOW
    assert next_within_budget(tries, brand, then) == max(at, then)


@given(BRANDS, AGES, st.integers(0, 45 * 24 * 60))
def test_a_further_try_never_brings_the_next_one_forward(brand: str, ages: list[int], one_more: int) -> None:
    tries = [NOW - timedelta(minutes=age) for age in ages]
    more = [*tries, NOW - timedelta(minutes=one_more)]
    assert next_within_budget(more, brand, NOW) >= next_within_budget(tries, brand, NOW)


@given(BRANDS, AGES)
def test_the_order_of_the_tries_does_not_matter(brand: str, ages: list[int]) -> None:
    tries = [NOW - timedelta(minutes=age) for age in ages]
    assert next_within_budget(tries[::-1], brand, NOW) == next_within_budget(sorted(tries), brand, NOW)
