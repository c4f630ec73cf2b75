"""The invoices that a figure of the overview counts, as conditions on `tollbridge.invoice t` whose `$1` is the account.

Each says of one invoice what the statement of its figure (`open_money`, `collected`, `recoveries`) says of all.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from db.states import InvoiceState
from gateway.domain.open_money import AT_RISK, OF_STATE, SOON, Due, Group
from gateway.domain.weeks import midnight
from gateway.readers.collected import AT_STRIPE, CAME_AT_STRIPE, MAY_BE_AT_STRIPE
from gateway.readers.due import DUE
from gateway.readers.pages import Condition
from gateway.readers.recoveries import STANDS, Outcome

NOW: Final = "tollbridge.business_now()"
COLLECTED: Final = """
    t.id in (select m.invoice from tollbridge.movement m
             where m.account = $1 and m.occurred_at >= {0} and m.occurred_at < {1}
               and m.kind in ('capture', 'receipt', 'capture_reversed', 'capture_reinstated')
               and ({2} = '' or m.connection = {2} or {2} = 'by_hand' and m.connection is null))
"""
PAID_AT_STRIPE: Final = f"""
    t.paid_at >= {{0}} and t.paid_at < {{1}} and {MAY_BE_AT_STRIPE} and {CAME_AT_STRIPE} > 0
"""
NOT_KNOWN: Final = "not_known"
DECLINED: Final = """
    t.id in (select a.invoice from tollbridge.attempt a
             where a.account = $1 and a.state = 'declined' and a.resolved_at >= {0} and a.resolved_at < {1}
               and ({2} = '' or a.connection = {2})
               and ({3} = '' or a.decline_class = coalesce(nullif({3}, 'not_known'), ''))
               and (not {4} or a.number = 1 or not exists (
                   select 1 from tollbridge.attempt e where e.account = a.account and e.invoice = a.invoice
                     and e.number < a.number and e.state = 'declined')))
"""


class FigureFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Empty ones are no condition; days are in UTC, both in it.

    `source`: a connection's id, `by_hand` or `stripe`, of what was collected; `declined_at`: a connection's id, of
    declines, of which `first_decline` wants the invoice's first alone, and `decline_class` those of one, or with
    `not_known` those whose code the processor did not say or nobody has given a meaning. `outcome`: how it stands now.
    """

    group: Group | None = None
    created_from: date | None = None
    created_until: date | None = None
    collected_from: date | None = None
    collected_until: date | None = None
    source: str = ""
    declined_from: date | None = None
    declined_until: date | None = None
    declined_at: str = ""
    decline_class: str = ""
    first_decline: bool = False
    outcome: Outcome | None = None

    def figure_conditions(self) -> list[Condition]:
        """All of them."""
        found: list[Condition] = []
        if self.group is not None:
            found.append((_in_group(self.group), ()))
        if self.outcome is not None:
            found.append((STANDS[self.outcome], ()))
        if self.created_from is not None:
            found.append(("t.stripe_created_at >= {0}", (midnight(self.created_from),)))
        if self.created_until is not None:
            found.append(("t.stripe_created_at < {0}", (end_of(self.created_until),)))
        if self.collected_from or self.collected_until or self.source:
            found.append(self._collected())
        if self.declined_from or self.declined_until or self.declined_at or self.decline_class:
            values = (self.declined_at, self.decline_class, self.first_decline)
            found.append((DECLINED, (*_days(self.declined_from, self.declined_until), *values)))
        return found

    def _collected(self) -> Condition:
        days = _days(self.collected_from, self.collected_until)
        if self.source == AT_STRIPE:
            return PAID_AT_STRIPE, days
        if self.source:
            return COLLECTED, (*days, self.source)
        return f"({COLLECTED} or {PAID_AT_STRIPE})", (*days, self.source)


DAY: Final = timedelta(days=1)
EVER: Final = date(1970, 1, 1), date(9999, 1, 1)


def _days(first: date | None, last: date | None) -> tuple[object, object]:
    """From when, with it, to when, without it."""
    return midnight(first or EVER[0]), end_of(last or EVER[1])


def end_of(day: date) -> datetime:
    """When a day is over; the last ones of all, which have no next, are as late as any."""
    return midnight(min(day, EVER[1]) + DAY)


def _in_group(group: Group) -> str:
    if group is not Group.AT_RISK:
        return f"t.state in ({_quoted(OF_STATE[group])})"
    near = f"{DUE} > {NOW} and {DUE} <= {NOW} + interval '{SOON.days} days'"
    ahead = f"{DUE} > {NOW}"
    later = [state for state, due in AT_RISK.items() if Due.LATER in due]
    soon = [state for state, due in AT_RISK.items() if Due.LATER not in due]
    return f"(t.state in ({_quoted(later)}) and {ahead} or t.state in ({_quoted(soon)}) and {near})"


def _quoted(states: Collection[InvoiceState]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))
