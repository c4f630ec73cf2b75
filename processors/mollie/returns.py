"""Money that goes back at Mollie, in our words: refunds, chargebacks of cards and wallets, and debits undone. Pure.

A chargeback is one word of Mollie's for two things. What a payer takes back is a dispute. A direct debit that the bank
could not collect after all comes as a chargeback too, days after the payment was `paid`: that is a capture reversed,
with the bank's reason. Which of the two it is must never change, or its money would be booked twice; so it goes by the
payment's method and the bank's code, which come with the chargeback and stay.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from processors.errors import OutcomeUnknownError
from processors.events import DisputeStage, DisputeState, MoneyMoved, RefundState
from processors.mollie.declines import DECLINES, OBJECTION
from processors.mollie.mapping import REFERENCE, amount, money, post, reference_of
from processors.mollie.wire import ApiChargeback, ApiPayment, ApiReason, ApiRefund
from processors.money import Money, check_positive
from processors.outcome import Decline, RefundFailed, RefundOutcome, RefundPending, RefundSucceeded
from processors.values import PreparedCall, RefundRequest

DESCRIPTION: Final = 140
"""The most letters of a refund's description (docs: reference/create-refund)."""

CONTESTED: Final = timedelta(days=120)
"""unverified: until when a card's chargeback may be reversed. Mollie tells of no other end, so that one which was not
reversed by then counts as lost; the money of one that is reversed later is told all the same. Ask Mollie's support."""


def refund_call(request: RefundRequest, payment: str) -> PreparedCall:
    """The bytes of a refund of `payment`, a checked path segment; raises MoneyError."""
    check_positive(request.amount)
    body = {
        "amount": amount(request.amount),
        "description": (request.reason or request.reference)[:DESCRIPTION],
        "metadata": {REFERENCE: request.reference},
    }
    return post(f"/payments/{payment}/refunds", request.idempotency_key, body)


def refund_outcome(refund: ApiRefund) -> RefundOutcome:
    """What a refund has come to; raises MoneyError, and OutcomeUnknownError for a status that is new.

    Mollie gives no time of its end, so that of its making stands for it. One that waits for the merchant's balance is
    `queued`; one that was called back while it waited is `canceled`.
    """
    value = money(refund.amount)
    match refund.status:
        case "refunded":
            return RefundSucceeded(refund.id, value, refund.created_at)
        case "queued" | "pending" | "processing":
            return RefundPending(refund.id, value)
        case "failed" | "canceled":
            return RefundFailed(refund.id, value, refund.status, f"The refund is {refund.status}.")
        case _:
            raise OutcomeUnknownError("Mollie shows a refund with a status that is not known")


def refund_state(refund: ApiRefund) -> RefundState:
    """What we make has our reference in its metadata, so whatever has none was made by others. Raises MoneyError."""
    reference = reference_of(refund.metadata)
    return RefundState(
        processor_id=refund.id,
        charge_id=refund.payment_id,
        outcome=refund_outcome(refund),
        amount=money(refund.amount),
        reference=reference,
        external=not reference,
    )


def is_dispute(payment: ApiPayment, chargeback: ApiChargeback) -> bool:
    """Whether a payer took the money back, and no bank had failed to collect it."""
    return payment.method != "directdebit" or (chargeback.reason or ApiReason()).code == OBJECTION


def withdrawn(chargeback: ApiChargeback) -> MoneyMoved:
    """Raises MoneyError."""
    taken = _amount(chargeback)
    return MoneyMoved(Money(-taken.amount, taken.currency), chargeback.id, chargeback.created_at)


def returned(chargeback: ApiChargeback) -> MoneyMoved | None:
    """What came back when it was reversed; None while it wasn't. Raises MoneyError."""
    if chargeback.reversed_at is None:
        return None
    return MoneyMoved(_amount(chargeback), f"{chargeback.id}:reversed", chargeback.reversed_at)


def _amount(chargeback: ApiChargeback) -> Money:
    value = money(chargeback.amount)
    if value.amount <= 0:
        raise OutcomeUnknownError("Mollie shows a chargeback of nothing, or of less")
    return value


def reversal_reason(chargeback: ApiChargeback) -> Decline:
    """Why a bank did not collect a debit."""
    reason = chargeback.reason or ApiReason()
    return DECLINES.decline(reason.code, reason.description, at=chargeback.created_at)


def told_at(payment: ApiPayment, chargeback: ApiChargeback, now: datetime) -> datetime:
    """When a dispute came to how it stands now."""
    lost_late = payment.method != "directdebit" and now >= chargeback.created_at + CONTESTED
    return chargeback.reversed_at or (chargeback.created_at + CONTESTED if lost_late else chargeback.created_at)


def has_news(chargeback: ApiChargeback, since: datetime, now: datetime) -> bool:
    """Whether it came, was reversed or was lost since."""
    if chargeback.reversed_at is not None:
        return chargeback.reversed_at >= since
    return chargeback.created_at >= since or since <= chargeback.created_at + CONTESTED <= now


def dispute_state(payment: ApiPayment, chargeback: ApiChargeback, now: datetime) -> DisputeState:
    """Raises MoneyError. Mollie takes the money at once, and tells no more unless it comes back.

    A debit that the payer took back can't be contested, so it's lost as soon as it's told.
    """
    taken, back = withdrawn(chargeback), returned(chargeback)
    lost = payment.method == "directdebit" or now >= chargeback.created_at + CONTESTED
    stage = DisputeStage.LOST if lost else DisputeStage.FUNDS_WITHDRAWN
    reason = chargeback.reason or ApiReason()
    disputed = Money(-taken.amount.amount, taken.amount.currency)
    return DisputeState(
        processor_id=chargeback.id,
        charge_id=payment.id,
        stage=stage if back is None else DisputeStage.WON,
        amount=disputed,
        withdrawn=disputed if back is None else Money(0, disputed.currency),
        moves=(taken,) if back is None else (taken, back),
        reason=reason.description or reason.code,
    )
