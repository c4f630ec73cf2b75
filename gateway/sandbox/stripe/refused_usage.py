"""Meter events that do not count, and why. Stripe takes an event, checks it later, and reports what was wrong by thin
event only: v1.billing.meter.error_report_triggered, or v1.billing.meter.no_meter_found where no meter has its name
(docs: recording-usage-api, "handle meter event errors").

Stripe gathers the errors of some seconds in one report. The sandbox checks at once, so each refused event has a report
of its own (chosen), and stands in ``account.refused_usage``.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sandbox.stripe.meter_errors import Code, MeterError, report_meter_errors
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


@dataclass(frozen=True, slots=True)
class RefusedUsage:
    """One refused event. `code` as in ``reason.error_types``; `meter` is an id, None where no meter has the name."""

    at: int
    code: Code
    message: str
    identifier: str
    meter: str | None


def refuse(account: Account, code: Code, message: str, identifier: str, meter: Obj | None) -> None:
    now = account.now()
    account.refused_usage.append(RefusedUsage(now, code, message, identifier, meter["id"] if meter else None))
    report_meter_errors(account, meter, [MeterError(code, message, identifier)], (now, now))
