"""`why` says what was used and is on no invoice yet, until when it may come late, and when the next invoice comes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from db import sql
from gateway.billing.client import from_unix
from gateway.doctor.why import why
from gateway.domain.doctor_why import Answer
from gateway.domain.times import moment
from tests.api.seed import add_case
from tests.support.metered import Metered, period_end, sell_metered, to_period_end
from tests.support.world import World


@pytest.fixture
async def plan(world: World) -> Metered:
    return await sell_metered(world)


async def asked(plan: Metered, id: str = "") -> Answer:
    return await why(plan.world.runtime, plan.shop.account, id or plan.subscription)


async def told(plan: Metered, id: str = "") -> str:
    return " ".join((await asked(plan, id)).sentences)


async def test_usage_on_its_way_is_counted_with_its_age(plan: Metered) -> None:
    await plan.report(events=[plan.event("u-1", 250), plan.event("u-2", "0.5")])
    since = await sql.value("select min(created_at) from tollbridge.usage_event")
    [invoice] = [one["id"] for one in plan.world.invoices_of(plan.subscription)]
    for id in (plan.subscription, invoice):
        text = await told(plan, id)
        assert "2 reports of the customer's usage are not at Stripe yet, and on no invoice (calls: 2, together" in text
        assert "together 250.5)." in text
        assert f"The oldest came here on {moment(since)}, " in text
        assert "a worker sends it, mostly within seconds" in text
    await plan.world.settle()
    assert "not at Stripe yet" not in await told(plan)


async def test_why_usage_is_not_sent(plan: Metered) -> None:
    await plan.report()
    stream = "update tollbridge.usage_stream set rests_until = $1, turned_away_at = tollbridge.business_now()"
    await sql.rows(stream, datetime(2099, 3, 1, 12, tzinfo=UTC))
    resting = "Stripe took nothing when it was sent last, and it is tried again on 1 Mar 2099, 12:00 UTC"
    assert resting in await told(plan)
    await sql.rows(stream, None)
    assert "Stripe has taken nothing for " in await told(plan)
    await sql.rows("update tollbridge.usage_stream set turned_away_at = null, failures = 3")
    assert "sending it failed 3 times" in await told(plan)


async def test_usage_that_stripe_does_not_count(plan: Metered) -> None:
    await plan.report(events=[plan.event("u-1"), plan.event("u-2")])
    await plan.world.settle()
    await add_case(plan.shop.account, f"{plan.meter}:timestamp_too_late", kind="usage_refused")
    assert "case is open about usage" not in await told(plan), "it is about usage of others"
    refuse = "update tollbridge.usage_event set state = 'refused', code = 'timestamp_too_late', error = 'too late'"
    await sql.rows(f"{refuse} where identifier = 'u-1'")
    await sql.rows("update tollbridge.usage_event set state = 'unconfirmed' where identifier = 'u-2'")
    text = await told(plan)
    assert "Stripe does not count 1 report of calls, used between " in text
    assert "timestamp_too_late, too late." in text
    assert "Whether Stripe counts 1 report of calls, used between " in text
    assert "A case is open about usage: usage_refused." in text


@pytest.mark.parametrize("grace", [None, 20])
async def test_a_draft_that_waits_for_late_usage(plan: Metered, grace: int | None) -> None:
    await plan.world.set_policy(usage_grace_minutes=grace)
    [first] = plan.world.invoices_of(plan.subscription)
    await plan.world.shop.client.v1.invoices.pay_async(first["id"], {"paid_out_of_band": True})
    await to_period_end(plan.world, plan.subscription)
    draft = next(one for one in plan.world.invoices_of(plan.subscription) if one["status"] == "draft")
    until = from_unix(draft["automatically_finalizes_at"] if grace is None else draft["created"] + grace * 60)
    assert until is not None
    waits = f"{draft['id']} is a draft that waits for late usage: what is reported until {moment(until)} still counts"
    for id in (plan.subscription, draft["id"]):
        answer = await asked(plan, id)
        assert any(waits in one for one in answer.sentences), answer.sentences
        assert answer.next_at == int(until.timestamp())


async def test_when_the_first_invoice_of_a_metered_plan_comes(plan: Metered) -> None:
    client, stripe = plan.shop.client.v1, plan.world.stripe_account()
    price = next(one["id"] for one in stripe.prices.values() if one["recurring"]["usage_type"] == "metered")
    customer = await client.customers.create_async({"address": {"country": "DE"}})
    params: Any = {
        "customer": customer.id,
        "items": [{"price": price}],
        "collection_method": "send_invoice",
        "days_until_due": 10,
        "billing_mode": {"type": "flexible"},
    }
    made = await client.subscriptions.create_async(params)
    await plan.world.settle()
    await plan.report(customer=str(customer.id), value=250)
    await plan.world.settle()
    await plan.world.later(minutes=10)
    comes = from_unix(period_end(plan.world, made.id))
    assert comes is not None
    expected = f"expected on {moment(comes)}; with what Stripe has counted so far it would be over 10.00 EUR."
    assert expected in await told(plan, str(made.id))
    assert "next invoice is expected" not in await told(plan), "that one has had its first"
