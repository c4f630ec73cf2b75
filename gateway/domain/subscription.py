"""The next step of a subscription: what somebody wants of it is told to Stripe. Pure, like `decide`."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from db.states import CancellationOrigin, Ends
from gateway.domain import agreement
from gateway.domain.agreement import COMING_WAIT, Methods
from gateway.domain.policy import Policy
from gateway.domain.session import Rest


class Wish(msgspec.Struct, frozen=True):
    """A cancellation that Stripe has not been told of, or not as far as we know. `sent`: it was about to be."""

    id: str
    ends: Ends
    invoice_now: bool = False
    prorate: bool = False
    comment: str = ""
    origin: CancellationOrigin = CancellationOrigin.ASKED
    sent: bool = False


class SubscriptionState(msgspec.Struct, frozen=True):
    """A subscription as its own turn sees it. `stale`: what Stripe shows of it may have changed.

    `ending`: it is set to end; `by_agreement`: by us, since its payer had ended the agreement. `orphaned`: its customer
    may have been deleted.
    """

    stale: bool
    ended: bool = False
    wish: Wish | None = None
    ours: bool = True
    ending: bool = False
    by_agreement: bool = False
    read_at: datetime | None = None
    methods: Methods = Methods()
    policy: Policy = Policy()
    orphaned: bool = False


class ReadSubscription(msgspec.Struct, frozen=True):
    """Read it at Stripe."""


class ReadCustomer(msgspec.Struct, frozen=True):
    """Ask Stripe whether its customer was deleted, of which no event has told."""


class EndIt(msgspec.Struct, frozen=True):
    """Tell Stripe of the wish: cancel it now, with its period, or not after all."""

    wish: Wish


class HasEnded(msgspec.Struct, frozen=True):
    """The wish is for a subscription that has ended by now, by our call or another's: nobody need be told. No call."""

    wish: Wish


class WantEnd(msgspec.Struct, frozen=True):
    """Its payer has ended the agreement, or has given another method since: have it end, or live on. No call."""

    ends: Ends


class Withdraw(msgspec.Struct, frozen=True):
    """What was wanted because of the agreement is not wanted any more, and Stripe has not heard of it. No call."""

    wish: Wish
    reason: str


NextSubscriptionStep: TypeAlias = ReadSubscription | ReadCustomer | EndIt | HasEnded | WantEnd | Withdraw | Rest


def decide_subscription(view: SubscriptionState, now: datetime) -> NextSubscriptionStep:
    """What is wanted of it first, as what Stripe answers is the newest that there is to see."""
    if view.wish is not None:
        return _wanted(view, view.wish, now)
    if view.stale:
        return ReadSubscription()
    if view.ended:
        return ReadCustomer() if view.orphaned else Rest()
    return _agreement(view, now)


def _wanted(view: SubscriptionState, wish: Wish, now: datetime) -> NextSubscriptionStep:
    if view.ended:
        return HasEnded(wish)
    if wish.origin is CancellationOrigin.ASKED or wish.sent:
        return EndIt(wish)
    if view.stale:
        # Somebody may have set it to end meanwhile, and that is not ours to take back later.
        return ReadSubscription()
    if (reason := _outlived(view, wish)) is not None:
        return Withdraw(wish, reason)
    return Rest(now + COMING_WAIT) if view.methods.coming else EndIt(wish)


def _outlived(view: SubscriptionState, wish: Wish) -> str | None:
    """Why what the end of an agreement had us want holds no more, if so."""
    if not view.ours:
        return "it is not collected here any more"
    if wish.ends is Ends.NEVER:
        return None if view.methods.left and view.by_agreement else "there is no payment method to go on with"
    if view.methods.left:
        return "the payer has given another payment method"
    return "it was set to end already" if view.ending else None


def _agreement(view: SubscriptionState, now: datetime) -> NextSubscriptionStep:
    """What follows from how the customer's payment methods stand."""
    if not view.ours:
        return Rest()
    if view.ending:
        return WantEnd(Ends.NEVER) if view.by_agreement and view.methods.left else Rest()
    ends, ended_at = agreement.wanted(view.policy), view.methods.ended_at
    if ends is None or ended_at is None or view.methods.left or view.methods.answered:
        return Rest()
    if view.methods.coming:
        return Rest(now + COMING_WAIT)
    # Somebody may have set it to end before, of which we have not heard.
    fresh = view.read_at is not None and view.read_at >= ended_at
    return WantEnd(ends) if fresh else ReadSubscription()
