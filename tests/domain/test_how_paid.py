"""`how_paid`: the one judge of an invoice that is paid (law 6)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from gateway.domain.billed import BilledInvoice, HowPaid, StripePayment, how_paid
from tests.domain.views import DUE, invoice, tagged

PAID = invoice("paid")
CREDITED = invoice("paid", amount_due=0, amount_paid=0, pre_payment_credit=DUE)
ZERO = invoice("paid", amount_due=0, amount_paid=0, total=0)
AT_STRIPE = invoice("paid", stripe_payment=StripePayment.PAID)


@pytest.mark.parametrize(
    ("billed", "we_may_have", "how"),
    [
        (tagged(PAID), True, HowPaid.OURS),
        (tagged(PAID), False, HowPaid.BY_HAND),
        (PAID, True, HowPaid.BY_HAND),
        (PAID, False, HowPaid.BY_HAND),
        (CREDITED, False, HowPaid.CREDITED),
        (ZERO, False, HowPaid.ZERO),
        (AT_STRIPE, False, HowPaid.STRIPE_PAYMENT),
        (tagged(AT_STRIPE), True, HowPaid.STRIPE_PAYMENT),
    ],
)
def test_what_the_invoice_shows(billed: BilledInvoice, we_may_have: bool, how: HowPaid) -> None:
    assert how_paid(billed, we_may_have=we_may_have) is how


def test_metadata_alone_is_no_proof() -> None:
    """Law 11: anybody who may edit the invoice can write there, so without a call of ours it is not ours."""
    assert how_paid(tagged(PAID, "att_invented"), we_may_have=False) is HowPaid.BY_HAND


def test_a_credit_of_a_part_is_not_how_it_was_paid() -> None:
    partly = invoice("paid", amount_due=600, amount_paid=600, pre_payment_credit=400)
    assert how_paid(partly, we_may_have=False) is HowPaid.BY_HAND
    assert how_paid(tagged(partly), we_may_have=True) is HowPaid.OURS


def test_a_credit_after_payment_does_not_change_how_it_was_paid() -> None:
    refunded = tagged(invoice("paid", post_payment_credit=DUE))
    assert how_paid(refunded, we_may_have=True) is HowPaid.OURS


def test_a_payment_that_stripe_is_still_taking_did_not_pay_it() -> None:
    billed = tagged(invoice("paid", stripe_payment=StripePayment.PROCESSING))
    assert how_paid(billed, we_may_have=True) is HowPaid.OURS


@pytest.mark.parametrize("billed", [CREDITED, ZERO], ids=["credited", "zero"])
def test_an_invoice_of_nothing_was_not_paid_by_us(billed: BilledInvoice) -> None:
    assert how_paid(tagged(billed), we_may_have=True) in (HowPaid.CREDITED, HowPaid.ZERO)


AMOUNTS: tuple[dict[str, Any], ...] = ({}, {"amount_due": 0, "amount_paid": 0}, {"pre_payment_credit": 400})


@pytest.mark.parametrize("changes", AMOUNTS)
def test_a_payment_at_stripe_comes_first_and_ours_needs_both_signs(changes: dict[str, Any]) -> None:
    for paying, named, we_may_have in product(StripePayment, (False, True), (False, True)):
        billed = invoice("paid", stripe_payment=paying, **changes)
        how = how_paid(tagged(billed) if named else billed, we_may_have=we_may_have)
        assert (how is HowPaid.STRIPE_PAYMENT) == (paying is StripePayment.PAID)
        if how is HowPaid.OURS:
            assert named
            assert we_may_have
