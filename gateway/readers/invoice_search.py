"""Which invoices are wanted: what somebody typed, and filters, as conditions on `tollbridge.invoice t`.

Whatever is typed is answered by an index; only the conditions that are asked for stand in the statement, so that each
is planned for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Final, Literal

from db import sql
from db.states import Collector, InvoiceState
from gateway.accounts.errors import FieldError
from gateway.billing.mails import mail_hash
from gateway.domain.searching import Sought, understood
from gateway.readers.customer_search import called
from gateway.readers.due import DUE
from gateway.readers.invoice_figures import FigureFilter, end_of
from gateway.readers.pages import Condition

# Every name of an invoice, and of what belongs to it: here, at Stripe and at a processor. Names that many have (of a
# customer, say) are conditions of their own.
NAMED: Final = """
    t.id = any(array(
        select i.id from tollbridge.invoice i
            where i.account = $1 and (i.id = {0} or i.number <> '' and i.number in ({0}, upper({0})))
        union all select a.invoice from tollbridge.attempt a where a.account = $1 and a.id = {0}
        union all select a.invoice from tollbridge.connection c join tollbridge.attempt a on a.connection = c.id
            where c.account = $1 and (a.reference = {0} or a.processor_id = {0})
        union all select r.invoice from tollbridge.refund r where r.account = $1 and r.id = {0}
        union all select r.invoice from tollbridge.connection c join tollbridge.refund_part p on p.connection = c.id
            join tollbridge.refund r on r.account = c.account and r.id = p.refund
            where c.account = $1 and (p.reference = {0} or p.processor_id = {0})
        union all select d.invoice from tollbridge.dispute d where d.account = $1 and d.id = {0}
        union all select d.invoice from tollbridge.connection c join tollbridge.dispute d on d.connection = c.id
            where c.account = $1 and d.processor_id = {0}
        union all select n.invoice from tollbridge.credit_note n
            where n.account = $1 and (n.id = {0} or n.stripe_id = {0})
        union all select m.invoice from tollbridge.movement m
            where m.account = $1 and m.connection is null and m.kind = 'receipt' and m.processor_id = {0}
        union all select r.invoice from tollbridge.review_case r where r.account = $1 and r.id = {0}))
"""
OF: Final = f"({NAMED} or t.customer = {{0}} or t.subscription = {{0}})"
MAIL: Final = "t.mail_hash = {0}"
CALLED: Final = "t.customer = any({0})"
MOST_CALLED: Final = 1000
"""So many customers of one name are looked through; who has more of them must name more of it."""
AMOUNT: Final = """
    (t.total = {0} or t.amount_due = {0} and t.amount_due <> t.total)
    and t.currency = any({1})
"""
# By its id: how many attempts there are over one decides where to begin.
CONNECTION: Final = """
    t.id in (select a.invoice from tollbridge.attempt a where a.account = $1 and a.connection = {0})
"""
CONNECTION_ID: Final = "select id from tollbridge.connection where account = $1 and $2 in (id, name)"
OPEN_CASE: Final = """
    t.id in (select r.invoice from tollbridge.review_case r where r.account = $1 and r.state = 'open')
"""
COLLECTED_BY: Final[Mapping[Collector, str]] = {
    Collector.GATEWAY: "t.state <> 'not_ours' and coalesce(t.collector, 'gateway') = 'gateway'",
    Collector.HOSTED: "t.state <> 'not_ours' and t.collector = 'hosted'",
    Collector.STRIPE: """(t.collector = 'stripe'
        or t.state = 'not_ours' and t.collection_method = 'charge_automatically')""",
}
"""As `invoices.whose` says of each."""


StripeStatus = Literal["", "draft", "open", "paid", "uncollectible", "void", "deleted"]


class InvoiceFilter(FigureFilter, frozen=True, kw_only=True):
    """What is wanted; empty ones are no condition. `due_from` and `due_until` are days in UTC, both in it."""

    search: str = ""
    state: InvoiceState | None = None
    status: StripeStatus = ""
    collected_by: Collector | None = None
    currency: str = ""
    connection: str = ""
    customer: str = ""
    subscription: str = ""
    due_from: date | None = None
    due_until: date | None = None
    with_open_case: bool = False

    def columns(self) -> dict[str, object]:
        """The conditions that are a column's value."""
        names = ("state", "status", "customer", "subscription")
        return {name: getattr(self, name) for name in names} | {"currency": self.currency.lower()}

    async def conditions(self, account: str) -> list[Condition]:
        """The others, within this account."""
        found = self.figure_conditions()
        if (sought := understood(self.search)) is not None:
            found.append(_sought(sought, account, await _called(account, sought)))
        if self.collected_by is not None:
            found.append((COLLECTED_BY[self.collected_by], ()))
        if self.connection:
            found.append((CONNECTION, (await sql.value(CONNECTION_ID, account, self.connection) or "",)))
        if self.due_from is not None:
            found.append((f"{DUE} >= {{0}}", (_begin(self.due_from),)))
        if self.due_until is not None:
            found.append((f"{DUE} < {{0}}", (end_of(self.due_until),)))
        if self.with_open_case:
            found.append((OPEN_CASE, ()))
        return found


async def _called(account: str, sought: Sought) -> list[str]:
    """The customers with such a name. Raises FieldError where these are too many to look through."""
    found = [] if sought.mail else await called(account, sought.words, limit=MOST_CALLED + 1)
    if len(found) > MOST_CALLED:
        raise FieldError("search", f"more than {MOST_CALLED:,} customers are called so: name more of it")
    return found


def _sought(sought: Sought, account: str, customers: list[str]) -> Condition:
    """Any of what it may be. `customers`: those who are called so."""
    told: list[str] = []
    values: list[object] = []

    def add(condition: str, *given: object) -> None:
        places = [f"{{{len(values) + n}}}" for n in range(len(given))]
        told.append(condition.format(*places))
        values.extend(given)

    add(OF, sought.words)
    if sought.mail:
        add(MAIL, mail_hash(account, sought.mail))
    if customers:
        add(CALLED, customers)
    for amount in sought.amounts:
        add(AMOUNT, amount.minor, list(amount.currencies))
    return "(" + " or ".join(f"({one})" for one in told) + ")", tuple(values)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
