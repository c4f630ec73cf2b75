"""Disputes in our words. Pure.

What is disputed is taken from the merchant when the dispute opens, and held until it ends (docs: graphql
Dispute.amountDisputed). A retrieval only asks. A pre-arbitration is a dispute of its own, after one that was won.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Final

from processors.braintree import units
from processors.braintree.wire import ApiDispute, ApiMoney
from processors.errors import OutcomeUnknownError
from processors.events import DisputeStage, DisputeState, MoneyMoved
from processors.money import Money

ENDS: Final[Mapping[str, DisputeStage]] = {
    "WON": DisputeStage.WON,
    "LOST": DisputeStage.LOST,
    "ACCEPTED": DisputeStage.LOST,
    "AUTO_ACCEPTED": DisputeStage.LOST,
    "EXPIRED": DisputeStage.LOST,
}
"""Accepted, or left until its time was over: the payer keeps the money."""
OPEN: Final = frozenset({"OPEN", "DISPUTED", "UNDER_REVIEW"})


def dispute_state(told: ApiDispute) -> DisputeState:
    """Raises MoneyError, and OutcomeUnknownError for a status that nobody knows."""
    disputed = _money(told.amount_disputed, told)
    whole = _money(told.transaction.amount, told)
    asks = told.type == "RETRIEVAL"
    stage = _stage(told, disputed)
    moves = () if asks else _moves(told, disputed)
    nothing = Money(0, disputed.currency)
    withdrawn = sum((move.amount.amount for move in moves), 0)
    return DisputeState(
        processor_id=told.id,
        charge_id=told.transaction.id,
        stage=stage,
        # A retrieval, and what the payer disputes without an amount, are about the whole charge.
        amount=disputed if disputed.amount else whole,
        withdrawn=Money(-withdrawn, disputed.currency) if withdrawn else nothing,
        moves=moves,
        reason=_reason(told),
        evidence_due_by=_due(told),
    )


def said_at(told: ApiDispute) -> datetime:
    """When its last change was."""
    return max((event.timestamp for event in told.status_history or ()), default=told.created_at)


def _stage(told: ApiDispute, disputed: Money) -> DisputeStage:
    if told.status in OPEN:
        if told.type == "RETRIEVAL":
            return DisputeStage.INQUIRY
        return DisputeStage.FUNDS_WITHDRAWN if disputed.amount else DisputeStage.OPENED
    if told.status not in ENDS:
        raise OutcomeUnknownError("the processor shows a dispute in a status that is not known")
    if told.type == "RETRIEVAL":
        return DisputeStage.CLOSED
    if told.status == "WON" and 0 < _won(told, disputed).amount < disputed.amount:
        return DisputeStage.PARTLY_LOST
    return ENDS[told.status]


def _moves(told: ApiDispute, disputed: Money) -> tuple[MoneyMoved, ...]:
    """Each with an occurrence that is the same at each look: the status in which the money moved."""
    moves = []
    if disputed.amount:
        moves.append(MoneyMoved(Money(-disputed.amount, disputed.currency), "opened", _when(told, "OPEN")))
    won = _won(told, disputed)
    if told.status == "WON" and won.amount:
        moves.append(MoneyMoved(won, "won", _when(told, "WON")))
    return tuple(moves)


def _won(told: ApiDispute, disputed: Money) -> Money:
    """What came back: all of it, unless it's said otherwise."""
    return disputed if told.amount_won is None else _money(told.amount_won, told)


def _money(amount: ApiMoney | None, told: ApiDispute) -> Money:
    if amount is None:
        return Money(0, told.transaction.amount.currency_code.lower())
    return units.read(amount.value, amount.currency_code)


def _when(told: ApiDispute, status: str) -> datetime:
    times = [event.timestamp for event in told.status_history or () if event.status == status]
    return min(times, default=told.created_at)


def _reason(told: ApiDispute) -> str:
    return (told.processor_response.reason or "").lower() if told.processor_response else ""


def _due(told: ApiDispute) -> datetime | None:
    """The deadline, or the first moment of the day that is one."""
    if told.response_deadline is not None or told.reply_by_date is None:
        return told.response_deadline
    return datetime.combine(told.reply_by_date, time(), UTC)
