"""Disputes and access: by policy, and never more than without them."""

from __future__ import annotations

import pytest

from gateway.domain.access import Access
from gateway.domain.disputed_access import DisputedInvoice, with_disputes
from gateway.domain.policy import Policy

GRANTED = Access(True, "first_invoice_paid", "in_1")
OPEN, LOST = DisputedInvoice("in_2", lost=False), DisputedInvoice("in_2", lost=True)
PAID_SINCE = DisputedInvoice("in_2", lost=True, paid_since=True)
DISPUTED, TAKEN_BACK = Access(False, "invoice_disputed", "in_2"), Access(False, "dispute_lost", "in_2")

TABLE = {
    "no dispute": ((), {}, GRANTED),
    "open": ((OPEN,), {}, GRANTED),
    "open, and suspended then": ((OPEN,), {"access_in_dispute": "suspend"}, DISPUTED),
    "lost": ((LOST,), {}, TAKEN_BACK),
    "lost, and kept then": ((LOST,), {"access_after_lost_dispute": "keep"}, GRANTED),
    "lost, and a later invoice paid": ((PAID_SINCE,), {}, GRANTED),
    "one paid since, another open": ((PAID_SINCE, OPEN), {"access_in_dispute": "suspend"}, DISPUTED),
}


@pytest.mark.parametrize("case", TABLE)
def test_access(case: str) -> None:
    disputed, policy, wanted = TABLE[case]
    assert with_disputes(GRANTED, disputed, Policy(**policy)) == wanted  # type: ignore[arg-type]


def test_what_is_closed_stays_closed_for_its_own_reason() -> None:
    closed = Access(False, "subscription_ended")
    assert with_disputes(closed, (LOST, OPEN), Policy(access_in_dispute="suspend")) == closed
