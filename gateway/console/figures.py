"""What the overview shows, made of what the readers found: sums with the lists that they count, and plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from gateway.console.plots import MOST_SERIES, Cell, Plot, Series, folded
from gateway.console.render import money, words
from gateway.domain.case_age import Age
from gateway.domain.news import WHY
from gateway.domain.open_money import Group
from gateway.domain.weeks import by_week, week_end
from gateway.readers.case_ages import CaseAges
from gateway.readers.collected import AT_STRIPE, BY_HAND, Collected
from gateway.readers.invoice_figures import NOT_KNOWN
from gateway.readers.open_money import Sum
from gateway.readers.recoveries import Cohort, Outcome, Reason
from processors.errors import MoneyError
from processors.money import Money, to_decimal
from processors.outcome import DeclineClass

SOURCES: Final[Mapping[str, str]] = {BY_HAND: "recorded by hand", AT_STRIPE: "paid at Stripe"}
FIRST: Final = {"first_decline": "true"}
NEVER_SAID: Final = "the processor's code is not known"


class Figure(msgspec.Struct, frozen=True):
    """A number and its list."""

    text: str
    href: str
    note: str = ""


class Lists(msgspec.Struct, frozen=True):
    """Addresses of an account's lists, with filters. Days are UTC, and both ends belong to them."""

    path: str
    names: Mapping[str, str]

    def invoices(self, **filters: Any) -> str:
        wanted = [(name, value) for name, value in filters.items() if value not in ("", None)]
        return f"{self.path}/invoices?{urlencode(wanted, doseq=True)}"

    def collected(self, by: str, currency: str, first: date, last: date) -> str:
        return self.invoices(collected_from=first, collected_until=last, source=by, currency=currency)

    def declined(self, connection: str, first: date, last: date, **which: str) -> str:
        return self.invoices(declined_from=first, declined_until=last, declined_at=connection, **which)

    def cases(self, **filters: str) -> str:
        return f"{self.path}/cases?{urlencode({'state': 'open', **filters})}"

    def name(self, by: str) -> str:
        return SOURCES.get(by) or self.names.get(by, by)


# --- money ---------------------------------------------------------------------------------------------------------


def currencies(collected: Iterable[Collected], standing: Mapping[str, object]) -> list[str]:
    """Those in which money is, the one that is moved most often first."""
    moves: dict[str, int] = dict.fromkeys(standing, 0)
    for one in collected:
        moves[one.currency] = moves.get(one.currency, 0) + one.count
    return sorted(moves, key=lambda currency: (-moves[currency], currency))


def standing_figure(lists: Lists, group: Group, currency: str, of: Sum, written_off_since: date) -> Figure:
    """A group of invoices that are not settled."""
    since = written_off_since if group is Group.WRITTEN_OFF else None
    invoices = "1 invoice" if of.count == 1 else f"{of.count:,} invoices"
    href = lists.invoices(group=group, created_from=since, currency=currency)
    return Figure(money(of.amount, currency), href, invoices)


def month_figure(lists: Lists, currency: str, month: date, found: Iterable[Collected]) -> Figure:
    """What was collected since the month began."""
    of = [one for one in found if one.currency == currency and one.day >= month]
    came, went = sum(one.came for one in of), sum(one.went for one in of)
    back = f"{money(went, currency)} went back to payers" if went else "nothing went back to payers"
    return Figure(money(came, currency), lists.collected("", currency, month, month_end(month)), back)


def month_by_source(lists: Lists, currency: str, month: date, found: Iterable[Collected]) -> list[tuple[str, Figure]]:
    """The same by where it came from, the largest first."""
    sums: dict[str, int] = {}
    for one in found:
        if one.currency == currency and one.day >= month:
            sums[one.by] = sums.get(one.by, 0) + one.came
    return [
        (lists.name(by), Figure(money(came, currency), lists.collected(by, currency, month, month_end(month))))
        for by, came in sorted(sums.items(), key=lambda item: -item[1])
    ]


def month_end(month: date) -> date:
    """Its last day."""
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def collected_plot(lists: Lists, currency: str, weeks: Sequence[date], found: Iterable[Collected]) -> Plot:
    """What came in by week, and from where."""
    of = [one for one in found if one.currency == currency]
    series = []
    for by in sorted({one.by for one in of}):
        sums = by_week(weeks, ((one.day, one.came) for one in of if one.by == by))
        cells = [
            Cell(amount, money(amount, currency), lists.collected(by, currency, week, week_end(week)))
            if amount
            else None
            for week, amount in zip(weeks, sums, strict=True)
        ]
        series.append(Series(lists.name(by), tuple(cells)))
    return Plot(
        key="collected",
        title=f"Collected by week, {currency.upper()}",
        about="For each of the last weeks, what came in, less what banks took back: by processor, by hand, at Stripe.",
        of="Week of",
        labels=tuple(f"{week:%-d %b}" for week in weeks),
        series=folded(series, "others", lambda cells: _sum(cells, lambda amount: money(int(amount), currency))),
        axis=lambda amount: _short(amount, currency),
    )


def _whole(count: float) -> str:
    """Half a thing is no mark of an axis."""
    return f"{count:.0f}" if count == round(count) else ""


def _short(amount: float, currency: str) -> str:
    """An amount on an axis: without the currency, and in thousands where it is large."""
    try:
        number = float(to_decimal(Money(round(amount), currency)))
    except MoneyError:
        number = amount
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if abs(number) >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.4g}"


def _sum(cells: Sequence[Cell], text: Callable[[float], str]) -> Cell:
    total = sum(cell.value for cell in cells)
    return Cell(total, text(total))


# --- recovery ------------------------------------------------------------------------------------------------------


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
        half=True,
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
        series=folded(series, "other reasons", lambda cells: _sum(cells, lambda count: f"{count:.0f}")),
        axis=_whole,
        half=True,
    )


def _declined(lists: Lists, count: int, kind: str, week: date, connection: str) -> Cell | None:
    if not count:
        return None
    return Cell(count, str(count), lists.declined(connection, week, week_end(week), decline_class=kind or NOT_KNOWN))


def why(decline_class: str) -> str:
    """In plain words. A newer version of us may have stored a class that this one does not know."""
    try:
        return WHY[DeclineClass(decline_class)]
    except ValueError:
        return words(decline_class) if decline_class else NEVER_SAID


# --- cases ---------------------------------------------------------------------------------------------------------


def ages_plot(lists: Lists, found: Sequence[CaseAges]) -> Plot:
    """How many cases are how old."""
    cells = []
    for age in Age:
        count = sum(one.ages.get(age, 0) for one in found)
        cells.append(Cell(count, str(count), lists.cases(age=age)) if count else None)
    return Plot(
        key="cases",
        title="Open cases by age",
        about="How long the cases have been open that nobody has closed yet.",
        of="Open for",
        labels=tuple(age.means for age in Age),
        series=(Series("cases", tuple(cells)),),
        axis=_whole,
        half=True,
    )
