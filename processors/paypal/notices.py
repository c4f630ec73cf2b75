"""PayPal's webhooks: what each event says. Pure, but for a reversal, behind which a dispute may stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from processors.errors import DeliveryMalformedError, OutcomeUnknownError
from processors.events import EventKind, MoneyMoved, Notice, ProcessorEvent
from processors.money import Money
from processors.outcome import Declined, Pending, RefundFailed, RefundPending, RefundSucceeded, Succeeded
from processors.paypal import disputes, mapping, returns
from processors.paypal.money import our_money
from processors.paypal.wire import ApiCapture, ApiDispute, ApiEvent, ApiRefund, ApiVaulted
from processors.reading import delivered
from processors.values import Secret

T = TypeVar("T")

CAPTURE_TYPES: Final = frozenset(
    {
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.PENDING",
        "PAYMENT.CAPTURE.DENIED",
        "PAYMENT.CAPTURE.DECLINED",
    }
)
"""The documentation uses both of the last two names."""

REFUND_TYPES: Final = frozenset(
    {
        "PAYMENT.CAPTURE.REFUNDED",
        # unverified: in lists of third parties and not in PayPal's; their resource is the refund all the same.
        "PAYMENT.REFUND.PENDING",
        "PAYMENT.REFUND.COMPLETED",
        "PAYMENT.REFUND.FAILED",
    }
)

REVERSED: Final = "PAYMENT.CAPTURE.REVERSED"

DISPUTE_TYPES: Final = frozenset(
    {
        "CUSTOMER.DISPUTE.CREATED",
        "CUSTOMER.DISPUTE.UPDATED",
        "CUSTOMER.DISPUTE.RESOLVED",
        "RISK.DISPUTE.CREATED",
    }
)

METHOD_TYPES: Final[Mapping[str, EventKind]] = {
    "VAULT.PAYMENT-TOKEN.CREATED": EventKind.METHOD_ACTIVATED,
    "VAULT.PAYMENT-TOKEN.DELETED": EventKind.METHOD_REVOKED,
    "VAULT.PAYMENT-TOKEN.DELETION-INITIATED": EventKind.METHOD_REVOKED,
    # unverified: the name of the event of a legacy agreement's end.
    "BILLING_AGREEMENTS.AGREEMENT.CANCELLED": EventKind.METHOD_REVOKED,
}

NEEDED: Final = frozenset(
    {
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.PENDING",
        "PAYMENT.CAPTURE.DENIED",
        "PAYMENT.CAPTURE.REFUNDED",
        REVERSED,
        "CUSTOMER.DISPUTE.CREATED",
        "CUSTOMER.DISPUTE.UPDATED",
        "CUSTOMER.DISPUTE.RESOLVED",
        "VAULT.PAYMENT-TOKEN.DELETED",
    }
)
"""Of the events above those that PayPal's own list has (docs: webhooks/event-names): a webhook that leaves one out
leaves money or a payer's revocation untold."""


def notice(body: bytes) -> Notice:
    """The event of a signed delivery; raises DeliveryMalformedError."""
    told = _read(body, ApiEvent)
    return Notice(told.id, told.event_type, body)


def event(body: bytes) -> ProcessorEvent:
    """What an event says; raises DeliveryMalformedError, MoneyError."""
    told = _read(body, ApiEvent)
    try:
        return replace(_event(told), event_id=told.id)
    except OutcomeUnknownError as error:  # a status of tomorrow: kept, and put before a human
        raise DeliveryMalformedError(f"the event {told.id}: {error}") from None


def _event(told: ApiEvent) -> ProcessorEvent:
    if told.event_type in CAPTURE_TYPES:
        return _captured(told, _read(told.resource, ApiCapture))
    if told.event_type in REFUND_TYPES:
        return _refunded(told, _read(told.resource, ApiRefund))
    if told.event_type == REVERSED:
        return _reversed(told, _read(told.resource, ApiRefund))
    if told.event_type in DISPUTE_TYPES:
        return dispute_event(_read(told.resource, ApiDispute), _at(told.create_time), told.event_type)
    if kind := METHOD_TYPES.get(told.event_type):
        token = Secret(_read(told.resource, ApiVaulted).id)
        return ProcessorEvent(kind, _at(told.create_time), token=token, detail=told.event_type)
    return ProcessorEvent(EventKind.IGNORED, _at(told.create_time), detail=told.event_type)


def dispute_event(dispute: ApiDispute, at: datetime, detail: str) -> ProcessorEvent:
    """Raises MoneyError."""
    of, state = disputes.disputed(dispute), disputes.dispute_state(dispute)
    return ProcessorEvent(
        state.stage.event,
        disputes.said_at(dispute, at),
        reference=of.invoice_number,
        processor_id=of.seller_transaction_id,
        account_ref=of.seller.merchant_id,
        detail=detail,
        dispute=state,
    )


def _captured(told: ApiEvent, capture: ApiCapture) -> ProcessorEvent:
    """Its status decides and not the event's name, which may be older."""
    outcome = mapping.capture_outcome(capture)
    match outcome:
        case Succeeded():
            kind = EventKind.CHARGE_SUCCEEDED
        case Pending():
            kind = EventKind.CHARGE_PENDING
        case _:
            kind = EventKind.CHARGE_FAILED
    reason = capture.status_details.reason
    return ProcessorEvent(
        kind,
        _at(told.create_time),
        reference=capture.invoice_id,
        processor_id=capture.id,
        outcome=outcome,
        account_ref=capture.payee.merchant_id,
        detail=f"{told.event_type} {reason}".strip(),
        decline=outcome.decline if isinstance(outcome, Declined) else None,
    )


def _refunded(told: ApiEvent, refund: ApiRefund) -> ProcessorEvent:
    capture = returns.capture_of(refund)
    if not capture:
        raise DeliveryMalformedError(f"the event {told.id} does not say which capture was refunded")
    state = returns.refund_state(refund, capture)
    match state.outcome:
        case RefundSucceeded():
            kind = EventKind.REFUND_SUCCEEDED
        case RefundPending():
            kind = EventKind.REFUND_CREATED
        case RefundFailed():
            kind = EventKind.REFUND_FAILED
        case other:
            raise DeliveryMalformedError(f"the event {told.id} tells of a refund as {type(other).__name__}")
    return ProcessorEvent(
        kind,
        _at(told.create_time),
        processor_id=capture,
        account_ref=refund.payer.merchant_id,
        detail=told.event_type,
        refund=state,
    )


def _reversed(told: ApiEvent, reversal: ApiRefund) -> ProcessorEvent:
    """Its resource looks like a refund of the capture that its `up` link names; where there is no such link, it is the
    capture itself, and only the event's own id names what moved."""
    capture = returns.capture_of(reversal)
    back = our_money(reversal.amount)
    at = _at(reversal.create_time or told.create_time)
    moved = MoneyMoved(Money(-abs(back.amount), back.currency), reversal.id if capture else told.id, at)
    return ProcessorEvent(
        EventKind.CHARGE_REVERSED,
        _at(told.create_time),
        processor_id=capture or reversal.id,
        account_ref=reversal.payer.merchant_id,
        detail=told.event_type,
        moved=moved,
    )


def _read(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    return delivered(body, kind, f"the {kind.__name__.removeprefix('Api').lower()} of an event")


def _at(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
