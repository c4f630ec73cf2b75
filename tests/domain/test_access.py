"""Access is opened by money, never because Stripe calls a subscription active (law 13)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from db.states import InvoiceState
from gateway.domain.access import WORDS, Access, AccessInvoice, Beginning, access, in_words
from gateway.domain.lapse import Owed
from gateway.domain.policy import Policy
from gateway.domain.project import project
from tests.domain.views import DAY, DUE, NOW, invoice, view

FIRST = "in_first"
AT_END, NEVER = Policy(), Policy(access_closes="never")
PAID = AccessInvoice(FIRST, first=True, state=InvoiceState.PAID)
CLOSING = Owed(True, "invoice_not_collected")


def of(
    invoices: list[AccessInvoice], policy: Policy = AT_END, *, status: str = "active", ended: bool = False
) -> Access:
    return access(invoices, policy, status=status, ended=ended)


def first(state: InvoiceState) -> AccessInvoice:
    return AccessInvoice(FIRST, first=True, state=state)


def later(state: InvoiceState, owed: Owed | None = None, id: str = "in_later") -> AccessInvoice:
    return AccessInvoice(id, first=False, state=state, renewal=True, owed=owed)


def test_a_paid_first_invoice_opens_it() -> None:
    assert of([first(InvoiceState.PAID)]) == Access(True, "first_invoice_paid", FIRST)


@pytest.mark.parametrize("state", [state for state in InvoiceState if state is not InvoiceState.PAID])
def test_no_other_state_does(state: InvoiceState) -> None:
    assert of([first(state)]) == Access(False, f"first_invoice_{state}", FIRST)


def test_captured_is_not_paid_yet() -> None:
    assert not of([first(InvoiceState.CAPTURED)]).granted


def test_a_later_invoice_does_not_stand_for_the_first() -> None:
    assert not of([later(InvoiceState.PAID)]).granted
    assert not of([later(InvoiceState.PAID), first(InvoiceState.DUE)]).granted


def test_before_there_is_an_invoice_there_is_no_access() -> None:
    assert of([]) == Access(False, "no_first_invoice")


@pytest.mark.parametrize("invoices", [[], [first(InvoiceState.PAID)]])
def test_an_ended_subscription_gives_none(invoices: list[AccessInvoice]) -> None:
    assert of(invoices, ended=True) == Access(False, "subscription_ended")


@pytest.mark.parametrize("state", [InvoiceState.RETRYING, InvoiceState.PENDING, InvoiceState.DRAFT])
def test_a_renewal_on_its_way_takes_nothing_away(state: InvoiceState) -> None:
    assert of([first(InvoiceState.PAID), later(state)]).granted


def test_an_invoice_that_was_credited_to_zero_opens_nothing() -> None:
    """Law 13: by credit note alone, default no. A part may be credited, and nothing may be due from the start."""
    assert of([seen(amount_due=0, pre_payment_credit=DUE)]) == Access(False, "first_invoice_credited", FIRST)
    assert of([seen(amount_due=600, pre_payment_credit=400)]).granted
    assert of([seen(amount_due=0, total=0)]).granted
    assert of([seen(post_payment_credit=DUE)]).granted


def seen(**changes: int) -> AccessInvoice:
    """The first invoice, as its mirror shows it paid."""
    billed = invoice("paid", **changes)
    return AccessInvoice(FIRST, first=True, state=project(view(billed)), credited=billed.is_credited)


def test_the_oldest_invoice_that_closes_it_is_named() -> None:
    unpaid = [later(InvoiceState.EXHAUSTED, CLOSING, id) for id in ("in_2", "in_3")]
    assert of([PAID, *unpaid]) == Access(False, "invoice_not_collected", "in_2")


def test_a_later_renewal_that_is_paid_opens_it_again() -> None:
    debt = later(InvoiceState.UNCOLLECTIBLE, CLOSING)
    assert of([PAID, debt, later(InvoiceState.PAID, id="in_3")]).granted
    assert not of([PAID, later(InvoiceState.PAID, id="in_0"), debt]).granted
    upgrade = AccessInvoice("in_3", first=False, state=InvoiceState.PAID)
    assert not of([PAID, debt, upgrade]).granted, "it is for no other period"
    credited = AccessInvoice("in_3", first=False, state=InvoiceState.PAID, credited=True, renewal=True)
    assert not of([PAID, debt, credited]).granted, "nobody has paid (law 13)"


def test_of_those_that_are_open_still_the_first_to_close_it_is_named() -> None:
    times = {"in_2": None, "in_3": NOW + 2 * DAY, "in_4": NOW + DAY}
    unpaid = [later(InvoiceState.RETRYING, Owed(False, "invoice_open", at), id) for id, at in times.items()]
    found = of([PAID, *unpaid])
    assert found == Access(True, "invoice_open", "in_4", NOW + DAY)
    assert in_words(found.reason, found.closes_at).endswith("until 2 Mar 2027, 12:00 UTC")


def test_what_stripe_calls_unpaid_is_closed_unless_it_never_closes() -> None:
    late = later(InvoiceState.PENDING, Owed(False, "invoice_pending"))
    assert of([PAID], status="unpaid") == Access(False, "subscription_unpaid")
    assert of([PAID, late], status="unpaid") == Access(False, "subscription_unpaid", "in_later")
    assert of([PAID, late], status="past_due") == Access(True, "invoice_pending", "in_later")
    assert of([PAID, late], NEVER, status="unpaid") == Access(True, "access_never_closes", "in_later")
    assert of([PAID], NEVER, status="unpaid").granted


def test_every_answer_has_its_words() -> None:
    assert all(in_words(reason) == words for reason, words in WORDS.items())
    assert in_words("first_invoice_draft").endswith("it is still a draft")
    assert in_words(of([first(InvoiceState.RETRYING)]).reason) == "its first invoice is not paid: it is retrying"


def test_what_nothing_but_the_clock_holds_up_closes_it_first() -> None:
    """A charge that is under way may still pay the older one."""
    charged = later(InvoiceState.PENDING, Owed(False, "invoice_open", NOW + DAY), "in_2")
    declined = later(InvoiceState.RETRYING, Owed(False, "invoice_open", NOW + 2 * DAY, "invoice_not_collected"), "in_3")
    assert of([PAID, charged, declined]) == Access(True, "invoice_open", "in_3", NOW + 2 * DAY, "invoice_not_collected")


WITHOUT = Beginning(without_invoice=True)
WAITS = Policy(access_without_first_invoice="after_payment_method")
TRIAL = AccessInvoice(FIRST, first=True, state=InvoiceState.PAID, zero=True)


def test_where_nothing_is_due_at_first_it_opens_at_once() -> None:
    assert access([], AT_END, WITHOUT) == Access(True, "nothing_due_first")
    assert access([TRIAL], AT_END).granted
    unconfirmed = replace(WITHOUT, confirmed=False)
    assert access([], AT_END, unconfirmed) == Access(False, "checkout_not_done")
    unpaid = later(InvoiceState.EXHAUSTED, CLOSING)
    assert access([unpaid], AT_END, WITHOUT) == Access(False, "invoice_not_collected", "in_later")


@pytest.mark.parametrize(("invoices", "invoice"), [([], ""), ([TRIAL], FIRST)])
def test_or_after_a_payment_method_is_stored(invoices: list[AccessInvoice], invoice: str) -> None:
    assert access(invoices, WAITS, WITHOUT) == Access(False, "payment_method_missing", invoice)
    stored = replace(WITHOUT, method=True)
    assert access(invoices, WAITS, stored) == Access(True, "payment_method_stored", invoice)
    assert access([*invoices, later(InvoiceState.PAID)], WAITS, WITHOUT).granted, "whoever has paid once knows how"
    assert access([PAID], WAITS).granted, "something was due, and is paid"
