"""The paths whose histories are played: each is a function that acts, comes to rest, and asserts its own end.

To add one, write

    @path()                       # or @path(begins=subscribed): with what a first function has made before
    async def my_path(world: CrashWorld, begun: Signup) -> None:
        ...                       # act: every outside call and COMMIT in here becomes a point of the sweep
        await world.rest()
        assert ...                # the end that every history of it must have

and it is part of `scripts/test crash`. The end must be asserted by what Stripe and the processor show; the invariants
are checked after it. What `begins` makes is not swept again: it is played once and then put back from a copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tests.crash.world import CrashWorld
from tests.support.people import Signup

Begins: TypeAlias = Callable[[CrashWorld], Awaitable[Any]]
Plays: TypeAlias = Callable[[CrashWorld, Any], Awaitable[None]]
Session: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Path:
    """How a path begins, and how it goes on from there."""

    begins: Begins
    plays: Plays


PATHS: Final[dict[str, Path]] = {}


async def nothing(world: CrashWorld) -> None:
    """The shop, and nobody has bought anything yet."""


def path(begins: Begins = nothing) -> Callable[[Plays], Plays]:
    """Make a function a path, under its own name."""

    def added(plays: Plays) -> Plays:
        PATHS[plays.__name__] = Path(begins, plays)
        return plays

    return added


async def subscribed(world: CrashWorld) -> Signup:
    """A customer whose first invoice is paid."""
    signup = await world.signup("ok", wait_s=0)
    await world.rest()
    return signup


async def subscribed_with_two_cards(world: CrashWorld) -> Signup:
    """A customer who has given a second card since, which goes first."""
    signup = await subscribed(world)
    await world.repair_card(signup)
    await world.rest()
    return signup


async def unpaid(world: CrashWorld) -> Signup:
    """A customer whose renewal was declined for good."""
    signup = await subscribed(world)
    world.break_card(signup.customer, "decline_lost_stolen")
    await world.later(days=31)
    await world.rest()
    return signup


async def subscribed_until_given_up(world: CrashWorld) -> Signup:
    """A customer of an account that ends a subscription whose invoices can't be collected."""
    await world.set_policy(at_end=["mark_uncollectible", "cancel_subscription"])
    return await subscribed(world)


async def subscribed_with_one_event(world: CrashWorld) -> Signup:
    """A customer of an account that is told of nothing but finalized invoices."""
    signup = await subscribed(world)
    endpoints = world.shop.client.v1.webhook_endpoints
    [endpoint] = (await endpoints.list_async()).data
    await endpoints.update_async(endpoint.id, {"enabled_events": ["invoice.finalized"]})
    return signup


async def offered(world: CrashWorld, **wanted: Any) -> Session:
    """A checkout session that is open: its subscription is made, its draft held."""
    opened = await world.open_session("order-1", **wanted)
    await world.rest()
    return dict(opened.json())


async def offered_free(world: CrashWorld) -> Session:
    """The same, under a promotion code that takes off everything."""
    coupon = await world.shop.client.v1.coupons.create_async({"percent_off": 100, "duration": "once"})
    await world.shop.client.v1.promotion_codes.create_async(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "FREE"}
    )
    return await offered(world, promotion_code="FREE")


async def offered_trial(world: CrashWorld) -> Session:
    """The same, with two weeks for nothing."""
    return await offered(world, trial_period_days=14)


@path()
async def signup(world: CrashWorld, begun: None) -> None:
    made = await world.signup("ok", wait_s=0)
    await world.rest()
    _paid(world, made, 1)


@path(begins=subscribed)
async def renewal(world: CrashWorld, begun: Signup) -> None:
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def async_renewal(world: CrashWorld, begun: Signup) -> None:
    """The processor says pending, and settles within the hour."""
    world.practice.settings.pending_delay_s = 1800
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    await world.later(hours=1)
    await world.rest()
    _paid(world, begun, 2)


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
    _paid(world, begun, 2)


@path(begins=subscribed)
async def unknown_outcome(world: CrashWorld, begun: Signup) -> None:
    """The charge is made, its answer is lost, and no notice comes for it."""
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    world.practice.delivery.set(drop=1)
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def silent_renewal(world: CrashWorld, begun: Signup) -> None:
    """The processor never says anything by itself: what a death leaves open must be asked for."""
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed_with_one_event)
async def one_event(world: CrashWorld, begun: Signup) -> None:
    """No later event makes good what is lost of the only one that comes."""
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    await world.later(hours=2)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def lost_renewal(world: CrashWorld, begun: Signup) -> None:
    """Stripe's webhooks of a renewal are lost: the walks through its lists find it."""
    world.stripe.delivery.set(drop=True)
    await world.later(days=31, hours=1)
    await world.rest()
    world.stripe.delivery.set(drop=False)
    await world.caught_up()
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def declined_then_paid(world: CrashWorld, begun: Signup) -> None:
    """The first try of a renewal is declined, the next one a day later succeeds."""
    [method] = world.methods_at_processor()
    method.kind, method.declines_left = type(method.kind)("soft_then_ok"), 1
    await world.later(days=31)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed_with_two_cards)
async def fallback(world: CrashWorld, begun: Signup) -> None:
    """The card that goes first is stopped by its decline, and the other one is charged at once."""
    stolen = world.methods_at_processor()[-1]
    stolen.kind = type(stolen.kind)("decline_lost_stolen")
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


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


@path(begins=unpaid)
async def new_method(world: CrashWorld, begun: Signup) -> None:
    """The payer gives another card, and the renewal is paid by it; a second card, begun beside it, is not kept."""
    session = await world.method_session(begun.customer)
    for client in [await world.begin_method(session) for _ in range(2)]:
        await world.complete_at_processor(client, "ok")
    await world.method_done(session)
    await world.rest()
    _paid(world, begun, 2)
    [_, *made] = world.methods_at_processor()
    assert sorted(method.status for method in made) == ["active", "revoked"]
    assert len(await world.methods_of(begun.customer)) == 2


@path(begins=subscribed)
async def method_revoked(world: CrashWorld, begun: Signup) -> None:
    """The customer's one method is revoked: gone there, erased here and in Stripe's metadata. Nothing is charged."""
    [method] = await world.methods_of(begun.customer)
    await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{method['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert [method["status"] for method in await world.methods_of(begun.customer)] == ["revoked"]
    metadata = world.stripe_account().customers[begun.customer]["metadata"]
    assert not [name for name in metadata if name.startswith("third_party_payment_method")]
    await world.later(days=31)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "open"]
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


def _paid(world: CrashWorld, made: Signup, invoices: int) -> None:
    """So many invoices, each paid by one capture."""
    live = world.invoices_of(made.subscription)
    assert [one["status"] for one in live] == ["paid"] * invoices
    taken = sorted(charge.reference.rpartition(".")[0] for charge in world.captures())
    assert taken == sorted(one["id"] for one in live)
    assert len(world.stripe_account().subscriptions) == 1
