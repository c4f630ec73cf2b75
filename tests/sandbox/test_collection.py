"""Stripe's own collecting: first payments, retries, the end of dunning, and the payer who must authenticate."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.sandbox.stripe.settings import Dunning
from tests.sandbox.conftest import World
from tests.sandbox.test_invoices import refused

DAY_S = 86400
FAILS = "pm_card_chargeCustomerFail"


async def automatic(world: World, method: str | None = "pm_card_visa", **more: Any) -> Any:
    """A charge_automatically subscription of a customer with that default method."""
    settings = {"invoice_settings": {"default_payment_method": method}} if method else {}
    customer = more.pop("customer", None) or await world.customer(**settings)
    return await world.subscribe(
        customer=customer, collection_method="charge_automatically", days_until_due=None, **more
    )


async def change_card(world: World, customer: str, method: str) -> None:
    await world.v1.customers.update_async(customer, {"invoice_settings": {"default_payment_method": method}})


async def status_of(world: World, subscription: Any) -> str:
    return str((await world.v1.subscriptions.retrieve_async(subscription.id)).status)


async def failing(world: World) -> Any:
    """An active subscription whose renewal has just failed."""
    subscription = await automatic(world)
    await change_card(world, subscription.customer, FAILS)
    world.sandbox.advance(32 * DAY_S)
    return subscription


async def test_default_incomplete_waits_for_the_payer(world: World) -> None:
    expand = {"expand": ["latest_invoice.confirmation_secret", "latest_invoice.payments"]}
    subscription = await automatic(world, None, payment_behavior="default_incomplete", **expand)
    invoice = subscription.latest_invoice
    assert (subscription.status, invoice.attempted, invoice.attempt_count) == ("incomplete", False, 0)
    intent = invoice.payments.data[0].payment.payment_intent
    assert invoice.confirmation_secret.client_secret.startswith(intent)
    done = await world.v1.payment_intents.confirm_async(intent, {"payment_method": "pm_card_visa"})
    assert (done.status, await status_of(world, subscription)) == ("succeeded", "active")
    assert world.types_since(0)[-1] == "invoice.payment_succeeded"


async def test_what_paid_first_becomes_the_default(world: World) -> None:
    subscription = await automatic(
        world, None, payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
    )  # fmt: skip
    await world.v1.invoices.pay_async(subscription.latest_invoice.id, {"payment_method": "pm_card_amex"})
    kept = await world.v1.subscriptions.retrieve_async(subscription.id, {"expand": ["default_payment_method"]})
    assert (kept.default_payment_method.card.brand, kept.status) == ("amex", "active")


async def test_error_if_incomplete_makes_nothing(world: World) -> None:
    customer = await world.customer(invoice_settings={"default_payment_method": FAILS})
    price = await world.price()
    before = world.event_count
    error = await refused(automatic(world, customer=customer, price=price, payment_behavior="error_if_incomplete"))
    assert (error.http_status, error.code, world.types_since(before)) == (402, "card_declined", [])
    assert len((await world.v1.subscriptions.list_async({"status": "all"})).data) == 0


async def test_pending_if_incomplete_is_for_updates(world: World) -> None:
    error = await refused(automatic(world, payment_behavior="pending_if_incomplete"))
    assert error.param == "payment_behavior"


async def test_a_first_debit_is_active_while_it_processes(world: World) -> None:
    subscription = await automatic(world, "pm_sepaDebit")
    assert await status_of(world, subscription) == "active"
    world.sandbox.advance(4 * DAY_S)
    assert [i.status for i in await world.invoices_of(subscription)] == ["paid"]


async def test_a_trial_without_a_method_asks_for_one(world: World) -> None:
    subscription = await automatic(
        world, None, trial_period_days=7, payment_settings={"save_default_payment_method": "on_subscription"}
    )
    assert subscription.pending_setup_intent is not None
    await world.v1.setup_intents.confirm_async(subscription.pending_setup_intent, {"payment_method": "pm_card_visa"})
    after = await world.v1.subscriptions.retrieve_async(subscription.id)
    assert (after.pending_setup_intent, after.default_payment_method is None) == (None, False)
    world.sandbox.advance(8 * DAY_S)
    assert [i.status for i in await world.invoices_of(subscription)] == ["paid", "paid"]


async def test_retries_follow_the_schedule_until_one_succeeds(world: World) -> None:
    subscription = await failing(world)
    invoice = (await world.invoices_of(subscription))[0]
    assert (invoice.status, invoice.attempt_count, await status_of(world, subscription)) == ("open", 1, "past_due")
    assert invoice.next_payment_attempt - invoice.status_transitions.finalized_at == 3 * DAY_S
    world.sandbox.move_to(invoice.next_payment_attempt)
    again = await world.v1.invoices.retrieve_async(invoice.id)
    assert (again.attempt_count, again.next_payment_attempt) == (2, invoice.next_payment_attempt + 5 * DAY_S)
    await change_card(world, subscription.customer, "pm_card_visa")
    world.sandbox.move_to(again.next_payment_attempt)
    paid = await world.v1.invoices.retrieve_async(invoice.id)
    assert (paid.status, paid.attempt_count, await status_of(world, subscription)) == ("paid", 3, "active")


async def test_a_manual_try_leaves_the_schedule_alone(world: World) -> None:
    subscription = await failing(world)
    invoice = (await world.invoices_of(subscription))[0]
    await refused(world.v1.invoices.pay_async(invoice.id))
    after = await world.v1.invoices.retrieve_async(invoice.id)
    assert (after.attempt_count, after.next_payment_attempt) == (1, invoice.next_payment_attempt)


@pytest.mark.parametrize(
    ("rules", "status", "invoice_status"),
    [({}, "past_due", "open"), ({"subscription": "cancel"}, "canceled", "open"),
     ({"subscription": "unpaid"}, "unpaid", "open"), ({"invoice": "uncollectible"}, "active", "uncollectible"),
     ({"subscription": "unpaid", "invoice": "uncollectible"}, "unpaid", "uncollectible")],
)  # fmt: skip
async def test_the_end_of_dunning(world: World, rules: dict[str, Any], status: str, invoice_status: str) -> None:
    world.account.dunning = Dunning(**rules)
    subscription = await failing(world)
    world.sandbox.advance(20 * DAY_S)
    invoice = (await world.invoices_of(subscription))[0]
    assert (await status_of(world, subscription), invoice.status, invoice.next_payment_attempt) == (
        status, invoice_status, None,
    )  # fmt: skip
    assert invoice.attempt_count == 4


async def test_unpaid_keeps_drafts_until_the_latest_is_paid(world: World) -> None:
    world.account.dunning = Dunning(subscription="unpaid")
    subscription = await failing(world)
    world.sandbox.advance(45 * DAY_S)
    draft, failed, _ = await world.invoices_of(subscription)
    assert (draft.status, draft.auto_advance, failed.status) == ("draft", False, "open")
    await world.v1.invoices.pay_async(failed.id, {"payment_method": "pm_card_visa"})
    assert await status_of(world, subscription) == "active"


@pytest.mark.parametrize(
    ("rules", "status", "invoice_status"),
    [({}, "past_due", "open"), ({"overdue_subscription": "cancel", "overdue_days": 60}, "canceled", "open"),
     ({"overdue_subscription": "unpaid", "overdue_invoice": "uncollectible"}, "unpaid", "uncollectible")],
)  # fmt: skip
async def test_the_end_of_a_sent_invoice(world: World, rules: dict[str, Any], status: str, invoice_status: str) -> None:
    world.account.dunning = Dunning(**rules)
    price = await world.price(interval="year")
    subscription = await world.subscribe(price=price)
    days = world.account.dunning.overdue_days
    world.sandbox.advance(10 * DAY_S + days * DAY_S - 60)
    assert await status_of(world, subscription) == "past_due"
    world.sandbox.advance(2 * 3600)
    assert (await status_of(world, subscription), (await world.invoices_of(subscription))[0].status) == (
        status, invoice_status,
    )  # fmt: skip


async def test_a_renewal_that_asks_the_payer(world: World) -> None:
    subscription = await automatic(world)
    await change_card(world, subscription.customer, "pm_card_authenticationRequired")
    world.sandbox.advance(31 * DAY_S + 7200)
    types = world.types_since(0)
    assert {"payment_intent.requires_action", "invoice.payment_action_required", "invoice.payment_failed"} <= {*types}
    invoice = (await world.invoices_of(subscription))[0]
    expand = {"expand": ["payments.data.payment.payment_intent"]}
    intent = (await world.v1.invoices.retrieve_async(invoice.id, expand)).payments.data[0].payment.payment_intent
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(intent.next_action.use_stripe_sdk.stripe_js, data={"result": "complete"})
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "paid"
    assert await status_of(world, subscription) == "active"


async def test_paying_with_a_card_that_asks(world: World) -> None:
    invoice = await world.open_invoice()
    method = {"payment_method": "pm_card_authenticationRequired"}
    error = await refused(world.v1.invoices.pay_async(invoice.id, method))
    assert (error.http_status, error.code) == (402, "invoice_payment_intent_requires_action")
    after = await world.v1.invoices.retrieve_async(invoice.id)
    assert (after.status, after.attempted) == ("open", True)


async def test_an_authenticated_setup_lets_renewals_pass(world: World) -> None:
    customer = await world.customer()
    params = {"customer": customer.id, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True}
    intent = await world.v1.setup_intents.create_async(params)
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(intent.next_action.use_stripe_sdk.stripe_js, data={"result": "complete"})
    await change_card(world, customer.id, intent.payment_method)
    subscription = await automatic(world, customer=customer)
    assert (subscription.status, subscription.latest_invoice.status) == ("active", "paid")


async def test_a_debit_that_fails_after_three_days_is_retried(world: World) -> None:
    subscription = await automatic(world)
    await change_card(world, subscription.customer, "pm_sepaDebit_fails")
    world.sandbox.advance(32 * DAY_S)
    invoice = (await world.invoices_of(subscription))[0]
    assert (invoice.status, invoice.attempt_count, await status_of(world, subscription)) == ("open", 1, "active")
    world.sandbox.advance(4 * DAY_S)
    failed = await world.v1.invoices.retrieve_async(invoice.id)
    assert (failed.attempt_count, failed.next_payment_attempt is None) == (1, False)
    assert await status_of(world, subscription) == "past_due"


async def test_who_is_delinquent(world: World) -> None:
    subscription = await failing(world)
    assert (await world.v1.customers.retrieve_async(subscription.customer)).delinquent
    invoice = (await world.invoices_of(subscription))[0]
    await world.v1.invoices.mark_uncollectible_async(invoice.id)
    assert not (await world.v1.customers.retrieve_async(subscription.customer)).delinquent


async def test_the_old_shape_of_a_payment(world: World) -> None:
    world.account.api_version = "2022-11-15"
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})
    told = {event.type: event.object for event in world.account.events.values()}
    charge, paid = told["charge.succeeded"], told["invoice.paid"]
    assert (charge["invoice"], charge["id"]) == (invoice.id, paid["charge"])
    assert (paid["payment_intent"], paid["paid"]) == (charge["payment_intent"], True)


async def test_a_debit_is_called_back_when_the_invoice_is_paid_elsewhere(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_sepaDebit"})
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    world.sandbox.advance(4 * DAY_S)
    charge = (await world.v1.charges.list_async({"customer": invoice.customer})).data[0]
    assert (charge.status, (await world.v1.invoices.retrieve_async(invoice.id)).amount_paid) == ("failed", 1000)
