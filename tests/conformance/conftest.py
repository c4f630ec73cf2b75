"""The kit's own tests: what it says of adapters that are in order, and of those that have one fault."""

from __future__ import annotations

from dataclasses import replace

from processors.conformance.checks import CheckFailedError, cases_of, run
from processors.conformance.checks.described import played
from processors.conformance.scenarios import scenarios
from processors.conformance.scenarios.scenario import InapplicableError, play
from processors.conformance.subject import Subject
from processors.practice.client import PracticeAdapter
from processors.practice.conformance import SUBJECT


def with_adapter(adapter: type[PracticeAdapter]) -> Subject:
    """The practice processor, as it is, with another adapter for it."""
    return replace(SUBJECT, adapter=adapter)


REPLAYS = ("what_is_sent_is_described", "nothing_secret_shows")
"""Checks that play all scenarios once more: of these a fault shows in many, but for what an error lets slip."""


SHOWN_ONCE = frozenset({"charge: line by line"})
"""Scenarios in which alone a fault can show: played in every replay."""

_in_errors: set[str] = set()


async def in_errors() -> set[str]:
    """The scenarios that end in an error, by name, as they do with the practice processor's own adapter; played once.

    What an error quotes shows in few of them, and in one alone if there is one call of its kind: none is left out.
    """
    if not _in_errors:
        for name in played(SUBJECT):
            came = await play(SUBJECT, scenarios(SUBJECT)[name])
            if isinstance(came.result, BaseException):
                _in_errors.add(name)
    return _in_errors


async def failures(subject: Subject, *, nth_replay: int = 1) -> dict[str, str]:
    """The checks that fail, each with the first thing that is said; of the replays every `nth_replay`th is played."""
    found: dict[str, str] = {}
    kept = await in_errors() if nth_replay > 1 else set()
    of_all = set(played(SUBJECT))  # what only a fault has, as lines, stands there once
    for number, (check, case) in enumerate(cases_of(subject)):
        kept_here = SHOWN_ONCE | kept if check.name == "nothing_secret_shows" else SHOWN_ONCE
        leaves_out = number % nth_replay and case not in kept_here
        if check.name in found or (check.name in REPLAYS and case in of_all and leaves_out):
            continue
        try:
            await run(check, subject, case)
        except InapplicableError:
            pass
        except CheckFailedError as error:
            found.setdefault(check.name, str(error))
    return found
