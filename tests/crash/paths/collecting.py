"""Invoices that are collected, and what may happen to a charge on the way."""

from __future__ import annotations

from typing import Final

from gateway.sandbox.practice.manner import MANNERS
from tests.crash.beginnings import (
    Session,
    offered,
    offered_free,
    offered_trial,
    subscribed,
    subscribed_at,
    subscribed_until_given_up,
    subscribed_with_one_event,
    subscribed_with_two_cards,
)
from tests.crash.paths.registry import Plays, paid, path
from tests.crash.world import CrashWorld
from tests.support.people import Signup

PROFILES: Final = sorted(set(MANNERS) - {"practice"})
"""What the real processors do, each otherwise (`gateway.sandbox.practice.manner`)."""


@path()
async def signup(world: CrashWorld, begun: None) -> None:
    made = await world.signup("ok", wait_s=0)
    await world.rest()
    paid(world, made, 1)


@path(begins=subscribed)
async def renewal(world: CrashWorld, begun: Signup) -> None:
    await world.later(days=31)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def async_renewal(world: CrashWorld, begun: Signup) -> None:
    """The processor says pending, and settles within the hour."""
    world.practice.settings.pending_delay_s = 1800
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    await world.later(hours=1)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def late_debit(world: CrashWorld, begun: Signup) -> None:
    """A debit takes three days, and its notice is lost: whoever asks finds out."""
    world.practice.settings.pending_delay_s = 3 * 86400
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    world.practice.delivery.set(drop=True)
    await world.later(days=3, hours=1)
    await world.rest()
    world.practice.delivery.set(drop=False)
    await world.later(days=1)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def unknown_outcome(world: CrashWorld, begun: Signup) -> None:
    """The charge is made, its answer is lost, and no notice comes for it."""
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    world.practice.delivery.set(drop=1)
    await world.later(days=31)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def silent_renewal(world: CrashWorld, begun: Signup) -> None:
    """The processor never says anything by itself: what a death leaves open must be asked for."""
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed_with_one_event)
async def one_event(world: CrashWorld, begun: Signup) -> None:
    """No later event makes good what is lost of the only one that comes."""
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    await world.later(hours=2)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def lost_renewal(world: CrashWorld, begun: Signup) -> None:
    """Stripe's webhooks of a renewal are lost: the walks through its lists find it."""
    world.stripe.delivery.set(drop=True)
    await world.later(days=31, hours=1)
    await world.rest()
    world.stripe.delivery.set(drop=False)
    await world.caught_up()
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def declined_then_paid(world: CrashWorld, begun: Signup) -> None:
    """The first try of a renewal is declined, the next one a day later succeeds."""
    [method] = world.methods_at_processor()
    method.kind, method.declines_left = type(method.kind)("soft_then_ok"), 1
    await world.later(days=31)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed_with_two_cards)
async def fallback(world: CrashWorld, begun: Signup) -> None:
    """The card that goes first is stopped by its decline, and the other one is charged at once."""
    stolen = world.methods_at_processor()[-1]
    stolen.kind = type(stolen.kind)("decline_lost_stolen")
    await world.later(days=31)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed_until_given_up)
async def given_up(world: CrashWorld, begun: Signup) -> None:
    """Nobody gives another card until the end: the invoice and the subscription go, and nothing is charged."""
    world.break_card(begun.customer, "decline_lost_stolen")
    await world.later(days=31)
    await world.rest()
    await world.later(days=10)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "uncollectible"]
    assert world.stripe_subscription(begun.subscription)["status"] == "canceled"
    assert len(world.captures()) == 1


@path(begins=offered_free)
async def zero_invoice(world: CrashWorld, begun: Session) -> None:
    """A first invoice of nothing: Stripe marks it paid, and nobody is charged."""
    await _confirm(world, begun, "ok")
    assert [i["status"] for i in world.invoices_of(begun["subscription"])] == ["paid"]
    assert world.captures() == []


@path(begins=offered_trial)
async def trial_signup(world: CrashWorld, begun: Session) -> None:
    """Nothing is due now, and the method is stored for what follows."""
    await _confirm(world, begun, "ok")
    assert world.stripe_subscription(begun["subscription"])["status"] == "trialing"
    assert [i["status"] for i in world.invoices_of(begun["subscription"])] == ["paid"]
    assert world.captures() == []
    assert len(world.methods_at_processor()) == 1


@path(begins=offered)
async def declined_signup(world: CrashWorld, begun: Session) -> None:
    """The first charge is declined: the subscription ends, and with it the invoice."""
    await _confirm(world, begun, "decline_insufficient_funds")
    assert world.stripe_subscription(begun["subscription"])["status"] == "canceled"
    assert [i["status"] for i in world.invoices_of(begun["subscription"])] == ["uncollectible"]
    assert world.captures() == []


async def _confirm(world: CrashWorld, session: Session, card: str) -> None:
    await world.give_card(session, card)
    await world.confirm(session, wait_s=0)
    await world.rest()


def _at(like: str) -> Plays:
    async def renewed(world: CrashWorld, begun: Signup) -> None:
        """The renewal's answer is lost, at a processor of this profile; its notices come."""
        world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
        await world.later(days=24)
        await world.rest()
        # A try that was never sent is made again within the time in which its key protects; days later it is a case.
        for hours in (0.25, 1, 2, 4, *[48] * 7):
            await world.later(hours=hours)
            await world.rest()
        paid(world, begun, 2)

    renewed.__name__ = f"renewal_at_{like}"
    return renewed


for _like in PROFILES:
    path(begins=subscribed_at(_like))(_at(_like))
