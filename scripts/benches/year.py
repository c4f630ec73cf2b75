"""`year`: what becomes of a year's invoices, with payers as they are and the outages that a year has.

The local Stripe, the practice processor and the gateway's server run in this process, in front of a real PostgreSQL;
the worker's turns are taken here, so that a year of business time passes as fast as there is work in it. Cards are
declined softly, for good, or late; some payers give another one, some never do. The processor is away for twelve hours,
the gateway for thirty, Stripe's webhooks are lost for five days. In the end every invoice must stand as the account's
policy says, taken once or not at all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import timedelta
from typing import Any, Final

import structlog

from db import sql
from db.engine import DB, PoolOptions
from gateway.clock import business_now
from gateway.customers.methods import store_method
from processors.values import Card, PaymentMethodReference, Secret
from tests.database import TestServer, fresh_database, template
from tests.support.drain import drain
from tests.support.invariants import check_invariants
from tests.support.world import World, open_doors, world

STEP: Final = timedelta(hours=6)
DAYS: Final = 365
SETTLING_DAYS: Final = 20
"""After the year nobody is billed any more, and what is open comes to its end."""
JOINING_DAYS: Final = 28
AT_ONCE: Final = 16
MONTHLY: Final = 0.2
"""The others pay every three months."""
POLICY: Final[dict[str, Any]] = {
    "ladder_hours": [0, 24, 72, 120],
    "end_after_hours": 168,
    "at_end": ["mark_uncollectible", "cancel_subscription"],
}
PROCESSOR_AWAY: Final = range(100 * 4, 100 * 4 + 2)
"""Steps of the year: twelve hours from the 100th day on."""
GATEWAY_AWAY: Final = range(200 * 4, 200 * 4 + 5)
"""Thirty hours."""
WEBHOOKS_LOST: Final = range(280 * 4, 285 * 4)
"""Five days."""
KINDS: Final = {
    "ok": 0.80,
    "soft_then_ok": 0.08,
    "pending_then_ok": 0.04,
    "decline_insufficient_funds": 0.03,
    "decline_lost_stolen": 0.03,
    "decline_expired": 0.015,
    "pending_then_fail": 0.005,
}
"""What a payer's card does during a month."""
GIVES_ANOTHER: Final = 0.6
"""The share of payers who give another card, within the week, after one that was declined for good."""
END: Final = """
    select i.status, count(*) as invoices, count(*) filter (where exists (
        select 1 from tollbridge.attempt t where t.account = i.account and t.invoice = i.id and t.state = 'declined'
    )) as declined
    from tollbridge.invoice i where i.total > 0 group by i.status order by i.status
"""
LATE: Final = """
    select count(*) from tollbridge.invoice i where i.status = 'open' and i.due_date < $1
"""
TWICE: Final = """
    select count(*) from (select invoice from tollbridge.movement where kind = 'capture' group by invoice
                          having count(*) > 1) t
"""
FIRST_DECLINES: Final = """
    select decline_class, count(*) from tollbridge.attempt where state = 'declined' group by 1 order by 2 desc
"""
CASES: Final = "select kind, count(*) from tollbridge.review_case where state = 'open' group by 1 order by 1"


