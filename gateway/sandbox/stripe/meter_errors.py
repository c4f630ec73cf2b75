"""What Stripe found wrong with meter events, told afterwards by thin events alone (docs: usage-based billing).

Shapes: the official package 16.1, `events/_v1_billing_meter_error_report_triggered_event.py`. The report itself is
only in the event as fetched, not in what is delivered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.thin_events import ThinEvent, announce, iso

MAX_SAMPLES = 10
Code = Literal[
    "archived_meter",
    "meter_event_customer_not_found",
    "meter_event_dimension_count_too_high",
    "meter_event_invalid_value",
    "meter_event_no_customer_defined",
    "meter_event_value_not_found",
    "meter_event_value_too_many_digits",
    "missing_dimension_payload_keys",
    "no_meter",
    "timestamp_in_future",
    "timestamp_too_far_in_past",
]


@dataclass(frozen=True, slots=True)
class MeterError:
    """One refused meter event; `identifier` is that of its request."""

    code: Code
    message: str
    identifier: str


def report_meter_errors(
    account: Account, meter: Obj | None, errors: Sequence[MeterError], window: tuple[int, int]
) -> ThinEvent:
    """`v1.billing.meter.error_report_triggered` about a meter, or `.no_meter_found` without one.

    `window`: the Unix seconds between which these errors were found. Raises ValueError without errors.
    """
    if not errors:
        raise ValueError("a report needs an error")
    name = "no_meter_found" if meter is None else "error_report_triggered"
    event = announce(account, f"v1.billing.meter.{name}", meter, data=_report(errors, window))
    if event is None:
        raise AssertionError(f"{name} is not in the list of thin events")
    return event


def _report(errors: Sequence[MeterError], window: tuple[int, int]) -> Obj:
    by_code: dict[str, list[MeterError]] = defaultdict(list)
    for error in errors:
        by_code[error.code].append(error)
    plural = "is 1 invalid event" if len(errors) == 1 else f"are {len(errors)} invalid events"
    return {
        "developer_message_summary": f"There {plural}",
        "reason": {
            "error_count": len(errors),
            "error_types": [
                {"code": code, "error_count": len(found), "sample_errors": [_sample(e) for e in found[:MAX_SAMPLES]]}
                for code, found in by_code.items()
            ],
        },
        "validation_start": iso(window[0]),
        "validation_end": iso(window[1]),
    }


def _sample(error: MeterError) -> Obj:
    return {"error_message": error.message, "request": {"identifier": error.identifier}}
