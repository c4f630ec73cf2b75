"""Acme's webhooks: HMAC-SHA256, hex, over the raw body, in `Acme-Signature`. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec

from acme_tollbridge import mapping, wire
from processors.errors import DeliveryMalformedError, SignatureInvalidError
from processors.events import DisputeStage, DisputeState, EventKind, MoneyMoved, Notice, ProcessorEvent, RawDelivery
from processors.money import Money
from processors.reading import delivered
from processors.values import Secret

KINDS: Final = {
    "payment.paid": EventKind.CHARGE_SUCCEEDED,
    "payment.refused": EventKind.CHARGE_FAILED,
    "refund.done": EventKind.REFUND_SUCCEEDED,
    "refund.failed": EventKind.REFUND_FAILED,
    "chargeback.taken": EventKind.DISPUTE_FUNDS_WITHDRAWN,
    "chargeback.returned": EventKind.DISPUTE_WON,
    "card.removed": EventKind.METHOD_REVOKED,
}


def sign(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_signature(delivery: RawDelivery, secrets: tuple[Secret, ...]) -> None:
    """Raises SignatureInvalidError unless one of the secrets has signed these bytes."""
    given = delivery.header("acme-signature").encode()
    for secret in secrets:
        if hmac.compare_digest(sign(secret.reveal(), delivery.body).encode(), given):
            return
    raise SignatureInvalidError("acme-signature does not sign this body with our secret")


def notice(body: bytes) -> Notice:
    """Raises DeliveryMalformedError."""
    told = delivered(body, wire.Told, "the notification")
    return Notice(told.id, told.kind, body)


def event(body: bytes) -> ProcessorEvent:
    """Raises DeliveryMalformedError, MoneyError."""
    told = delivered(body, wire.Told, "the notification")
    kind = KINDS.get(told.kind, EventKind.IGNORED)
    said = ProcessorEvent(kind, told.at, account_ref=told.account, detail=told.kind, event_id=told.id)
    if kind is EventKind.IGNORED:
        return said
    if told.payment is not None:
        return msgspec.structs.replace(
            said,
            reference=told.payment.reference,
            processor_id=told.payment.id,
            outcome=mapping.outcome(told.payment),
        )
    if told.refund is not None:
        state = mapping.refund_state(told.refund)
        return msgspec.structs.replace(said, processor_id=told.refund.payment, refund=state)
    if told.chargeback is not None:
        state_ = dispute(told, told.chargeback)
        return msgspec.structs.replace(said, processor_id=told.chargeback.payment, dispute=state_)
    if told.card is not None:
        return msgspec.structs.replace(said, token=Secret(told.card.token))
    raise DeliveryMalformedError(f"the {told.kind} notification says nothing of what it's about")


def dispute(told: wire.Told, chargeback: wire.Chargeback) -> DisputeState:
    """Acme takes the money when a chargeback comes and gives it back if the merchant wins; each is a move."""
    amount = mapping.read(chargeback.amount, chargeback.currency)
    taken = told.kind == "chargeback.taken"
    stage = DisputeStage.FUNDS_WITHDRAWN if taken else DisputeStage.WON
    move = Money(-amount.amount if taken else amount.amount, amount.currency)
    return DisputeState(
        chargeback.id,
        chargeback.payment,
        stage,
        amount,
        withdrawn=amount if taken else Money(0, amount.currency),
        moves=(MoneyMoved(move, told.id, told.at),),
    )
