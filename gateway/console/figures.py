"""Money and cases as the overview shows them, made of what the readers found: sums with the lists that they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from gateway.console.links import Lists
from gateway.console.plots import Cell, Plot, Series, folded, total_of, whole
from gateway.console.render import money
from gateway.domain.case_age import Age
from gateway.domain.open_money import Group
from gateway.domain.weeks import by_week, week_end
from gateway.readers.case_ages import CaseAges
from gateway.readers.collected import Collected
from gateway.readers.open_money import Sum
from gateway.readers.refunds import Waiting
from processors.errors import MoneyError
from processors.money import Money, to_decimal


class Figure(msgspec.Struct, frozen=True):
    """A number and its list."""

    text: str
    href: str
    note: str = ""


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


def collected_plot(
    lists: Lists, currency: str, weeks: Sequence[date], found: Sequence[Collected], *, month: date
) -> Plot:
    """What came in by week, and from where: across the page, where nothing of `month` stands beside it."""
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
        series=folded(series, "others", lambda cells: total_of(cells, lambda amount: money(int(amount), currency))),
        axis=lambda amount: _short(amount, currency),
        across="most" if month_by_source(lists, currency, month, found) else "whole",
    )


def waiting_figure(lists: Lists, of: Waiting) -> Figure:
    """Refunds that wait for somebody's approval."""
    sums = ", ".join(money(amount, currency) for currency, amount in of.sums.items())
    return Figure(str(of.count), f"{lists.path}/refunds?approval=waiting", sums)


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
        axis=whole,
        across="whole",
        counts=True,
        in_time=False,
    )


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
