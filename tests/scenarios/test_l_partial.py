"""L. Less or more than an invoice wanted: the rest is billed anew, or asked for; what is too much goes back."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.sandbox.practice.account import Scripted
from gateway.sandbox.practice.kinds import TokenKind
from tests.support.people import Signup
from tests.support.returning import notes, returned
from tests.support.world import World


async def renew_in_part(world: World, *percents: int, **policy: Any) -> tuple[Signup, str]:
    """A renewal of 10.00 of which the processor takes so many percent at first, and then all that it's asked for."""
    signup = await world.signup("ok")
    await world.set_policy(**policy)
    script(world, *percents)
    await world.later(days=31)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


def script(world: World, *percents: int) -> None:
    """The next charges take so many percent of what they are asked for."""
    world.practice.script(world.shop.practice_key, *(Scripted(percent=one) for one in percents))


def rest_of(world: World, invoice: str) -> dict[str, Any]:
    """The invoice at Stripe that bills the rest of another one."""
    [found] = [
        dict(one)
        for one in world.stripe_account().invoices.values()
        if one["metadata"].get("tollbridge_remainder_of") == invoice
    ]
    return found


def taken(world: World) -> list[int]:
    """What the processor has captured, oldest first, but for the signup's."""
    return [charge.captured for charge in world.captures()[1:]]


def balance(world: World, customer: str) -> int:
    return int(world.stripe_account().customers[customer]["balance"])


@pytest.mark.scenario(181)
async def test_split(world: World) -> None:
    _, renewal = await renew_in_part(world, 60)

    live, rest = world.stripe_invoice(renewal), rest_of(world, renewal)
    assert (live["status"], live["amount_due"], live["amount_paid"]) == ("paid", 600, 600)
    [note] = notes(world, renewal)
    assert (note["total"], note["pre_payment_amount"], note["out_of_band_amount"]) == (400, 400, None)
    assert [line["type"] for line in note["lines"]["data"]] == ["invoice_line_item"]
    assert (rest["status"], rest["total"], rest["collection_method"]) == ("paid", 400, "send_invoice")
    assert live["metadata"]["tollbridge_remainder"] == rest["id"]
    assert (rest["due_date"] - rest["created"]) == 10 * 86400
    assert taken(world) == [600, 400]
    shown = await world.gateway_invoice(renewal)
    assert [one["invoice"] for one in shown["remainders"]] == [rest["id"]]
    assert (await world.gateway_invoice(rest["id"]))["remainder_of"] == renewal
    assert await world.open_cases() == []


@pytest.mark.scenario(179)
async def test_top_up(world: World) -> None:
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", 1000)
    assert taken(world) == [600, 400]
    assert notes(world, renewal) == []
    assert await world.attempts(renewal) == ["succeeded", "succeeded"]
    assert await world.open_cases() == []


@pytest.mark.scenario(181)
async def test_access_waits_for_both(world: World) -> None:
    world.practice.script(
        world.shop.practice_key, Scripted(percent=60), Scripted(kind=TokenKind.DECLINE_INSUFFICIENT_FUNDS)
    )
    signup = await world.signup("ok", wait_s=0)
    rest = rest_of(world, signup.invoice)
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert rest["status"] == "open"
    access = await world.access(signup.subscription)
    assert (access["granted"], access["reason"]) == (False, "first_invoice_rest_due")

    await world.later(hours=25)

    assert rest_of(world, signup.invoice)["status"] == "paid"
    assert (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(181)
@pytest.mark.parametrize("percent", [60, 33, 77])
async def test_tax_is_charged_once(world: World, percent: int) -> None:
    rate = await world.shop.client.v1.tax_rates.create_async(
        {"display_name": "VAT", "percentage": 19.0, "inclusive": False}
    )
    signup = await world.signup("ok", default_tax_rates=[rate.id])
    script(world, percent)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])

    live, rest = world.stripe_invoice(renewal), rest_of(world, renewal)
    [note] = notes(world, renewal)
    paid = taken(world)[0]
    assert (live["total"], live["amount_paid"], rest["total"]) == (1190, paid, 1190 - paid)
    credited, billed = (sum(tax["amount"] for tax in one["total_taxes"]) for one in (note, rest))
    assert credited == billed > 0
    assert sum(taken(world)) == 1190


