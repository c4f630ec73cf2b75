"""The upkeep of a stored payment method: when it is deleted, and when Stripe is told."""

from __future__ import annotations

import pytest

from gateway.domain.session import Rest
from gateway.domain.upkeep import IN_USE_WAIT, MethodUpkeep, NextUpkeep, UpkeepStep, decide_upkeep
from tests.domain.views import NOW

LATER = Rest(NOW + IN_USE_WAIT)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, Rest()),
        ({"told_stripe": False}, UpkeepStep.TELL_STRIPE),
        ({"wanted_gone": True}, UpkeepStep.REVOKE),
        ({"wanted_gone": True, "in_use": True}, LATER),
        ({"wanted_gone": True, "in_use": True, "told_stripe": False}, UpkeepStep.TELL_STRIPE),
        ({"outlived": True}, UpkeepStep.LET_GO),
        ({"outlived": True, "wanted_gone": True}, UpkeepStep.REVOKE),
        ({"outlived": True, "in_use": True}, LATER),
        ({"outlived": True, "in_session": True}, LATER),
        ({"outlived": True, "in_session": True, "told_stripe": False}, UpkeepStep.TELL_STRIPE),
        ({"in_session": True}, Rest()),
    ],
)
def test_the_next_step(facts: dict[str, bool], expected: NextUpkeep) -> None:
    known = {"wanted_gone": False, "in_use": False, "told_stripe": True}
    assert decide_upkeep(MethodUpkeep(**(known | facts)), NOW) == expected
