"""The audit log in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import gateway
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


ACTION = re.compile(r"[a-z_*]+\.[a-z_*]+")


def _texts(node: ast.expr) -> Iterator[str]:
    """What an argument can say, as far as it stands in the code; what it takes in is any text."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from (*_texts(body), *_texts(other))
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)


def _noted() -> set[str]:
    """The actions that the code hands to whatever notes it."""
    found: set[str] = set()
    for path in Path(gateway.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in ("note", "_note", "note_on"):
                    found |= {text for one in node.args for text in _texts(one) if ACTION.fullmatch(text)}
    return found


def test_all_that_is_done_has_words_and_nothing_else_has() -> None:
    noted = _noted()
    assert len(noted) > 60
    assert {action for action in noted if not any(fnmatchcase(known, action) for known in ACTIONS)} == set()
    assert {known for known in ACTIONS if not any(fnmatchcase(known, action) for action in noted)} == set()
