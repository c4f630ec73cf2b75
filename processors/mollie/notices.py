"""Mollie's webhooks: unsigned pings, signed events, and what a payment that was fetched for one says. Pure.

A ping is an id in a form, and proves nothing (docs: reference/webhooks). A signed event (docs: reference/webhooks-new)
is checked and is then taken for a ping too: it's a snapshot, which another may have overtaken. What is told is the
state of the payment, so that it does not matter how often or in what order it comes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from processors.errors import DeliveryMalformedError, SignatureInvalidError
from processors.events import EventKind, MoneyMoved, Notice, ProcessorEvent, RawDelivery
from processors.mollie.mapping import ended_at, outcome, reference_of
from processors.mollie.returns import (
    dispute_state,
    is_dispute,
    refund_state,
    returned,
    reversal_reason,
    told_at,
    withdrawn,
)
from processors.mollie.wire import ApiChargeback, ApiEvent, ApiPayment, ApiRefund
from processors.outcome import RefundFailed, RefundSucceeded
from processors.reading import delivered
from processors.values import Secret

SIGNATURE: Final = "x-mollie-signature"
SCHEME: Final = "sha256="
MAX_SIGNATURES: Final = 8
"""While a secret is changed there are two."""

PING: Final = "ping"
ID: Final = re.compile(r"[a-z]{2,16}_[A-Za-z0-9_.-]{1,64}")

TOLD: Final = frozenset(
    {
        EventKind.CHARGE_SUCCEEDED,
        EventKind.CHARGE_FAILED,
        EventKind.CHARGE_PENDING,
        EventKind.CHARGE_REVERSED,
        EventKind.REFUND_CREATED,
        EventKind.REFUND_SUCCEEDED,
        EventKind.REFUND_FAILED,
        EventKind.DISPUTE_FUNDS_WITHDRAWN,
        EventKind.DISPUTE_LOST,
        EventKind.IGNORED,
    }
)
"""Impossible are: mandates, of which Mollie tells nothing and has no list over all customers (a charge shows it); a
refund that fails after it had gone through, which looks like one that failed; disputes before money is gone, or that
end without a word; the settling of one payment, and the locking of an account, which a profile's key is not told."""

POLLED: Final = frozenset({EventKind.CHARGE_REINSTATED, EventKind.DISPUTE_WON})
"""A payment's address is pinged when a chargeback comes, not when it's reversed (docs: reference/webhooks); who has
signed events sent too is told of both."""

CHARGES: Final = {
    "paid": EventKind.CHARGE_SUCCEEDED,
    "failed": EventKind.CHARGE_FAILED,
    "canceled": EventKind.CHARGE_FAILED,
    "expired": EventKind.CHARGE_FAILED,
}
"""Any other status is one under way."""


def signatures(delivery: RawDelivery) -> list[str]:
    """Each signature that came: the header stands there twice for a day after its secret was changed."""
    headers = [value for name, value in delivery.headers if name == SIGNATURE]
    return [one.strip() for value in headers for one in value.split(",")]


def check_signature(given: list[str], secret: Secret | None, body: bytes) -> None:
    """Raises SignatureInvalidError unless one of them is of our secret, over these bytes."""
    if secret is None:
        raise SignatureInvalidError("no webhook secret is configured for signed events")
    expected = SCHEME + hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()
    held = [hmac.compare_digest(expected.encode(), one.encode("utf-8", "replace")) for one in given[:MAX_SIGNATURES]]
    if not any(held):
        raise SignatureInvalidError(f"{SIGNATURE} does not sign this body with our secret")


def event(body: bytes) -> Notice:
    """A signed event; raises DeliveryMalformedError. As it's only a reason to look, nothing dedupes it."""
    told = delivered(body, ApiEvent, "the event")
    return _notice(told.type, told.entity_id)


def ping(body: bytes) -> Notice:
    """The id of an unsigned delivery; raises DeliveryMalformedError. It's the same each time, so nothing dedupes it."""
    try:
        ids = [value for name, value in parse_qsl(body.decode("ascii"), strict_parsing=True) if name == "id"]
    except (UnicodeDecodeError, ValueError):
        ids = []
    if len(ids) != 1:
        raise DeliveryMalformedError("the body is not a ping with an id")
    return _notice(PING, ids[0])


def _notice(kind: str, entity: str) -> Notice:
    if not ID.fullmatch(entity) or len(kind) > 100:
        raise DeliveryMalformedError("the delivery names no id of Mollie's")
    return Notice(None, kind, entity.encode())


def current(payment: ApiPayment, now: datetime) -> tuple[ProcessorEvent, ...]:
    """All that a payment says of itself, fetched with its refunds and chargebacks; raises MoneyError.

    First payments belong to set-ups, which are asked for; what has no reference of ours was made by others.
    """
    if payment.sequence_type != "recurring" or not reference_of(payment.metadata):
        what = "a first payment" if payment.sequence_type == "first" else "a payment that is none of ours"
        return (ProcessorEvent(EventKind.IGNORED, payment.created_at, account_ref=payment.profile_id, detail=what),)
    refunds = [_refund(payment, one) for one in sorted(payment.embedded.refunds, key=_age)]
    taken = sorted(payment.embedded.chargebacks, key=_age)
    chargebacks = [told for one in taken for told in _chargeback(payment, one, now)]
    return (_charge(payment), *refunds, *chargebacks)


def _charge(payment: ApiPayment) -> ProcessorEvent:
    kind = CHARGES.get(payment.status, EventKind.CHARGE_PENDING)
    return msgspec.structs.replace(_about(payment, kind), outcome=outcome(payment), occurred_at=ended_at(payment))


def _refund(payment: ApiPayment, refund: ApiRefund) -> ProcessorEvent:
    told = refund_state(refund)
    kind = EventKind.REFUND_CREATED
    if isinstance(told.outcome, RefundSucceeded):
        kind = EventKind.REFUND_SUCCEEDED
    elif isinstance(told.outcome, RefundFailed):
        kind = EventKind.REFUND_FAILED
    return msgspec.structs.replace(_about(payment, kind), refund=told, occurred_at=refund.created_at)


def _chargeback(payment: ApiPayment, chargeback: ApiChargeback, now: datetime) -> list[ProcessorEvent]:
    if not is_dispute(payment, chargeback):
        return _reversal(payment, chargeback)
    told = dispute_state(payment, chargeback, now)
    at = told_at(payment, chargeback, now)
    return [msgspec.structs.replace(_about(payment, told.stage.event), dispute=told, occurred_at=at)]


def _reversal(payment: ApiPayment, chargeback: ApiChargeback) -> list[ProcessorEvent]:
    """A debit that was undone; and done again, if so."""
    taken, back = withdrawn(chargeback), returned(chargeback)
    undone = _moved(payment, EventKind.CHARGE_REVERSED, taken)
    events = [msgspec.structs.replace(undone, decline=reversal_reason(chargeback))]
    return events if back is None else [*events, _moved(payment, EventKind.CHARGE_REINSTATED, back)]


def _moved(payment: ApiPayment, kind: EventKind, moved: MoneyMoved) -> ProcessorEvent:
    return msgspec.structs.replace(_about(payment, kind), moved=moved, occurred_at=moved.occurred_at)


def _about(payment: ApiPayment, kind: EventKind) -> ProcessorEvent:
    return ProcessorEvent(
        kind,
        payment.created_at,
        reference=reference_of(payment.metadata),
        processor_id=payment.id,
        account_ref=payment.profile_id,
    )


def _age(one: ApiRefund | ApiChargeback) -> tuple[float, str]:
    return one.created_at.timestamp(), one.id
