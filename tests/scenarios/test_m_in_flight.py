"""M. The invoice changes while a charge is in flight."""

from __future__ import annotations

import pytest

from tests.support.people import Signup
from tests.support.returning import returned
from tests.support.world import World


async def renew_in_flight(world: World) -> tuple[Signup, str]:
    """A renewal whose charge succeeds, while nobody has told us so yet."""
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert await world.attempts(renewal) == ["unknown"]
    return signup, renewal


@pytest.mark.scenario(187)
async def test_voided_just_before(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    await world.shop.client.v1.invoices.void_invoice_async(renewal)

    # The next try is due, and no event of the voiding has come.
    await world.move(hours=25)
    await world.work()

    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["state"] == "closed"
    await world.later(days=5)
    assert len(world.charge_calls()) == charged
    assert world.stripe_invoice(renewal)["status"] == "void"


@pytest.mark.scenario(188)
async def test_marked_uncollectible_while_the_subscription_lives(world: World) -> None:
    signup, renewal = await renew_in_flight(world)
    await world.shop.client.v1.invoices.mark_uncollectible_async(renewal)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "uncollectible"

    await world.later(seconds=15)

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", 1000)
    assert live["metadata"]["third_party_payment_id"] == world.last_charge().id
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert len(world.captures()) == len(world.charge_calls()) == 2
    assert await world.open_cases() == []
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


@pytest.mark.scenario(188)
async def test_marked_uncollectible_after_the_subscription_ended(world: World) -> None:
    signup, renewal = await renew_in_flight(world)
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.shop.client.v1.invoices.mark_uncollectible_async(renewal)
    await world.settle()

    await world.later(seconds=15)

    assert world.stripe_invoice(renewal)["status"] == "uncollectible"
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay") == []
    [attempt] = (await world.gateway_invoice(renewal))["attempts"]
    assert (attempt["state"], attempt["surplus"]) == ("succeeded", True)
    assert returned(world) == [1000]
    assert world.stripe_account().credit_notes_of_invoice.get(renewal, []) == []
    assert await world.open_cases() == []


@pytest.mark.scenario(160)
@pytest.mark.scenario(194)
async def test_voided_in_flight(world: World) -> None:
    _, renewal = await renew_in_flight(world)
    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    await world.settle()

    await world.later(seconds=15)

    assert returned(world) == [1000]
    assert world.stripe_account().credit_notes_of_invoice.get(renewal, []) == []
    await world.catch_up()
    await world.later(days=1)
    shown = await world.gateway_invoice(renewal)
    assert shown["state"] == "closed"
    assert [m["kind"] for m in shown["movements"]] == ["capture", "surplus_returned"], "no look erases them"


@pytest.mark.scenario(191)
@pytest.mark.parametrize("overpayment", ["return", "customer_balance"])
async def test_credited_in_flight(world: World, overpayment: str) -> None:
    await world.set_policy(overpayment=overpayment)
    signup, renewal = await renew_in_flight(world)
    await world.shop.client.v1.credit_notes.create_async({"invoice": renewal, "amount": 400})
    await world.settle()

    await world.later(seconds=15)

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", 600)
    credit = -world.stripe_account().customers[signup.customer]["balance"]
    assert (returned(world), credit) == (([400], 0) if overpayment == "return" else ([], 400))
    assert await world.open_cases() == []


@pytest.mark.scenario(196)
async def test_switched_to_stripe_while_open(world: World) -> None:
    """This invoice is ours to the end, the next one Stripe's."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    method = await world.shop.client.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}})
    await world.shop.client.v1.payment_methods.attach_async(method.id, {"customer": signup.customer})
    await world.shop.client.v1.subscriptions.update_async(
        signup.subscription, {"collection_method": "charge_automatically", "default_payment_method": method.id}
    )
    world.break_card(signup.customer, "ok")
    await world.later(hours=25)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2

    await world.later(days=31)
    _, _, following = world.invoices_of(signup.subscription)
    assert (following["status"], following["collection_method"]) == ("paid", "charge_automatically")
    assert len(world.captures()) == 2
    assert await world.open_cases() == []


@pytest.mark.scenario(190)
async def test_marked_paid_by_hand_in_flight(world: World) -> None:
    _, renewal = await renew_in_flight(world)
    await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    await world.settle()

    await world.later(seconds=15)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert "tollbridge_attempt" not in world.stripe_invoice(renewal)["metadata"]
    shown = await world.gateway_invoice(renewal)
    assert [(a["state"], a["surplus"]) for a in shown["attempts"]] == [("succeeded", False)], "ours is kept"
    assert [m["kind"] for m in shown["movements"]] == ["capture"], "nothing went back by itself"
    assert [(c["kind"], c["state"]) for c in shown["cases"]] == [("paid_by_hand", "open")]
    assert len(world.captures()) == 2


@pytest.mark.scenario(190)
async def test_marked_paid_by_hand_just_before_we_record(world: World) -> None:
    """We have tagged the invoice with our payment, and Stripe says that it is paid already."""
    signup, renewal = await renew_in_flight(world)
    pay = f"/v1/invoices/{renewal}/pay"
    world.stripe.faults.add("error_before", method="POST", path=pay, status=429)
    await world.later(seconds=15)
    assert world.stripe_invoice(renewal)["metadata"]["tollbridge_attempt"]
    assert (await world.gateway_invoice(renewal))["state"] == "captured"

    world.stripe.delivery.set(drop={"invoice.paid", "invoice.updated", "payment_intent.canceled"})
    await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    await world.later(minutes=1)

    assert [c.status for c in world.stripe_calls("POST", pay)] == [429, 200, 400]
    assert await world.open_cases() == ["paid_by_hand"]
    assert len(world.captures()) == 2
    assert (await world.access(signup.subscription))["granted"]


async def test_a_payer_finds_stripes_page(world: World) -> None:
    """Nothing is charged any more, and a case says where to look."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    method = await world.shop.client.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}})
    await world.shop.client.v1.payment_methods.attach_async(method.id, {"customer": signup.customer})
    await world.shop.client.v1.invoices.pay_async(renewal, {"payment_method": method.id})
    await world.settle()
    await world.later(days=5)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == charged
    [case] = (await world.gateway_invoice(renewal))["cases"]
    assert (case["kind"], case["state"]) == ("paid_at_stripe", "open")


async def test_stripe_mails_an_invoice(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    client = world.shop.client.v1
    await client.customers.update_async(signup.customer, {"email": "payer@example.com"})
    await client.invoices.send_invoice_async(renewal)
    await client.invoices.send_invoice_async(renewal)
    await world.settle()

    assert await world.open_cases() == ["invoice_sent_by_stripe"]


@pytest.mark.scenario(193)
@pytest.mark.parametrize("balance", [-400, 300])
@pytest.mark.parametrize("comes_back", [True, False])
async def test_voided_after_it_used_the_balance(world: World, balance: int, comes_back: bool) -> None:
    """Whether Stripe gives it back is asked of the customer's transactions, and told either way."""
    world.stripe_account().void_returns_balance = comes_back
    signup = await world.signup("ok")
    await world.shop.client.v1.customers.update_async(signup.customer, {"balance": balance})
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert (await world.gateway_invoice(renewal))["amount_due"] == 1000 + balance

    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    await world.settle()

    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], shown["balance_returned"]) == ("closed", -balance if comes_back else 0)
    assert "of the customer's balance" in shown["reason"]
    assert world.stripe_account().customers[signup.customer]["balance"] == (balance if comes_back else 0)
    assert await world.open_cases() == ([] if comes_back else ["balance_not_returned"])
