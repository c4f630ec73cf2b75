"""The next step of a subscription: what somebody wants of it is told to Stripe. Pure, like `decide`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from db.states import CancellationOrigin, Collector, Ends, OpenInvoices
from gateway.domain import agreement
from gateway.domain.agreement import COMING_WAIT, Methods
from gateway.domain.policy import Policy
from gateway.domain.session import Rest
from gateway.domain.usage import FLUSHED_FOR

SECOND: Final = timedelta(seconds=1)
"""Stripe's times are whole seconds."""
ENDED: Final = "the subscription had ended by then, which is final"


class Wish(msgspec.Struct, frozen=True):
    """A cancellation that Stripe has not been told of, or not as far as we know. `sent`: it was about to be.

    `unsent_since`: since when usage from before, still on its way, is waited for, which it is to bill; `used_at`:
    the latest time of such usage, sent or not.
    """

    id: str
    ends: Ends
    invoice_now: bool = False
    prorate: bool = False
    comment: str = ""
    origin: CancellationOrigin = CancellationOrigin.ASKED
    sent: bool = False
    unsent_since: datetime | None = None
    used_at: datetime | None = None


class SwitchWish(msgspec.Struct, frozen=True):
    """A switch that is not done yet. `halfway`: its first step is."""

    id: str
    collector: Collector
    halfway: bool = False
    payment_method: str | None = None
    stripe_payment_method: str = ""
    open_invoices: OpenInvoices = OpenInvoices.FINISH
    days_until_due: int | None = None
    retire: bool = False


class SubscriptionState(msgspec.Struct, frozen=True):
    """A subscription as its own turn sees it. `stale`: what Stripe shows of it may have changed.

    `ending`: it is set to end; `by_agreement`: by us, since its payer had ended the agreement. `orphaned`: its customer
    may have been deleted. `at_stripe`: Stripe charges its invoices by itself; `hosted`: its payer pays on Stripe's
    page, so it is not `ours` to charge. `schedule`: of Stripe's, that changes it.
    """

    stale: bool
    ended: bool = False
    wish: Wish | None = None
    switch: SwitchWish | None = None
    ours: bool = True
    at_stripe: bool = False
    hosted: bool = False
    ending: bool = False
    by_agreement: bool = False
    read_at: datetime | None = None
    methods: Methods = Methods()
    policy: Policy = Policy()
    orphaned: bool = False
    schedule: str = ""


class ReadSubscription(msgspec.Struct, frozen=True):
    """Read it at Stripe."""


class ReadCustomer(msgspec.Struct, frozen=True):
    """Ask Stripe whether its customer was deleted, of which no event has told."""


class EndIt(msgspec.Struct, frozen=True):
    """Tell Stripe of the wish: cancel it now, with its period, or not after all.

    `unsent`: usage that it was to bill is not at Stripe, and was waited for long enough.
    """

    wish: Wish
    unsent: bool = False


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


class RefuseSwitch(msgspec.Struct, frozen=True):
    """What is wanted can't be, whoever has asked for it. No call."""

    switch: SwitchWish
    reason: str


class LookAtMethod(msgspec.Struct, frozen=True):
    """Read the payment method that Stripe is to charge: it must be the customer's."""

    switch: SwitchWish


class GiveToStripe(msgspec.Struct, frozen=True):
    """Have Stripe charge the invoices to come, with that method."""

    switch: SwitchWish


class TakeFromStripe(msgspec.Struct, frozen=True):
    """Have Stripe send the invoices to come, which we collect, or their payer pays on its page."""

    switch: SwitchWish


class TakeInvoices(msgspec.Struct, frozen=True):
    """List those that Stripe still charges by itself: each is taken in its own turn."""

    switch: SwitchWish


class LeaveToPayer(msgspec.Struct, frozen=True):
    """Its payer pays what is sent, on Stripe's page: each open invoice follows in its own turn. No call."""

    switch: SwitchWish


NextSubscriptionStep: TypeAlias = (
    ReadSubscription
    | ReadCustomer
    | EndIt
    | HasEnded
    | WantEnd
    | Withdraw
    | RefuseSwitch
    | LookAtMethod
    | GiveToStripe
    | TakeFromStripe
    | TakeInvoices
    | LeaveToPayer
    | Rest
)


