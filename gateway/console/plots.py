"""Plots as pictures in the page (SVG), drawn by pygal and painted by our style sheet.

What pygal puts inside a picture of its own (style, script, style attributes, texts for its script) is taken out: the
console's policy lets no such thing run or paint. Each value leads to its list. Whoever does not see the picture has its
title, its description, and the table that `plot` in macros.html puts beside it, with the same links; a keyboard goes by
that table alone, and not through dozens of bars. (A picture whose parts are links is a group for ARIA, not an image.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
import pygal
from markupsafe import Markup
from pygal.etree import etree  # lxml's or the standard library's, as pygal itself has chosen

WIDTH: Final = {"half": 480, "most": 720, "whole": 960}
"""Drawn as wide as it is shown, so that its letters are as large as the page's: a part of the page, or all of it."""
HEIGHT: Final = 250
FEW_LABELS: Final = 6
"""More than that don't stand beside each other in half a page: each second one is written."""
MOST_MARKS: Final = 5
"""Above zero, on an axis of numbers."""
MOST_SERIES: Final = 6
"""As many colours as the style sheet has for plots (`--one` to `--six`)."""
DROPPED: Final = frozenset({"defs", "style", "script", "desc", "title"})
KEPT_ATTRIBUTES: Final = frozenset(
    {"class", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "transform", "points"}
)


class Cell(msgspec.Struct, frozen=True):
    """One value: how large it is drawn, what it says, and the list that it counts."""

    value: float
    text: str
    href: str = ""


class Series(msgspec.Struct, frozen=True):
    """Values under one name, one for each of the plot's labels; None where there is none."""

    name: str
    cells: tuple[Cell | None, ...]


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """A picture. `of` is what the labels are (week), `about` what one sees, `axis` how the axis is written,
    `across` how much of the page it takes, `counts` whether its values are numbers of things, `in_time` whether its
    labels are times, the newest last."""

    key: str
    title: str
    about: str
    of: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    axis: Callable[[float], str]
    shape: Literal["stacked", "lines"] = "stacked"
    most: float | None = None
    across: Literal["half", "most", "whole"] = "most"
    counts: bool = False
    in_time: bool = True

    @property
    def is_empty(self) -> bool:
        return not any(cell is not None for one in self.series for cell in one.cells)

    @property
    def highest(self) -> int:
        """The most things that stand on each other."""
        columns: Iterable[tuple[Cell | None, ...]] = zip(*(one.cells for one in self.series), strict=True)
        return max(round(sum(cell.value for cell in column if cell)) for column in columns)

    @property
    def names_right(self) -> list[str]:
        """The columns of its table, aligned to the right."""
        return [f">{one.name}" for one in self.series]


def svg(plot: Plot) -> Markup:
    """The picture."""
    chart = _chart(plot)
    for one in plot.series:
        chart.add(one.name, [_value(cell, one.name, label) for cell, label in zip(one.cells, plot.labels, strict=True)])
    root = chart.render_tree()
    _clean(root)
    _name(root, plot)
    return Markup(etree.tostring(root, encoding="unicode"))  # noqa: S704 (every text in it is escaped)


def folded(series: Sequence[Series], rest: str, join: Callable[[Sequence[Cell]], Cell]) -> tuple[Series, ...]:
    """The largest series, as many as there are colours; the others are one more, `rest`."""
    ordered = sorted(series, key=lambda one: -sum(abs(cell.value) for cell in one.cells if cell))
    if len(ordered) <= MOST_SERIES:
        return tuple(ordered)
    others = ordered[MOST_SERIES - 1 :]
    columns = [[cell for cell in column if cell] for column in zip(*(one.cells for one in others), strict=True)]
    joined = tuple(join(column) if column else None for column in columns)
    return (*ordered[: MOST_SERIES - 1], Series(rest, joined))


def _chart(plot: Plot) -> Any:
    kind = pygal.Line if plot.shape == "lines" else pygal.StackedBar
    thinned = plot.across == "half" and len(plot.labels) > FEW_LABELS
    marks = marks_up_to(plot.highest) if plot.counts else None
    return kind(
        width=WIDTH[plot.across],
        height=HEIGHT,
        js=[],
        css=[],
        x_labels=list(plot.labels),
        value_formatter=plot.axis,
        range=(0, marks[-1]) if marks else (0, plot.most) if plot.most is not None else None,
        y_labels=marks,
        max_scale=6,
        margin=8,
        x_labels_major_every=2 if thinned else None,
        show_minor_x_labels=not thinned,
        truncate_label=-1,
        show_legend=False,  # the page has it, where it wraps
        dots_size=4,
        explicit_size=False,
    )


def _value(cell: Cell | None, name: str, label: str) -> dict[str, Any] | None:
    if cell is None:
        return None
    told = f"{label}, {name}: {cell.text}"
    return {"value": cell.value, "label": told} | ({"xlink": {"href": cell.href}} if cell.href else {})


def _clean(element: Any) -> None:
    """Leaves what draws, in whatever order; a link keeps its address, and what it says becomes its title."""
    for child in list(element):
        tag = child.tag if isinstance(child.tag, str) else ""
        told = next((one.text or "" for one in child if one.tag == "desc" and one.get("class") == "label"), "")
        if tag in DROPPED or not tag or child.get("class", "").endswith(("tooltip-overlay", "text-overlay")):
            element.remove(child)
            continue
        href = next((value for name, value in child.attrib.items() if str(name).endswith("href")), "")
        _bare(child)
        _clean(child)
        if tag == "a":
            child.set("href", href)
            child.set("tabindex", "-1")
        if told:
            etree.SubElement(child, "title").text = told


def _bare(element: Any) -> None:
    for name in [name for name in element.attrib if str(name) not in KEPT_ATTRIBUTES]:
        del element.attrib[name]


def _name(root: Any, plot: Plot) -> None:
    """What the picture is called, for whoever does not see it."""
    root.attrib.pop("id", None)
    ids = {part: f"plot-{plot.key}-{part}" for part in ("title", "desc")}
    for n, (part, text) in enumerate((("title", plot.title), ("desc", plot.about))):
        told = etree.Element(part, {"id": ids[part]})
        told.text = text
        root.insert(n, told)
    root.set("class", "plot")
    root.set("role", "group")
    root.set("aria-labelledby", ids["title"])
    root.set("aria-describedby", ids["desc"])


def whole(count: float) -> str:
    """A number of things on an axis."""
    return f"{count:.0f}"


def marks_up_to(most: int) -> list[int]:
    """An axis's marks for numbers of things: whole ones, few, and the last no lower than the largest number."""
    step = 1
    while step * MOST_MARKS < most:
        # 1, 2, 5, 10, 20, 50 …
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return list(range(0, most + step, step))


def total_of(cells: Sequence[Cell], text: Callable[[float], str]) -> Cell:
    """Several cells as one, as `text` says it."""
    total = sum(cell.value for cell in cells)
    return Cell(total, text(total))
