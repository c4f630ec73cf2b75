"""The two questions that people ask, answered in plain sentences: what every answer is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.domain.times import moment

NO_INVOICE = "Why was no invoice generated?"
DIFFERS = "Why is the status in Stripe different from the one here?"


class Answer(msgspec.Struct, frozen=True):
    """`sentences` go from what is certain to what follows from it; `next` happens by itself, at `next_at` where a time
    is known (Unix seconds), and `human` is what somebody can do, if anything."""

    id: str
    question: str
    sentences: list[str]
    next: str
    next_at: int | None = None
    human: list[str] = []
    object: Literal["doctor_answer"] = "doctor_answer"


class Telling:
    """An answer as it grows. What is said first of what comes next stands."""

    def __init__(self, id: str, question: str) -> None:
        self._id, self._question = id, question
        self._sentences: list[str] = []
        self._human: list[str] = []
        self._next: tuple[str, datetime | None] | None = None

    def say(self, sentence: str) -> None:
        self._sentences.append(sentence)

    def human(self, can: str) -> None:
        if can not in self._human:
            self._human.append(can)

    def then(self, next_: str, at: datetime | None = None) -> None:
        if self._next is None:
            self._next = (next_, at)

    def answer(self) -> Answer:
        text, at = self._next or ("Nothing happens by itself.", None)
        seconds = None if at is None else int(at.timestamp())
        return Answer(self._id, self._question, self._sentences, text, seconds, self._human)


def late_usage(told: Telling, invoice: str, until: datetime, now: datetime) -> None:
    """Of a draft that waits for what was used before it was made, and is reported later."""
    if until > now:
        told.say(
            f"{invoice} is a draft that waits for late usage: what is reported until {moment(until)} still counts on "
            "it, and what comes later is on the next invoice."
        )
    else:
        told.say(f"{invoice} has waited for late usage until {moment(until)}, and is about to be finalized.")
