"""The practice processor's webhooks: their signature, their envelope, and what each event says. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from processors.errors import DeliveryMalformedError, SignatureInvalidError
from processors.events import EventKind, Notice, ProcessorEvent, Replacement
from processors.money import Exponents
from processors.practice.mapping import card, decline, method, moment, outcome
from processors.practice.returns import dispute_state, moved, refund_state
from processors.practice.wire import (
    ApiCharge,
    ApiDispute,
    ApiEvent,
    ApiMethod,
    ApiMoved,
    ApiRefund,
    ApiReplaced,
    Envelope,
)
from processors.reading import UNREADABLE, delivered
from processors.values import Secret

ACCOUNT_KINDS: Final[Mapping[str, EventKind]] = {
    "account.locked": EventKind.ACCOUNT_LOCKED,
    "account.unlocked": EventKind.ACCOUNT_UNLOCKED,
}

TOLERANCE_S: Final = 300
"""How far a signature's time may be from our machine's, either way."""

PING: Final = "ping"
"""The kind of a notice that is an id and nothing more."""

MAX_PINGS: Final = 250

CHARGE_KINDS: Final[Mapping[str, EventKind]] = {
    "charge.succeeded": EventKind.CHARGE_SUCCEEDED,
    "charge.failed": EventKind.CHARGE_FAILED,
    "charge.canceled": EventKind.CHARGE_FAILED,
    "charge.pending": EventKind.CHARGE_PENDING,
    "charge.authorized": EventKind.CHARGE_PENDING,
    "charge.requires_action": EventKind.CHARGE_PENDING,
    "charge.settled": EventKind.CHARGE_SETTLED,
    "charge.late_failure": EventKind.CHARGE_REVERSED,
    "charge.paid_again": EventKind.CHARGE_REINSTATED,
}
"""Not `charge.late_failure_settled`: it tells where the money of a late failure was taken from, and moves none."""

REFUND_KINDS: Final[Mapping[str, EventKind]] = {
    "refund.created": EventKind.REFUND_CREATED,
    "refund.succeeded": EventKind.REFUND_SUCCEEDED,
    "refund.failed": EventKind.REFUND_FAILED,
    "refund.reversed": EventKind.REFUND_REVERSED,
}

DISPUTE_KINDS: Final[Mapping[str, EventKind]] = {
    "dispute.inquiry": EventKind.DISPUTE_INQUIRY,
    "dispute.opened": EventKind.DISPUTE_OPENED,
    "dispute.funds_withdrawn": EventKind.DISPUTE_FUNDS_WITHDRAWN,
    "dispute.won": EventKind.DISPUTE_WON,
    "dispute.lost": EventKind.DISPUTE_LOST,
    "dispute.partly_lost": EventKind.DISPUTE_PARTLY_LOST,
    "dispute.closed": EventKind.DISPUTE_CLOSED,
}

METHOD_KINDS: Final[Mapping[str, EventKind]] = {
    "method.revoked": EventKind.METHOD_REVOKED,
    "agreement.cancelled": EventKind.METHOD_REVOKED,
    "method.reinstated": EventKind.METHOD_ACTIVATED,
    "method.expired": EventKind.METHOD_EXPIRED,
    "method.suspended": EventKind.METHOD_SUSPENDED,
}


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256, hex, over `timestamp.body`."""
    return hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def check_signature(header: str, secret: str, body: bytes, at: float) -> None:
    """Raises SignatureInvalidError unless `t=..,v1=..` signs these bytes within the tolerance around `at`.

    Several `v1` may stand there, as during a change of the secret; one that holds is enough.
    """
    if not secret:
        raise SignatureInvalidError("no webhook secret is configured")
    fields = [part.strip().partition("=")[::2] for part in header.split(",")]
    stamps = [value for name, value in fields if name == "t"]
    if len(stamps) != 1 or not re.fullmatch(r"[0-9]{1,12}", stamps[0]):
        raise SignatureInvalidError("practice-signature is missing or has no time")
    expected = signature(secret, int(stamps[0]), body).encode()
    given = [value.encode() for name, value in fields if name == "v1"]
    if not any(hmac.compare_digest(expected, one) for one in given):
        raise SignatureInvalidError("practice-signature does not sign this body with our secret")
    if abs(at - int(stamps[0])) > TOLERANCE_S:
        raise SignatureInvalidError(f"the signature's time is more than {TOLERANCE_S} s from ours")


def notices(body: bytes) -> tuple[Notice, ...]:
    """The events of a signed delivery; raises DeliveryMalformedError."""
    raw = delivered(body, Envelope, "the batch").events
    events = [(delivered(one, ApiEvent, "an event of the batch"), one) for one in raw]
    return tuple(Notice(event.id, event.type, bytes(one)) for event, one in events)


def pings(body: bytes) -> tuple[Notice, ...]:
    """The ids of an unsigned delivery; raises DeliveryMalformedError. They are alike each time, so nothing dedupes."""
    try:
        ids = [value for name, value in parse_qsl(body.decode("ascii"), strict_parsing=True) if name == "id"]
    except (UnicodeDecodeError, ValueError):
        ids = []
    if not 0 < len(ids) <= MAX_PINGS or not all(re.fullmatch(r"[A-Za-z0-9_]{1,64}", one) for one in ids):
        raise DeliveryMalformedError("the body is not a ping with ids")
    return tuple(Notice(None, PING, one.encode()) for one in ids)


