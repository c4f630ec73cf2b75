"""J. A refund that somebody asks for in the console, from the form to the credit note."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest

from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.sessions import Manner, Stage, csrf_of, open_session
from tests.support.returning import notes, returned, the_refund
from tests.support.world import World


class Clerk:
    """Somebody at the console of the first shop."""

    def __init__(self, world: World, token: str) -> None:
        self.world, self.token = world, token

    async def page(self, path: str) -> str:
        return (await self.world.http.get(self._at(path), headers=self._headers())).text

    async def post(self, path: str, **fields: str) -> httpx.Response:
        headers = self._headers() | {"sec-fetch-site": "same-origin"}
        given = {"csrf": csrf_of(self.token), **fields}
        return await self.world.http.post(self._at(path), data=given, headers=headers)

    def _at(self, path: str) -> str:
        return f"{self.world.gateway_url}/console/a/{self.world.shop.name}{path}"

    def _headers(self) -> dict[str, str]:
        return {"cookie": f"tollbridge={self.token}"}


async def clerk(world: World, name: str = "fin") -> Clerk:
    user = await users.add(Author("test"), f"{name}@example.com", name)
    await users.give_role(Author("test"), user.id, world.shop.account, Role.FINANCE)
    return Clerk(world, (await open_session(user.id, Stage.COMPLETE, Manner.PASSWORD)).token)


def _text(page: httpx.Response | str) -> str:
    bare = page if isinstance(page, str) else page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


@pytest.mark.scenario(143)
async def test_a_part_from_the_form_to_the_credit_note(world: World) -> None:
    signup = await world.signup("ok")
    await world.set_policy(approval_above={"eur": 300})
    asking, other = await clerk(world), await clerk(world, "second")
    form: dict[str, Any] = {"invoice": signup.invoice, "amount": "4.00", "once": "form-1"}

    shown = _text(await asking.post("/refunds/preview", **form))
    assert "4.00 EUR would go back" in shown
    assert "Somebody else must approve it: more than 3.00 EUR" in shown
    assert "visa •••• 4242 12/2040 practice, practice-eu 10.00 EUR 4.00 EUR" in shown
    assert 'value="10.00"' in (await asking.post("/refunds/preview", invoice=signup.invoice, all="1")).text
    assert returned(world) == [], "a preview moves nothing"

    answer = await asking.post("/refunds", **form)
    path = answer.headers["location"].partition("?")[0].partition(f"/a/{world.shop.name}")[2]
    await world.settle()
    waits = _text(await other.page(path))
    assert "Waits until somebody else approves it." in waits
    assert "The credit note that would be made" in waits
    assert "Total 4.00 EUR Tax in it" in waits
    assert (await other.post(f"{path}/approve")).status_code == 303
    await world.settle()

    [note] = notes(world, signup.invoice)
    assert (returned(world), note["total"]) == ([400], 400)
    page = _text(await asking.page(path))
    assert f"Credit note Number {note['number']} in Stripe’s dashboard" in page
    assert "Done: the payer has the money, and the credit note stands in Stripe." in page


@pytest.mark.scenario(208)
async def test_one_unit_of_three(world: World) -> None:
    signup = await world.signup("ok", items=[{"price": world.shop.price, "quantity": 3}])
    asking = await clerk(world)
    [line] = re.findall(
        r'name="line_quantity:(il_\w+)"', await asking.page(f"/refunds/new?invoice={signup.invoice}&by=lines")
    )
    form = {"invoice": signup.invoice, "by": "lines"}

    refused = await asking.post("/refunds", **form, once="form-1", **{f"line_amount:{line}": "30.01"})
    assert refused.status_code in (400, 409)
    assert 'value="30.01"' in refused.text, "what was typed is kept"
    shown = _text(await asking.post("/refunds/preview", **form, **{f"line_quantity:{line}": "1"}))
    assert "Total 10.00 EUR Tax in it 0.00 EUR" in shown
    await asking.post("/refunds", **form, once="form-2", **{f"line_quantity:{line}": "1"})
    await world.settle()

    [note] = notes(world, signup.invoice)
    assert [(row["invoice_line_item"], row["quantity"]) for row in note["lines"]["data"]] == [(line, 1)]
    assert (returned(world), (await the_refund(world, signup.invoice))["state"]) == ([1000], "recorded")
