"""Disputes in our words (disputes v1). Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

from processors.errors import InexactMoneyError
from processors.events import DisputeStage, DisputeState, MoneyMoved
from processors.money import Money
from processors.paypal.money import our_money
from processors.paypal.wire import ApiDispute, ApiDisputed, ApiMoney, ApiMovement

LOST: Final = frozenset({"RESOLVED_BUYER_FAVOUR", "ACCEPTED"})
WON: Final = frozenset({"RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "DENIED"})
"""With a payout PayPal itself pays the payer: the merchant keeps what it has. NONE is neither."""

FEES: Final = frozenset({"DISPUTE_FEE", "CHARGEBACK_FEE", "DISPUTE_SETTLEMENT_FEE"})
"""Reasons of a movement that is the merchant's cost, and none of the payer's money."""

MOVES_WITHIN: Final = timedelta(days=1)
"""How long after the end of a dispute its money may still move, with much to spare."""

REFUNDED: Final = "REFUNDED"
PARTIALLY: Final = "PARTIALLY_REFUNDED"
"""Statuses of a transaction whose dispute PayPal may have settled by a refund.

unverified: that a settlement which PayPal makes as a refund shows there. That money is told of as a refund
(PAYMENT.CAPTURE.REFUNDED), and must not stand in the books twice. Where a part was refunded, it may have been another
part: so what is gone and what moved differ, and the gateway opens a case rather than guessing.
"""


def dispute_state(dispute: ApiDispute) -> DisputeState:
    """Raises MoneyError."""
    of = disputed(dispute)
    amount = _amount(dispute, of)
    moves = _moves(dispute, amount.currency)
    gone = 0 if of.transaction_status == REFUNDED else -sum(move.amount.amount for move in moves)
    withdrawn = Money(max(gone, 0), amount.currency)
    due = dispute.seller_response_due_date
    return DisputeState(
        processor_id=dispute.dispute_id,
        charge_id=of.seller_transaction_id,
        stage=_stage(dispute, amount, withdrawn),
        amount=amount,
        withdrawn=withdrawn,
        moves=() if of.transaction_status in (REFUNDED, PARTIALLY) else moves,
        reason=dispute.reason,
        evidence_due_by=None if due is None or dispute.status == "RESOLVED" else due.astimezone(UTC),
    )


def disputed(dispute: ApiDispute) -> ApiDisputed:
    """The transaction that it is about: PayPal opens one dispute for each."""
    return dispute.disputed_transactions[0] if dispute.disputed_transactions else ApiDisputed()


def said_at(dispute: ApiDispute, otherwise: datetime) -> datetime:
    """When it came to stand so, by PayPal's clock."""
    return (dispute.update_time or dispute.create_time or otherwise).astimezone(UTC)


def may_explain(dispute: ApiDispute, reversed_at: datetime) -> bool:
    """Whether money that was taken back then may be this dispute's: not if the merchant had kept it before."""
    lost = dispute.dispute_outcome is not None and dispute.dispute_outcome.outcome_code in LOST
    return dispute.status != "RESOLVED" or lost or said_at(dispute, reversed_at) > reversed_at - MOVES_WITHIN


def _amount(dispute: ApiDispute, of: ApiDisputed) -> Money:
    told = dispute.dispute_amount or of.gross_amount
    if told is None:
        raise InexactMoneyError(f"the dispute {dispute.dispute_id} does not say what it is about")
    return our_money(told)


def _stage(dispute: ApiDispute, amount: Money, withdrawn: Money) -> DisputeStage:
    if dispute.status == "RESOLVED":
        return _ended(dispute, amount)
    if withdrawn.amount:
        return DisputeStage.FUNDS_WITHDRAWN
    is_inquiry = dispute.dispute_life_cycle_stage == "INQUIRY"
    return DisputeStage.INQUIRY if is_inquiry else DisputeStage.OPENED


def _ended(dispute: ApiDispute, amount: Money) -> DisputeStage:
    verdict = dispute.dispute_outcome
    code = verdict.outcome_code if verdict is not None else "NONE"
    if code in WON:
        return DisputeStage.WON
    if code not in LOST:
        return DisputeStage.CLOSED
    back = verdict.amount_refunded if verdict is not None else None
    is_partial = back is not None and 0 < our_money(back).amount < amount.amount
    return DisputeStage.PARTLY_LOST if is_partial else DisputeStage.LOST


def _moves(dispute: ApiDispute, currency: str) -> tuple[MoneyMoved, ...]:
    """What moved on the merchant's side, oldest first. A movement has no id: its time, side and amount name it."""
    seen: Counter[str] = Counter()
    moves = []
    for told in dispute.money_movements:
        if told.affected_party != "SELLER" or told.reason in FEES or told.amount is None or told.initiated_time is None:
            continue
        name = f"{told.type}:{told.initiated_time.astimezone(UTC).isoformat()}:{told.amount.value}"
        seen[name] += 1
        moved = MoneyMoved(_signed(told, told.amount, currency), f"{name}:{seen[name]}", told.initiated_time)
        moves.append(moved)
    return tuple(sorted(moves, key=lambda move: move.occurred_at))


def _signed(told: ApiMovement, amount: ApiMoney, currency: str) -> Money:
    money = our_money(amount)
    if money.currency != currency:
        raise InexactMoneyError(f"a dispute is in {currency}, and moved {money.currency}")
    return Money(abs(money.amount) if told.type == "CREDIT" else -abs(money.amount), currency)
