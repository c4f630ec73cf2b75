"""Which invoices bill usage: by their lines, in the shapes of before and after 2025-03-31."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.billing.shapes import billed
from tests.billing.payloads import CREATED, DAHLIA, OLD, shape

MONTH_S = 30 * 86400
BEHIND = {"period": {"start": CREATED - MONTH_S, "end": CREATED}}
AHEAD = {"period": {"start": CREATED, "end": CREATED + MONTH_S}}


def of_item(*, proration: bool = False) -> dict[str, Any]:
    """A line of a subscription's item, since 2025-03-31: it names its price, and no more."""
    parent = {"type": "subscription_item_details", "subscription_item_details": {"proration": proration}}
    return {"parent": parent, "pricing": {"type": "price_details", "price_details": {"price": "price_1"}}}


def of_price(usage_type: str, **more: Any) -> dict[str, Any]:
    return {"price": {"id": "price_1", "recurring": {"usage_type": usage_type, **more}}, "plan": None, "parent": None}


def by_hand() -> dict[str, Any]:
    return {"parent": {"type": "invoice_item_details", "subscription_item_details": None}, "pricing": None}


@pytest.mark.parametrize(
    ("payload", "line", "usage"),
    [
        (DAHLIA, of_item() | BEHIND, True),
        (DAHLIA, of_item() | AHEAD, False),
        (DAHLIA, of_item(proration=True) | BEHIND, False),
        (DAHLIA, by_hand() | BEHIND, False),
        (OLD, of_price("metered", meter="mtr_1") | BEHIND, True),
        (OLD, of_price("licensed") | BEHIND, False),
        (OLD, of_price("metered") | AHEAD, False),
        (OLD, {"plan": {"id": "plan_1", "usage_type": "metered"}} | BEHIND, True),
    ],
)
def test_a_line_in_arrears_is_usage(payload: dict[str, Any], line: dict[str, Any], usage: bool) -> None:
    lines = {"data": [of_item() | AHEAD if payload is DAHLIA else of_price("licensed") | AHEAD, line]}
    assert billed(shape(payload, lines=lines)).bills_usage is usage


@pytest.mark.parametrize(
    ("reason", "usage"), [("subscription_cycle", True), ("subscription_create", False), ("manual", False)]
)
def test_neither_a_first_invoice_nor_one_made_by_hand_bills_usage(reason: str, usage: bool) -> None:
    lines = {"data": [of_item() | BEHIND]}
    assert billed(shape(billing_reason=reason, lines=lines)).bills_usage is usage


def test_what_the_first_page_does_not_show_may_be_usage() -> None:
    lines = {"data": [of_item() | AHEAD] * 10, "has_more": True}
    assert billed(shape(lines=lines)).bills_usage
    assert not billed(shape(lines=None)).bills_usage
