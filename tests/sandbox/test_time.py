"""What the clock does: finalization, due dates, renewals, trials, pauses, endings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from gateway.sandbox.stripe import StripeSandbox
from tests.sandbox.conftest import Hook, World

HOUR_S, DAY_S = 3600, 86400


async def test_time_that_deliveries_take_is_no_step_back() -> None:
    """Moving on by ten seconds while a webhook's receiver takes a minute."""
    real = [datetime(2026, 1, 1, tzinfo=UTC)]
    sandbox = StripeSandbox(lambda: real[0])
    wanted = sandbox.now() + 10

    def slowly() -> None:
        real[0] += timedelta(minutes=1)

    sandbox.clock.at(wanted - 5, slowly)
    await sandbox.deliver_until(wanted)
    assert sandbox.now() >= wanted
    with pytest.raises(ValueError, match="only moves forward"):
        await sandbox.deliver_until(wanted)


async def status_of(world: World, subscription: Any) -> str:
    return str((await world.v1.subscriptions.retrieve_async(subscription.id)).status)


async def test_a_draft_finalizes_itself_after_an_hour(world: World, hook: Hook) -> None:
    draft = (await world.subscribe()).latest_invoice
    await hook.until("invoice.created")
    await world.control("POST", "clock", advance_s=HOUR_S - 60)
    assert (await world.v1.invoices.retrieve_async(draft.id)).status == "draft"
    await world.control("POST", "clock", advance_s=61)
    opened = await world.v1.invoices.retrieve_async(draft.id)
    assert (opened.status, opened.webhooks_delivered_at is None) == ("open", False)
    assert opened.status_transitions.finalized_at == draft.created + HOUR_S


async def test_unacknowledged_it_waits_72_hours(world: World, hook: Hook) -> None:
    hook.status = 500
    world.sandbox.delivery.set(max_attempts=1)
    draft = (await world.subscribe()).latest_invoice
    await hook.until("invoice.created")
    await world.control("POST", "clock", advance_s=71 * HOUR_S)
    held = await world.v1.invoices.retrieve_async(draft.id)
    assert (held.status, held.automatically_finalizes_at) == ("draft", draft.created + 72 * HOUR_S)
    await world.control("POST", "clock", advance_s=2 * HOUR_S)
    assert (await world.v1.invoices.retrieve_async(draft.id)).status == "open"


async def test_a_late_acknowledgement_ends_the_waiting(world: World, hook: Hook) -> None:
    world.sandbox.delivery.set(mode="manual")
    draft = (await world.subscribe()).latest_invoice
    world.sandbox.advance(5 * HOUR_S)
    assert (await world.v1.invoices.retrieve_async(draft.id)).status == "draft"
    result = await world.sandbox.flush()
    assert (result.failed, result.sent > 0) == (0, True)
    world.sandbox.advance(1)
    assert (await world.v1.invoices.retrieve_async(draft.id)).status == "open"


async def test_auto_advance_false_holds_a_draft(world: World) -> None:
    draft = (await world.subscribe()).latest_invoice
    held = await world.v1.invoices.update_async(draft.id, {"auto_advance": False})
    assert held.automatically_finalizes_at is None
    world.sandbox.advance(9 * DAY_S)
    assert (await world.v1.invoices.retrieve_async(draft.id)).status == "draft"


async def test_past_due_and_back(world: World) -> None:
    subscription = await world.subscribe()
    world.sandbox.advance(9 * DAY_S)
    assert await status_of(world, subscription) == "active"
    world.sandbox.advance(2 * DAY_S)
    assert await status_of(world, subscription) == "past_due"
    await world.v1.invoices.pay_async(subscription.latest_invoice.id, {"paid_out_of_band": True})
    assert await status_of(world, subscription) == "active"


