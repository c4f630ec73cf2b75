"""The next step of a stored payment method's upkeep. Pure: it is asked again after every step."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

from gateway.domain.agreement import COMING_WAIT
from gateway.domain.session import Rest

IN_USE_WAIT = timedelta(hours=6)
"""How soon to look again whether a method is still in use; the end of its charge pokes it before that."""


class MethodUpkeep(msgspec.Struct, frozen=True):
    """`in_use`: a charge to it is unresolved. `wanted_gone`: somebody asked to revoke it.

    `outlived`: every subscription that it may be charged for has ended, or is Stripe's to collect, and so is every
    invoice; or others have taken its place. `in_session`: the customer is in a checkout, or gives a payment method, so
    that another may begin. `unanswered`: the payer has ended it, and what that means for the subscriptions was not
    told; `settled`: it is decided for each of them.
    """

    wanted_gone: bool
    in_use: bool
    told_stripe: bool
    outlived: bool = False
    in_session: bool = False
    unanswered: bool = False
    settled: bool = False


class UpkeepStep(StrEnum):
    """What to do with the method next."""

    LET_GO = "let_go"
    """Nothing needs it any more: ask to have it deleted (law 12)."""
    REVOKE = "revoke"
    """Delete it at its processor."""
    ANSWER = "answer"
    """Tell the merchant that the payer has ended it, and what happens to the subscriptions."""
    TELL_STRIPE = "tell_stripe"
    """Bring the Stripe customer's metadata to what is true."""


NextUpkeep: TypeAlias = UpkeepStep | Rest


def decide_upkeep(view: MethodUpkeep, now: datetime) -> NextUpkeep:
    """The next step at business time `now`. Nothing is revoked while the end of a charge to it isn't known (law 7)."""
    if view.wanted_gone and not view.in_use:
        return UpkeepStep.REVOKE
    if view.outlived and not (view.wanted_gone or view.in_use or view.in_session):
        return UpkeepStep.LET_GO
    if view.unanswered and view.settled:
        return UpkeepStep.ANSWER
    if not view.told_stripe:
        return UpkeepStep.TELL_STRIPE
    if view.unanswered:
        return Rest(now + COMING_WAIT)
    return Rest(now + IN_USE_WAIT) if view.wanted_gone or view.outlived else Rest()
