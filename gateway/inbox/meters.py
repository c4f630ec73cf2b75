"""What the inbox counts. A refused delivery leaves no other trace."""

from __future__ import annotations

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
