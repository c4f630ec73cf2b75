"""Recovery as the overview shows it: how declines ended, and why there were any, each with the list that it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from gateway.console.links import Lists
from gateway.console.plots import MOST_SERIES, Cell, Plot, Series, folded, total_of, whole
from gateway.domain.invoice_words import why
from gateway.domain.weeks import week_end
from gateway.readers.invoice_figures import NOT_KNOWN
from gateway.readers.recoveries import Cohort, Outcome, Reason

FIRST: Final = {"first_decline": "true"}


class Recovered(msgspec.Struct, frozen=True):
    """How a processor's declines ended, over all weeks."""

    name: str
    declined: int
    recovered: int
    lost: int
    href: str
    """All of them; `outcome` is added for a part."""

    @property
    def rate(self) -> str:
        return share(self.recovered, self.declined)

    @property
    def open(self) -> int:
        return self.declined - self.recovered - self.lost

    def part(self, outcome: str) -> str:
        """The list of those that ended so."""
        return f"{self.href}&outcome={Outcome(outcome)}"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def recovered_by(lists: Lists, weeks: Sequence[date], cohorts: Sequence[Cohort]) -> list[Recovered]:
    """A row for each connection, the one with the most declines first."""
    rows = []
    for connection in sorted({one.connection for one in cohorts}):
        of = [one for one in cohorts if one.connection == connection]
        declined, recovered = sum(one.declined for one in of), sum(one.recovered for one in of)
        href = lists.declined(connection, weeks[0], week_end(weeks[-1]), **FIRST)
        rows.append(Recovered(lists.name(connection), declined, recovered, sum(one.lost for one in of), href))
    return sorted(rows, key=lambda row: -row.declined)


def recovery_plot(lists: Lists, weeks: Sequence[date], cohorts: Sequence[Cohort]) -> Plot:
    """The share of invoices, by the week of their first decline, that are paid now: where most are declined."""
    found = {(one.connection, one.week): one for one in cohorts}
    declined = Counter[str]()
    for one in cohorts:
        declined[one.connection] += one.declined
    series = [
        Series(lists.name(connection), tuple(_rate(lists, found.get((connection, week))) for week in weeks))
        for connection, _ in declined.most_common(MOST_SERIES)
    ]
    return Plot(
        key="recovery",
        title="Recovery rate by processor",
        about="Of the invoices that were first declined in a week, how many per cent have been paid since. "
        "The last weeks still rise: their retries are not over.",
        of="First declined in the week of",
        labels=tuple(f"{week:%-d %b}" for week in weeks),
        series=tuple(series),
        axis=lambda value: f"{value:.0f} %",
        shape="lines",
        most=100,
        across="half",
    )


def _rate(lists: Lists, one: Cohort | None) -> Cell | None:
    if one is None:
        return None
    text = f"{share(one.recovered, one.declined)} ({one.recovered} of {one.declined})"
    href = lists.declined(one.connection, one.week, week_end(one.week), **FIRST)
    return Cell(100 * one.recovered / one.declined, text, href)


def reasons_plot(lists: Lists, weeks: Sequence[date], reasons: Sequence[Reason], connection: str = "") -> Plot:
    """Why tries were declined, by week: at one connection, or at all."""
    counts: dict[tuple[str, date], int] = {}
    for one in reasons:
        if connection in ("", one.connection):
            counts[one.decline_class, one.week] = counts.get((one.decline_class, one.week), 0) + one.count
    series = [
        Series(
            why(kind), tuple(_declined(lists, counts.get((kind, week), 0), kind, week, connection) for week in weeks)
        )
        for kind in sorted({kind for kind, _ in counts})
    ]
    return Plot(
        key="declines",
        title="Why tries were declined" + (f", {lists.name(connection)}" if connection else ""),
        about="For each of the last weeks, how many tries were declined, by reason.",
        of="Week of",
        labels=tuple(f"{week:%-d %b}" for week in weeks),
        series=folded(series, "other reasons", lambda cells: total_of(cells, lambda count: f"{count:.0f}")),
        axis=whole,
        across="half",
        counts=True,
    )


def _declined(lists: Lists, count: int, kind: str, week: date, connection: str) -> Cell | None:
    if not count:
        return None
    return Cell(count, str(count), lists.declined(connection, week, week_end(week), decline_class=kind or NOT_KNOWN))
