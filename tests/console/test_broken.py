"""What the console promises and does not keep yet."""

from __future__ import annotations

import re

import httpx

from db import sql
from gateway.domain.roles import Role
from tests.console.conftest import Console
from tests.console.test_invoice import READ, RECORD, WIRE, one_open, receipts
from tests.scenarios.test_l_partial import renew_in_part, taken
from tests.scenarios.test_m_in_flight import renew_in_flight
from tests.support.returning import credit, credited, post, refund_later, refunds, retry, returned
from tests.support.staff import clerk, text_of
from tests.support.world import World


async def collected_at_stripe(world: World) -> set[str]:
    """The sums of the overview that are of what payers paid at Stripe: of a week, or of the month."""
    page = (await (await clerk(world)).get("")).text
    found = re.findall(r'<a[^>]* href="[^"]*source=stripe[^"]*"[^>]*>(.*?)</a>', page.partition("As a table")[2])
    return {text.strip() for text in found}


async def test_what_a_payer_paid_at_stripe_after_our_decline_is_collected(world: World) -> None:
    """It is collected by us, and its payer paid it on Stripe's own page: the recovery beside counts it as paid."""
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.pay_at_stripe(renewal)
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert world.taken_at_stripe(renewal) == 1000

    assert await collected_at_stripe(world) == {"10.00 EUR"}


async def test_what_a_payer_paid_at_stripe_is_collected_although_a_charge_came_too_and_went_back(world: World) -> None:
    """The payer paid twice, and has one of them back: one was collected."""
    _, renewal = await renew_in_flight(world)
    world.pays_there(renewal)
    await world.later(days=2)
    assert (world.taken_at_stripe(renewal), returned(world)) == (1000, [1000])

    assert await collected_at_stripe(world) == {"10.00 EUR"}


async def test_what_waits_again_counts_among_what_one_person_returned(world: World) -> None:
    """Policy `approval_above`: what went back of a refund alone is not forgotten when the rest of it waits."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    assert taken(world) == [600, 400]
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    assert returned(world) == [400]
    await refund_later(world, renewal, amount=100)
    assert returned(world) == [400, 100]
    again = await retry(world, first["id"])
    assert again.json()["approval"] == "waiting"

    more = await post(world, "/v1/refunds", {"invoice": renewal, "amount": 400, "wait_s": 0})
    await world.settle()

    assert more.json().get("approval") == "waiting", (returned(world), await refunds(world, renewal))
    assert sum(returned(world)) == 500


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


async def test_a_case_of_too_much_is_over_once_that_is_back(world: World) -> None:
    """Nothing is held any more; the case goes on to say that it is, and to offer that it is returned."""
    invoice, attempt, _ = await too_much(world, "succeeded")
    await refund_later(world, invoice, amount=200, attempt=attempt)
    assert returned(world) == [200]
    held = "select tollbridge.held_money(account, id) from tollbridge.invoice where id = $1"
    assert await sql.value(held, invoice) == 0
    assert "overpaid" not in await world.open_cases()


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


async def test_a_form_that_was_refused_is_not_said_to_stand(console: Console) -> None:
    """What was due had changed, so nothing was recorded. The back button leads to the form; what is mended there comes
    back with “what it asked for then stands”."""
    await one_open(console)
    finance, wrong = console[Role.FINANCE], WIRE | {"due": "10000", "once": "form-1"}
    assert ((await finance.post(RECORD, wrong)).status_code, await receipts(console)) == (409, [])
    mended = await finance.post(RECORD, wrong | {"due": "11900"})
    assert "what it asked for then stands" not in text_of(mended)


async def test_a_form_that_came_too_early_can_be_sent_again_as_it_is(console: Console) -> None:
    """“Stripe is about to be asked what the invoice is; ask again”: a reload of that page asks again, and is answered
    the same for a day."""
    await one_open(console, stale=True)
    finance, form = console[Role.FINANCE], WIRE | {"due": "11900", "once": "form-1"}
    early = await finance.post(RECORD, form)
    assert (early.status_code, "ask again" in text_of(early)) == (409, True)
    await sql.rows(READ)
    assert ((await finance.post(RECORD, form)).status_code, await receipts(console)) == (303, [11900])


async def test_what_was_credited_away_was_not_recovered(world: World) -> None:
    """Declined, and then staff credited all of it in Stripe, which calls that paid: nobody has paid anything."""
    _, renewal = await world.renew("decline_insufficient_funds")
    await credit(world, renewal, amount=1000)
    await world.settle()
    assert (world.stripe_invoice(renewal)["status"], world.stripe_invoice(renewal)["amount_paid"]) == ("paid", 0)
    page = text_of(await (await clerk(world)).get(""))
    assert "practice-eu: 100 % (1 of 1)" not in page


async def test_a_note_of_what_went_back_is_not_called_that_of_a_denied_refund(world: World) -> None:
    """4.00 of 5.00 went back, are credited, and somebody has accepted that. The missing 1.00 is tried again, waits, and
    is denied: the case says that the note tells of money that did not go, and to void it."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    [failed] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    await post(world, f"/v1/cases/{failed['id']}/close", {"reason": "4.00 is enough"})
    await world.settle()
    assert (returned(world), credited(world, renewal)) == ([400], [400])
    await refund_later(world, renewal, amount=100)
    assert (await retry(world, first["id"])).json()["approval"] == "waiting"

    denied = await (await clerk(world)).post(f"/refunds/{first['id']}/deny", {"once": "form-1"})
    await world.settle()

    assert (denied.status_code, returned(world), credited(world, renewal)) == (303, [400, 100], [400, 100])
    assert await world.open_cases() == []


async def test_who_approves_what_is_missing_is_asked_for_that_much(world: World) -> None:
    """4.00 of 5.00 went back already, and 1.00 waits: the button says “Approve 5.00 EUR”."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    await refund_later(world, renewal, amount=100)
    assert (await retry(world, first["id"])).json()["approval"] == "waiting"
    asked = text_of(await (await clerk(world, name="bert")).get(f"/refunds/{first['id']}"))
    assert "Approve 5.00 EUR" not in asked
