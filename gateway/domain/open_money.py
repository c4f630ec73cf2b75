"""Where the money of invoices stands, as a finance team asks: on its way, being recovered, at risk, given up. Pure.

One invoice may be in two groups: what is at risk is mostly being recovered as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from db.states import IN_FLIGHT, InvoiceState

SOON: Final = timedelta(days=3)
"""An invoice is due soon when it is due within this."""


class Group(StrEnum):
    """What is told of money that invoices are about."""

    IN_FLIGHT = "in_flight"
    """A processor, or Stripe, is being asked or told; nobody need do anything."""
    IN_RECOVERY = "in_recovery"
    """It was declined, or has no payment method, and is not given up."""
    AT_RISK = "at_risk"
    """It is not due yet, and may not be paid by then unless somebody helps."""
    GIVEN_UP = "given_up"
    """Every try was declined, or none fits: it is open, and nothing more happens by itself."""
    WRITTEN_OFF = "written_off"
    """It is marked uncollectible in Stripe."""


class Due(StrEnum):
    """How near the due date is."""

    NEVER = "never"
    PAST = "past"
    SOON = "soon"
    LATER = "later"


OF_STATE: Final[Mapping[Group, frozenset[InvoiceState]]] = {
    Group.IN_FLIGHT: IN_FLIGHT,
    Group.IN_RECOVERY: frozenset({InvoiceState.RETRYING, InvoiceState.NEEDS_PAYMENT_METHOD}),
    Group.GIVEN_UP: frozenset({InvoiceState.EXHAUSTED}),
    Group.WRITTEN_OFF: frozenset({InvoiceState.UNCOLLECTIBLE}),
}
"""The groups that the state alone decides."""

AT_RISK: Final[Mapping[InvoiceState, frozenset[Due]]] = {
    # Nothing is tried any more: whoever acts before the due date saves it.
    InvoiceState.EXHAUSTED: frozenset({Due.SOON, Due.LATER}),
    InvoiceState.NEEDS_PAYMENT_METHOD: frozenset({Due.SOON, Due.LATER}),
    # Tries follow, but few fit; or a payer is to pay on Stripe's page and has not.
    InvoiceState.RETRYING: frozenset({Due.SOON}),
    InvoiceState.DUE: frozenset({Due.SOON}),
}
"""What is at risk: in which state, how near its due date. What is past due is late, and no risk any more."""


def groups(state: InvoiceState, due: Due) -> frozenset[Group]:
    """The groups of an invoice; none where all is as it should be, or settled."""
    of_state = {group for group, states in OF_STATE.items() if state in states}
    return frozenset(of_state | ({Group.AT_RISK} if due in AT_RISK.get(state, frozenset()) else set()))
