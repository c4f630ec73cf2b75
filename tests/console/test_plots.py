"""Plots: what is left of the largest series, and what a picture says."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gateway.console.plots import MOST_SERIES, Cell, Plot, Series, folded, marks_up_to, svg, whole

NAMESPACE = "{http://www.w3.org/2000/svg}"


def plot(*series: Series, **more: object) -> Plot:
    labels = tuple(f"day {n}" for n in range(len(series[0].cells)))
    told = {"key": "k", "title": "Sums <of> it", "about": "What it is", "of": "Day", "axis": str, **more}
    return Plot(labels=labels, series=series, **told)  # type: ignore[arg-type]


def test_the_smallest_series_become_one() -> None:
    many = [Series(f"s{n}", (Cell(n, str(n)), None)) for n in range(1, 10)]
    told = folded(many, "others", lambda cells: Cell(sum(cell.value for cell in cells), "x"))
    assert [one.name for one in told] == ["s9", "s8", "s7", "s6", "s5", "others"]
    assert len(told) == MOST_SERIES
    assert told[-1].cells == (Cell(10, "x"), None)


def test_each_value_is_a_link_that_says_what_it_is() -> None:
    picture = svg(plot(Series("a & b", (Cell(3, "3.00 EUR", "/list?of=1&day=2"), None))))
    root = ElementTree.fromstring(picture)
    [link] = root.iter(f"{NAMESPACE}a")
    assert link.get("href") == "/list?of=1&day=2"
    assert link.findtext(f"{NAMESPACE}title") == "day 0, a & b: 3.00 EUR"
    assert root.findtext(f"{NAMESPACE}title") == "Sums <of> it"


def test_nothing_to_show_is_known() -> None:
    assert plot(Series("a", (None,))).is_empty
    assert not plot(Series("a", (Cell(0, "0"),))).is_empty


@pytest.mark.parametrize(
    ("most", "marks"),
    [(1, [0, 1]), (2, [0, 1, 2]), (3, [0, 1, 2, 3]), (7, [0, 2, 4, 6, 8]), (23, [0, 5, 10, 15, 20, 25])],
)
def test_an_axis_of_counts_has_whole_numbers_up_to_the_largest(most: int, marks: list[int]) -> None:
    assert marks_up_to(most) == marks


@pytest.mark.parametrize("most", [1, 6, 10, 11, 49, 99, 100, 12_345])
def test_few_marks_reach_any_count(most: int) -> None:
    marks = marks_up_to(most)
    assert marks[-2] < most <= marks[-1]
    assert len(marks) <= 7


def test_the_marks_of_stacked_counts_are_drawn() -> None:
    two = Series("a", (Cell(1, "1"),)), Series("b", (Cell(2, "2"),))
    root = ElementTree.fromstring(svg(plot(*two, axis=whole, counts=True)))
    written = [one.text for one in root.iter(f"{NAMESPACE}text")]
    assert [text for text in written if text in ("0", "1", "2", "3")] == ["0", "1", "2", "3"]
