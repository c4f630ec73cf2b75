"""What people are told of a subscription's price, of its end, of a switch, and of a payment method."""

from __future__ import annotations

from typing import Any

import pytest

from db.states import Collector, Ends, MethodStatus, OpenInvoices
from gateway.domain import cancel_words, switch_words
from gateway.domain.cancel_words import Ending
from gateway.domain.method_words import named, standing
from gateway.domain.policy import Policy
from gateway.domain.switch_words import Switching
from gateway.domain.terms import Item, in_words
from processors.values import Card


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"unit_amount": "1000", "quantity": 1}, "10.00 EUR every month"),
        ({"unit_amount": "1000", "quantity": 3}, "3 × 10.00 EUR every month"),
        ({"unit_amount": "4.5", "metered": True}, "0.045 EUR for each unit that is used, billed every month"),
        ({"unit_amount": "120000", "currency": "jpy", "interval": "year", "every": 2}, "120,000 JPY every 2 years"),
        ({"tiered": True, "metered": True}, "by the tiers of its price for what is used, billed every month"),
        ({"unit_amount": "0"}, "0.00 EUR every month"),
    ],
)
def test_a_price_in_words(item: dict[str, Any], words: str) -> None:
    assert in_words(Item(**({"currency": "eur", "interval": "month"} | item))) == words


@pytest.mark.parametrize(
    ("ending", "policy", "words"),
    [
        ({"invoice_now": True, "unsent": 4}, {}, "First the 4 events on their way are sent"),
        ({}, {}, "What was used and not billed yet is never billed."),
        ({"prorate": True}, {}, "credited to the customer's balance at Stripe"),
        ({"owed": ["10.00 EUR"]}, {"canceled_invoices": "void"}, "10.00 EUR is open. It is voided in Stripe at once."),
        ({"owed": ["10.00 EUR"], "collected_by": Collector.STRIPE}, {}, "Stripe goes on with it"),
        ({"in_flight": True}, {"canceled_in_flight": "return"}, "if it succeeds it goes back to the payer."),
        ({"methods": 2}, {}, "the payment methods (2) are deleted at their processors"),
        ({"methods": 2}, {"unused_methods": "keep"}, "The payment methods stay, as the account's policy says."),
        ({"methods": 2, "others": 1}, {}, "The payment methods stay: 1 other subscription(s)"),
        ({"ends": Ends.PERIOD_END}, {}, "Until then this can be taken back"),
        ({"ends": Ends.NEVER}, {}, "goes on: the next invoice comes as usual."),
    ],
)
def test_an_end_in_words(ending: dict[str, Any], policy: dict[str, Any], words: str) -> None:
    told = cancel_words.told(Ending(**({"ends": Ends.NOW} | ending)), Policy(**policy))
    assert words in " ".join(told)


def test_an_end_with_the_period_bills_and_credits_nothing() -> None:
    told = " ".join(cancel_words.told(Ending(ends=Ends.PERIOD_END), Policy()))
    assert "never billed" not in told
    assert "credited" not in told


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"to": Collector.GATEWAY}, "has no payment method that can be charged, so this is refused"),
        ({"to": Collector.GATEWAY, "chargeable": True}, "to the first payment method of the customer."),
        ({"to": Collector.GATEWAY, "chargeable": True, "now": Collector.STRIPE}, "nobody pays twice"),
        ({"to": Collector.HOSTED, "days": 14}, "due after 14 days"),
        ({"to": Collector.STRIPE, "owed": ["1.00 EUR"]}, "1.00 EUR is open. We collect it to its end."),
        ({"to": Collector.STRIPE, "owed": ["1.00 EUR"], "open_invoices": OpenInvoices.HAND_OVER}, "Stripe pays it,"),
    ],
)
def test_a_switch_in_words(wanted: dict[str, Any], words: str) -> None:
    assert words in " ".join(switch_words.told(Switching(**wanted)))


def test_a_payment_method_in_words() -> None:
    assert named(Card(brand="bank_debit", last4="3000")) == "Bank debit ending in 3000"
    assert named(Card(label="PayPal a***@example.com")) == "PayPal a***@example.com"
    assert standing(MethodStatus.ACTIVE, first=True) == "Charged first"
    assert standing(MethodStatus.STOPPED, stopped_reason="lost_stolen") == "Not charged: it was reported lost or stolen"
    assert standing(MethodStatus.STOPPED, stopped_reason="revocation", revocation="deferred").startswith(
        "Being removed"
    )
