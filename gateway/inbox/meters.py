"""What the inbox counts. A refused delivery leaves no other trace."""

from __future__ import annotations

from collections import Counter as Counts
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REFUSED: Final = Counter(
    "tollbridge_webhooks_refused", "Deliveries that were not accepted, by what was wrong with them.", ["reason"]
)
ACCEPTED: Final = Counter("tollbridge_webhooks_accepted", "Deliveries that were committed, repeated ones too.")
STORED: Final = Counter("tollbridge_webhooks_stored", "Notices that were new.")
ROUTED: Final = Counter("tollbridge_webhooks_routed", "Notices by the state that they ended in.", ["state"])
WAITING: Final = Gauge("tollbridge_webhooks_waiting", "Notices that wait for their COMMIT.")
BATCH: Final = Histogram(
    "tollbridge_webhooks_batch", "Notices in one transaction.", buckets=(1, 2, 5, 10, 20, 50, 100, 200)
)

TOLD_EVERY_S: Final = 60.0
MOST_DOORS: Final = 1_000


class Refusals:
    """How often each door refused since the log last said so: at once, then at most once a minute."""

    def __init__(self) -> None:
        self._counts: Counts[tuple[str, str]] = Counts()
        self._told_at: dict[tuple[str, str], float] = {}

    def due(self, which: tuple[str, str], at_s: float) -> int:
        """Count one more; returns how many there were if it is time to say so, else 0. `at_s` is machine time."""
        if len(self._told_at) >= MOST_DOORS:
            self._told_at.clear()
            self._counts.clear()
        self._counts[which] += 1
        if at_s - self._told_at.get(which, -TOLD_EVERY_S) < TOLD_EVERY_S:
            return 0
        self._told_at[which] = at_s
        return self._counts.pop(which)
