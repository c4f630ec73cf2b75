"""What was wrong with meter events. Stripe takes an event, checks it later, and reports errors by thin event only:
v1.billing.meter.error_report_triggered, or v1.billing.meter.no_meter_found where no meter has its name
(docs: recording-usage-api, "handle meter event errors").

The sandbox checks at once and keeps the errors in ``account.meter_errors``; whoever sends thin events adds a function
of a module to `LISTENERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account


@dataclass(frozen=True, slots=True)
class MeterError:
    """One refused event. `code` as in ``reason.error_types``; `meter` is None for no_meter."""

    at: int
    code: str
    message: str
    identifier: str
    meter: str | None


Listener = Callable[["Account", MeterError], None]
LISTENERS: list[Listener] = []


def report(account: Account, code: str, message: str, identifier: str, meter: str | None) -> None:
    error = MeterError(account.now(), code, message, identifier, meter)
    account.meter_errors.append(error)
    for listener in LISTENERS:
        listener(account, error)
