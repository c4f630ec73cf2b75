"""Disputes at Adyen, in our words. Pure.

All notifications of one dispute share its `pspReference`. Each tells of one step: the money that this step moved, not
all that moved before (docs: risk-management/disputes-api/dispute-notifications, understanding-disputes).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from processors.adyen.mapping import moment, money_of
from processors.adyen.wire import Entry, Item, entry
from processors.errors import DeliveryMalformedError
from processors.events import DisputeStage, DisputeState, MoneyMoved
from processors.money import Money

OUT: Final = -1
BACK: Final = 1


class Step(msgspec.Struct, frozen=True):
    """What a notification means: how the dispute stands then, and whether its money moves with it."""

    stage: DisputeStage
    moves: int = 0


LOST_STATUS: Final = ("", "Lost")
"""The `disputeStatus` of a chargeback that was not defended; Brazil's come without one."""

STEPS: Final[Mapping[str, Step]] = {
    "REQUEST_FOR_INFORMATION": Step(DisputeStage.INQUIRY),
    "NOTIFICATION_OF_CHARGEBACK": Step(DisputeStage.OPENED),
    "CHARGEBACK": Step(DisputeStage.FUNDS_WITHDRAWN, OUT),
    # Not final: the issuer may come again.
    "CHARGEBACK_REVERSED": Step(DisputeStage.WON, BACK),
    "PREARBITRATION_OPEN": Step(DisputeStage.OPENED),
    # Final, and the one step that takes money a second time.
    "SECOND_CHARGEBACK": Step(DisputeStage.LOST, OUT),
    "DISPUTE_DEFENSE_PERIOD_ENDED": Step(DisputeStage.LOST),
    "PREARBITRATION_ACCEPTED": Step(DisputeStage.LOST),
    "PREARBITRATION_LOST": Step(DisputeStage.LOST),
    "SCHEME_ARBITRATION_LOST": Step(DisputeStage.LOST),
    "ISSUER_RESPONSE_TIMEFRAME_EXPIRED": Step(DisputeStage.WON),
    "PREARBITRATION_ISSUER_WITHDRAWN": Step(DisputeStage.WON),
    "PREARBITRATION_WON": Step(DisputeStage.WON),
    "SCHEME_ARBITRATION_WON": Step(DisputeStage.WON),
}
"""unverified: that (pre-)arbitration moves no money by itself, but by `SECOND_CHARGEBACK` and `CHARGEBACK_REVERSED`
alone (look into the accounting report of a dispute that went so far). Where it does, what is said to be gone and what
moved differ, and the gateway opens a case rather than guessing."""


def step_of(item: Item) -> Step | None:
    """What an item means for a dispute; None where it is about none, or changes nothing in it."""
    step = STEPS.get(item.event_code)
    if item.success != "true":
        return None
    if (
        item.event_code == "DISPUTE_DEFENSE_PERIOD_ENDED"
        and entry(item.additional_data, Entry.DISPUTE_STATUS) not in LOST_STATUS
    ):
        return None
    return step


def state(item: Item, step: Step, at: datetime) -> DisputeState:
    """How a dispute stands after `step`; raises MoneyError, DeliveryMalformedError.

    Some notifications don't name the payment: the account has a setting for that. Its reference always stands there.
    """
    if not item.psp_reference or item.amount is None:
        raise DeliveryMalformedError(f"the {item.event_code} notification does not say which dispute, or over how much")
    # unverified: whether `amount` or the unsigned `grossValue` is what was taken (compare with a settlement report).
    money, data = money_of(item.amount), item.additional_data
    gone = step.stage in (DisputeStage.FUNDS_WITHDRAWN, DisputeStage.LOST)
    moved = MoneyMoved(Money(step.moves * money.amount, money.currency), f"{item.event_code}:{item.psp_reference}", at)
    return DisputeState(
        processor_id=item.psp_reference,
        charge_id=item.original_reference or "",
        stage=step.stage,
        amount=money,
        withdrawn=money if gone else Money(0, money.currency),
        moves=(moved,) if step.moves else (),
        reason=" ".join(f"{entry(data, Entry.DISPUTE_CODE)} {item.reason or ''}".split()),
        evidence_due_by=moment(entry(data, Entry.DEFENCE_ENDS)),
    )
