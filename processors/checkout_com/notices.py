"""Checkout.com's webhooks: their signature, and what each event says. Pure.

Each delivery brings one event, whose id dedupes it: a delivery that is made again brings the same. `parse` fetches for
refunds alone (see `client`): an event names the payment's reference, and whose refund it is stands in its action.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from processors.checkout_com import disputes, returns
from processors.checkout_com.mapping import amount_of, captured, declined
from processors.checkout_com.money import CHECKOUT_COM
from processors.checkout_com.wire import ApiAction, Envelope, ToldDispute, ToldPayment
from processors.declines import as_class
from processors.errors import DeliveryMalformedError, OutcomeUnknownError, SignatureInvalidError
from processors.events import DisputeStage, EventKind, MoneyMoved, Notice, ProcessorEvent
from processors.money import from_minor
from processors.outcome import Canceled, ChargeOutcome, DeclineClass, Pending, Succeeded
from processors.reading import delivered
from processors.values import Secret

T = TypeVar("T")

CHARGE_KINDS: Final[Mapping[str, EventKind]] = {
    "payment_approved": EventKind.CHARGE_SUCCEEDED,
    "payment_captured": EventKind.CHARGE_SUCCEEDED,
    "payment_pending": EventKind.CHARGE_PENDING,
    "payment_retry_scheduled": EventKind.CHARGE_PENDING,
    "payment_declined": EventKind.CHARGE_FAILED,
    "payment_expired": EventKind.CHARGE_FAILED,
    "payment_canceled": EventKind.CHARGE_FAILED,
}
"""A payment is approved, and captured a moment later: both tell the same success, in whichever order they come."""

CAPTURE_DECLINED: Final = "payment_capture_declined"
REVERSALS: Final = frozenset({"payment_returned", CAPTURE_DECLINED, "payment_voided"})
"""What takes back a success: the payer's bank, where a payment method has that (docs: payment_returned); and what ends
an approval, which counted as money, before anything was captured. A capture by hand after that is not seen here."""

REFUND_KINDS: Final[Mapping[str, EventKind]] = {
    "payment_refund_pending": EventKind.REFUND_CREATED,
    "payment_refunded": EventKind.REFUND_SUCCEEDED,
    "payment_refund_declined": EventKind.REFUND_FAILED,
}

TOLD: Final = frozenset(
    {
        *CHARGE_KINDS.values(),
        *REFUND_KINDS.values(),
        *(stage.event for stage in (*disputes.STAGES.values(), DisputeStage.INQUIRY)),
        EventKind.CHARGE_REVERSED,
        EventKind.IGNORED,
    }
)
"""What can't be known: that money is settled, that a refund is undone or a dispute won in part, and anything of stored
cards and of the account: no event tells of those. That a card is of no use any more, its decline says."""


def signature(key: str, body: bytes) -> str:
    """HMAC-SHA256, hex, over the raw body."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def check_signature(header: str, keys: Sequence[Secret], body: bytes) -> None:
    """Raises SignatureInvalidError unless one of the keys has signed these bytes: during a change two may."""
    given = header.lower().encode()
    good = [hmac.compare_digest(signature(key.reveal(), body).encode(), given) for key in keys]
    if not any(good):
        raise SignatureInvalidError("cko-signature is missing or does not sign this body with our key")


def check_authorization(header: str, wanted: Secret | None) -> None:
    """The static header that an endpoint may be set up with; raises SignatureInvalidError."""
    if wanted is not None and not hmac.compare_digest(header.encode(), wanted.reveal().encode()):
        raise SignatureInvalidError("the authorization header is not the one that was agreed")


def notices(body: bytes, *, live: bool) -> tuple[Notice, ...]:
    """The event of a signed delivery; raises DeliveryMalformedError, so also for one of the other environment."""
    envelope = _envelope(body)
    if not envelope.id:
        raise DeliveryMalformedError("the event has no id")
    link = envelope.links.self if envelope.links else None
    if link is not None and _is_live(link.href) not in (None, live):
        raise DeliveryMalformedError("the event is of the other environment, test or live")
    return (Notice(envelope.id, envelope.type, body),)


def _is_live(href: str) -> bool | None:
    """By the host of an event's link to itself; None for one that tells nothing."""
    try:
        host = re.fullmatch(r"(?:[a-z0-9]+\.)?api(\.sandbox)?\.checkout\.com", urlsplit(href).hostname or "")
    except ValueError:
        host = None
    return None if host is None else host.group(1) is None