def run(*, customers: int, seed: int) -> dict[str, Any]:
    """Play the year; raises AssertionError where anything ends as it must not."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    server = TestServer()
    server.start()
    try:
        return asyncio.run(_played(customers, seed))
    finally:
        server.stop()


async def _played(customers: int, seed: int) -> dict[str, Any]:
    async with fresh_database("year", template=template()) as dsn:
        DB.configure(dsn, PoolOptions(max_size=AT_ONCE + 4))
        await DB.open_pool()
        try:
            async with open_doors() as doors, world(doors) as made:
                structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
                return await Year(made, customers, random.Random(seed)).played()
        finally:
            await DB.close_pool()


class Year:
    """The payers, and the days that pass."""

    def __init__(self, place: World, customers: int, dice: random.Random) -> None:
        self._world, self._customers, self._dice = place, customers, dice
        self._methods: dict[str, Any] = {}
        """Each customer's newest payment method, as the processor has it."""
        self._another_on: dict[str, int] = {}
        """The step at which a payer gives another card."""

    async def played(self) -> dict[str, Any]:
        began = time.perf_counter()
        await self._world.set_policy(**POLICY)
        coupon = await self._world.shop.client.v1.coupons.create_async({"percent_off": 100, "duration": "once"})
        prices = [self._world.shop.price, await self._quarterly()]
        joining = sorted(self._dice.randrange(JOINING_DAYS * 4) for _ in range(self._customers))
        for step in range(DAYS * 4):
            while joining and joining[0] <= step:
                joining.pop(0)
                await self._join(prices[self._dice.random() > MONTHLY], coupon.id)
            if step % (30 * 4) == 29 * 4:
                self._draw_cards()
            await self._pass(step)
        await self._stop_billing()
        for step in range(DAYS * 4, (DAYS + SETTLING_DAYS) * 4):
            await self._pass(step)
        return await self._told(time.perf_counter() - began)

    async def _pass(self, step: int) -> None:
        place = self._world
        _switch(place, step)
        await self._give_another(step)
        await place.move(seconds=STEP.total_seconds())
        if step in GATEWAY_AWAY:
            return
        for _ in range(40):
            sent = (await place.stripe.flush()).sent + (await place.practice.flush()).sent
            # Every six hours, as a worker would, is half of all the work: once a day shows the same.
            caught_up = await place.catch_up() if step % 4 == 0 else 0
            worked = await drain(place.runtime, at_once=AT_ONCE)
            if not sent and not worked and not caught_up:
                return
        raise AssertionError(f"step {step} does not come to rest")

    # --- payers

    async def _quarterly(self) -> str:
        client = self._world.shop.client.v1
        product = await client.products.create_async({"name": "Plan by the quarter"})
        price = await client.prices.create_async(
            {
                "product": product.id,
                "unit_amount": 3000,
                "currency": "eur",
                "recurring": {"interval": "month", "interval_count": 3},
            }
        )
        return str(price.id)

    async def _join(self, price: str, coupon: str) -> None:
        """A customer with a card, whose first period is free."""
        client = self._world.shop.client.v1
        customer = await client.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
        await self._store(str(customer.id))
        await client.subscriptions.create_async(
            {
                "customer": customer.id,
                "items": [{"price": price}],
                "collection_method": "send_invoice",
                "days_until_due": 10,
                "discounts": [{"coupon": coupon}],
            }
        )

    async def _store(self, customer: str) -> None:
        shop = self._world.shop
        method = self._world.practice.create_method(shop.practice_key, "ok")
        reference = PaymentMethodReference(Secret(method.token))
        async with DB.transaction():
            card, now = Card(brand="visa", last4="4242"), await business_now()
            await store_method(self._world.runtime, shop.account, customer, shop.connection, reference, card, now)
        self._methods[customer] = method

    def _draw_cards(self) -> None:
        kinds, weights = list(KINDS), list(KINDS.values())
        for method in self._methods.values():
            [kind] = self._dice.choices(kinds, weights)
            method.kind = type(method.kind)(kind)
            if kind == "soft_then_ok":
                method.declines_left = self._dice.randint(1, 3)

    async def _give_another(self, step: int) -> None:
        """Whose card was stopped thinks about it for some days, or for ever."""
        for row in await sql.rows(
            """select distinct customer from tollbridge.payment_method p where status = 'stopped' and not exists (
                   select 1 from tollbridge.payment_method o where o.customer = p.customer and o.status = 'active')"""
        ):
            customer = row["customer"]
            if customer not in self._another_on:
                gives = self._dice.random() < GIVES_ANOTHER
                self._another_on[customer] = step + self._dice.randint(1, 6 * 4) if gives else -1
        for customer in [one for one, at in self._another_on.items() if at == step]:
            del self._another_on[customer]
            await self._store(customer)

    async def _stop_billing(self) -> None:
        """Nobody is billed any more, so that the last invoices have their end too."""
        account = self._world.stripe_account()
        for subscription in list(account.subscriptions.values()):
            if subscription["status"] not in ("canceled", "incomplete_expired"):
                await self._world.shop.client.v1.subscriptions.update_async(
                    subscription["id"], {"pause_collection": {"behavior": "void"}}
                )

    # --- the end

    async def _told(self, seconds: float) -> dict[str, Any]:
        await check_invariants(self._world)
        now = await business_now()
        ends = {row["status"]: row for row in await sql.rows(END)}
        assert await sql.value(LATE, now) == 0, "invoices are open after their due date"
        assert await sql.value(TWICE) == 0, "an invoice was charged twice"
        declined, saved = (
            sum(row["declined"] for status, row in ends.items() if status in of)
            for of in (("paid", "uncollectible"), ("paid",))
        )
        calls = Counter(call.path for call in self._world.practice.calls)
        return {
            "bench": "year",
            "customers": self._customers,
            "seconds": round(seconds, 1),
            "invoices": {status: row["invoices"] for status, row in ends.items()},
            "charged_twice": 0,
            "open_after_due": 0,
            "declined_at_first": declined,
            "recovered": saved,
            "recovery_rate": round(saved / declined, 3) if declined else None,
            "declines": {row["decline_class"]: row["count"] for row in await sql.rows(FIRST_DECLINES)},
            "charge_calls": calls["/v1/charges"],
            "open_cases": {row["kind"]: row["count"] for row in await sql.rows(CASES)},
        }


def _switch(place: World, step: int) -> None:
    """What is away in this step, and what is back."""
    if step == PROCESSOR_AWAY.start:
        place.practice.faults.add("error_before", status=503)
    if step == PROCESSOR_AWAY.stop:
        place.practice.faults.clear()
    if step == WEBHOOKS_LOST.start:
        place.stripe.delivery.set(drop=True)
    if step == WEBHOOKS_LOST.stop:
        place.stripe.delivery.set(drop=False)