async def test_only_the_latest_invoice_drives_the_status(world: World) -> None:
    subscription = await world.subscribe()
    world.sandbox.advance(45 * DAY_S)
    second, first = await world.invoices_of(subscription)
    assert await status_of(world, subscription) == "past_due"
    await world.v1.invoices.pay_async(first.id, {"paid_out_of_band": True})
    assert await status_of(world, subscription) == "past_due"
    await world.v1.invoices.mark_uncollectible_async(second.id)
    assert await status_of(world, subscription) == "active"


async def test_a_year_of_renewals_on_the_31st(world: World) -> None:
    subscription = await world.subscribe()
    world.sandbox.advance(366 * DAY_S)
    invoices = await world.invoices_of(subscription)
    assert len(invoices) == 13
    periods = [(i.lines.data[0].period.start, i.lines.data[0].period.end) for i in reversed(invoices)]
    assert all(one[1] == two[0] for one, two in pairwise(periods))


async def test_a_trial(world: World) -> None:
    subscription = await world.subscribe(trial_period_days=14)
    first = subscription.latest_invoice
    assert (subscription.status, first.total) == ("trialing", 0)
    assert (await world.v1.invoices.finalize_invoice_async(first.id)).status == "paid"
    world.sandbox.advance(12 * DAY_S)
    assert "customer.subscription.trial_will_end" in world.types_since(0)
    world.sandbox.advance(2 * DAY_S + 10)
    second = (await world.invoices_of(subscription))[0]
    assert (await status_of(world, subscription), second.total, second.status) == ("active", 1000, "draft")


