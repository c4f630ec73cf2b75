"""The kit's own tests: what it says of adapters that are in order, and of those that have one fault."""

from __future__ import annotations

from dataclasses import replace

from processors.conformance.checks import CheckFailedError, cases_of, run
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.subject import Subject
from processors.practice.client import PracticeAdapter
from processors.practice.conformance import SUBJECT


def with_adapter(adapter: type[PracticeAdapter]) -> Subject:
    """The practice processor, as it is, with another adapter for it."""
    return replace(SUBJECT, adapter=adapter)


REPLAYS = ("what_is_sent_is_described", "nothing_secret_shows")
"""Checks that play all scenarios once more: of these a fault shows in many."""


async def failures(subject: Subject, *, nth_replay: int = 1) -> dict[str, str]:
    """The checks that fail, each with the first thing that is said."""
    found: dict[str, str] = {}
    for number, (check, case) in enumerate(cases_of(subject)):
        if check.name in found or (check.name in REPLAYS and number % nth_replay):
            continue
        try:
            await run(check, subject, case)
        except InapplicableError:
            pass
        except CheckFailedError as error:
            found.setdefault(check.name, str(error))
    return found
