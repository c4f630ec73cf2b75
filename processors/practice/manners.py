"""Adapters for practice accounts whose manner is like that of one real processor each.

They differ by what they declare and by nothing else, as the gateway acts on capabilities and on no name. Each is for
an account that was given the manner of the same name (gateway/sandbox/practice/README.md).
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final

from msgspec.structs import replace

from processors.capabilities import (
    Capabilities,
    Idempotency,
    KeyPlace,
    Lookup,
    RefundMode,
    Refunds,
    Replay,
    Webhook,
)
from processors.events import EventKind
from processors.money import Exponents
from processors.practice.client import PracticeAdapter

_BASE: Final = replace(PracticeAdapter.capabilities, not_found_is_conclusive=False)
"""None of the six calls an empty answer proof."""

REFUND_EVENTS: Final = frozenset(kind for kind in EventKind if kind.startswith("refund."))
METHOD_EVENTS: Final = frozenset(kind for kind in EventKind if kind.startswith("method."))
ACCOUNT_EVENTS: Final = frozenset(kind for kind in EventKind if kind.startswith("account."))

WALLET_UNITS: Final = Exponents("the practice processor as a wallet", differs={"huf": 0, "twd": 0})


class LikeAdyen(PracticeAdapter):
    """Cards at once; refunds end by webhook only; nothing can be read back, so a lost answer waits for its webhook."""

    name: ClassVar[str] = "practice_adyen"
    capabilities: ClassVar[Capabilities] = replace(
        _BASE,
        idempotency=Idempotency(window=timedelta(days=31), replay=Replay.SAME_ANSWER),
        lookup=Lookup.NONE,
        cancel=False,
        refunds=Refunds(RefundMode.ASYNC),
        lists_refunds=False,
    )


class LikePayPal(PracticeAdapter):
    """A wallet that the payer can leave; a key lives six hours; a charge is found by its id alone, and shows its
    lines to the payer."""

    name: ClassVar[str] = "practice_paypal"
    units: ClassVar[Exponents] = WALLET_UNITS
    capabilities: ClassVar[Capabilities] = replace(
        _BASE,
        idempotency=Idempotency(window=timedelta(hours=6), replay=Replay.CURRENT_STATE),
        lookup=Lookup.BY_ID,
        cancel=False,
        reversal_window=timedelta(days=180),
        refunds=Refunds(RefundMode.SYNC, window=timedelta(days=180)),
        takes_lines=True,
    )


class LikeBraintree(PracticeAdapter):
    """The key stands in the body and gives the charge as it is; refunds from the dashboard must be asked for."""

    name: ClassVar[str] = "practice_braintree"
    capabilities: ClassVar[Capabilities] = replace(
        _BASE,
        idempotency=Idempotency(window=timedelta(days=30), replay=Replay.CURRENT_STATE, place=KeyPlace.BODY),
        cancel=False,
        events=frozenset(EventKind) - REFUND_EVENTS,
        polled_events=REFUND_EVENTS,
    )


class LikeGoCardless(PracticeAdapter):
    """Bank debits: days until they are paid, weeks in which that can be undone; a used key is a 409 with the id."""

    name: ClassVar[str] = "practice_gocardless"
    capabilities: ClassVar[Capabilities] = replace(
        _BASE,
        idempotency=Idempotency(window=timedelta(days=30), replay=Replay.CONFLICT_WITH_ID),
        lookup=Lookup.SCAN,
        settlement=timedelta(days=5),
        max_pending=timedelta(days=14),
        reversal_window=timedelta(days=56),
        refunds=Refunds(RefundMode.ASYNC),
    )


class LikeMollie(PracticeAdapter):
    """Webhooks are unsigned ids, so that all is fetched; a key lives an hour; a charge is found by listing."""

    name: ClassVar[str] = "practice_mollie"
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key",)
    capabilities: ClassVar[Capabilities] = replace(
        _BASE,
        idempotency=Idempotency(window=timedelta(hours=1), replay=Replay.SAME_ANSWER),
        lookup=Lookup.SCAN,
        webhook=Webhook.UNSIGNED_PING,
        reversal_window=timedelta(days=56),
        refunds=Refunds(RefundMode.ASYNC),
        # Of a ping's charge everything is read, so nothing is left to ignore.
        events=frozenset(EventKind) - METHOD_EVENTS - ACCOUNT_EVENTS - {EventKind.IGNORED},
    )


class LikeCheckoutCom(PracticeAdapter):
    """After an error the same key charges again: look up first. Refunds end by webhook."""

    name: ClassVar[str] = "practice_checkout_com"
    capabilities: ClassVar[Capabilities] = replace(
        _BASE,
        idempotency=Idempotency(window=timedelta(days=1), replay=Replay.RUNS_AGAIN_AFTER_ERROR),
        cancel=False,
        refunds=Refunds(RefundMode.ASYNC),
    )


ADAPTERS: Final = (LikeAdyen, LikePayPal, LikeBraintree, LikeGoCardless, LikeMollie, LikeCheckoutCom)
"""All of them, for tests that hold each to what it declares."""
