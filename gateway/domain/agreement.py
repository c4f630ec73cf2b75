"""What it means for a subscription that the payer has ended an agreement at the processor. Pure.

It is asked of rows, not of notices: whether the payer has ended a method, and whether another is left. So it makes no
difference in which order, how often or by which way (a notice, a decline) it became known. It is asked once:
as soon as every subscription has its answer and the merchant knows, the end of the method means nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from db.states import CancellationState, Ends
from gateway.domain.policy import Policy

COMING_WAIT: Final = timedelta(minutes=10)
"""How soon to look again whether a payer who has just come back has given another method; storing it tells as well."""
ENDS: Final = {"cancel_at_period_end": Ends.PERIOD_END, "cancel_now": Ends.NOW}
"""By the policy `agreement_canceled`; `keep` wants nothing."""


class Methods(msgspec.Struct, frozen=True):
    """The payment methods that a subscription may be charged to.

    `left`: one may be charged, whatever stands in the way of its connection now. `ended_at`: when the payer ended one,
    while that has not been told. `coming`: the payer is giving another at this moment. `answered`: it was said since
    whether the subscription is to end.
    """

    left: bool = False
    ended_at: datetime | None = None
    coming: bool = False
    answered: bool = False


class Fate(StrEnum):
    """What happens to one subscription whose customer's payment method was ended by the payer."""

    CANCEL_AT_PERIOD_END = "cancel_at_period_end"
    CANCELED = "canceled"
    ENDING_ALREADY = "ending_already"
    """It was set to end before."""
    KEPT = "kept"
    """Another method is charged, or by the policy another is asked for."""


class Concerned(msgspec.Struct, frozen=True):
    """A subscription of the customer's that we collect. `wish`, `told`: what the end of the agreement had us ask for,
    and what came of it. `answered`: somebody has said since whether it is to end, if only a person. `left`: another
    method may be charged for it."""

    id: str
    ended: bool
    ending: bool
    wish: Ends | None = None
    told: CancellationState | None = None
    answered: bool = False
    left: bool = False


def wanted(policy: Policy) -> Ends | None:
    """How a subscription is to end whose customer's last method was ended by the payer."""
    return ENDS.get(policy.agreement_canceled)


def fates(concerned: Sequence[Concerned], policy: Policy) -> dict[str, Fate] | None:
    """What happens to each; None while that is not settled for all of them.

    One that has ended otherwise is not concerned any more.
    """
    found: dict[str, Fate] = {}
    for one in concerned:
        fate = _fate(one, policy)
        if fate is None:
            if not one.ended:
                return None
        else:
            found[one.id] = fate
    return found


def _fate(one: Concerned, policy: Policy) -> Fate | None:
    if one.wish is not None and one.told in (CancellationState.WANTED, CancellationState.DONE):
        return Fate.CANCELED if one.wish is Ends.NOW else Fate.CANCEL_AT_PERIOD_END
    if one.ended:
        return None
    if one.ending:
        return Fate.ENDING_ALREADY
    settled = one.left or wanted(policy) is None or one.answered
    return Fate.KEPT if settled else None
