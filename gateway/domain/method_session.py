"""The next step of a session in which a payer gives another payment method. Pure, like `decide_session`."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

from db.states import MethodSessionState
from gateway.domain.session import Rest

LOOK_WAITS = tuple(timedelta(seconds=s) for s in (10, 30, 120, 600, 3600, 10800))
"""Waits before the processor is asked again, after the payer has come back; the last one repeats."""
FIRST_LOOK = timedelta(minutes=2)
"""After this the processor is asked for the first time though nobody came back: a payer may close the window."""


class MethodSessionView(msgspec.Struct, frozen=True):
    """One session. `look_at`: when the first of its set-ups that are still open is to be asked for; None: there is
    none."""

    state: MethodSessionState
    expires_at: datetime
    look_at: datetime | None = None


class MethodStep(StrEnum):
    """What to do with the session next."""

    LOOK = "look"
    """Ask the processor what the payer has done, and store the method."""
    EXPIRE = "expire"
    DROP = "drop"
    """Delete at the processor what came of set-ups that nobody wants any more."""


NextMethodStep: TypeAlias = MethodStep | Rest


def decide_method_session(view: MethodSessionView, now: datetime) -> NextMethodStep:
    """The next step at business time `now`. A last look is taken before the session expires."""
    due = view.look_at is not None and view.look_at <= now
    if view.state in (MethodSessionState.COMPLETE, MethodSessionState.EXPIRED):
        return MethodStep.DROP if due else Rest(view.look_at)
    if due:
        return MethodStep.LOOK
    if now >= view.expires_at:
        return MethodStep.EXPIRE
    return Rest(view.expires_at if view.look_at is None else min(view.look_at, view.expires_at))


def next_look(now: datetime, looks: int, expires_at: datetime) -> datetime:
    """When to ask again after `looks` looks in vain: not later than the end of the session, and after it not before
    the session has ended."""
    at = now + LOOK_WAITS[min(looks, len(LOOK_WAITS) - 1)]
    return at if now >= expires_at else min(at, expires_at)