@pytest.mark.parametrize(
    ("behavior", "expected"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
async def test_paused_collection(world: World, behavior: str, expected: str) -> None:
    subscription = await world.subscribe()
    resumes_at = world.sandbox.now() + 40 * DAY_S
    await world.v1.subscriptions.update_async(
        subscription.id, {"pause_collection": {"behavior": behavior, "resumes_at": resumes_at}}
    )
    world.sandbox.advance(33 * DAY_S)
    renewal = (await world.invoices_of(subscription))[0]
    assert (renewal.billing_reason, renewal.status) == ("subscription_cycle", expected)
    world.sandbox.advance(10 * DAY_S)
    resumed = await world.v1.subscriptions.retrieve_async(subscription.id)
    assert resumed.pause_collection is None
    assert (await world.v1.invoices.retrieve_async(renewal.id)).status == expected


async def test_cancelling_stops_automatic_collection(world: World) -> None:
    subscription = await world.subscribe()
    opened = await world.v1.invoices.finalize_invoice_async(subscription.latest_invoice.id)
    assert opened.auto_advance
    canceled = await world.v1.subscriptions.cancel_async(subscription.id)
    assert canceled.status == "canceled"
    assert (await world.v1.invoices.retrieve_async(opened.id)).auto_advance is False
    assert "customer.subscription.deleted" in world.types_since(0)
    world.sandbox.advance(60 * DAY_S)
    assert len(await world.invoices_of(subscription)) == 1
    assert len((await world.v1.subscriptions.list_async({"customer": subscription.customer})).data) == 0


async def test_cancel_at_period_end_and_its_undoing(world: World) -> None:
    one, two = await world.subscribe(), await world.subscribe()
    for subscription in (one, two):
        await world.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    await world.v1.subscriptions.update_async(two.id, {"cancel_at_period_end": False})
    world.sandbox.advance(32 * DAY_S)
    assert await status_of(world, one) == "canceled"
    assert (len(await world.invoices_of(one)), len(await world.invoices_of(two))) == (1, 2)


async def test_cancel_with_a_final_invoice(world: World) -> None:
    subscription = await world.subscribe()
    world.sandbox.advance(15 * DAY_S)
    await world.v1.subscriptions.cancel_async(subscription.id, {"invoice_now": True, "prorate": True})
    final = (await world.invoices_of(subscription))[0]
    assert final.total < 0
    assert (final.status, final.auto_advance) == ("draft", False)


async def test_an_upgrade_invoiced_at_once(world: World) -> None:
    subscription = await world.subscribe()
    item, dear = subscription["items"].data[0], await world.price(3000)
    world.sandbox.advance(10 * DAY_S)
    updated = await world.v1.subscriptions.update_async(
        subscription.id,
        {
            "items": [{"id": item.id, "price": dear.id}],
            "proration_behavior": "always_invoice",
            "expand": ["latest_invoice"],
        },
    )
    invoice = updated.latest_invoice
    credit, charge = (line.amount for line in invoice.lines.data)
    assert (invoice.billing_reason, credit < 0) == ("subscription_update", True)
    assert abs(charge + 3 * credit) <= 2  # each is rounded by itself
    world.sandbox.advance(25 * DAY_S)
    assert (await world.invoices_of(subscription))[0].total == 3000


async def test_prorations_wait_for_the_renewal(world: World) -> None:
    subscription = await world.subscribe()
    world.sandbox.advance(10 * DAY_S)
    item = {"id": subscription["items"].data[0].id, "quantity": 2}
    await world.v1.subscriptions.update_async(subscription.id, {"items": [item]})
    assert len(await world.invoices_of(subscription)) == 1
    world.sandbox.advance(22 * DAY_S)
    renewal = (await world.invoices_of(subscription))[0]
    assert 2000 < renewal.total < 3000
    assert len(renewal.lines.data) == 3


async def test_another_interval_starts_a_new_cycle(world: World) -> None:
    subscription = await world.subscribe()
    yearly = await world.price(10000, interval="year")
    item = {"id": subscription["items"].data[0].id, "price": yearly.id}
    changed = await world.v1.subscriptions.update_async(
        subscription.id, {"items": [item], "expand": ["latest_invoice"]}
    )
    assert changed.latest_invoice.total == 9000
    row = changed["items"].data[0]
    assert row.current_period_end - row.current_period_start in (365 * DAY_S, 366 * DAY_S)


async def test_charge_automatically_without_a_payment_method(world: World) -> None:
    subscription = await world.subscribe(collection_method="charge_automatically", days_until_due=None)
    assert (subscription.status, subscription.latest_invoice.status) == ("incomplete", "open")
    assert "invoice.payment_failed" in world.types_since(0)
    world.sandbox.advance(DAY_S)
    assert await status_of(world, subscription) == "incomplete_expired"


async def test_charge_automatically_with_one(world: World) -> None:
    customer = await world.customer(invoice_settings={"default_payment_method": "pm_card_visa"})
    subscription = await world.subscribe(
        customer=customer, collection_method="charge_automatically", days_until_due=None
    )
    assert (subscription.status, subscription.latest_invoice.status) == ("active", "paid")
    world.sandbox.advance(32 * DAY_S)
    assert [i.status for i in await world.invoices_of(subscription)] == ["paid", "paid"]


async def test_switching_the_collection_method_touches_later_invoices_only(world: World) -> None:
    subscription = await world.subscribe()
    changed = await world.v1.subscriptions.update_async(
        subscription.id, {"collection_method": "charge_automatically", "default_payment_method": "pm_card_visa"}
    )
    assert (changed.collection_method, changed.days_until_due) == ("charge_automatically", None)
    world.sandbox.advance(32 * DAY_S)
    second, first = await world.invoices_of(subscription)
    assert (first.collection_method, first.status) == ("send_invoice", "open")
    assert (second.collection_method, second.status) == ("charge_automatically", "paid")


async def test_deleting_a_customer_ends_everything(world: World) -> None:
    customer = await world.customer()
    subscription = await world.subscribe(customer=customer)
    invoice = await world.v1.invoices.finalize_invoice_async(subscription.latest_invoice.id)
    assert (await world.v1.customers.delete_async(customer.id)).deleted
    assert await status_of(world, subscription) == "canceled"
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "uncollectible"
    gone = await world.v1.customers.retrieve_async(customer.id)
    assert gone.deleted
    assert (await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})).status == "paid"
