"""What paths begin with: each is played once, kept, and put back for every history (`tests/crash/paths`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from tests.crash.world import CrashWorld
from tests.support.metered import sell_metered, subscribe_metered, use
from tests.support.moving import Elsewhere, billed_elsewhere
from tests.support.people import Signup
from tests.support.returning import credit, in_dashboard, speak_like

Begins: TypeAlias = Callable[[CrashWorld], Awaitable[Any]]
Session: TypeAlias = dict[str, Any]


async def nothing(world: CrashWorld) -> None:
    """The shop, and nobody has bought anything yet."""


async def subscribed(world: CrashWorld) -> Signup:
    """A customer whose first invoice is paid."""
    signup = await world.signup("ok", wait_s=0)
    await world.rest()
    return signup


async def subscribed_to_metered(world: CrashWorld) -> Signup:
    """A customer of a metered plan who has made 150 calls since the first invoice was paid."""
    signup = await subscribe_metered(world, wait_s=0)
    await world.rest()
    await world.later(days=3)
    await use(world, signup.customer, 150)
    await world.later(hours=1)
    await world.rest()
    return signup


def subscribed_at(like: str) -> Begins:
    """A customer of a shop whose processor is of this profile; the first invoice is paid as soon as that pays."""

    async def begun(world: CrashWorld) -> Signup:
        await speak_like(world, like)
        signup = await world.signup("ok", wait_s=0)
        await world.rest()
        for _ in range(4):
            await world.later(days=2)
            await world.rest()
        return signup

    begun.__name__ = f"subscribed_at_{like}"
    return begun


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


async def subscribed_topping_up(world: CrashWorld) -> Signup:
    """A customer of an account that charges the rest of what came in part."""
    await world.set_policy(partial_payment="top_up")
    return await subscribed(world)


async def subscribed_reopening(world: CrashWorld) -> Signup:
    """A customer of an account that bills anew what a bank takes back."""
    await world.set_policy(on_reversal="reopen")
    return await subscribed(world)


async def subscribed_crediting(world: CrashWorld) -> Signup:
    """A customer of an account where what is paid too much becomes credit at Stripe."""
    await world.set_policy(overpayment="customer_balance")
    return await subscribed(world)


async def owing_little(world: CrashWorld) -> Signup:
    """A customer with so much credit that the renewal wants less than the processor takes; it is to be carried over."""
    await world.set_policy(below_minimum="carry")
    signup = await subscribed(world)
    await world.shop.client.v1.customers.balance_transactions.create_async(
        signup.customer, {"amount": -940, "currency": "eur"}
    )
    await world.rest()
    return signup


async def subscribed_with_one_event(world: CrashWorld) -> Signup:
    """A customer of an account that is told of nothing but finalized invoices."""
    signup = await subscribed(world)
    endpoints = world.shop.client.v1.webhook_endpoints
    [endpoint] = (await endpoints.list_async()).data
    await endpoints.update_async(endpoint.id, {"enabled_events": ["invoice.finalized"]})
    return signup


async def subscribed_and_told(world: CrashWorld) -> Signup:
    """A customer of a merchant whose server is told of everything from now on."""
    signup = await subscribed(world)
    await world.listen()
    return signup


async def subscribed_with_a_shared_token(world: CrashWorld) -> Signup:
    """A customer whose one token is stored for two connections, which both go to one account at the processor."""
    signup = await subscribed(world)
    await world.connect_twice()
    [card] = world.methods_at_processor()
    await world.take_over(signup.customer, card.token, connection="practice-two")
    await world.rest()
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


async def credited_in_stripe(world: CrashWorld) -> Signup:
    """A paid invoice that somebody has just credited in Stripe, to be returned outside it."""
    signup = await subscribed(world)
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    return signup


async def refunded_in_dashboard(world: CrashWorld) -> Signup:
    """A paid invoice of which somebody has just returned part at the processor."""
    signup = await subscribed(world)
    in_dashboard(world, 400)
    return signup


async def closed_while_pending(world: CrashWorld) -> Signup:
    """A renewal that was voided while the bank had not decided; its charge is withdrawn."""
    signup = await subscribed(world)
    world.break_card(signup.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    await world.shop.client.v1.invoices.void_invoice_async(world.invoices_of(signup.subscription)[-1]["id"])
    await world.rest()
    return signup


async def refund_failed(world: CrashWorld) -> Signup:
    """A refund that the processor took, and failed after its credit note was made."""
    signup = await subscribed(world)
    world.practice.script_refunds(world.shop.practice_key, "failed_later")
    await world.asked_for_refund(signup.invoice, 400)
    await world.rest()
    await world.later(days=3)
    await world.rest()
    return signup


async def billed_by_others(world: CrashWorld) -> Elsewhere:
    """A subscription that another integration collects, with a renewal that is overdue."""
    return await billed_elsewhere(world, overdue=True)


async def owing(world: CrashWorld) -> Signup:
    """A customer whose renewal was declined, and is tried again tomorrow."""
    signup = await subscribed(world)
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    await world.rest()
    return signup


async def owing_with_a_card_at_stripe(world: CrashWorld) -> Signup:
    """The same, who has given Stripe a card meanwhile, as its default."""
    signup = await owing(world)
    card = await world.stripe_card(signup.customer)
    default = {"invoice_settings": {"default_payment_method": card}}
    await world.shop.client.v1.customers.update_async(signup.customer, default)  # type: ignore[arg-type]
    await world.rest()
    return signup


async def failing_at_stripe(world: CrashWorld) -> Signup:
    """A customer whose renewal Stripe has failed to collect, and who has left us a payment method."""
    await world.set_policy(unused_methods="keep")
    signup = await subscribed(world)
    card = await world.stripe_card(signup.customer, "pm_card_chargeCustomerFail")
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    await world.later(days=31, hours=2)
    await world.rest()
    return signup


MeteredIds: TypeAlias = tuple[str, str, str]
"""Of a meter, a customer and a subscription: a world can't be kept with what it begins."""


async def metered(world: CrashWorld) -> MeteredIds:
    """A customer of a metered plan, whose first invoice is still open."""
    begun = await sell_metered(world)
    await world.rest()
    return begun.meter, begun.customer, begun.subscription


async def metered_and_lossy(world: CrashWorld) -> MeteredIds:
    """The same; Stripe takes the next event, and its answer is lost."""
    begun = await metered(world)
    world.stripe.faults.add("lost_after", times=1, method="POST", path="/v1/billing/meter_events")
    return begun
