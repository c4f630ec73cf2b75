"""The events that an endpoint subscribes to are those that the table heeds, of all that Stripe has."""

from __future__ import annotations

import pytest

from gateway.billing.meters import REPORTS
from gateway.inbox.table import Named, row, subscribed, subscribed_beside
from gateway.sandbox.stripe.closed_lists import EVENT_TYPES, THIN_EVENT_TYPES


def test_every_type_of_stripes_that_pokes_something_is_subscribed_to_and_no_other() -> None:
    assert subscribed() == sorted(kind for kind in EVENT_TYPES if isinstance(row(kind), Named))


def test_each_has_its_thin_type() -> None:
    assert sorted([f"v1.{kind}" for kind in subscribed()] + subscribed_beside()) == subscribed(thin=True)
    assert set(subscribed(thin=True)) <= THIN_EVENT_TYPES


def test_what_no_snapshot_tells_is_asked_for_beside_them() -> None:
    assert subscribed_beside() == [f"v1.{kind}" for kind in sorted(REPORTS)]
    assert not {kind.removeprefix("v1.") for kind in subscribed_beside()} & EVENT_TYPES


@pytest.mark.parametrize("kind", ["invoice.created", "invoice.finalized", "invoice.paid", "customer.deleted"])
def test_what_billing_depends_on_is_among_them(kind: str) -> None:
    assert kind in subscribed()
