"""J. A refund that somebody asks for in the console, from the form to the credit note."""

from __future__ import annotations

import re

import pytest

from tests.support.returning import notes, returned, the_refund
from tests.support.staff import clerk, text_of
from tests.support.world import World


@pytest.mark.scenario(143)
async def test_a_part_from_the_form_to_the_credit_note(world: World) -> None:
    signup = await world.signup("ok")
    await world.set_policy(approval_above={"eur": 300})
    asking, other = await clerk(world), await clerk(world, name="second")
    form = {"invoice": signup.invoice, "amount": "4.00", "once": "form-1"}

    shown = text_of(await asking.post("/refunds/preview", form))
    assert "4.00 EUR would go back" in shown
    assert "Somebody else must approve it: more than 3.00 EUR" in shown
    assert "visa •••• 4242 12/2040 practice, practice-eu 10.00 EUR 4.00 EUR" in shown
    assert 'value="10.00"' in (await asking.post("/refunds/preview", {"invoice": signup.invoice, "all": "1"})).text
    assert returned(world) == [], "a preview moves nothing"

    answer = await asking.post("/refunds", form)
    path = answer.headers["location"].partition("?")[0].partition(f"/a/{world.shop.name}")[2]
    await world.settle()
    waits = text_of(await other.get(path))
    assert "Waits until somebody else approves it." in waits
    assert "The credit note that would be made" in waits
    assert "Total 4.00 EUR Tax in it" in waits
    assert (await other.post(f"{path}/approve")).status_code == 303
    await world.settle()

    [note] = notes(world, signup.invoice)
    assert (returned(world), note["total"]) == ([400], 400)
    page = text_of(await asking.get(path))
    assert f"Credit note Number {note['number']} in Stripe’s dashboard" in page
    assert "Done: the payer has the money, and the credit note stands in Stripe." in page


@pytest.mark.scenario(208)
async def test_one_unit_of_three(world: World) -> None:
    signup = await world.signup("ok", items=[{"price": world.shop.price, "quantity": 3}])
    asking = await clerk(world)
    [line] = re.findall(
        r'name="line_quantity:(il_\w+)"', (await asking.get(f"/refunds/new?invoice={signup.invoice}&by=lines")).text
    )
    form = {"invoice": signup.invoice, "by": "lines"}

    refused = await asking.post("/refunds", form | {"once": "form-1", f"line_amount:{line}": "30.01"})
    assert refused.status_code in (400, 409)
    assert 'value="30.01"' in refused.text, "what was typed is kept"
    shown = text_of(await asking.post("/refunds/preview", form | {f"line_quantity:{line}": "1"}))
    assert "Total 10.00 EUR Tax in it 0.00 EUR" in shown
    await asking.post("/refunds", form | {"once": "form-2", f"line_quantity:{line}": "1"})
    await world.settle()

    [note] = notes(world, signup.invoice)
    assert [(row["invoice_line_item"], row["quantity"]) for row in note["lines"]["data"]] == [(line, 1)]
    assert (returned(world), (await the_refund(world, signup.invoice))["state"]) == ([1000], "recorded")
