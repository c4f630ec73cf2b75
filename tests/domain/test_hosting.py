"""Invoices that are paid on Stripe's own page: what is waited for, how it ends, and who is to collect it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from db.states import Collector, InvoiceState, WaitsFor
from gateway.domain.actions import Action, ChangeCollector, Charge, Done, GiveUp, OpenCase, Resolve, WaitUntil
from gateway.domain.billed import StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import decide
from gateway.domain.downtime import Span
from gateway.domain.lapse import owed
from gateway.domain.news import news
from gateway.domain.obstacles import PAYS_THERE
from gateway.domain.policy import Policy
from gateway.domain.project import project
from gateway.domain.recovery import plan_to_show
from gateway.domain.resending import LOOKUPS_BEFORE_REPLAY
from gateway.domain.view import InvoiceView
from tests.domain.views import DAY, DUE_DATE, HOUR, NOW, VIEW, attempt, declined_at, holding, invoice, view

HOSTED = replace(VIEW, collector=Collector.HOSTED, hosted=True)
LATE = DUE_DATE + HOUR


def at(of: InvoiceView, now: object = NOW, **change: object) -> Action:
    return decide(replace(of, read_at=now, **change), now)  # type: ignore[arg-type]


def test_its_payer_is_waited_for_until_the_due_date() -> None:
    assert at(HOSTED) == WaitUntil(DUE_DATE, PAYS_THERE, waits_for=WaitsFor.PAYER)
    assert project(HOSTED) is InvoiceState.DUE
    shown = plan_to_show(HOSTED, NOW)
    assert shown is not None
    assert (shown.tries, shown.ends_at, shown.why_none) == ((), DUE_DATE, PAYS_THERE)


@pytest.mark.parametrize(
    "change",
    [
        {"downtime": (Span(NOW, NOW + 5 * DAY),)},
        {"policy": Policy(end_after_hours=200)},
        {"attempts": declined_at(25, 73, 121, 200)},
        {"methods": ()},
        {"connections": False},
    ],
)
def test_nothing_of_ours_moves_that_end(change: dict[str, object]) -> None:
    assert at(HOSTED, **change) == WaitUntil(DUE_DATE, PAYS_THERE, waits_for=WaitsFor.PAYER)


def test_the_end_is_what_the_policy_says() -> None:
    assert isinstance(at(HOSTED, LATE), OpenCase)
    asked = replace(HOSTED, open_cases=frozenset({CaseKind.COLLECTION_EXHAUSTED}))
    assert (project(asked), at(asked, LATE).__class__) == (InvoiceState.EXHAUSTED, WaitUntil)
    gives_up = Policy(at_end=("mark_uncollectible",))
    assert isinstance(at(HOSTED, LATE, policy=gives_up), GiveUp)
    paying = replace(HOSTED, invoice=invoice(stripe_payment=StripePayment.PROCESSING), policy=gives_up)
    assert isinstance(at(paying, LATE), WaitUntil)


def test_after_a_gap_it_ends_all_the_same_where_nothing_could_have_been_tried() -> None:
    gone = replace(HOSTED, look_first=True, policy=Policy(at_end=("void",)))
    assert isinstance(at(gone, LATE, methods=()), GiveUp)
    assert not isinstance(at(gone, LATE), GiveUp)


@pytest.mark.parametrize("hosted", [True, False])
def test_it_changes_its_collector_before_anything_else_is_done(hosted: bool) -> None:
    before = None if hosted else Collector.HOSTED
    assert at(VIEW, hosted=hosted, collector=before) == ChangeCollector(hosted)
    assert not isinstance(at(view(invoice("paid")), hosted=hosted, collector=before), ChangeCollector)
    assert not isinstance(at(VIEW, hosted=hosted, collector=Collector.STRIPE), ChangeCollector)


@pytest.mark.parametrize("state", ["pending", "requires_action", "unknown", "sending"])
def test_not_while_a_charge_may_still_take_the_money(state: str) -> None:
    step = at(view(attempts=(attempt(state),)), hosted=True)
    assert not isinstance(step, ChangeCollector | Charge)


@pytest.mark.parametrize("collector", [None, Collector.HOSTED])
def test_nor_are_its_bytes_sent_again(collector: Collector | None) -> None:
    """Where they never arrived, that would be a charge. How it ended is asked all the same."""
    unknown = view(attempts=(attempt("unknown", lookups=LOOKUPS_BEFORE_REPLAY + 1),))
    assert at(unknown) == Resolve("att_1", "replay")
    assert at(unknown, hosted=True, collector=collector) == Resolve("att_1", "lookup")


def test_nor_while_money_for_it_is_held() -> None:
    assert not isinstance(at(holding(), hosted=True), ChangeCollector)


def test_a_payment_there_is_its_end_and_no_case() -> None:
    paid = replace(HOSTED, invoice=invoice("paid", stripe_payment=StripePayment.PAID, paid_at=NOW))
    seen = replace(paid, known_since=NOW - DAY)
    assert at(seen) == Done("paid")
    assert isinstance(at(seen, collector=None, hosted=False), OpenCase)


def test_it_closes_access_as_if_its_payer_had_been_declined() -> None:
    late = replace(HOSTED, methods=VIEW.methods, known_since=NOW - 5 * DAY)
    debt = owed(late, LATE)
    assert debt is not None
    assert (debt.closes, debt.reason) == (True, "invoice_not_collected")
    before = owed(late, DUE_DATE - timedelta(seconds=1))
    assert before is not None
    assert (before.closes, before.closes_at) == (False, DUE_DATE)


@pytest.mark.parametrize("hold", ["", "held", "released"])
def test_the_merchant_is_told_where_to_send_the_payer(hold: str) -> None:
    page = "https://invoice.stripe.com/i/acct_1/test_made_up"
    told = news(replace(HOSTED, invoice=invoice(page=page), hold=hold), NOW)
    assert [one.type for one in told] == ([] if hold == "held" else ["tollbridge.invoice.payment_needed"])
    assert all((one.data.hosted_invoice_url, one.data.collected_by) == (page, "hosted") for one in told)
