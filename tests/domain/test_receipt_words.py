"""What is told before a payment is recorded by hand is what the rules do afterwards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.domain.policy import Policy
from gateway.domain.receipt_words import following
from gateway.domain.view import InvoiceView
from tests.domain.views import view


def seen(held: int = 0, *, deleted: bool = False, **policy: Any) -> InvoiceView:
    """An open invoice, of which 100.00 EUR remain."""
    made = view()
    assert made.invoice is not None
    invoice = msgspec.structs.replace(made.invoice, amount_remaining=10_000, status="open", currency="eur")
    changed: dict[str, Any] = {"invoice": invoice, "held_money": held, "customer_deleted": deleted}
    return msgspec.structs.replace(made, policy=Policy(**policy), **changed)


def test_all_that_is_due() -> None:
    found = following(seen(), 10_000)
    assert (found.due, found.over, len(found.told)) == (10_000, 0, 1)
    assert "paid outside of it, with the 100.00 EUR" in found.told[0]


def test_a_part_is_credited_and_billed_anew() -> None:
    told = " ".join(following(seen(), 2_000).told)
    assert "a credit note takes the missing 80.00 EUR off" in told
    assert "a further invoice bills the 80.00 EUR" in told


def test_what_is_held_already_is_not_due() -> None:
    assert following(seen(held=4_000), 6_000).over == 0
    assert following(seen(held=4_000), 7_000).over == 1_000


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"partial_payment": "top_up"}, "they are charged first"),
        ({"small_differences": {"eur": 8_000}}, "so little is let go"),
        ({"deleted": True}, "a case asks a human"),
    ],
)
def test_a_part_goes_the_way_that_the_policy_says(how: dict[str, Any], says: str) -> None:
    assert says in " ".join(following(seen(**how), 2_000).told)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "no processor can return it"),
        ({"overpayment": "customer_balance"}, "becomes the customer's credit"),
        ({"overpayment": "customer_balance", "deleted": True}, "no processor can return it"),
    ],
)
def test_more_than_is_due_is_a_credit_or_a_case(how: dict[str, Any], says: str) -> None:
    found = following(seen(**how), 999_900)
    assert found.over == 989_900
    assert "9,899.00 EUR more" in found.told[-1]
    assert says in found.told[-1]
