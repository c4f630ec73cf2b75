"""What an organization is told of its invoices, and where it may be sent to pay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from msgspec.structs import replace

from db.states import Collector, InvoiceState
from gateway.domain.plain_words import Pays, Shown, Standing, pays, standing, subscription_words
from tests.domain.views import DAY, NOW

OURS: Final = Shown(status="open", state=InvoiceState.DUE, collector=Collector.GATEWAY, due_date=NOW + 5 * DAY)
HOSTED: Final = replace(OURS, collector=Collector.HOSTED)
STRIPES: Final = replace(OURS, state=InvoiceState.NOT_OURS, collector=Collector.STRIPE)

TABLE: Final[dict[str, tuple[Shown, Standing, str, Pays | None]]] = {
    "hosted": (HOSTED, Standing.OPEN, "Due on 6 March 2027", Pays.HOSTED_PAGE),
    "hosted, being paid": (
        replace(HOSTED, paying=True), Standing.PROCESSING, "A payment is being processed", None,
    ),
    "hosted, late": (
        replace(HOSTED, due_date=NOW - DAY), Standing.OVERDUE, "Was due on 28 February 2027", Pays.HOSTED_PAGE,
    ),
    "hosted, given up": (
        replace(HOSTED, status="uncollectible", state=InvoiceState.UNCOLLECTIBLE),
        Standing.UNPAID, "Not paid in time; it can still be paid", Pays.HOSTED_PAGE,
    ),
    "charged by us": (OURS, Standing.OPEN, "Due on 6 March 2027; it is charged to your payment method", None),
    "charged at this moment": (
        replace(OURS, state=InvoiceState.CHARGING), Standing.PROCESSING, "A payment is being processed", None,
    ),
    "declined": (
        replace(OURS, state=InvoiceState.RETRYING, next_attempt_at=NOW + DAY),
        Standing.ACTION_NEEDED, "The last payment failed; it is tried again on 2 March 2027", Pays.PAYMENT_METHOD,
    ),
    "without a method": (
        replace(OURS, state=InvoiceState.NEEDS_PAYMENT_METHOD),
        Standing.ACTION_NEEDED, "A payment method is needed", Pays.PAYMENT_METHOD,
    ),
    "charged by us, given up": (
        replace(OURS, status="uncollectible", state=InvoiceState.UNCOLLECTIBLE),
        Standing.UNPAID, "Not paid in time", None,
    ),
    "charged by Stripe": (
        STRIPES, Standing.OPEN, "Due on 6 March 2027; it is charged to your payment method", Pays.HOSTED_PAGE,
    ),
    "nobody's": (
        replace(OURS, state=InvoiceState.NOT_OURS, collector=None), Standing.OPEN, "Due on 6 March 2027", None,
    ),
    "paid": (
        replace(HOSTED, status="paid", state=InvoiceState.PAID, paid_at=NOW),
        Standing.PAID, "Paid on 1 March 2027", None,
    ),
    "void": (replace(OURS, status="void", state=InvoiceState.CLOSED), Standing.VOID, "Canceled: nothing is owed", None),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_what_is_said_of_an_invoice(case: str) -> None:
    shown, status, words, way = TABLE[case]
    assert (standing(shown, NOW), pays(shown)) == ((status, words), way)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "Active"),
        ({"ends_at": NOW + DAY}, "Ends on 2 March 2027"),
        ({"ended_at": NOW, "ends_at": NOW}, "Ended on 1 March 2027"),
        ({"status": "trialing", "trial_end": NOW + timedelta(days=2)}, "Free until 3 March 2027"),
        ({"status": "past_due"}, "Active, with an overdue invoice"),
    ],
)
def test_what_is_said_of_a_subscription(told: dict[str, Any], words: str) -> None:
    values = {"status": "active", "ended_at": None, "ends_at": None, "trial_end": None} | told
    assert subscription_words(**values) == words
