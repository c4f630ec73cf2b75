"""What a policy means in days: the tries of an invoice that is never paid, and its end, against its due date. Pure.

The plan is recovery's own, of a supposed invoice with one payment method: whoever chooses a policy sees what will be
done, down to the days that are avoided, and not a second opinion on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from db.states import MethodStatus
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.policy import EndStep, Policy
from gateway.domain.recovery import plan
from gateway.domain.view import InvoiceView, MethodView

LONGEST_DAYS: Final = 365


class Planned(msgspec.Struct, frozen=True):
    """A try: its number, when it is made, and why then where the ladder has it at another time."""

    number: int
    at: datetime
    after: timedelta
    shifted: str


class Outlook(msgspec.Struct, frozen=True):
    """The points in time of one invoice, in the order of time: `latest` is when the margin begins.

    `left_out`: so many steps of the ladder find no room.
    """

    begun: datetime
    tries: tuple[Planned, ...]
    latest: datetime
    ends_at: datetime
    due: datetime
    left_out: int
    at_end: tuple[EndStep, ...]

    def share(self, at: datetime) -> float:
        """How far along from the first moment to the due date a time is, 0 to 1."""
        return (at - self.begun) / (self.due - self.begun)


def outlook(policy: Policy, days_until_due: int, begun: datetime) -> Outlook:
    """Of an invoice that is finalized at `begun` and due so many days later (1 to LONGEST_DAYS), if each of its tries
    is declined for want of funds."""
    assert 1 <= days_until_due <= LONGEST_DAYS, "a reader's choice is checked where it is read"
    due = begun + timedelta(days=days_until_due)
    found = plan(_supposed(policy, begun, due), begun)
    tries = [Planned(number, one.at, one.at - begun, one.shifted) for number, one in enumerate(found.tries, 1)]
    assert found.ends_at is not None, "what has a due date has an end"
    left_out = len(policy.ladder_hours) - len(tries)
    latest = max(due - policy.margin, begun)
    return Outlook(begun, tuple(tries), latest, max(found.ends_at, begun), due, left_out, policy.at_end)


def _supposed(policy: Policy, begun: datetime, due: datetime) -> InvoiceView:
    invoice = BilledInvoice(
        id="supposed",
        status="open",
        collection_method="send_invoice",
        customer="supposed",
        subscription="",
        currency="eur",
        amount_due=1000,
        amount_paid=0,
        amount_remaining=1000,
        total=1000,
        pre_payment_credit=0,
        post_payment_credit=0,
        auto_advance=True,
        billing_reason="subscription_cycle",
        number="",
        created=begun,
        due_date=due,
        finalizes_at=None,
        paid_at=None,
        stripe_payment=StripePayment.NONE,
    )
    method = MethodView("supposed", "supposed", MethodStatus.ACTIVE, 0, begun - timedelta(days=1))
    return InvoiceView(id="supposed", policy=policy, invoice=invoice, methods=(method,))
