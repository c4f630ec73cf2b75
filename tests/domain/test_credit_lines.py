"""An amount spread over an invoice's lines: never more than is left, and to the unit wherever that can be said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.credit_lines import BilledLine, proposals


@st.composite
def lines(draw: st.DrawFn) -> list[BilledLine]:
    """Lines with taxes and discounts as Stripe shows them, of which something may be credited already."""
    made = []
    for at in range(draw(st.integers(1, 6))):
        amount = draw(st.integers(0, 20_000))
        off = draw(st.integers(0, amount))
        rates = draw(st.lists(st.integers(0, 3000), max_size=2))
        taxes = tuple(round((amount - off) * rate / 10_000) for rate in rates)
        made.append(BilledLine(f"il_{at}", amount, (*taxes, -off), credited=draw(st.integers(0, amount))))
    return made


@given(lines(), st.integers(1, 150_000))
def test_never_more_of_a_line_than_is_left(billed: list[BilledLine], gross: int) -> None:
    left = {line.id: line.left for line in billed}
    for shares in proposals(billed, gross):
        assert shares
        assert len({id_ for id_, _ in shares}) == len(shares)
        assert all(0 < part <= left[id_] for id_, part in shares)


@given(lines(), st.data())
def test_the_first_comes_as_near_as_its_lines_can(billed: list[BilledLine], data: st.DataObject) -> None:
    by_id = {line.id: line for line in billed}
    whole = sum(line.gross_of(line.left) for line in billed if line.gross > 0 and line.left > 0)
    if whole <= 0:
        return
    gross = data.draw(st.integers(1, whole))
    first = next(iter(proposals(billed, gross)), ())
    steps = [line.gross / line.amount for line in billed if line.amount > 0]
    off = abs(gross - sum(by_id[id_].gross_of(part) for id_, part in first))
    assert off <= 2 + 2 * len(billed) + max(steps)


@given(lines())
def test_all_that_is_left_is_all_of_every_line(billed: list[BilledLine]) -> None:
    usable = [line for line in billed if line.left > 0 and line.gross > 0]
    whole = sum(line.gross_of(line.left) for line in usable)
    first = dict(next(iter(proposals(billed, whole)), ()))
    paid = {line.id: line.gross_of(line.left) for line in usable}
    assert sum(line.gross_of(first.get(line.id, 0)) for line in usable) == (whole if first else 0)
    assert whole <= 0 or sum(paid.values()) == whole


@given(lines(), st.integers(1, 20_000))
def test_the_parts_of_a_line_add_up(billed: list[BilledLine], part: int) -> None:
    line = billed[0]
    part = min(part, line.left)
    rest = BilledLine(line.id, line.amount, line.added, credited=line.credited + part)
    if line.amount:
        assert line.gross_of(part) + rest.gross_of(rest.left) == line.gross_of(line.left)


def test_plain_lines_are_met_to_the_unit() -> None:
    billed = [BilledLine("il_a", 999), BilledLine("il_b", 333), BilledLine("il_c", 1)]
    for gross in range(1, 1334):
        assert sum(part for _, part in next(iter(proposals(billed, gross)))) == gross


def test_a_line_that_steps_over_is_met_by_another() -> None:
    """20 % on the first: no amount of it comes to 5; with the second it does."""
    billed = [BilledLine("il_a", 1000, (200,)), BilledLine("il_b", 100)]
    for gross in range(1, 1301):
        shares = next(iter(proposals(billed, gross)))
        by_id = {line.id: line for line in billed}
        assert sum(by_id[id_].gross_of(part) for id_, part in shares) == gross


def test_nothing_to_propose() -> None:
    assert list(proposals([], 100)) == []
    assert list(proposals([BilledLine("il_a", 100)], 101)) == []
    assert list(proposals([BilledLine("il_a", 100, credited=100)], 1)) == []
    assert list(proposals([BilledLine(f"il_{n}", 10) for n in range(101)], 10)) == []
