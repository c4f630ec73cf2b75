"""The manners in which the gateway's scenarios are played are those of the real adapters: what these declare and the
gateway acts on is the same, so that a scenario that passes at the one tells of the other."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.connections import capabilities_of
from processors.capabilities import Webhook

NAMES = ["adyen", "braintree", "checkout_com", "gocardless", "mollie", "paypal"]


def profile(name: str) -> dict[str, Any]:
    it = capabilities_of(name)
    return {
        "window": it.idempotency.window,
        "replay": it.idempotency.replay,
        "place": it.idempotency.place,
        "lookup": it.lookup,
        "not found is proof": it.not_found_is_conclusive,
        "cancel": it.cancel,
        "refunds": it.refunds.mode,
        "partial": it.refunds.partial,
        "refund window": it.refunds.window,
        "lists refunds": it.lists_refunds,
        "takes lines": it.takes_lines,
        "fetched": it.webhook is Webhook.UNSIGNED_PING,
        "late reversals": it.reversal_window is not None,
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_scenarios_are_played_in_its_profile(name: str) -> None:
    assert profile(f"practice_{name}") == profile(name)
