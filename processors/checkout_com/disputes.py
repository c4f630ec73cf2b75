"""Disputes in our words: how each of their statuses stands, and what it has moved. Pure.

The amount is debited when evidence is asked for, and credited when the dispute is won or the issuing bank takes it back
(docs: risk-management/disputes/disputes-api). An event names no action for these moves, so that each is told by the
dispute's id and its direction, the same in every event: a dispute moves money once each way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from processors.checkout_com.money import CHECKOUT_COM
from processors.checkout_com.wire import ApiDispute, ToldDispute
from processors.events import DisputeStage, DisputeState, MoneyMoved, ProcessorEvent
from processors.money import Money, from_minor

STAGES: Final[Mapping[str, DisputeStage]] = {
    "received": DisputeStage.OPENED,
    "evidence_required": DisputeStage.FUNDS_WITHDRAWN,
    "evidence_submitted": DisputeStage.FUNDS_WITHDRAWN,
    "evidence_under_review": DisputeStage.FUNDS_WITHDRAWN,
    "evidence_acknowledged_by_scheme": DisputeStage.FUNDS_WITHDRAWN,
    "arbitration_evidence_submitted": DisputeStage.FUNDS_WITHDRAWN,
    "arb_evidence_submitted": DisputeStage.FUNDS_WITHDRAWN,
    "arbitration_sent_to_scheme": DisputeStage.FUNDS_WITHDRAWN,
    "arbitration_under_review": DisputeStage.FUNDS_WITHDRAWN,
    "won": DisputeStage.WON,
    "arbitration_won": DisputeStage.WON,
    "canceled": DisputeStage.WON,
    "lost": DisputeStage.LOST,
    "arbitration_lost": DisputeStage.LOST,
    "expired": DisputeStage.LOST,
    "accepted": DisputeStage.LOST,
    "resolved": DisputeStage.CLOSED,
}
"""By status; an event's type is the status after `dispute_`. `resolved`: the payer had the money back before, by a
refund. `canceled` is credited if it was debited: as nothing says whether it was, both moves are told, and are none in
sum. Once the time for evidence is over (`expired`) the dispute can't be won any more. Unverified: whether arbitration
after a win debits the amount a second time; the documentation tells of its fees alone."""

INQUIRY: Final = "request_for_information_received"
"""The type of an event before any dispute: unverified that its data are those of a dispute."""

DEBITED: Final = frozenset({DisputeStage.FUNDS_WITHDRAWN, DisputeStage.WON, DisputeStage.LOST})


def stage_of(kind: str) -> DisputeStage | None:
    """How a dispute stands after an event of this type; None for an event of another thing."""
    if kind == INQUIRY:
        return DisputeStage.INQUIRY
    return STAGES.get(kind.removeprefix("dispute_")) if kind.startswith("dispute_") else None


def event(stage: DisputeStage, told: ToldDispute, at: datetime) -> ProcessorEvent:
    """Raises MoneyError."""
    return ProcessorEvent(
        stage.event,
        at,
        reference=told.payment_reference or "",
        processor_id=told.payment_id,
        account_ref=told.processing_channel_id or "",
        dispute=_state(stage, told, at),
    )


def listed(dispute: ApiDispute) -> ProcessorEvent | None:
    """A dispute as a list shows it; None for a status that tells nothing. Raises MoneyError."""
    stage = STAGES.get(dispute.status)
    return None if stage is None else event(stage, dispute, dispute.last_update)


def _state(stage: DisputeStage, told: ToldDispute, at: datetime) -> DisputeState:
    amount = from_minor(told.amount, told.currency, CHECKOUT_COM)
    nothing = Money(0, amount.currency)
    moves: tuple[MoneyMoved, ...] = ()
    if stage in DEBITED:
        moves = (MoneyMoved(nothing - amount, f"{told.id}:debit", at),)
    if stage is DisputeStage.WON:
        moves = (*moves, MoneyMoved(amount, f"{told.id}:credit", at))
    return DisputeState(
        processor_id=told.id,
        charge_id=told.payment_id,
        stage=stage,
        amount=amount,
        withdrawn=amount if len(moves) == 1 else nothing,
        moves=moves,
        reason=" ".join(part for part in (told.category, told.reason_code) if part),
        evidence_due_by=told.evidence_required_by,
    )
