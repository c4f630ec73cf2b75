"""When an invoice that is not paid closes access: at the policy's moment, where the payer failed to pay."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from db.states import MethodStatus
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.downtime import Span
from gateway.domain.lapse import Owed, next_closing_at, owed, turns_access
from gateway.domain.policy import Policy
from gateway.domain.view import AccessSeen, InvoiceView, Pause, SubscriptionView
from tests.domain.views import (
    DAY,
    DUE_DATE,
    HOUR,
    METHOD,
    NOW,
    VIEW,
    attempt,
    declined_at,
    holding,
    invoice,
    view,
)

END = DUE_DATE - DAY
OVERDUE, NEVER = Policy(access_closes="overdue"), Policy(access_closes="never")
FAILED = view(attempts=declined_at(1))
NOT_COLLECTED, TOO_LATE = Owed(True, "invoice_not_collected"), Owed(True, "invoice_overdue")
NOT_ASKED, PENDING = Owed(False, "invoice_not_asked_for"), Owed(False, "invoice_pending")
STOPPED = replace(METHOD, status=MethodStatus.STOPPED)


def given_up(**changes: Any) -> InvoiceView:
    return replace(
        FAILED, invoice=invoice("uncollectible", uncollectible_at=END), giving_up="mark_uncollectible", **changes
    )


def test_with_the_end_of_its_recovery() -> None:
    assert owed(FAILED, END - HOUR) == Owed(False, "invoice_open", END, "invoice_not_collected")
    assert owed(FAILED, END) == NOT_COLLECTED


def test_at_its_due_date() -> None:
    late = replace(FAILED, policy=OVERDUE)
    assert owed(late, DUE_DATE - HOUR) == Owed(False, "invoice_open", DUE_DATE, "invoice_overdue")
    assert owed(late, DUE_DATE) == TOO_LATE
    still = owed(given_up(policy=OVERDUE), DUE_DATE - HOUR)
    assert still == Owed(False, "invoice_open", DUE_DATE, "invoice_overdue")


def test_never() -> None:
    assert owed(replace(FAILED, policy=NEVER), DUE_DATE + 400 * DAY) == Owed(False, "invoice_open", None)


@pytest.mark.parametrize("policy", [Policy(), OVERDUE])
def test_downtime_postpones_it(policy: Policy) -> None:
    down = replace(FAILED, policy=policy, downtime=(Span(NOW, NOW + 2 * DAY),))
    at = (END if policy != OVERDUE else DUE_DATE) + 2 * DAY
    still, debt = owed(down, at - HOUR), owed(down, at)
    assert still is not None
    assert (still.reason, still.closes_at) == ("invoice_open", at)
    assert debt is not None
    assert debt.closes


@pytest.mark.parametrize("policy", [Policy(), OVERDUE])
def test_the_first_day_with_an_invoice_is_spared(policy: Policy) -> None:
    met = replace(FAILED, policy=policy, known_since=DUE_DATE + 30 * DAY)
    debt = owed(met, DUE_DATE + 30 * DAY)
    assert debt is not None
    assert (debt.closes, debt.closes_at) == (False, DUE_DATE + 31 * DAY)


HOLDS_UP: dict[str, InvoiceView] = {
    "a charge that is under way": view(attempts=(*declined_at(1), attempt("pending", 2))),
    "a pause": replace(FAILED, pause=Pause("asked", NOW)),
    "downtime that goes on": replace(FAILED, downtime=(Span(NOW),)),
    "nothing was tried yet": VIEW,
}


@pytest.mark.parametrize("case", HOLDS_UP)
def test_what_may_postpone_it_is_not_left_to_the_clock(case: str) -> None:
    debt = owed(HOLDS_UP[case], NOW + HOUR)
    assert debt is not None
    assert debt.closes_at is not None
    assert not debt.closing


SINCE: dict[str, tuple[InvoiceView, Owed | None]] = {
    "a charge that was begun in time": (view(attempts=(attempt("pending"),)), PENDING),
    "one whose end is not known": (view(attempts=(*declined_at(25), attempt("unknown", 2))), PENDING),
    "a charge that was begun too late": (
        view(attempts=(*declined_at(1), attempt("pending", 2, sent_at=END + HOUR))), NOT_COLLECTED,
    ),
    "a payment that Stripe collects itself": (
        view(invoice(stripe_payment=StripePayment.PROCESSING), attempts=declined_at(1)), PENDING,
    ),
    "no payment method at all": (view(methods=()), NOT_COLLECTED),
    "one that was stopped": (view(methods=(STOPPED,)), NOT_COLLECTED),
    "one that came too late": (view(methods=(replace(METHOD, created_at=END + HOUR),)), NOT_COLLECTED),
    "one that was never charged": (VIEW, NOT_ASKED),
    "one at a connection that was switched off": (view(methods=(replace(METHOD, usable=False),)), NOT_ASKED),
    "a card that is never charged again": (
        view(methods=(replace(METHOD, usable=False, blocked="lost_stolen"),)), NOT_COLLECTED,
    ),
    "a request of ours that was refused": (view(attempts=(*declined_at(2), attempt("rejected", 2))), NOT_ASKED),
    "one that failed too late": (
        view(attempts=(*declined_at(2), attempt("not_sent", 2, sent_at=END + HOUR))), NOT_COLLECTED,
    ),
    "a pause that lasted until then": (replace(FAILED, pause=Pause("asked", NOW, END + HOUR)), NOT_ASKED),
    "a pause that goes on": (replace(FAILED, pause=Pause("asked", NOW)), NOT_ASKED),
    "a pause that was over": (replace(FAILED, pause=Pause("asked", NOW, END - HOUR)), NOT_COLLECTED),
    "a pause that came too late": (replace(FAILED, pause=Pause("asked", END + HOUR)), NOT_COLLECTED),
    "a pause of the subscription in Stripe": (
        replace(FAILED, subscription=SubscriptionView("active", paused_since=NOW - DAY)), None,
    ),
    "given up": (given_up(), NOT_COLLECTED),
    "given up, Stripe's clock behind": (
        replace(given_up(), invoice=invoice("uncollectible", uncollectible_at=END - HOUR)), NOT_COLLECTED,
    ),
    "written off in Stripe before": (
        view(invoice("uncollectible", uncollectible_at=NOW), attempts=declined_at(1)), None,
    ),
    "written off in Stripe afterwards": (
        view(invoice("uncollectible", uncollectible_at=END + HOUR), attempts=declined_at(1)), NOT_COLLECTED,
    ),
    "money that Stripe does not know of yet": (holding(), None),
    "a part of the money": (replace(holding(600), attempts=declined_at(1)), NOT_COLLECTED),
    "not ours": (view(opted_out=True), None),
}  # fmt: skip


@pytest.mark.parametrize("case", SINCE)
def test_what_the_end_finds(case: str) -> None:
    of, expected = SINCE[case]
    assert owed(of, END + 2 * HOUR) == expected


@pytest.mark.parametrize("billed", [invoice("paid"), invoice("void"), invoice("deleted"), invoice("draft")])
def test_of_what_is_not_owed_nothing_is_said(billed: BilledInvoice) -> None:
    assert owed(view(billed), END + DAY) is None
    assert next_closing_at(view(billed), NOW) is None


OPEN = SubscriptionView("active", access=AccessSeen(open=True))
CLOSES = SubscriptionView("active", access=AccessSeen(True, "in_1", END, "invoice_not_collected"))


def test_only_what_may_have_turned_it_is_worth_a_look() -> None:
    assert next_closing_at(FAILED, NOW) == END
    assert turns_access(replace(FAILED, subscription=OPEN), END, changed=False)
    assert turns_access(view(invoice("paid")), NOW, changed=True)
    assert not turns_access(view(invoice("paid")), NOW, changed=False)
    assert not turns_access(view(invoice("paid"), subscription=OPEN), NOW, changed=True), "a renewal as it should be"
    assert not turns_access(view(invoice("draft")), NOW, changed=True)


def test_what_the_clock_will_do_is_known_beforehand() -> None:
    """What decides is told whenever its moment moves; what doesn't only when something about it changes."""
    assert turns_access(replace(FAILED, subscription=OPEN), END - HOUR, changed=True)
    assert not turns_access(replace(FAILED, subscription=OPEN), END - HOUR, changed=False)
    decides = replace(FAILED, subscription=CLOSES)
    assert not turns_access(decides, END - HOUR, changed=False)
    assert turns_access(replace(decides, downtime=(Span(NOW, NOW + DAY),)), END - HOUR, changed=False)
    assert turns_access(view(invoice("paid"), subscription=CLOSES), NOW, changed=False)


def test_a_first_invoice_opens_it() -> None:
    first = {"billing_reason": "subscription_create"}
    assert turns_access(view(invoice("paid", **first)), NOW, changed=True)
    assert turns_access(view(invoice("paid", **first), subscription=None), NOW, changed=True)
    assert turns_access(view(invoice(**first)), NOW, changed=True), "why it is closed may have changed"
    assert not turns_access(view(invoice("paid", **first), subscription=OPEN), NOW, changed=True)
