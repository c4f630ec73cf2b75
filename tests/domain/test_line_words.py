"""What a plan is called, by the lines that bill it."""

from __future__ import annotations

import pytest

from gateway.domain.line_words import plan_in


@pytest.mark.parametrize(
    ("lines", "plan"),
    [
        (["1 × Gold (at 10 EUR / month)"], "Gold"),
        (["1,200 × Calls (EU) (Tier 2 at €0.05 / month)", "5 × Calls (EU) (Tier 1 at €1.00 / month)"], "Calls (EU)"),
        (["Trial period for Gold"], "Gold"),
        (["1 × A (at 1 EUR / month)", "1 × B (at 1 EUR / month)", "1 × C (at 1 EUR / month)"], "A + B and 1 more"),
        (["Unused time on 1 × Gold after 1 Mar 2027", "Remaining time on 1 × Silver after 1 Mar 2027"], ""),
        (["Set-up", None, ""], ""),
    ],
)
def test_a_plan_is_what_the_lines_of_a_period_name(lines: list[str | None], plan: str) -> None:
    assert plan_in(lines) == plan
