"""Trying a refund again: judged as if it were asked for now."""

from __future__ import annotations

import httpx

from db import sql
from tests.scenarios.test_l_partial import renew_in_part, taken
from tests.support.returning import post, refund_later, refunds, retry, returned
from tests.support.staff import clerk, text_of
from tests.support.world import World


async def too_much(world: World, *ends: str) -> tuple[str, str, str]:
    """2.00 too much were captured, which people return by hand; a first refund of them fails. The invoice, its capture,
    the refund. `ends`: what the processor makes of the next ones."""
    await world.set_policy(returns="case")
    signup = await world.signup("over_payment", wait_s=0)
    await world.settle()
    [attempt] = (await world.gateway_invoice(signup.invoice))["attempts"]
    world.practice.script_refunds(world.shop.practice_key, "failed", *ends)
    first = await refund_later(world, signup.invoice, amount=200, attempt=attempt["id"])
    return signup.invoice, attempt["id"], first["id"]


async def press_again(world: World, name: str) -> httpx.Response:
    """“Try again” on the case of a refund that failed while that is open; else on the refund's page."""
    anna = await clerk(world, name=name)
    found = await sql.row("select id, subject from tollbridge.review_case where kind = 'refund_failed'")
    assert found is not None
    is_open = await sql.value("select state = 'open' from tollbridge.review_case where id = $1", found["id"])
    path = f"/cases/{found['id']}/repair/retry" if is_open else f"/refunds/{found['subject']}/retry"
    answer = await anna.post(path, {"once": name})
    await world.settle()
    return answer


async def test_money_that_no_invoice_took_is_not_returned_twice(world: World) -> None:
    """A first refund of it failed. One person asks for another, which succeeds; the failed one's case still offers to
    try again, and who does so returns 2.00 of what has paid the invoice, without a credit note."""
    invoice, attempt, _ = await too_much(world, "succeeded")
    await refund_later(world, invoice, amount=200, attempt=attempt)
    assert returned(world) == [200]

    again = await press_again(world, "anna")

    assert (again.status_code, returned(world)) == (409, [200]), [r["origin"] for r in await refunds(world, invoice)]


async def test_what_became_the_customers_credit_is_not_returned_too(world: World) -> None:
    """A refund of what came too much failed, and it became the customer's credit at Stripe (the policy is another one
    since): who tries the refund again gives it a second time."""
    invoice, _, _ = await too_much(world)
    await world.set_policy(overpayment="customer_balance")
    [over] = [
        one["id"]
        for one in (await world.call("GET", "/v1/cases?state=open")).json()["data"]
        if one["kind"] == "overpaid"
    ]
    await post(world, f"/v1/cases/{over}/close", {"reason": "the customer keeps it as credit"})
    await world.settle()
    customer = world.stripe_invoice(invoice)["customer"]
    assert world.stripe_account().customers[customer]["balance"] == -200

    again = await press_again(world, "anna")

    assert (again.status_code, returned(world)) == (409, [])


async def test_a_refund_that_waits_for_stripe_is_not_spoiled_by_trying_it_again(world: World) -> None:
    """Nothing of it failed: it is made once Stripe knows of its payment. Its parts are made at once instead, and Stripe
    takes no credit note for an invoice that is open."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.settle()
    asked = await refund_later(world, signup.invoice, amount=400)
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/*/pay", status=500, times=None)
    await world.later(days=3)
    assert (await world.gateway_invoice(signup.invoice))["state"] == "captured"
    assert [one["state"] for one in await refunds(world, signup.invoice)] == ["deferred"]

    again = await (await clerk(world)).post(f"/refunds/{asked['id']}/retry", {"once": "form-1"})
    await world.settle()
    world.stripe.faults.clear()
    await world.later(days=1)

    assert (again.status_code, returned(world)) == (409, [400]), text_of(again)


async def test_what_one_person_returned_is_not_forgotten_when_the_rest_is_tried_again(world: World) -> None:
    """Policy `approval_above`: 4.00 of 5.00 went back alone, and 1.00 more. The missing 1.00 is for two people, and is
    asked for anew: a refund that waits for a second person has returned nothing."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    assert taken(world) == [600, 400]
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    assert returned(world) == [400]
    await refund_later(world, renewal, amount=100)
    assert returned(world) == [400, 100]

    again = await retry(world, first["id"])
    more = await post(world, "/v1/refunds", {"invoice": renewal, "amount": 400, "wait_s": 0})
    await world.settle()

    assert (again.status_code, "ask for another one over that" in again.text) == (409, True)
    assert more.json()["approval"] == "waiting"
    assert sum(returned(world)) == 500