def _envelope(body: bytes) -> Envelope:
    return delivered(body, Envelope, "the event")


def refunded(notice: Notice) -> ToldPayment | None:
    """The payment of a refund's event; None where it's of something else. Raises DeliveryMalformedError."""
    envelope = _envelope(notice.body)
    return _decode(envelope, ToldPayment) if envelope.type in REFUND_KINDS else None


def event(notice: Notice, refund: ApiAction | None = None) -> ProcessorEvent:
    """What an event says; raises DeliveryMalformedError, or MoneyError for an amount that can't be read.

    `refund` is the action that it is about, if it's of a refund and the processor shows that.
    """
    envelope = _envelope(notice.body)
    at = envelope.created_on or envelope.timestamp
    if at is None:
        raise DeliveryMalformedError(f"the {envelope.type} event {envelope.id} has no time")
    try:
        said = _said(envelope, at, refund)
    except OutcomeUnknownError as error:
        raise DeliveryMalformedError(f"the {envelope.type} event {envelope.id}: {error}") from None
    return replace(said, occurred_at=at, detail=envelope.type, event_id=envelope.id)


def _said(envelope: Envelope, at: datetime, refund: ApiAction | None) -> ProcessorEvent:
    if kind := CHARGE_KINDS.get(envelope.type):
        payment = _decode(envelope, ToldPayment)
        if payment.amount == 0:
            return ProcessorEvent(EventKind.IGNORED, at)  # the verification of a card, in a set-up
        return _of_payment(kind, payment, at, outcome=_outcome(envelope.type, payment, at))
    if kind := REFUND_KINDS.get(envelope.type):
        payment = _decode(envelope, ToldPayment)
        told = returns.told(envelope.type, payment, amount_of(payment), refund)
        # The reference may be the refund's own in some versions: the payment's id names the charge. It's told all the
        # same, since that of a refund which is none of ours tells just that.
        return replace(_of_payment(kind, payment, at), refund=told)
    if envelope.type in REVERSALS:
        return _taken_back(envelope.type, _decode(envelope, ToldPayment), at)
    if stage := disputes.stage_of(envelope.type):
        return disputes.event(stage, _decode(envelope, ToldDispute), at)
    return ProcessorEvent(EventKind.IGNORED, at)


def _of_payment(
    kind: EventKind, payment: ToldPayment, at: datetime, outcome: ChargeOutcome | None = None
) -> ProcessorEvent:
    return ProcessorEvent(
        kind,
        at,
        reference=payment.reference or "",
        processor_id=payment.id,
        outcome=outcome,
        account_ref=payment.processing_channel_id or "",
    )


def _taken_back(kind: str, payment: ToldPayment, at: datetime) -> ProcessorEvent:
    """Raises MoneyError, OutcomeUnknownError. Why a capture was declined is not the payer's doing."""
    if payment.amount == 0 or (kind == CAPTURE_DECLINED and payment.balances and payment.balances.total_captured):
        return ProcessorEvent(EventKind.IGNORED, at)  # a card's verification; or another capture has its money
    said = replace(_of_payment(EventKind.CHARGE_REVERSED, payment, at), moved=_moved(payment, at))
    if kind != CAPTURE_DECLINED:
        return said
    why = declined(payment.id, payment).decline
    return replace(said, decline=as_class(why, DeclineClass.PROCESSOR_ERROR))


def _outcome(kind: str, payment: ToldPayment, at: datetime) -> ChargeOutcome:
    if kind == "payment_declined":
        return declined(payment.id, payment)
    match CHARGE_KINDS[kind]:
        case EventKind.CHARGE_SUCCEEDED:
            return Succeeded(payment.id, captured(payment), payment.processed_on or at)
        case EventKind.CHARGE_PENDING:
            return Pending(payment.id, payment.retry.next_attempt_on if payment.retry else None)
        case _:
            return Canceled(payment.id)


def _moved(payment: ToldPayment, at: datetime) -> MoneyMoved:
    if not payment.action_id or payment.amount is None or payment.currency is None:
        raise OutcomeUnknownError("it does not say what was returned")
    amount = from_minor(-payment.amount, payment.currency, CHECKOUT_COM)
    return MoneyMoved(amount, payment.action_id, payment.processed_on or at)


def _decode(envelope: Envelope, kind: type[T]) -> T:
    return delivered(envelope.data, kind, f"the {envelope.type} event {envelope.id}")
