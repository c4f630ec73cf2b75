"""How often each door turned deliveries away, for the doctor: a signature that does not hold is most often our mistake.

Counted in memory and written now and then, one statement for all doors, never in the way of a delivery. A stranger who
knocks a million times makes one row for each minute, and only at a door that exists.
"""

from __future__ import annotations

from typing import Final

import structlog

from db import sql
from gateway.inbox.meters import MOST_DOORS
from gateway.inbox.verify import Refusal

log = structlog.get_logger()

COUNTED: Final = frozenset(
    {Refusal.WRONG, Refusal.NO_SECRET, Refusal.OLD, Refusal.FUTURE, Refusal.PROCESSOR, Refusal.LIVEMODE}
)
"""What tells of a mistake in how we or the sender are set up. Without any signature it is a stranger."""
STORE_EVERY_S: Final = 5.0

# In one order everywhere: two processes that write the same rows must not wait for each other crosswise. A door that
# was removed meanwhile is left out.
STORE: Final = """
    insert into tollbridge.refused_delivery as r (account, source, minute, reason, refused)
    select t.account, t.source, date_trunc('minute', clock_timestamp()), t.reason, t.refused
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as t (account, source, reason, refused)
    join tollbridge.account a on a.id = t.account order by t.account, t.source
    on conflict (account, source, minute) do update set refused = r.refused + excluded.refused, reason = excluded.reason
"""


class Refused:
    """The counts of one process."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[int, str]] = {}

    def add(self, account: str, source: str, reason: Refusal) -> None:
        """One more at this door."""
        door = (account, source)
        if reason in COUNTED and (door in self._counts or len(self._counts) < MOST_DOORS):
            self._counts[door] = (self._counts.get(door, (0, ""))[0] + 1, str(reason))

    async def store(self) -> None:
        """Write what was counted since the last time; what can't be written is forgotten: it is worth no memory."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        accounts, sources = zip(*counts, strict=True)
        refused, reasons = zip(*counts.values(), strict=True)
        try:
            await sql.rows(STORE, list(accounts), list(sources), list(reasons), list(refused))
        except Exception as error:
            log.warning("refusals_not_counted", error=type(error).__name__)
