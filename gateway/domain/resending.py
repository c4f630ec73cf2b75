"""A call that moves money and whose end is not known: ask, send the same bytes again, or wait (law 4). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from processors.capabilities import Capabilities, Lookup, Replay

LOOKUPS_BEFORE_REPLAY = 2


class Sent(Protocol):
    """A call as its row tells of it."""

    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def first_sent_at(self) -> datetime: ...
    @property
    def last_sent_at(self) -> datetime:
        """From then on a look-up may lag."""
        ...

    @property
    def looked_at(self) -> datetime | None:
        """The last time that the processor was asked, and showed nothing."""
        ...

    @property
    def lookups(self) -> int: ...

    @property
    def findable(self) -> bool:
        """Its id at the processor is known, or it stands in a list that can be asked for."""
        ...


def can_ask(sent: Sent) -> bool:
    """Whether the processor can be asked how it ended."""
    lookup = sent.capabilities.lookup
    return lookup is not Lookup.NONE and (sent.findable or lookup is not Lookup.BY_ID)


def visible_from(capabilities: Capabilities, last_sent_at: datetime) -> datetime:
    """After this moment a look-up shows what the last call did, however long that took."""
    return last_sent_at + capabilities.call_timeout + capabilities.lookup_lag


def replay_is_next(sent: Sent, now: datetime) -> bool:
    """Whether the same bytes go out again before it is asked for again.

    It is asked for first; then asking and sending take turns, so that a processor whose one door is shut is met at the
    other.
    """
    if can_ask(sent) and (sent.lookups < LOOKUPS_BEFORE_REPLAY or sent.lookups % 2 == 0):
        return False
    return replay_protected(sent, now)


def replay_protected(sent: Sent, now: datetime) -> bool:
    """Whether the same bytes under the same key can't move money a second time.

    Where the processor runs a request again after an error, the key alone proves nothing: somebody must have looked
    when its effect could be seen, and found nothing.
    """
    capabilities = sent.capabilities
    if capabilities.idempotency.replay is Replay.RUNS_AGAIN_AFTER_ERROR:
        if not can_ask(sent) or sent.looked_at is None:
            return False
        if sent.looked_at <= visible_from(capabilities, sent.last_sent_at):
            return False
    return now - sent.first_sent_at < capabilities.idempotency.window * 9 / 10
