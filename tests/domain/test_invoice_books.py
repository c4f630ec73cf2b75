"""The ledger against Stripe, for one invoice of 10.00."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.states import BreakKind, Repair
from gateway.domain.billed import HowPaid
from gateway.domain.invoice_books import Credits, InvoiceBooks, Sums, judge_invoice

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
THEN = NOW - timedelta(days=2)


def books(credits: Credits | None = None, **changes: Any) -> InvoiceBooks:
    """Paid by us; the keywords of Sums are its money, the rest the invoice's own."""
    money = {name: changes.pop(name) for name in Sums.__struct_fields__ if name in changes}
    credits = credits or Credits()
    told = {"status": "paid", "paid": 1000, "how": HowPaid.OURS, "credited": credits.total} | changes
    sums = Sums(**{"captured": 1000, "moved_at": THEN} | money)
    return InvoiceBooks(id="in_1", currency="eur", created_at=THEN, sums=sums, credits=credits, **told)


def found(*args: Any, **kwargs: Any) -> list[tuple[BreakKind, int]]:
    return [(one.kind, one.amount) for one in judge_invoice(books(*args, **kwargs), NOW)]


def test_what_is_captured_and_recorded_is_well() -> None:
    assert found() == []
    assert found(captured=0, received=1000) == []
    assert found(captured=0, paid=0, how=HowPaid.ZERO) == []


def test_paid_at_stripe_without_money() -> None:
    assert found(captured=0) == [(BreakKind.PAID_AT_STRIPE_WITHOUT_MONEY, 1000)]
    assert found(captured=600) == [(BreakKind.PAID_AT_STRIPE_WITHOUT_MONEY, 400)]
    [by_hand] = judge_invoice(books(captured=0, how=HowPaid.BY_HAND), NOW)
    assert by_hand.repair is Repair.ASK_HUMAN


@pytest.mark.parametrize("status", ["open", "uncollectible"])
def test_money_without_stripe_record(status: str) -> None:
    unpaid = {"status": status, "paid": 0, "how": None}
    assert found(**unpaid) == [(BreakKind.MONEY_WITHOUT_STRIPE_RECORD, 1000)]
    assert found(**unpaid, moved_at=NOW) == [], "it may be on its way"
    assert found(**unpaid, refunded=1000) == []
    assert found(**unpaid, disputed=1000) == []
    assert found(**unpaid, returning=1000) == []
    assert found(**unpaid, captured=0, surplus=1000) == [(BreakKind.SURPLUS_NOT_RETURNED, 1000)]


@pytest.mark.parametrize(("status", "how"), [("void", None), ("paid", HowPaid.STRIPE_PAYMENT), ("paid", HowPaid.ZERO)])
def test_money_for_an_invoice_that_wants_none_goes_back(status: str, how: HowPaid | None) -> None:
    settled = {"status": status, "paid": 1000 if how is HowPaid.STRIPE_PAYMENT else 0, "how": how}
    assert found(**settled) == [(BreakKind.SURPLUS_NOT_RETURNED, 1000)]
    assert found(**settled, surplus_returned=1000) == []


def test_a_second_payment_and_an_overpayment_go_back() -> None:
    assert found(surplus=1000) == [(BreakKind.SURPLUS_NOT_RETURNED, 1000)]
    assert found(surplus=1000, surplus_returned=1000) == []
    assert found(captured=1200) == [(BreakKind.SURPLUS_NOT_RETURNED, 200)]


def test_refunds_and_credit_notes_are_the_same() -> None:
    note = Credits(total=400, out_of_band=400, newest_at=THEN)
    assert found(note, refunded=400) == []
    assert found(note) == [(BreakKind.CREDIT_NOTE_WITHOUT_REFUND, 400)]
    assert found(note, refunded=300) == [(BreakKind.CREDIT_NOTE_WITHOUT_REFUND, 100)]
    assert found(note, returning=400) == [], "it is on its way"
    assert found(note, disputed=400) == [], "a lost dispute has a credit note too"
    assert found(refunded=400) == [(BreakKind.REFUND_WITHOUT_CREDIT_NOTE, 400)]
    assert found(Credits(total=400, out_of_band=400, newest_at=NOW)) == []


def test_what_was_credited_to_the_balance_gives_nothing_back() -> None:
    assert found(Credits(total=400, out_of_band=0, newest_at=THEN)) == []


def test_nothing_is_said_of_refunds_by_an_old_copy() -> None:
    assert found(Credits(total=400, out_of_band=400, newest_at=THEN), credited=500) == [
        (BreakKind.MIRROR_OUTDATED, 100)
    ]


def test_a_dispute_after_a_refund_took_too_much() -> None:
    note = Credits(total=1000, out_of_band=1000, newest_at=THEN)
    assert found(note, refunded=1000, disputed=1000) == [(BreakKind.RETURNED_TOO_MUCH, 1000)]


def test_a_payment_that_its_metadata_take_from_another() -> None:
    assert found(tagged="in_2") == [(BreakKind.WRONG_INVOICE, 1000)]
    assert found(tagged="in_1") == []


def test_money_in_another_currency_adds_up_to_nothing() -> None:
    assert found(captured=0, other_currency=1000) == [(BreakKind.CURRENCY_DIFFERS, 1000)]
