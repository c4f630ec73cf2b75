"""What a check is: a coroutine over a subject, and over a case where it has many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from processors.conformance.descriptions import DescriptionMissingError
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.subject import Subject

Cases: TypeAlias = Callable[[Subject], Iterable[str]]
Run: TypeAlias = Callable[[Subject, str], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """`run` asserts, or raises InapplicableError where there is nothing to try."""

    name: str
    why: str
    cases: Cases
    run: Run


CHECKS: Final[dict[str, Check]] = {}
"""By name, in the order in which they stand."""


def once(_subject: Subject) -> Iterable[str]:
    return ("",)


def check(cases: Cases = once) -> Callable[[Run], Run]:
    """Enters a check under the name of its function; its docstring is shown when it fails."""

    def enter(function: Run) -> Run:
        name = function.__name__
        assert name not in CHECKS, f"two checks are called {name}"
        CHECKS[name] = Check(name, (function.__doc__ or "").strip().partition("\n")[0], cases, function)
        return function

    return enter


class CheckFailedError(AssertionError):
    """An adapter that does not hold to the check."""


def cases_of(subject: Subject) -> Iterable[tuple[Check, str]]:
    for one in CHECKS.values():
        for case in one.cases(subject):
            yield one, case


async def run(one: Check, subject: Subject, case: str) -> None:
    """Raises CheckFailedError, also for any error that the adapter let out, and InapplicableError."""
    try:
        await one.run(subject, case)
    except (InapplicableError, DescriptionMissingError):
        raise
    except Exception as error:
        said = str(error) if isinstance(error, AssertionError) else repr(error)
        where = f"{subject.name}, {one.name}{f' [{case}]' if case else ''}"
        raise CheckFailedError(f"{where}: {said}\n{one.why}") from error
