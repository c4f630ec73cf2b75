"""What an adapter declares of its processor: static, serialisable, rendered into documents and tested."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

import msgspec

from processors.events import EventKind


class Replay(StrEnum):
    """What the same key with the same bytes gives inside the idempotency window."""

    SAME_ANSWER = "same_answer"
    CURRENT_STATE = "current_state"
    CONFLICT_WITH_ID = "conflict_with_id"
    RUNS_AGAIN_AFTER_ERROR = "runs_again_after_error"


class Lookup(StrEnum):
    """How a charge is found again."""

    BY_REFERENCE = "by_reference"
    BY_ID = "by_id"
    SCAN = "scan"
    NONE = "none"


class KeyPlace(StrEnum):
    """Where the idempotency key stands in a call."""

    HEADER = "header"
    BODY = "body"


class Idempotency(msgspec.Struct, frozen=True):
    """The processor's idempotency: how long a key protects, what a replay gives, and where the key stands."""

    window: timedelta
    replay: Replay
    max_key_length: int = 64
    place: KeyPlace = KeyPlace.HEADER


class RefundMode(StrEnum):
    """How a refund is answered: with its outcome, with its acceptance only, or not at all."""

    SYNC = "sync"
    ASYNC = "async"
    NONE = "none"


class Refunds(msgspec.Struct, frozen=True):
    """What the processor gives back; `window` is how long after the capture, None for ever."""

    mode: RefundMode
    partial: bool = True
    window: timedelta | None = None


class Webhook(StrEnum):
    """What proves a webhook. An unsigned ping proves nothing: what it's about is fetched."""

    SIGNED_BODY = "signed_body"
    SIGNED_FIELDS = "signed_fields"
    SIGNED_URL_AND_BODY = "signed_url_and_body"
    CERTIFICATE = "certificate"
    UNSIGNED_PING = "unsigned_ping"


class ReferenceRules(msgspec.Struct, frozen=True):
    """What our reference may look like there. The gateway's own is `{invoice}.{n}`."""

    max_length: int
    alphabet: str = "A-Za-z0-9_.-"


class Amounts(msgspec.Struct, frozen=True):
    """The smallest and largest charge, in Stripe's minor units, by currency; absent means no bound."""

    minimum: Mapping[str, int] = {}
    maximum: Mapping[str, int] = {}


class Capabilities(msgspec.Struct, frozen=True):
    """One processor, as the gateway may rely on it.

    `takes_lines`: a charge may say what it is for, line by line, and the tax on that.
    `payer_address`: the payer's address may be kept with a stored method, and can be asked for.
    `lists_refunds`: every refund of a charge can be asked for, also one made in the processor's dashboard.
    `lookup_lag` is how long a new charge may stay invisible to a look-up; `call_timeout` the *total* time of one
    call; the schedules are the waits before each poll, the last one repeated. Every kind of event is told by webhook
    (`events`), found by `poll` alone (`polled_events`), or impossible there: the three make up all of EventKind.
    `tells_again`: `poll` also gives what webhooks have told, under the same ids, so that an outage of ours which
    outlasts their repeats loses nothing.
    """

    asynchronous: bool
    idempotency: Idempotency
    lookup: Lookup
    reference: ReferenceRules
    call_timeout: timedelta
    unknown_schedule: tuple[timedelta, ...]
    pending_schedule: tuple[timedelta, ...]
    max_pending: timedelta
    lookup_lag: timedelta = timedelta(0)
    not_found_is_conclusive: bool = False
    cancel: bool = False
    currencies: frozenset[str] | None = None
    amounts: Amounts = Amounts()
    settlement: timedelta = timedelta(0)
    reversal_window: timedelta | None = None
    refunds: Refunds = Refunds(RefundMode.NONE)
    lists_refunds: bool = False
    webhook: Webhook = Webhook.SIGNED_BODY
    batch: bool = False
    takes_lines: bool = False
    payer_address: bool = False
    events: frozenset[EventKind] = frozenset()
    polled_events: frozenset[EventKind] = frozenset()
    tells_again: bool = False
    settlement_files: bool = False

    @property
    def impossible_events(self) -> frozenset[EventKind]:
        """What can't be known of this processor, by webhook or by asking."""
        return frozenset(EventKind) - self.events - self.polled_events
