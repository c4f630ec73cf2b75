"""An invoice of which nothing is charged: whoever shows a plan, or asks for a try, must know it as `decide` does."""

from __future__ import annotations

import pytest

from gateway.domain.actions import WaitUntil
from gateway.domain.billed import StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import decide
from gateway.domain.recovery import plan_to_show
from gateway.domain.view import InvoiceView, Pause, SubscriptionView
from gateway.finance.collect_now import refuse
from gateway.finance.errors import ByHandError
from tests.domain.views import DAY, HOUR, NOW, invoice, view

STANDING: dict[str, InvoiceView] = {
    "its customer is deleted": view(customer_deleted=True, open_cases={CaseKind.CUSTOMER_DELETED}),
    "its subscription is paused in Stripe": view(subscription=SubscriptionView("active", paused_since=NOW - DAY)),
    "somebody has paused it": view(pause=Pause("pays by transfer", NOW - HOUR)),
    "Stripe collects a payment on it": view(invoice(stripe_payment=StripePayment.PROCESSING)),
    "nothing remains": view(invoice(amount_remaining=0)),
    "its amount can't be said there": view(open_cases={CaseKind.AMOUNT_INEXPRESSIBLE}),
}
every = pytest.mark.parametrize("one", STANDING.values(), ids=STANDING.keys())


@every
def test_nothing_is_charged(one: InvoiceView) -> None:
    assert isinstance(decide(one, NOW), WaitUntil)


@every
def test_no_try_is_shown_now_that_will_not_be_made(one: InvoiceView) -> None:
    shown = plan_to_show(one, NOW)
    assert shown is None or all(planned.at > NOW for planned in shown.tries)


@every
def test_a_try_by_hand_is_refused(one: InvoiceView) -> None:
    with pytest.raises(ByHandError):
        refuse(one, NOW)
