"""The audit log in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.domain.audit_words import ACTIONS, Difference, differences, what, who


def test_each_field_that_differs_has_a_line_however_deep() -> None:
    before = {"enabled": True, "policies": {"margin_hours": 24, "finalize": "leave"}, "types": []}
    after = {"enabled": False, "policies": {"margin_hours": 48, "finalize": "leave"}, "types": ["a", "b"], "url": None}
    assert differences(before, after) == [
        Difference("enabled", "yes", "no"),
        Difference("policies.margin_hours", "24", "48"),
        Difference("types", "", "a, b"),
    ]


def test_an_amount_stands_with_its_currency() -> None:
    [amount, _] = differences(None, {"amount": 1190, "currency": "eur"})
    assert amount == Difference("amount", "", "11.90 EUR")


@pytest.mark.parametrize(
    ("actor", "name", "kind", "said"),
    [
        ("usr_1", "Ada <ada@example.com>", "user", "Ada <ada@example.com>"),
        ("usr_1", "", "user", "somebody of another account"),
        ("key_1", "backend", "key", "the key “backend”"),
        ("key_1", "ops", "platform", "the platform key “ops”"),
        ("cli:ada", "", "", "ada, at the command line"),
        ("timer", "", "", "Tollbridge itself, on time"),
        ("cs_1", "", "", "a payer, in a checkout"),
        ("test", "", "", "test"),
    ],
)
def test_who(actor: str, name: str, kind: str, said: str) -> None:
    assert who(actor, name, kind) == said


def test_an_action_without_words_is_told_by_its_name() -> None:
    assert (what("refund.denied"), what("view.made_public")) == ("denied a refund", "view: made public")


def _noted() -> set[str]:
    """The actions that the code writes into the log by their whole name."""
    written = re.compile(r"\.note\(\s*[^,()]+(?:\([^()]*\))?,\s*\"([a-z_.]+)\"")
    return {action for path in Path("gateway").rglob("*.py") for action in written.findall(path.read_text("utf-8"))}


def test_all_that_is_done_has_words() -> None:
    noted = _noted()
    assert len(noted) > 40
    assert noted - set(ACTIONS) == set()
