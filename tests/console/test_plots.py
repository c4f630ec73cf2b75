"""Plots: what is left of the largest series, and what a picture says."""

from __future__ import annotations

from xml.etree import ElementTree

from gateway.console.plots import MOST_SERIES, Cell, Plot, Series, folded, svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def plot(*series: Series) -> Plot:
    labels = tuple(f"day {n}" for n in range(len(series[0].cells)))
    told = {"key": "k", "title": "Sums <of> it", "about": "What it is", "of": "Day", "axis": str}
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
