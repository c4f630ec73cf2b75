"""One account in which every part has been used, and whose time is about to bring much more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.sandbox import metering
from tests.sandbox.conftest import World
from tests.sandbox.test_collection import FAILS, automatic, change_card
from tests.sandbox.test_payment_records import attach, report
from tests.sandbox.test_refunds import charged

DAY_S = 86400
CLOCK_STARTS = 1_700_000_000


@dataclass
class Everything:
    """The ids of what will go on by itself. `metered` has a licensed item beside the metered one."""

    renewing: str
    failing: str
    metered: str
    scheduled: str
    clocked: str
    clock: str
    due: str
    debit: str
    endpoint: str
    destination: str


async def everything(world: World, url: str) -> Everything:
    """`url` is where snapshot and thin events go."""
    endpoint = await world.v1.webhook_endpoints.create_async({"url": url, "enabled_events": ["*"]})
    thin: dict[str, Any] = {
        "name": "Ours", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": ["*"],
        "webhook_endpoint": {"url": url},
    }  # fmt: skip
    destination = await world.client.v2.core.event_destinations.create_async(thin)  # type: ignore[arg-type]
    renewing = await _catalogue_and_discounts(world)
    metered = await _usage(world)
    scheduled = await _schedule(world)
    clock, clocked = await _test_clock(world)
    await _money(world)
    failing = await automatic(world)
    await change_card(world, failing.customer, FAILS)
    debit = await world.open_invoice()
    await world.v1.invoices.pay_async(debit.id, {"payment_method": "pm_sepaDebit"})
    await world.v1.billing_portal.sessions.create_async({"customer": renewing.customer})
    await world.v1.setup_intents.create_async({"customer": renewing.customer})
    await world.v1.invoices.create_preview_async({"subscription": renewing.id})
    due = await world.open_invoice()
    return Everything(
        renewing.id, failing.id, metered.id, scheduled.subscription, clocked.id, clock.id, due.id, debit.id,
        endpoint.id, destination.id,
    )  # fmt: skip


async def _catalogue_and_discounts(world: World) -> Any:
    rate = await world.v1.tax_rates.create_async({"display_name": "VAT", "inclusive": False, "percentage": 10})
    coupon = await world.v1.coupons.create_async({"percent_off": 50, "duration": "repeating", "duration_in_months": 2})
    code = await world.v1.promotion_codes.create_async({"promotion": {"type": "coupon", "coupon": coupon.id}})
    customer = await world.customer(balance=-150, payment_method="pm_card_visa")
    await world.v1.invoice_items.create_async({"customer": customer.id, "amount": 700, "currency": "eur"})
    subscription = await world.subscribe(
        customer=customer, default_tax_rates=[rate.id], discounts=[{"promotion_code": code.id}]
    )
    await world.v1.invoices.add_lines_async(subscription.latest_invoice.id, {"lines": [{"amount": 99}]})
    await world.v1.invoice_items.create_async({"customer": customer.id, "amount": 300, "currency": "eur"})
    return subscription


async def _usage(world: World) -> Any:
    meter, customer = await metering.meter(world), await world.customer()
    price = await metering.metered_price(world, meter)
    subscription = await metering.subscribe(world, customer, price, await world.price(2000))
    await metering.use(world, customer, "10")
    await metering.use(world, customer, "many")
    return subscription


async def _schedule(world: World) -> Any:
    month = {"interval": "month", "interval_count": 1}
    prices = [await world.price(1000), await world.price(2500)]
    params = {
        "customer": (await world.customer()).id,
        "start_date": "now",
        "default_settings": {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 10}},
        "phases": [{"items": [{"price": price.id}], "duration": month} for price in prices],
    }
    return await world.v1.subscription_schedules.create_async(params)


async def _test_clock(world: World) -> tuple[Any, Any]:
    clock = await world.v1.test_helpers.test_clocks.create_async({"frozen_time": CLOCK_STARTS})
    return clock, await world.subscribe(customer=await world.customer(test_clock=clock.id))


async def _money(world: World) -> None:
    invoice, _ = await charged(world)
    await world.v1.credit_notes.create_async({"invoice": invoice.id, "amount": 400, "refund_amount": 400})
    await charged(world, "pm_card_createDispute")
    await attach(world, await world.open_invoice(), await report(world, 1000))
