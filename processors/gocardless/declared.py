"""What GoCardless can do, as the gateway may rely on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from processors.capabilities import (
    Capabilities,
    Idempotency,
    Lookup,
    ReferenceRules,
    RefundMode,
    Refunds,
    Replay,
    Webhook,
)
from processors.events import EventKind
from processors.gocardless.mapping import CURRENCIES, MAX_VALUE

CALL_TIMEOUT: Final = timedelta(seconds=45)

KEY_WINDOW: Final = timedelta(days=30)
"""unverified: how long a used key is remembered, of which the documentation says nothing. To be asked of GoCardless."""

DISPUTES: Final = frozenset(kind for kind in EventKind if kind.startswith("dispute."))
"""Impossible: a debit that is charged back is gone, and there is nobody to contest it with."""

CAPABILITIES: Final = Capabilities(
    asynchronous=True,
    idempotency=Idempotency(window=KEY_WINDOW, replay=Replay.CONFLICT_WITH_ID),
    lookup=Lookup.SCAN,
    reference=ReferenceRules(max_length=MAX_VALUE),
    call_timeout=CALL_TIMEOUT,
    unknown_schedule=(
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=6),
    ),
    # It takes days, and notices tell of each step: asking is only the net under them.
    pending_schedule=(timedelta(hours=12), timedelta(days=1)),
    max_pending=timedelta(days=14),
    # Nothing says how soon a payment is listed, nor that one stays with a mandate that is replaced: so that none is
    # seen proves nothing. The same bytes under the same key settle it, within weeks.
    lookup_lag=timedelta(minutes=15),
    not_found_is_conclusive=False,
    cancel=True,
    currencies=CURRENCIES,
    settlement=timedelta(days=5),
    # SEPA: thirteen months for a debit that was never authorised. Bacs: for ever.
    reversal_window=timedelta(days=395),
    refunds=Refunds(RefundMode.ASYNC),
    lists_refunds=True,
    payer_address=True,
    webhook=Webhook.SIGNED_BODY,
    batch=True,
    events=frozenset(EventKind) - DISPUTES,
    # A delivery is tried eight times again, and then no more.
    tells_again=True,
)
