"""Histories in which two sides made the same, or a restored database had forgotten what it made: it is found first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.scenarios.test_d_restored import Backup
from tests.scenarios.test_l_partial import balance, script
from tests.support.returning import credited, in_dashboard, refund_later, returned
from tests.support.world import Doors, World
from tests.support.world import world as new_world

BALANCES = {"method": "POST", "path": "/v1/customers/{id}/balance_transactions"}


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


# --- a customer's credit that a restored database has forgotten ------------------------------------------------------


async def overpaid(world: World) -> tuple[str, str]:
    """A customer whose next renewal of 10.00 will bring in 12.00; the customer and the subscription."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    script(world, 120)
    return signup.customer, signup.subscription


@pytest.mark.parametrize("days", [0, 3])
async def test_a_restored_database_gives_the_customer_s_credit_again(world: World, days: int) -> None:
    """Law 11: neither the payment nor the credit is in the backup."""
    customer, _ = await overpaid(world)
    backup = Backup(world)
    await backup.take()
    await world.later(days=31)
    assert balance(world, customer) == -200
    await world.move(days=days, minutes=10)
    await backup.restore()
    for _ in range(3):
        await world.catch_up()
        await world.settle()
        await world.later(hours=1)

    assert (balance(world, customer), await world.open_cases()) == (-200, [])
    assert returned(world) == []


@pytest.mark.parametrize("days", [0, 3])
async def test_a_restored_database_that_knows_the_payment_credits_it_again(world: World, days: int) -> None:
    """The backup was taken while Stripe turned the credit away."""
    customer, _ = await overpaid(world)
    world.stripe.faults.add("error_before", status=429, times=None, **BALANCES)
    await world.later(days=31)
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.clear()
    await world.later(hours=2)
    assert balance(world, customer) == -200
    await world.move(days=days, minutes=10)
    await backup.restore()
    for _ in range(3):
        await world.later(hours=1)

    assert (balance(world, customer), await world.open_cases()) == (-200, [])


async def test_a_transfer_whose_credit_was_forgotten(world: World) -> None:
    """A receipt is credited once as well: it is known by the reference that staff gave it."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    away = world.stripe.faults.add("error_before", status=429, times=None, **BALANCES)
    assert (await world.record_payment(renewal, amount=1200, wait_s=0)).status_code in (200, 202)
    await world.settle()
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.remove(away.id)
    await world.later(hours=2)
    assert balance(world, signup.customer) == -200
    await world.move(days=3)
    await backup.restore()
    for _ in range(3):
        await world.later(hours=1)

    assert (balance(world, signup.customer), await world.open_cases()) == (-200, [])


async def test_what_comes_later_is_credited_as_well(world: World) -> None:
    """The capture grows after its excess was credited: what was found before explains the first part alone."""
    customer, _ = await overpaid(world)
    await world.later(days=31)
    assert balance(world, customer) == -200
    account, charge = world.practice.account(world.shop.practice_key), world.captures()[-1]
    charge.captured = 1500
    world.practice.announce(account, "charge.succeeded", charge.shown(account.id))
    await world.settle()
    await world.later(hours=1)

    assert (balance(world, customer), await world.open_cases()) == (-500, [])


# --- a failure that is heard before the success ----------------------------------------------------------------------


async def notices_of(world: World, amount: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Staff refund in the processor's dashboard, and later it fails; both notices, which nobody has had yet."""
    account = world.practice.account(world.shop.practice_key)
    world.practice.delivery.set(drop=True)
    world.practice.script_refunds(world.shop.practice_key, "failed_later")
    made = in_dashboard(world, amount)
    succeeded = made.shown(account.id)
    world.practice.settle_refund(made.id, "failed")
    await world.practice.flush()
    world.practice.delivery.set(drop=False)
    return succeeded, made.shown(account.id)


@pytest.mark.parametrize("order", ["success_first", "failure_first", "together"])
async def test_the_notices_of_a_dashboard_refund_in_any_order(world: World, order: str) -> None:
    """Stripe shows what never went back: the failure is heard first, and dropped."""
    signup = await world.signup("ok")
    account = world.practice.account(world.shop.practice_key)
    succeeded, reversed_ = await notices_of(world, 400)
    told = [("refund.succeeded", succeeded), ("refund.reversed", reversed_)]
    for what, how in told if order == "success_first" else told[::-1]:
        world.practice.announce(account, what, how)
        if order != "together":
            await world.settle()
    await world.settle()
    for _ in range(3):
        await world.later(days=1)

    assert (returned(world), credited(world, signup.invoice)) == ([], [])
    assert await world.open_cases() == ["refund_failed"]
    moved = [(m["kind"], m["amount"]) for m in (await world.gateway_invoice(signup.invoice))["movements"]]
    assert moved == [("capture", 1000), ("refund", 400), ("refund_failed", 400)]


async def test_after_a_failure_that_was_heard_first_all_can_be_returned(world: World) -> None:
    signup = await world.signup("ok")
    account = world.practice.account(world.shop.practice_key)
    succeeded, reversed_ = await notices_of(world, 400)
    world.practice.announce(account, "refund.reversed", reversed_)
    await world.settle()
    world.practice.announce(account, "refund.succeeded", succeeded)
    await world.settle()
    await refund_later(world, signup.invoice, amount=1000)

    assert (returned(world), credited(world, signup.invoice)) == ([1000], [1000])
