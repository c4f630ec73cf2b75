"""When in the day a later try is made: spread, within the hours and days that the policy likes; and why then. Pure.

The spread of a try is drawn from its invoice's id, so that the same plan comes out however often it is asked for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from gateway.domain.policy import WEEKDAYS, Policy

LEAST_GAP: Final = timedelta(hours=24)
"""Two tries on one payment method are never closer than this, or than the ladder itself has them."""
MOST_DAYS: Final = 62
"""No set of days that a policy may avoid is longer than two months in a row."""


class Moment(msgspec.Struct, frozen=True):
    """When a try is made. `shifted` says in words why not when the ladder has it; empty where it is made then."""

    at: datetime
    shifted: str = ""


def earliest(policy: Policy, step: int, last: datetime) -> datetime:
    """From when on `step` of the ladder (0 is the first try) may follow a try at `last`.

    Steps that are overdue together (we were down) keep their distance all the same.
    """
    rung = policy.ladder[step] - policy.ladder[step - 1] if 0 < step < len(policy.ladder) else LEAST_GAP
    if rung < LEAST_GAP:
        return last + rung
    if policy.spacing == "utc_day":
        return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return last + LEAST_GAP


def placed(policy: Policy, at: datetime, latest: datetime | None, seed: str) -> Moment:
    """The moment that the policy likes best from `at` on; what it likes yields to `latest`."""
    liked = _liked(policy, at + _spread(policy, seed))
    return liked if latest is None or liked.at <= latest else Moment(at)


def _spread(policy: Policy, seed: str) -> timedelta:
    share = int.from_bytes(sha256(seed.encode()).digest()[:4]) / 2**32
    return timedelta(seconds=int(policy.jitter_minutes * 60 * share))


def _liked(policy: Policy, at: datetime) -> Moment:
    start, end = policy.hours_of_day or (0, 24)
    # In the order in which they were met; a dict keeps that, and each once.
    why: dict[str, None] = {}
    for _ in range(MOST_DAYS):
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        avoided, opens = _avoided(policy, at), midnight + timedelta(hours=start)
        if avoided:
            why[avoided] = None
        elif not opens <= at < midnight + timedelta(hours=end):
            why[f"only from {start:02}:00 to {end:02}:00 UTC"] = None
        if not avoided and at < midnight + timedelta(hours=end):
            return Moment(max(at, opens), ", ".join(why))
        at = midnight + timedelta(days=1)
    return Moment(at)


def _avoided(policy: Policy, at: datetime) -> str:
    if WEEKDAYS[at.weekday()] in policy.avoid_weekdays:
        return f"{at:%A} is avoided"
    return f"day {at.day} of the month is avoided" if at.day in policy.avoid_days else ""
