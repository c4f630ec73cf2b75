"""The next step of a subscription: what somebody wants of it is told to Stripe. Pure, like `decide`."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from db.states import Ends
from gateway.domain.session import Rest


class Wish(msgspec.Struct, frozen=True):
    """A cancellation that Stripe has not been told of."""

    id: str
    ends: Ends
    invoice_now: bool = False
    prorate: bool = False
    comment: str = ""


class SubscriptionState(msgspec.Struct, frozen=True):
    """A subscription as its own turn sees it. `stale`: what Stripe shows of it may have changed."""

    stale: bool
    ended: bool = False
    wish: Wish | None = None


class ReadSubscription(msgspec.Struct, frozen=True):
    """Read it at Stripe."""


class EndIt(msgspec.Struct, frozen=True):
    """Tell Stripe of the wish: cancel it now, with its period, or not after all."""

    wish: Wish


class HasEnded(msgspec.Struct, frozen=True):
    """The wish is for a subscription that has ended by now, by our call or another's: nobody need be told. No call."""

    wish: Wish


NextSubscriptionStep: TypeAlias = ReadSubscription | EndIt | HasEnded | Rest


def decide_subscription(view: SubscriptionState) -> NextSubscriptionStep:
    """What is wanted of it first, as what Stripe answers is the newest that there is to see."""
    if view.wish is not None and view.ended:
        return HasEnded(view.wish)
    if view.wish is not None:
        return EndIt(view.wish)
    return ReadSubscription() if view.stale else Rest()