@pytest.mark.scenario(181)
async def test_a_rest_that_its_lines_do_not_come_to_is_billed_plainly(world: World) -> None:
    """Seen on the draft, and mended there: Stripe's rounding is not ours."""
    signup = await world.signup("ok", default_tax_rates=[world.shop.tax_rate])
    script(world, 60)
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices", status=500)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    await sql.rows("""update tollbridge.remainder set lines = replace(lines, '"amount":400', '"amount":401')""")

    for _ in range(4):
        await world.later(minutes=2)

    rest = rest_of(world, renewal)
    assert (rest["status"], rest["total"], rest["total_taxes"]) == ("paid", 480, [])
    [line] = rest["lines"]["data"]
    assert line["description"].startswith("Rest of invoice")


@pytest.mark.scenario(181)
async def test_a_rest_whose_tax_rate_is_retired_is_billed_plainly(world: World) -> None:
    signup = await world.signup("ok", default_tax_rates=[world.shop.tax_rate])
    script(world, 60)
    await world.shop.client.v1.tax_rates.update_async(world.shop.tax_rate, {"active": False})
    await world.later(days=31)
    rest = rest_of(world, str(world.invoices_of(signup.subscription)[-1]["id"]))
    assert (rest["status"], rest["total"]) == ("paid", 480)


@pytest.mark.scenario(181)
@pytest.mark.parametrize("call", ["/v1/credit_notes", "/v1/invoices", "/v1/invoices/{id}/add_lines"])
async def test_a_lost_answer_makes_nothing_twice(world: World, call: str) -> None:
    signup = await world.signup("ok")
    script(world, 60)
    world.stripe.faults.add("lost_after", method="POST", path=call)
    await world.later(days=31)
    await world.later(minutes=3)

    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert len(notes(world, renewal)) == 1
    assert (rest_of(world, renewal)["status"], rest_of(world, renewal)["total"]) == ("paid", 400)
    assert taken(world) == [600, 400]


@pytest.mark.scenario(179)
async def test_top_up_turns_into_a_split_when_no_try_is_left(world: World) -> None:
    signup = await world.signup("ok")
    await world.set_policy(partial_payment="top_up")
    script(world, 60)
    world.practice.script(
        world.shop.practice_key, *[Scripted(kind=TokenKind.DECLINE_INSUFFICIENT_FUNDS) for _ in range(4)]
    )
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert world.stripe_invoice(renewal)["status"] == "open"
    assert (await world.gateway_invoice(renewal))["state"] == "captured"
    for _ in range(9):
        await world.later(days=1)

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", 600)
    assert rest_of(world, renewal)["status"] == "paid"
    assert taken(world) == [600, 400]


async def test_a_small_difference_is_let_go(world: World) -> None:
    _, renewal = await renew_in_part(world, 98, small_differences={"eur": 20})

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", 980)
    [note] = notes(world, renewal)
    assert (note["total"], note["memo"]) == (20, "A small difference, which is not billed.")
    assert "tollbridge_remainder" not in live["metadata"]
    assert taken(world) == [980]
    assert await world.open_cases() == []


@pytest.mark.scenario(182)
async def test_too_much_goes_back(world: World) -> None:
    _, renewal = await renew_in_part(world, 120)

    assert world.stripe_invoice(renewal)["amount_paid"] == 1000
    assert returned(world) == [200]
    moved = [(m["kind"], m["amount"]) for m in (await world.gateway_invoice(renewal))["movements"]]
    assert moved == [("capture", 1200), ("surplus_returned", 200)]
    assert await world.open_cases() == []


@pytest.mark.scenario(182)
@pytest.mark.parametrize("fault", ["", "lost_after", "error_before"])
async def test_too_much_becomes_the_customers_credit(world: World, fault: str) -> None:
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    script(world, 120)
    if fault:
        world.stripe.faults.add(fault, method="POST", path="/v1/customers/{id}/balance_transactions")
    await world.later(days=31)
    await world.later(minutes=3)

    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert (world.stripe_invoice(renewal)["amount_paid"], balance(world, signup.customer)) == (1000, -200)
    assert returned(world) == []
    told = (await world.gateway_invoice(renewal))["recordings"]
    assert [(r["target"], r["amount"]) for r in told if r["state"] == "recorded"] == [
        ("invoice", 1000),
        ("balance", 200),
    ]
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert await world.open_cases() == []

    await world.later(days=31)
    assert taken(world) == [1200, 800], "the next renewal takes the credit up"


@pytest.mark.scenario(182)
async def test_too_much_that_staff_refund_in_the_dashboard(world: World) -> None:
    _, renewal = await renew_in_part(world, 120, overpayment="case")
    assert await world.open_cases() == ["overpaid"]

    world.practice.refund_from_dashboard(world.captures()[-1].id, 200)
    await world.settle()
    await world.later(minutes=10)

    assert await world.open_cases() == []
    assert notes(world, renewal) == []
    moved = [(m["kind"], m["amount"]) for m in (await world.gateway_invoice(renewal))["movements"]]
    assert moved == [("capture", 1200), ("surplus_returned", 200)]


@pytest.mark.scenario(185)
async def test_two_partials_cross(world: World) -> None:
    """The notice and the look-up tell of the same part: it stands once."""
    signup = await world.signup("ok")
    script(world, 60)
    world.practice.delivery.set(double=True)
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges")
    await world.later(days=31)
    await world.later(minutes=20)

    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    moved = [m["amount"] for m in (await world.gateway_invoice(renewal))["movements"]]
    assert moved == [600]
    assert taken(world) == [600, 400]
    ids = [r["processor_id"] for r in await sql.rows("select processor_id from tollbridge.movement")]
    assert len(ids) == len(set(ids)) == 3


@pytest.mark.scenario(184)
@pytest.mark.parametrize("part", ["keep", "return"])
async def test_the_rest_is_never_paid(world: World, part: str) -> None:
    signup = await world.signup("ok")
    await world.set_policy(at_end=["mark_uncollectible", "cancel_subscription"], partial_at_end=part)
    script(world, 60)
    world.practice.script(
        world.shop.practice_key, *[Scripted(kind=TokenKind.DECLINE_INSUFFICIENT_FUNDS) for _ in range(4)]
    )
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    for _ in range(10):
        await world.later(days=1)

    rest = rest_of(world, renewal)
    assert (world.stripe_invoice(renewal)["amount_paid"], rest["status"]) == (600, "uncollectible")
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    moved = [(m["kind"], m["amount"]) for m in (await world.gateway_invoice(renewal))["movements"]]
    assert moved == [("capture", 600), *([("refund", 600)] if part == "return" else [])]
    assert returned(world) == ([600] if part == "return" else [])
    assert [note["total"] for note in notes(world, renewal)] == [400, *([600] if part == "return" else [])]
    assert await world.open_cases() == []


async def test_by_hand_in_part(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    done = await world.record_payment(renewal, amount=400)
    assert done.status_code in (200, 202), done.text
    await world.settle()

    live, rest = world.stripe_invoice(renewal), rest_of(world, renewal)
    assert (live["status"], live["amount_paid"], rest["total"]) == ("paid", 400, 600)
    [receipt] = (await world.gateway_invoice(renewal))["movements"]
    assert (receipt["kind"], receipt["amount"]) == ("receipt", 400)
    paid = await world.record_payment(rest["id"], reference="wire-2")
    assert paid.status_code in (200, 202), paid.text
    await world.settle()
    assert rest_of(world, renewal)["status"] == "paid"
    assert taken(world) == []


async def test_by_hand_under_a_reference_of_another_source(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.set_policy(partial_payment="top_up")
    await world.record_payment(renewal, amount=400)
    await world.settle()
    other = await world.record_payment(renewal, source="credits", amount=100)
    assert (other.status_code, other.json().get("param")) == (400, "reference"), other.text
    await world.record_payment(renewal, source="credits", reference="ledger-1", amount=600)
    await world.settle()
    assert [m["amount"] for m in (await world.gateway_invoice(renewal))["movements"]] == [400, 600]


async def test_by_hand_more_than_is_due(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.set_policy(overpayment="customer_balance")
    await world.record_payment(renewal, amount=1300)
    await world.settle()

    assert (world.stripe_invoice(renewal)["amount_paid"], balance(world, signup.customer)) == (1000, -300)
    assert await world.open_cases() == []


async def test_by_hand_more_than_is_due_and_no_processor_to_return_it(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.record_payment(renewal, amount=1300)
    await world.settle()
    assert world.stripe_invoice(renewal)["amount_paid"] == 1000
    assert await world.open_cases() == ["overpaid"]


@pytest.mark.scenario(179)
async def test_a_part_by_hand_is_topped_up_by_the_card(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.set_policy(partial_payment="top_up")
    await world.record_payment(renewal, amount=400)
    await world.settle()
    world.break_card(signup.customer, "ok")
    await world.later(hours=25)

    assert (world.stripe_invoice(renewal)["status"], world.stripe_invoice(renewal)["amount_paid"]) == ("paid", 1000)
    assert taken(world) == [600]
