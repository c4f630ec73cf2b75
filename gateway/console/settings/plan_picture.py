"""A retry plan as a picture: where each point of an outlook is drawn, and the same in words for who doesn't see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.console.settings.policy_kinds import steps_in_words
from gateway.domain.outlook import Outlook, Planned
from gateway.domain.times import moment

LEFT: Final = 24
RIGHT: Final = 700
"""The first moment and the due date, in units of the picture."""
MOST_TICKS: Final = 15


class Mark(msgspec.Struct, frozen=True):
    """Something at a place."""

    x: float
    text: str


class Picture(msgspec.Struct, frozen=True):
    """What is drawn. `latest` and `end` are places; `words` are its points in the order of time."""

    ticks: list[Mark]
    tries: list[Mark]
    latest: float
    end: float
    due: float
    words: list[str]
    left_out: str


def picture(found: Outlook) -> Picture:
    """The picture of an outlook."""
    days = (found.due - found.begun).days
    step = max(1, -(-days // MOST_TICKS))
    ticks = [Mark(_x(found, found.begun + timedelta(days=day)), str(day)) for day in range(0, days + 1, step)]
    return Picture(
        ticks=ticks,
        tries=[Mark(_x(found, one.at), str(one.number)) for one in found.tries],
        latest=_x(found, found.latest),
        end=_x(found, found.ends_at),
        due=_x(found, found.due),
        words=[*(_of_try(one) for one in found.tries), *_of_end(found)],
        left_out=_left_out(found),
    )


def _x(found: Outlook, at: datetime) -> float:
    return round(LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, found.share(at))), 1)


def _of_try(one: Planned) -> str:
    when = "at once" if one.after < timedelta(minutes=1) else f"after {_span(one.after)}"
    why = f" ({one.shifted})" if one.shifted else ""
    return f"Try {one.number}: {when}, on {_time(one.at)}{why}"


def _of_end(found: Outlook) -> list[str]:
    done = steps_in_words(found.at_end)
    points = [
        (found.latest, f"The margin begins on {_time(found.latest)}: no try is made from then on"),
        (found.ends_at, f"The end, if nothing worked: on {_time(found.ends_at)}; {done}"),
        (found.due, f"Due on {_time(found.due)}"),
    ]
    return [text for _, text in sorted(points, key=lambda point: point[0])]


def _left_out(found: Outlook) -> str:
    if not found.left_out:
        return ""
    if not found.tries:
        return "No try is made at all: the margin is longer than the invoice leaves."
    if found.left_out == 1:
        return "1 try finds no room before the margin, and is left out."
    return f"{found.left_out} tries find no room before the margin, and are left out."


def _span(span: timedelta) -> str:
    """Days and hours; a ladder is given in hours."""
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    if hours < 48:
        return f"{hours} hours" + (f" {minutes} minutes" if minutes else "")
    days, hours = divmod(hours, 24)
    return f"{days} days" + (f" {hours} hours" if hours else "")


def _time(at: datetime) -> str:
    return f"{at:%a} {moment(at)}"