def decide_subscription(view: SubscriptionState, now: datetime) -> NextSubscriptionStep:
    """What is wanted of it first, as what Stripe answers is the newest that there is to see.

    An end that somebody asked for, or that Stripe may have heard of, comes before a switch; what the end of an
    agreement means comes after it, as whoever collects then may need no agreement.
    """
    if view.wish is not None and _goes_first(view, view.wish):
        return _wanted(view, view.wish, now)
    if view.switch is not None:
        return _switch(view, view.switch)
    if view.wish is not None:
        return _wanted(view, view.wish, now)
    if view.stale:
        return ReadSubscription()
    if view.ended:
        return ReadCustomer() if view.orphaned else Rest()
    return _agreement(view, now)


def _goes_first(view: SubscriptionState, wish: Wish) -> bool:
    return view.ended or wish.sent or wish.origin is CancellationOrigin.ASKED


def undone_by(schedule: str) -> str:
    """Why a switch would not last."""
    return (
        f"Stripe's schedule {schedule} sets anew in each phase how the subscription is collected: release it, or "
        "change its phases, first"
    )


def _switch(view: SubscriptionState, switch: SwitchWish) -> NextSubscriptionStep:
    """Stripe sends invoices before we take any, and charges none before its method was looked at."""
    if view.ended:
        return RefuseSwitch(switch, ENDED)
    if view.schedule and not switch.halfway and view.at_stripe is (switch.collector is not Collector.STRIPE):
        return RefuseSwitch(switch, undone_by(view.schedule))
    if switch.collector is Collector.STRIPE:
        return GiveToStripe(switch) if switch.halfway else LookAtMethod(switch)
    if not switch.halfway:
        return TakeFromStripe(switch)
    return LeaveToPayer(switch) if switch.collector is Collector.HOSTED else TakeInvoices(switch)


def _wanted(view: SubscriptionState, wish: Wish, now: datetime) -> NextSubscriptionStep:
    if view.ended:
        return HasEnded(wish)
    if wish.origin is CancellationOrigin.ASKED or wish.sent:
        return _flushed(wish, now)
    if view.stale:
        # Somebody may have set it to end meanwhile, and that is not ours to take back later.
        return ReadSubscription()
    if (reason := _outlived(view, wish)) is not None:
        return Withdraw(wish, reason)
    return Rest(now + COMING_WAIT) if view.methods.coming else EndIt(wish)


def _flushed(wish: Wish, now: datetime) -> NextSubscriptionStep:
    """The last invoice bills what Stripe knows of when it is made: what is on its way comes first, if it comes soon.

    With its period a subscription ends by Stripe's clock, not by ours; usage is sent all the time, so that only a
    backlog could be late.
    """
    if wish.sent:
        return EndIt(wish)
    if wish.unsent_since is not None:
        until = wish.unsent_since + FLUSHED_FOR
        return Rest(until) if now < until else EndIt(wish, unsent=True)
    # A period ends before its end: what was used in that very second would be on no invoice (chosen).
    if wish.used_at is not None and now < wish.used_at + SECOND:
        return Rest(wish.used_at + SECOND)
    return EndIt(wish)


def _outlived(view: SubscriptionState, wish: Wish) -> str | None:
    """Why what the end of an agreement had us want holds no more, if so."""
    if wish.ends is Ends.NEVER:
        return None if _lives_on(view) else "there is no payment method to go on with"
    if not view.ours:
        return "it is not collected here any more"
    if view.methods.left:
        return "the payer has given another payment method"
    return "it was set to end already" if view.ending else None


def _lives_on(view: SubscriptionState) -> bool:
    """Whether it was set to end since its payer had ended the agreement, and is paid for otherwise now."""
    return view.by_agreement and (view.at_stripe or view.hosted or (view.ours and view.methods.left))


def _agreement(view: SubscriptionState, now: datetime) -> NextSubscriptionStep:
    """What follows from how the customer's payment methods stand."""
    if view.ending:
        return WantEnd(Ends.NEVER) if _lives_on(view) else Rest()
    if not view.ours:
        return Rest()
    ends, ended_at = agreement.wanted(view.policy), view.methods.ended_at
    if ends is None or ended_at is None or view.methods.left or view.methods.answered:
        return Rest()
    if view.methods.coming:
        return Rest(now + COMING_WAIT)
    # Somebody may have set it to end before, of which we have not heard.
    fresh = view.read_at is not None and view.read_at >= ended_at
    return WantEnd(ends) if fresh else ReadSubscription()
