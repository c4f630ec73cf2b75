"""Refunds asked for on the console of a whole world: what it shows before is what becomes of them."""

from __future__ import annotations

import html
import re

from db import sql
from tests.scenarios.test_m_in_flight import renew_in_flight
from tests.support.returning import credited, returned
from tests.support.staff import clerk, text_of
from tests.support.world import World


async def test_a_refund_that_waits_for_its_payment_is_previewed_as_what_it_is(world: World) -> None:
    """Nothing is refused: it is stored, and made once the payment has come (scenarios 70, 155)."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.settle()
    asking = await clerk(world)
    form = {"invoice": signup.invoice, "amount": "4.00"}
    shown = text_of(await asking.post("/refunds/preview", form))

    asked = await asking.post("/refunds", form | {"once": "form-1"})
    await world.later(days=5)

    assert (asked.status_code, returned(world), credited(world, signup.invoice)) == (303, [400], [400])
    assert "so nothing would be sent" not in shown
    assert "4.00 EUR would go back" in shown


async def test_lines_of_an_invoice_whose_payment_is_under_way_can_be_asked_for(world: World) -> None:
    """As an amount can: the page says that a refund waits for the payment."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.settle()
    asking = await clerk(world)
    page = (await asking.get(f"/refunds/new?invoice={signup.invoice}&by=lines")).text
    [line] = re.findall(r'name="line_amount:(il_\w+)"', page)
    form = {"invoice": signup.invoice, "by": "lines", f"line_amount:{line}": "4.00", "once": "form-1"}
    asked = await asking.post("/refunds", form)
    assert asked.status_code == 303, text_of(asked)


def into(page: str) -> dict[str, str]:
    """The fields of the form for a refund, as a browser would send them; empty ones too."""
    form = page.partition('action="/console')[2]
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'<input[^>]*name="([\w:]+)"[^>]*value="([^"]*)"', form)
    }


async def returned_from_its_case(world: World, amount: str) -> None:
    """As somebody would: the case, its "Return money", and the form as it stands there."""
    asking = await clerk(world)
    case = await sql.value("select id from tollbridge.review_case where state = 'open'")
    page = (await asking.get(f"/cases/{case}")).text
    [path] = re.findall(r'href="/console/a/[^/]+(/refunds/new[^"]*)"', page)
    form = (await asking.get(html.unescape(path))).text
    assert "None is made: the invoice did not take this money." in form
    fields = into(form) | {"once": "form-1"}
    fields.pop("csrf", None)
    assert fields["amount"] == amount, "what the case is about stands there already"
    answer = await asking.post("/refunds", fields)
    assert answer.status_code == 303, text_of(answer)
    await world.settle()


async def test_what_was_taken_too_much_goes_back_without_a_credit_note(world: World) -> None:
    """As the API does it, of the capture (`attempt`): the invoice took none of it, so nothing of it is credited."""
    await world.set_policy(returns="case")
    signup = await world.signup("over_payment", wait_s=0)
    await world.settle()
    assert await world.open_cases() == ["overpaid"]

    await returned_from_its_case(world, "2.00")

    assert (returned(world), credited(world, signup.invoice)) == ([200], [])
    assert await world.open_cases() == []


async def test_what_was_paid_by_hand_beside_a_capture_goes_back_without_a_credit_note(world: World) -> None:
    """The invoice stays paid, by the payment that somebody marked: a credit note would take that away in the books."""
    _, renewal = await renew_in_flight(world)
    await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    await world.settle()
    await world.later(seconds=15)
    assert await world.open_cases() == ["paid_by_hand"]

    await returned_from_its_case(world, "10.00")

    assert (returned(world), credited(world, renewal)) == ([1000], [])
