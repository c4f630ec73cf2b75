"""The path that everything else builds on."""

from __future__ import annotations

from tests.sandbox.conftest import Hook, World

MONTH_AND_A_DAY_S = 32 * 86400


async def test_a_subscription_is_billed_paid_out_of_band_and_renewed(world: World, hook: Hook) -> None:
    subscription = await world.subscribe()
    draft = subscription.latest_invoice
    assert (subscription.status, draft.status, draft.amount_due) == ("active", "draft", 1000)
    assert draft.automatically_finalizes_at == draft.created + 3600
    assert draft.due_date == draft.created + 10 * 86400
    assert draft.parent.subscription_details.subscription == subscription.id
    await hook.until("invoice.created")

    opened = await world.v1.invoices.finalize_invoice_async(draft.id, {"expand": ["payments"]})
    assert (opened.status, opened.amount_remaining) == ("open", 1000)
    assert opened.number
    assert [(p.is_default, p.status) for p in opened.payments.data] == [(True, "open")]

    before = world.event_count
    paid = await world.v1.invoices.pay_async(
        opened.id, {"paid_out_of_band": True, "expand": ["payments.data.payment.payment_intent"]}
    )
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert (paid.attempted, paid.attempt_count, paid.auto_advance) == (False, 0, False)
    intent = paid.payments.data[0].payment.payment_intent
    assert (intent.status, intent.cancellation_reason) == ("canceled", "requested_by_customer")
    assert world.types_since(before) == ["payment_intent.canceled", "invoice.paid", "invoice.updated"]
    event = await hook.until("invoice.paid")
    assert event["data"]["object"]["id"] == paid.id
    assert event["api_version"] == "2026-08-26.dahlia"

    await world.control("POST", "clock", advance_s=MONTH_AND_A_DAY_S)
    second, first = await world.invoices_of(subscription)
    assert (first.status, second.status, second.billing_reason) == ("paid", "open", "subscription_cycle")
    assert second.lines.data[0].period.start == draft.lines.data[0].period.end
    await hook.until("invoice.finalized", 2)
