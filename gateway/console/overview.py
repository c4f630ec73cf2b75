"""The first page of an account: what came in, what is on its way, what is at risk; and whether all is well."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import msgspec
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template

from gateway.books import runs
from gateway.console.desk import Desk, page
from gateway.console.figures import (
    Figure,
    ages_plot,
    collected_plot,
    currencies,
    month_by_source,
    month_figure,
    standing_figure,
    waiting_figure,
)
from gateway.console.links import Lists
from gateway.console.plots import svg
from gateway.console.recovery_figures import reasons_plot, recovered_by, recovery_plot
from gateway.console.render import money, shown
from gateway.console.settings.doctor import to_do
from gateway.doctor.events import last_heard
from gateway.doctor.examine import look_at_flow
from gateway.doctor.patient import Patient, patient
from gateway.domain.case_age import Age
from gateway.domain.doctor import Level
from gateway.domain.open_money import SOON, Group
from gateway.domain.weeks import last_weeks, midnight, month_of
from gateway.readers.case_ages import case_ages
from gateway.readers.collected import Collected, collected_since
from gateway.readers.open_money import Sum, open_money
from gateway.readers.payouts import LastPayout, last_payouts
from gateway.readers.reconciliations import ReconciliationBody
from gateway.readers.reconciliations import shown as told_of_run
from gateway.readers.recoveries import cohorts_since, reasons_since
from gateway.readers.refunds import waiting
from gateway.runtime import Runtime

WEEKS: Final = 12
Currency = Annotated[str, QueryParameter(name="currency", max_length=3)]
Connection = Annotated[str, QueryParameter(name="connection", max_length=63)]


class InCurrency(msgspec.Struct, frozen=True):
    """The figures of one currency."""

    currency: str
    collected: Figure
    sources: list[tuple[str, Figure]]
    groups: dict[Group, Figure]


class Paying(msgspec.Struct, frozen=True):
    """What a processor has paid out, and what it still holds by the last comparison of the books."""

    last: LastPayout
    holds: list[str]
    is_next: bool
    """The payout lies ahead: its processor has announced it."""


@page("")
async def overview(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    wanted: Currency = "",
    connection: Connection = "",
) -> Template:
    """One account at a glance. Figures of one currency at a time, where there are several; the rest is of all."""
    known = await patient(runtime, desk.account)
    weeks = last_weeks(known.now, WEEKS)
    since = midnight(weeks[0])
    payouts = await last_payouts(desk.account)
    lists = Lists(desk.path, {one.connection: one.name for one in payouts})
    declines_of = next((one.connection for one in payouts if one.name == connection), "")
    cohorts, reasons = await cohorts_since(desk.account, since), await reasons_since(desk.account, since)
    cases = await case_ages(desk.account, known.now)
    run = await runs.numbered(desk.account, None)
    compared = told_of_run(run) if run is not None else None
    flow = await look_at_flow(known)
    waits = desk.waiting or await waiting(desk.account, desk.user)
    context = {
        **await _money(known, lists, weeks, wanted),
        "account": known.account,
        "now": known.now,
        "since": weeks[0],
        "since_at": since,
        "recovery": recovery_plot(lists, weeks, cohorts),
        "recovered": recovered_by(lists, weeks, cohorts),
        "reasons": reasons_plot(lists, weeks, reasons, declines_of),
        "decliners": sorted({lists.name(one.connection) for one in reasons}),
        "connection": lists.name(declines_of) if declines_of else "",
        "ages": ages_plot(lists, cases),
        "case_ages": list(Age),
        "ages_right": [f">{age.means}" for age in Age],
        "cases": cases,
        "waits": waits,
        "waiting": waiting_figure(lists, waits),
        "lists": lists,
        "flow": [one for one in flow if one.level is not Level.OK],
        "to_do": {one: to_do(desk, one) for one in flow},
        "fine": sum(one.level is Level.OK for one in flow),
        "heard": await last_heard(desk.account),
        "run": compared,
        "payouts": [_paying(one, compared, known) for one in payouts if one.enabled or one.paid_out],
        "svg": svg,
    }
    return shown(desk, "overview.html", context)


async def _money(known: Patient, lists: Lists, weeks: list[date], wanted: str) -> dict[str, Any]:
    """What is of one currency."""
    month = month_of(known.now)
    collected = await collected_since(known.id, midnight(min(weeks[0], month)))
    standing = await open_money(known.id, known.now, midnight(weeks[0]))
    found = currencies(collected, standing)
    chosen = wanted if wanted in found else next(iter(found), "")
    return {
        "currencies": [_in_currency(lists, one, month, weeks[0], collected, standing.get(one)) for one in found],
        "chosen": chosen,
        "collected": collected_plot(lists, chosen, weeks, collected, month=month) if chosen else None,
        "month": month,
        "soon_days": SOON.days,
    }


def _in_currency(
    lists: Lists, currency: str, month: date, since: date, collected: list[Collected], sums: dict[Group, Sum] | None
) -> InCurrency:
    of = sums or {}
    groups = {group: standing_figure(lists, group, currency, of.get(group, Sum()), since) for group in Group}
    sources = month_by_source(lists, currency, month, collected)
    return InCurrency(currency, month_figure(lists, currency, month, collected), sources, groups)


def _paying(one: LastPayout, run: ReconciliationBody | None, known: Patient) -> Paying:
    compared = next((c for c in run.connections if c.connection == one.name), None) if run is not None else None
    holds = [money(sum_.amount, sum_.currency) for sum_ in compared.in_transit] if compared is not None else []
    return Paying(one, holds, one.paid_out is not None and one.paid_out > known.now)


overview_routes: Final[list[Any]] = [overview]
