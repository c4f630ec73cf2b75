"""What a policy's field is made of: how its value is typed and shown, under which label, with which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """How a value is typed and shown."""

    CHOICE = "choice"
    STEPS = "steps"
    """What is done in the end, in its order: chosen from the combinations that make sense."""
    NUMBER = "number"
    NUMBERS = "numbers"
    HOURS = "hours"
    """From and until, as 7-20."""
    WEEKDAYS = "weekdays"
    AMOUNTS = "amounts"
    """A line for each currency, as 100.00 EUR."""
    TEXT = "text"


class PolicyField(msgspec.Struct, frozen=True):
    """`name` with a dot is a part of a policy. `empty`: what an empty field means, where that is not the default's
    own value; `options`: values and their words."""

    name: str
    kind: Kind
    label: str
    meaning: str = ""
    unit: str = ""
    options: Mapping[str, str] = {}
    empty: str = ""

    @property
    def policy(self) -> str:
        return self.name.partition(".")[0]


class Group(msgspec.Struct, frozen=True):
    """Fields that stand together."""

    title: str
    fields: tuple[PolicyField, ...]


NOTHING: Final = "nothing"
"""Stands for no step at all, where an empty field means the default."""
STEPS: Final = {
    "case": "a person is asked",
    "mark_uncollectible": "it is marked uncollectible",
    "mark_uncollectible,cancel_subscription": "it is marked uncollectible, and the subscription is cancelled",
    "void": "it is voided",
    "void,cancel_subscription": "it is voided, and the subscription is cancelled",
    "cancel_subscription": "the subscription is cancelled, and the invoice stays open",
    NOTHING: "nothing: it stays open",
}


ALONE: Final = {
    "case": "a person is asked",
    "mark_uncollectible": "it is marked uncollectible",
    "void": "it is voided",
    "cancel_subscription": "the subscription is cancelled",
}


def steps_in_words(steps: Sequence[str]) -> str:
    """What is done in the end, in its order; other orders than the usual ones can be set by the API."""
    return STEPS.get(",".join(steps) or NOTHING) or ", then ".join(ALONE[step] for step in steps)


def choice(name: str, label: str, meaning: str, **options: str) -> PolicyField:
    return PolicyField(name, Kind.CHOICE, label, meaning, options=options)


def number(name: str, label: str, unit: str, meaning: str, empty: str = "") -> PolicyField:
    return PolicyField(name, Kind.NUMBER, label, meaning, unit, empty=empty)


def amounts(name: str, label: str, meaning: str, empty: str) -> PolicyField:
    return PolicyField(name, Kind.AMOUNTS, label, meaning, "a line for each currency, as 100.00 EUR", empty=empty)
