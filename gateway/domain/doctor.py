"""What the doctor finds, as data: pages, commands and programs show the same findings, each in its own way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

import msgspec

ACCOUNT: Final = "{account}"
"""In what is to be done: the name of the account, for a command that has to be told which. The report puts it in."""


class Level(StrEnum):
    """How bad it is. `unknown` is no fault: it can't be seen from here, and the finding says why."""

    OK = "ok"
    NOTICE = "notice"
    """It works, and should be looked at."""
    WRONG = "wrong"
    """Money, access or an event is late or lost if it stays so."""
    UNKNOWN = "unknown"


WORST_FIRST: Final = (Level.WRONG, Level.NOTICE, Level.UNKNOWN, Level.OK)


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    `check` is its name for programs, `what` was found, `why` it matters or how that is known, `what_to_do` puts it
    right, and `concerns` names the object, where it is one.
    """

    check: str
    level: Level
    what: str
    why: str = ""
    what_to_do: str = ""
    concerns: str = ""


def ok(check: str, what: str, why: str = "", *, concerns: str = "") -> Finding:
    return Finding(check, Level.OK, what, why, concerns=concerns)


def notice(check: str, what: str, why: str = "", what_to_do: str = "", *, concerns: str = "") -> Finding:
    return Finding(check, Level.NOTICE, what, why, what_to_do, concerns)


def wrong(check: str, what: str, why: str, what_to_do: str, *, concerns: str = "") -> Finding:
    return Finding(check, Level.WRONG, what, why, what_to_do, concerns)


def unknown(check: str, what: str, why: str = "", what_to_do: str = "", *, concerns: str = "") -> Finding:
    return Finding(check, Level.UNKNOWN, what, why, what_to_do, concerns)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """In the order in which somebody reads them; what is equally bad stays as it was."""
    return sorted(findings, key=lambda one: WORST_FIRST.index(one.level))


def ago(span: timedelta) -> str:
    """A length of time for people: two units at most."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} s"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def few(names: Iterable[str], most: int = 5) -> str:
    """Some of them, and how many more there are."""
    all_ = list(names)
    more = f" and {len(all_) - most} more" if len(all_) > most else ""
    return ", ".join(all_[:most]) + more
