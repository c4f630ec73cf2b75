"""Customers and subscriptions on the console of a whole world: what Stripe is asked, and what is told to it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from gateway.domain.roles import Role
from tests.support.metered import subscribe_metered, use
from tests.support.staff import Person, clerk, text_of
from tests.support.world import World


@pytest.fixture
async def support(world: World) -> Person:
    """Somebody who helps payers, at the shop's account."""
    return await clerk(world, Role.SUPPORT)


async def test_what_it_sells_its_next_invoice_and_its_end(world: World, support: Person) -> None:
    signup = await subscribe_metered(world)
    await use(world, signup.customer, 250)
    await world.later(seconds=1)
    path = f"/subscriptions/{signup.subscription}"

    part = await support.get(f"{path}/terms", **{"hx-request": "true"})
    terms = text_of(part)

    assert part.text.strip().startswith('<div id="terms">')
    assert "Sections" in text_of(await support.get(f"{path}/terms")), "a page of its own for who runs no script"
    assert "10.00 EUR every month" in terms
    assert "0.04 EUR for each unit that is used, billed every month" in terms
    assert "The period that runs: " in terms
    assert "Discount" not in terms, "there is none"
    assert "20.00 EUR" in terms, "the period to come, and 250 calls of the one that runs"

    asked = {"ends": "now", "invoice_now": "true", "reason": "Moves abroad."}
    assert (await support.post(f"{path}/cancel", asked)).status_code == 303
    assert "hx-redirect" not in (await support.get(f"{path}/progress")).headers
    await world.settle()

    assert "hx-redirect" in (await support.get(f"{path}/progress")).headers
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    page = text_of(await support.get(path))
    assert "to end now" in page
    assert "its end" in page, "what the last invoice is for"
    terms = text_of(await support.get(f"{path}/terms"))
    assert "None comes any more." in terms
    assert ("Its last period: " in terms, "The period that runs" in terms) == (True, False)
    assert [one.status for one in world.methods_at_processor()] == ["revoked"]


async def test_a_customer_by_mail_with_name_and_credit_and_a_link_that_opens_the_page(
    world: World, support: Person
) -> None:
    signup = await world.signup("ok")
    client = world.shop.client.v1
    await client.customers.update_async(signup.customer, {"name": "Ada Example", "email": "ada@example.com"})
    await client.customers.balance_transactions.create_async(signup.customer, {"amount": -250, "currency": "eur"})

    found = await support.get("/customers?q=ada@example.com")
    assert found.headers["location"].endswith(f"/customers/{signup.customer}")
    who = text_of(await support.get(f"/customers/{signup.customer}/at_stripe"))
    assert "Name Ada Example Mail ada@example.com Credit 2.50 EUR, taken up by the next invoice" in who

    made = await support.post(f"/customers/{signup.customer}/links", {"kind": "page"})
    link = (await support.get(made.headers["location"])).text.split('id="link" value="')[1].split('"')[0]
    page, _, secret = link.partition("#")
    assert (await support.http.get(world.gateway_url + urlsplit(page).path)).status_code == 200
    session = page.rpartition("/")[2]
    opened = await support.http.get(
        f"{world.gateway_url}/v1/payment_method_sessions/{session}", headers={"authorization": f"Bearer {secret}"}
    )
    assert opened.json()["status"] == "open"
    portal = await support.post(f"/customers/{signup.customer}/links", {"kind": "portal"})
    assert "It opens for some minutes only" in text_of(portal)


async def test_who_has_an_invoice_is_found_by_name_and_the_subscription_bears_it(world: World, support: Person) -> None:
    signup = await world.signup("ok", customer_details={"name": "Zoë Example"})

    for typed in ("zoe", "exam zo"):
        found = await support.get("/customers?q=" + typed.replace(" ", "+"))
        assert found.headers.get("location", "").endswith(f"/customers/{signup.customer}"), (typed, text_of(found))
    assert "Zoë Example: " in text_of(await support.get(f"/subscriptions/{signup.subscription}"))
    listed = await support.get("/invoices?search=zoe")
    assert (signup.invoice in listed.text, "Zoë Example" in listed.text) == (True, True)