def event(notice: Notice, units: Exponents) -> ProcessorEvent:
    """What one event says; raises DeliveryMalformedError, or MoneyError for an amount that can't be read."""
    try:
        told = msgspec.json.decode(notice.body, type=ApiEvent)
        if kind := CHARGE_KINDS.get(told.type):
            return _charge_event(kind, told, msgspec.json.decode(told.data, type=ApiCharge), units)
        if kind := REFUND_KINDS.get(told.type):
            return _told(told, refund_event(kind, msgspec.json.decode(told.data, type=ApiRefund), units))
        if kind := DISPUTE_KINDS.get(told.type):
            return _told(told, dispute_event(kind, msgspec.json.decode(told.data, type=ApiDispute), units))
        if kind := METHOD_KINDS.get(told.type):
            return _told(told, _method(kind, told, msgspec.json.decode(told.data, type=ApiMethod)))
        if kind := ACCOUNT_KINDS.get(told.type):
            return _told(told, ProcessorEvent(kind, moment(told.created)))
        if told.type == "method.replaced":
            return _told(told, _replaced(told, msgspec.json.decode(told.data, type=ApiReplaced)))
    except UNREADABLE:
        raise DeliveryMalformedError(f"the {notice.kind} event {notice.key} can't be read") from None
    return _told(told, ProcessorEvent(EventKind.IGNORED, moment(told.created)))


def current(charge: ApiCharge, units: Exponents) -> tuple[ProcessorEvent, ...]:
    """All that a charge, fetched for a ping, says of itself, known or not; raises MoneyError."""
    kind = {"succeeded": EventKind.CHARGE_SUCCEEDED, "failed": EventKind.CHARGE_FAILED}.get(charge.status)
    if charge.status in ("pending", "authorized", "requires_action") or charge.will_retry:
        kind = EventKind.CHARGE_PENDING
    elif charge.status == "canceled":
        kind = EventKind.CHARGE_FAILED
    events = [] if kind is None else [_charge(kind, charge, units)]
    if charge.settled_at is not None and charge.status == "succeeded":
        events.append(_charge(EventKind.CHARGE_SETTLED, charge, units))
    if charge.reversal:
        events.append(_charge(EventKind.CHARGE_REVERSED, charge, units, charge.reversal))
    if charge.reinstatement:
        events.append(_charge(EventKind.CHARGE_REINSTATED, charge, units, charge.reinstatement))
    events += [refund_event(refund_kind(one), one, units) for one in charge.refunds]
    events += [dispute_event(DISPUTE_KINDS[f"dispute.{one.status}"], one, units) for one in charge.disputes]
    return tuple(events)


def refund_kind(refund: ApiRefund) -> EventKind:
    """The event that would tell how a refund stands."""
    if refund.status == "failed":
        return EventKind.REFUND_REVERSED if refund.has_succeeded else EventKind.REFUND_FAILED
    return EventKind.REFUND_SUCCEEDED if refund.status == "succeeded" else EventKind.REFUND_CREATED


def refund_event(kind: EventKind, refund: ApiRefund, units: Exponents) -> ProcessorEvent:
    """Raises MoneyError."""
    return ProcessorEvent(
        kind,
        moment(refund.updated_at),
        reference=refund.charge_reference,
        processor_id=refund.charge,
        account_ref=refund.account,
        refund=refund_state(refund, units),
    )


def dispute_event(kind: EventKind, dispute: ApiDispute, units: Exponents) -> ProcessorEvent:
    """Raises MoneyError."""
    return ProcessorEvent(
        kind,
        moment(dispute.updated_at),
        reference=dispute.charge_reference,
        processor_id=dispute.charge,
        account_ref=dispute.account,
        dispute=dispute_state(dispute, units),
    )


def _charge_event(kind: EventKind, told: ApiEvent, charge: ApiCharge, units: Exponents) -> ProcessorEvent:
    if charge.will_retry and kind is EventKind.CHARGE_FAILED:
        kind = EventKind.CHARGE_PENDING  # the processor tries again by itself: nobody else may
    told_moved = {EventKind.CHARGE_REVERSED: charge.reversal, EventKind.CHARGE_REINSTATED: charge.reinstatement}
    return _told(told, _charge(kind, charge, units, told_moved.get(kind)))


def _charge(kind: EventKind, charge: ApiCharge, units: Exponents, again: ApiMoved | None = None) -> ProcessorEvent:
    """With `again`, money that moved after the charge had ended: the event proves that, and no outcome."""
    refusal = charge.reversal_reason if kind is EventKind.CHARGE_REVERSED else charge.decline
    ended = charge.settled_at if kind is EventKind.CHARGE_SETTLED else charge.closed_at
    return ProcessorEvent(
        kind,
        moment(again.at if again else ended or charge.created_at),
        reference=charge.reference,
        processor_id=charge.id,
        outcome=None if again else outcome(charge, units),
        account_ref=charge.account,
        moved=moved(again, charge.currency, units) if again else None,
        decline=decline(refusal) if refusal else None,
    )


def _method(kind: EventKind, told: ApiEvent, data: ApiMethod) -> ProcessorEvent:
    # What lives again is told of whole: whoever had erased it may take it up.
    whole = Replacement(method(data), card(data.card)) if kind is EventKind.METHOD_ACTIVATED else None
    return ProcessorEvent(kind, moment(told.created), token=Secret(data.token), replacement=whole)


def _replaced(told: ApiEvent, data: ApiReplaced) -> ProcessorEvent:
    replacement = Replacement(method(data.replacement), card(data.replacement.card))
    return ProcessorEvent(
        EventKind.METHOD_REPLACED, moment(told.created), token=Secret(data.token), replacement=replacement
    )


def _told(told: ApiEvent, said: ProcessorEvent) -> ProcessorEvent:
    """What the envelope adds: the event's id and time, and the receiver that it names."""
    return msgspec.structs.replace(
        said, occurred_at=moment(told.created), account_ref=told.account, detail=told.type, event_id=told.id
    )
