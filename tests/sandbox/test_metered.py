"""Usage on invoices: the period's, the late, the last."""

from __future__ import annotations

from typing import Any

from tests.sandbox import metering
from tests.sandbox.conftest import World

HOUR_S, DAY_S = 3600, 86400


def lines(invoice: Any) -> list[tuple[int, int]]:
    return [(line.amount, line.quantity) for line in invoice.lines.data]


async def test_the_period_invoice_has_usage_behind_and_base_ahead(world: World) -> None:
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, await world.price(1000), usage)
    first = (await world.invoices_of(subscription))[0]
    assert lines(first) == [(1000, 1)]
    await metering.use(world, customer, "250")
    world.sandbox.advance(31 * DAY_S)
    second = (await world.invoices_of(subscription))[0]
    assert (lines(second), second.billing_reason) == ([(1000, 250), (1000, 1)], "subscription_cycle")
    used, ahead = second.lines.data
    assert (used.period.end, used.period.start) == (ahead.period.start, first.lines.data[0].period.start)
    assert used.parent.subscription_item_details.subscription_item == subscription["items"].data[1].id


async def test_usage_of_the_draft_hour_is_included(world: World) -> None:
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, usage)
    end = subscription["items"].data[0].current_period_end
    world.sandbox.advance(end - world.sandbox.now() + 60)
    await metering.use(world, customer, "250", timestamp=end - 10)
    await metering.use(world, customer, "9", timestamp=end + 10)
    draft = (await world.invoices_of(subscription))[0]
    assert (draft.status, lines(draft)) == ("draft", [(0, 0)])
    world.sandbox.advance(HOUR_S)
    opened = await world.v1.invoices.retrieve_async(draft.id)
    assert (opened.status, opened.amount_due, lines(opened)) == ("open", 1000, [(1000, 250)])
    assert opened.lines.data[0].id == draft.lines.data[0].id


async def test_later_usage_goes_to_the_next_invoice_once(world: World) -> None:
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, usage)
    end = subscription["items"].data[0].current_period_end
    await metering.use(world, customer, "250")
    world.sandbox.advance(end - world.sandbox.now() + 2 * HOUR_S)
    await metering.use(world, customer, "100", timestamp=end - 10)
    world.sandbox.advance(62 * DAY_S)
    third, second, first = await world.invoices_of(subscription)
    assert [lines(i) for i in (first, second, third)] == [[(1000, 250)], [(400, 100)], [(0, 0)]]


async def test_metered_only_makes_no_first_invoice(world: World) -> None:
    usage = await metering.metered_price(world, await metering.meter(world))
    flexible = await metering.subscribe(world, await world.customer(), usage)
    assert (flexible.latest_invoice, flexible.status) == (None, "active")
    assert "quantity" not in flexible["items"].data[0]
    mode = {"billing_mode": {"type": "classic"}}
    classic = await metering.subscribe(world, await world.customer(), usage, **mode)
    assert [lines(i) for i in await world.invoices_of(classic)] == [[(0, 0)]]
    own = {"collection_method": "charge_automatically", "days_until_due": None}
    automatic = await metering.subscribe(world, await world.customer(), usage, **own)
    assert automatic.status == "active"


async def test_tiers_of_usage_grow_in_the_draft_hour(world: World) -> None:
    tiers = [{"up_to": 100, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "1.5"}]
    more = {"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers}
    usage = await metering.metered_price(world, await metering.meter(world), None, **more)
    customer = await world.customer()
    subscription = await metering.subscribe(world, customer, usage)
    await metering.use(world, customer, "80")
    end = subscription["items"].data[0].current_period_end
    world.sandbox.advance(end - world.sandbox.now() + 60)
    assert lines((await world.invoices_of(subscription))[0]) == [(0, 80)]
    await metering.use(world, customer, "25.5", timestamp=end - 1)
    world.sandbox.advance(HOUR_S)
    opened = (await world.invoices_of(subscription))[0]
    assert lines(opened) == [(0, 100), (8, 5)]
    assert str(opened.lines.data[1].quantity_decimal) == "5.5"


async def test_cancelling_now_bills_or_drops_the_usage(world: World) -> None:
    usage = await metering.metered_price(world, await metering.meter(world))
    for invoice_now in (True, False):
        customer = await world.customer()
        subscription = await metering.subscribe(world, customer, usage)
        await metering.use(world, customer, "50")
        world.sandbox.advance(DAY_S)
        await world.v1.subscriptions.cancel_async(subscription.id, {"invoice_now": invoice_now})
        found = [(i.status, i.auto_advance, lines(i)) for i in await world.invoices_of(subscription)]
        assert found == ([("draft", False, [(200, 50)])] if invoice_now else [])


async def test_usage_of_the_very_second_of_an_end_is_billed(world: World) -> None:
    """People try things out in quick succession, and no later period would count it."""
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, usage)
    world.sandbox.advance(DAY_S)
    await metering.use(world, customer, "50", timestamp=world.sandbox.now())
    await world.v1.subscriptions.cancel_async(subscription.id, {"invoice_now": True})
    [final] = await world.invoices_of(subscription)
    assert lines(await world.v1.invoices.finalize_invoice_async(final.id)) == [(200, 50)]


async def test_the_end_of_the_period_brings_a_last_invoice(world: World) -> None:
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, await world.price(), usage)
    await world.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    await metering.use(world, customer, "50")
    world.sandbox.advance(33 * DAY_S)
    last = (await world.invoices_of(subscription))[0]
    assert (last.status, lines(last), last.billing_reason) == ("open", [(200, 50)], "subscription_cycle")
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).status == "canceled"


async def test_a_metered_price_that_goes_bills_what_it_counted(world: World) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    cheap, dear = await metering.metered_price(world, meter), await metering.metered_price(world, meter, "10")
    subscription = await metering.subscribe(world, customer, cheap)
    await metering.use(world, customer, "50")
    world.sandbox.advance(DAY_S)
    item = subscription["items"].data[0].id
    await world.v1.subscriptions.update_async(subscription.id, {"items": [{"id": item, "price": dear.id}]})
    await metering.use(world, customer, "7")
    world.sandbox.advance(31 * DAY_S)
    assert lines((await world.invoices_of(subscription))[0]) == [(70, 7), (200, 50)]


async def test_older_versions_show_usage_in_their_way(world: World) -> None:
    customer, usage = await world.customer(), await metering.metered_price(world, await metering.meter(world))
    subscription = await metering.subscribe(world, customer, usage)
    await metering.use(world, customer, "50")
    world.account.api_version = "2022-11-15"
    world.sandbox.advance(32 * DAY_S)
    created = next(e for e in world.account.events.values() if e.type == "invoice.created").object
    line = created["lines"]["data"][0]
    assert (created["subscription"], line["type"], line["quantity"]) == (subscription.id, "subscription", 50)
    assert line["price"]["recurring"]["usage_type"] == "metered"
