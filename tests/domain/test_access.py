"""Access is opened by money, never because Stripe calls a subscription active (law 13)."""

from __future__ import annotations

import pytest

from db.states import InvoiceState
from gateway.domain.access import Access, AccessInvoice, access
from gateway.domain.project import project
from tests.domain.views import DUE, invoice, view

FIRST = "in_first"


def first(state: InvoiceState) -> AccessInvoice:
    return AccessInvoice(FIRST, first=True, state=state)


def later(state: InvoiceState) -> AccessInvoice:
    return AccessInvoice("in_later", first=False, state=state)


def test_a_paid_first_invoice_opens_it() -> None:
    assert access([first(InvoiceState.PAID)], ended=False) == Access(True, "first_invoice_paid", FIRST)


@pytest.mark.parametrize("state", [state for state in InvoiceState if state is not InvoiceState.PAID])
def test_no_other_state_does(state: InvoiceState) -> None:
    assert access([first(state)], ended=False) == Access(False, f"first_invoice_{state}", FIRST)


def test_captured_is_not_paid_yet() -> None:
    assert not access([first(InvoiceState.CAPTURED)], ended=False).granted


def test_a_later_invoice_does_not_stand_for_the_first() -> None:
    assert not access([later(InvoiceState.PAID)], ended=False).granted
    assert not access([later(InvoiceState.PAID), first(InvoiceState.DUE)], ended=False).granted


def test_before_there_is_an_invoice_there_is_no_access() -> None:
    assert access([], ended=False) == Access(False, "no_first_invoice")


@pytest.mark.parametrize("invoices", [[], [first(InvoiceState.PAID)]])
def test_an_ended_subscription_gives_none(invoices: list[AccessInvoice]) -> None:
    assert access(invoices, ended=True) == Access(False, "subscription_ended")


@pytest.mark.parametrize("state", [InvoiceState.RETRYING, InvoiceState.PENDING, InvoiceState.DRAFT])
def test_a_renewal_on_its_way_takes_nothing_away(state: InvoiceState) -> None:
    assert access([first(InvoiceState.PAID), later(state)], ended=False).granted


def test_an_invoice_that_was_credited_to_zero_opens_nothing() -> None:
    """Law 13: by credit note alone, default no. A part may be credited, and nothing may be due from the start."""
    assert access([seen(amount_due=0, pre_payment_credit=DUE)], ended=False) == Access(
        False, "first_invoice_credited", FIRST
    )
    assert access([seen(amount_due=600, pre_payment_credit=400)], ended=False).granted
    assert access([seen(amount_due=0, total=0)], ended=False).granted
    assert access([seen(post_payment_credit=DUE)], ended=False).granted


def seen(**changes: int) -> AccessInvoice:
    """The first invoice, as its mirror shows it paid."""
    billed = invoice("paid", **changes)
    return AccessInvoice(FIRST, first=True, state=project(view(billed)), credited=billed.is_credited)
