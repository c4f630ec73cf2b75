"""What the check of a connection found, as its own page and the page of a case show it (`_check_findings.html`)."""

from __future__ import annotations

import msgspec

from gateway.domain.doctor import Level
from gateway.inbox.connection_check import ConnectionCheck
from processors.checked import About, Finding, Proved, Unseen, Wrong


class CheckLine(msgspec.Struct, frozen=True):
    """A finding in words; `level` gives its colour."""

    level: Level
    state: str
    about: About
    text: str
    to_do: str = ""


def lines_of(checked: ConnectionCheck | None) -> list[CheckLine]:
    """None of a connection that was not checked."""
    return [_line(one) for one in checked.findings] if checked is not None else []


def _line(one: Finding) -> CheckLine:
    match one:
        case Proved(about=about, text=text):
            return CheckLine(Level.OK, "proved", about, text)
        case Unseen(about=about, text=text):
            return CheckLine(Level.UNKNOWN, "can't be seen from here", about, text)
        case Wrong(about=about, text=text, to_do=to_do):
            return CheckLine(Level.WRONG, "wrong", about, text, to_do)
