"""Usage at Stripe: its meters, events sent to them, and what Stripe reports of those that it does not count.

Events go one by one to v1's endpoint, at 1,000 a second, in test mode among all other calls. The stream of v2 takes
10,000 a second, but in live mode alone, at a host of its own, with a token for 15 minutes (docs: recording-usage-api):
nobody could try it before it counts, and who needs it can sum up before reporting. Both check what they are sent later,
and say what was wrong by thin event alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError

KNOWN_ALREADY: Final = "already exists with identifier"
"""Stripe gives no code for it; so it answers to an identifier that it has had within at least 24 hours."""
REPORTS: Final = frozenset({"billing.meter.error_report_triggered", "billing.meter.no_meter_found"})
"""Types of thin events, without their `v1.`, that say what was not counted. They exist in no other form."""


class _Formula(msgspec.Struct, frozen=True):
    formula: str


class _Key(msgspec.Struct, frozen=True):
    event_payload_key: str


class MeterShape(msgspec.Struct, frozen=True):
    """A meter: immutable but for its name and whether it is active (docs: meters/configure)."""

    id: str
    event_name: str
    status: str
    default_aggregation: _Formula
    customer_mapping: _Key
    value_settings: _Key
    event_time_window: str | None = None


class _Identified(msgspec.Struct, frozen=True):
    identifier: str = ""


class SampleError(msgspec.Struct, frozen=True):
    error_message: str = ""
    request: _Identified = _Identified()


class ErrorType(msgspec.Struct, frozen=True):
    """What was wrong with so many events; samples name some of them. `code` is an open list."""

    code: str = "unknown"
    error_count: int = 0
    sample_errors: list[SampleError] = []

    @property
    def count(self) -> int:
        return max(self.error_count, len(self.sample_errors))

    @property
    def identifiers(self) -> list[str]:
        """Of those that are named."""
        return [one.request.identifier for one in self.sample_errors if one.request.identifier]


class _Reason(msgspec.Struct, frozen=True):
    error_types: list[ErrorType] = []


class _Data(msgspec.Struct, frozen=True):
    reason: _Reason = _Reason()


class _Related(msgspec.Struct, frozen=True):
    id: str = ""


class ReportShape(msgspec.Struct, frozen=True):
    """A thin event about usage that Stripe does not count, as fetched: what is delivered lacks `data`."""

    id: str
    related_object: _Related | None = None
    data: _Data = _Data()

    @property
    def meter(self) -> str:
        """The meter's id; empty where none was found."""
        return "" if self.related_object is None else self.related_object.id

    @property
    def readable(self) -> bool:
        """Whether it says what was wrong, and of how many: its shape may change, and nothing of it is required here."""
        types = self.data.reason.error_types
        return bool(types) and all(one.count for one in types)


class _Accepted(msgspec.Struct, frozen=True):
    identifier: str = ""


async def send_usage(
    stripe: StripeClient, event_name: str, identifier: str, payload: Mapping[str, str], used_at: int
) -> None:
    """Send one event; one that Stripe has already is success. Raises StripeError.

    Without an idempotency key: the identifier does the same, and a key would have Stripe answer a stored 500 again.
    """
    params = {"event_name": event_name, "identifier": identifier, "payload": dict(payload), "timestamp": used_at}
    try:
        await stripe.post("/v1/billing/meter_events", _Accepted, params)
    except StripeRefusedError as error:
        if KNOWN_ALREADY not in str(error):
            raise


async def read_report(stripe: StripeClient, event: str) -> ReportShape:
    """Raises StripeError."""
    return await stripe.get(f"/v2/core/events/{event}", ReportShape)
