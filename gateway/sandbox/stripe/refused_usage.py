"""Meter events that do not count, and why. Stripe takes an event, checks it later, and reports what was wrong by thin
event only: v1.billing.meter.error_report_triggered, or v1.billing.meter.no_meter_found where no meter has its name
(docs: recording-usage-api, "handle meter event errors").

The sandbox checks at once and keeps what it refused in ``account.refused_usage``; whoever reports it by thin events
adds a function of a module to `LISTENERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account


@dataclass(frozen=True, slots=True)
class RefusedUsage:
    """One refused event. `code` as in ``reason.error_types``; `meter` is an id, None where no meter has the name."""

    at: int
    code: str
    message: str
    identifier: str
    meter: str | None


Listener = Callable[["Account", RefusedUsage], None]
LISTENERS: list[Listener] = []


def refuse(account: Account, code: str, message: str, identifier: str, meter: str | None) -> None:
    refused = RefusedUsage(account.now(), code, message, identifier, meter)
    account.refused_usage.append(refused)
    for listener in LISTENERS:
        listener(account, refused)
