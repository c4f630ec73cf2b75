"""The answer about access: money and grants as one, and what time alone makes of it."""

from __future__ import annotations

import pytest

from db.states import AccessState
from gateway.domain.access import WORDS, Access
from gateway.domain.gate import Gate, Grant, followed, gate, settled, state_of
from tests.domain.views import DAY, HOUR, NOW

PAID = Access(True, "first_invoice_paid", "in_1")
OPEN = Access(True, "invoice_open", "in_2", NOW + DAY, "invoice_not_collected")
CLOSED = Access(False, "invoice_not_collected", "in_2")
ENDED = Access(False, "subscription_ended")
GRANTED, PENDING, SUSPENDED = AccessState.GRANTED, AccessState.PENDING_FIRST_PAYMENT, AccessState.SUSPENDED


def test_every_reason_has_a_state() -> None:
    pending = {"payment_method_missing", "checkout_not_done", "no_first_invoice", "first_invoice_credited"}
    for reason in WORDS:
        found = state_of(False, reason)
        assert state_of(True, reason) is GRANTED
        assert (found is PENDING) == (reason in pending or reason.startswith("first_invoice_")), reason
        assert (found is AccessState.ENDED) == (reason == "subscription_ended")


def test_what_money_says_is_the_answer() -> None:
    assert gate(PAID, (), NOW) == Gate(GRANTED, "first_invoice_paid", "in_1")
    assert gate(CLOSED, (), NOW) == Gate(SUSPENDED, "invoice_not_collected", "in_2")
    assert gate(ENDED, (), NOW).state is AccessState.ENDED


def test_a_grant_opens_what_money_closes_and_is_followed_by_it() -> None:
    found = gate(CLOSED, [Grant(NOW + HOUR), Grant(NOW + DAY)], NOW)
    assert found == Gate(GRANTED, "granted_by_hand", "in_2", NOW + DAY, "invoice_not_collected")
    over = settled(found, NOW + DAY)
    assert over == Gate(SUSPENDED, "invoice_not_collected", "in_2", since=NOW + DAY)
    assert gate(CLOSED, [Grant(NOW)], NOW) == gate(CLOSED, (), NOW), "it is over"


def test_a_grant_does_not_hide_that_money_opens_it_and_holds_it_open_for_longer() -> None:
    assert gate(PAID, [Grant(NOW + DAY)], NOW) == gate(PAID, (), NOW)
    assert gate(OPEN, [Grant(NOW + 3 * DAY)], NOW).closes_at == NOW + 3 * DAY
    assert gate(OPEN, [Grant(NOW + HOUR)], NOW).closes_at == NOW + DAY


def test_a_grant_outlives_the_subscription_only_where_it_says_so() -> None:
    assert not gate(ENDED, [Grant(NOW + DAY)], NOW).granted
    assert gate(ENDED, [Grant(NOW + DAY, after_end=True)], NOW).granted


@pytest.mark.parametrize(("closing", "state"), [("invoice_not_collected", SUSPENDED), ("", GRANTED)])
def test_the_clock_closes_what_nothing_else_is_waited_for(closing: str, state: AccessState) -> None:
    stored = Gate(GRANTED, "invoice_open", "in_2", NOW, closing, since=NOW - DAY)
    assert settled(stored, NOW - HOUR) is stored
    assert settled(stored, NOW + HOUR).state is state


def test_it_keeps_its_time_while_its_state_is_the_same() -> None:
    stored = Gate(GRANTED, "invoice_open", "in_2", NOW, "invoice_not_collected", since=NOW - DAY)
    assert followed(stored, gate(PAID, (), NOW), NOW).since == NOW - DAY
    assert followed(stored, gate(CLOSED, (), NOW), NOW + HOUR).since == NOW, "the clock had closed it before"
    assert followed(stored, gate(ENDED, (), NOW), NOW + HOUR).since == NOW + HOUR
    assert followed(Gate(PENDING, "no_first_invoice"), gate(PAID, (), NOW), NOW).since == NOW
