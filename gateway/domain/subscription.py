"""The next step of a subscription: what somebody wants of it is told to Stripe. Pure, like `decide`."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from db.states import Collector, Ends, OpenInvoices
from gateway.domain.session import Rest


class Wish(msgspec.Struct, frozen=True):
    """A cancellation that Stripe has not been told of."""

    id: str
    ends: Ends
    invoice_now: bool = False
    prorate: bool = False
    comment: str = ""


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
    """A subscription as its own turn sees it. `stale`: what Stripe shows of it may have changed."""

    stale: bool
    ended: bool = False
    wish: Wish | None = None
    switch: SwitchWish | None = None


class ReadSubscription(msgspec.Struct, frozen=True):
    """Read it at Stripe."""


class EndIt(msgspec.Struct, frozen=True):
    """Tell Stripe of the wish: cancel it now, with its period, or not after all."""

    wish: Wish


class HasEnded(msgspec.Struct, frozen=True):
    """The wish is for a subscription that has ended by now, by our call or another's: nobody need be told. No call."""

    wish: Wish


class SwitchTooLate(msgspec.Struct, frozen=True):
    """The same for a switch: nobody collects it any more. No call."""

    switch: SwitchWish


class LookAtMethod(msgspec.Struct, frozen=True):
    """Read the payment method that Stripe is to charge: it must be the customer's."""

    switch: SwitchWish


class GiveToStripe(msgspec.Struct, frozen=True):
    """Have Stripe charge the invoices to come, with that method."""

    switch: SwitchWish


class TakeFromStripe(msgspec.Struct, frozen=True):
    """Have Stripe send the invoices to come, which we collect."""

    switch: SwitchWish


class TakeInvoices(msgspec.Struct, frozen=True):
    """List those that Stripe still charges by itself: each is taken in its own turn."""

    switch: SwitchWish


NextSubscriptionStep: TypeAlias = (
    ReadSubscription
    | EndIt
    | HasEnded
    | SwitchTooLate
    | LookAtMethod
    | GiveToStripe
    | TakeFromStripe
    | TakeInvoices
    | Rest
)


def decide_subscription(view: SubscriptionState) -> NextSubscriptionStep:
    """What is wanted of it first, as what Stripe answers is the newest that there is to see; an end before a switch."""
    if view.wish is not None:
        return HasEnded(view.wish) if view.ended else EndIt(view.wish)
    if view.switch is not None:
        return SwitchTooLate(view.switch) if view.ended else _switch(view.switch)
    return ReadSubscription() if view.stale else Rest()


def _switch(switch: SwitchWish) -> NextSubscriptionStep:
    """Stripe sends invoices before we take any, and charges none before its method was looked at."""
    if switch.collector is Collector.STRIPE:
        return GiveToStripe(switch) if switch.halfway else LookAtMethod(switch)
    return TakeInvoices(switch) if switch.halfway else TakeFromStripe(switch)
