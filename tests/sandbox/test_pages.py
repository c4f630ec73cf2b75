"""The pages that a payer opens in a browser: the hosted invoice, its PDF, the customer portal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import World
from tests.sandbox.test_invoices import refused

DAY_S = 86400


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_an_invoice_is_shown_and_paid(world: World, browser: httpx.AsyncClient) -> None:
    invoice = await world.open_invoice()
    assert invoice.hosted_invoice_url.startswith(f"{world.url}/i/{world.account.id}/test_")
    assert invoice.id not in invoice.hosted_invoice_url
    shown = await browser.get(invoice.hosted_invoice_url)
    assert (shown.status_code, invoice.number in shown.text, "EUR 10.00" in shown.text) == (200, True, True)
    sent = await browser.post(invoice.hosted_invoice_url, data={"method": "visa"})
    assert (sent.status_code, sent.headers["location"]) == (303, invoice.hosted_invoice_url)
    assert "This invoice is paid" in (await browser.get(invoice.hosted_invoice_url)).text
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "paid"
    assert {"invoice.paid", "invoice.payment_succeeded"} <= {*world.types_since(0)}
    again = await browser.post(invoice.hosted_invoice_url, data={"method": "visa"})
    assert again.status_code == 409


async def test_a_declined_card_says_so(world: World, browser: httpx.AsyncClient) -> None:
    invoice = await world.open_invoice()
    await browser.post(invoice.hosted_invoice_url, data={"method": "chargeDeclined"})
    page = (await browser.get(invoice.hosted_invoice_url)).text
    assert 'role="alert">Your card was declined.' in page
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "open"


async def test_a_debit_stays_processing(world: World, browser: httpx.AsyncClient) -> None:
    invoice = await world.open_invoice()
    await browser.post(invoice.hosted_invoice_url, data={"method": "sepaDebit"})
    page = (await browser.get(invoice.hosted_invoice_url)).text
    assert ("being processed" in page, "<form" in page) == (True, False)
    world.sandbox.advance(4 * DAY_S)
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "paid"


async def test_a_card_that_asks_leads_through_the_bank(world: World, browser: httpx.AsyncClient) -> None:
    invoice = await world.open_invoice()
    sent = await browser.post(invoice.hosted_invoice_url, data={"method": "authenticationRequired"})
    bank = sent.headers["location"]
    assert "Fail authentication" in (await browser.get(bank)).text
    back = await browser.post(bank, data={"result": "complete"})
    assert back.headers["location"].startswith(invoice.hosted_invoice_url)
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "paid"
    assert (await browser.post(bank, data={"result": "complete"})).status_code == 409


async def test_pages_that_do_not_exist(world: World, browser: httpx.AsyncClient) -> None:
    invoice = await world.open_invoice()
    for url in (f"{world.url}/i/{world.account.id}/test_x", f"{world.url}/i/acct_1/x", f"{world.url}/i/x"):
        assert (await browser.get(url)).status_code == 404
    assert (await browser.put(invoice.hosted_invoice_url)).status_code == 405
    unknown = await browser.post(invoice.hosted_invoice_url, data={"method": "gold"})
    assert unknown.status_code == 400


async def test_the_pdf(world: World, browser: httpx.AsyncClient) -> None:
    price = await world.price(product_data={"name": "Größe (L)"})
    invoice = await world.open_invoice(price=price)
    got = await browser.get(invoice.invoice_pdf)
    assert (got.headers["content-type"], got.content[:8]) == ("application/pdf", b"%PDF-1.4")
    assert "Größe \\(L\\)".encode("cp1252") in got.content
    start = int(got.content.split(b"startxref\n")[1].split()[0])
    table = got.content[start:].split(b"\n")
    places = [int(line.split()[0]) for line in table[3:] if line.endswith(b" n ")]
    assert all(got.content[at:].startswith(b"%d 0 obj" % number) for number, at in enumerate(places, 1))


async def session(world: World, customer: str, **more: Any) -> Any:
    params = {"customer": customer, "return_url": "https://shop.example/account", **more}
    return await world.v1.billing_portal.sessions.create_async(params)


async def test_the_portal_changes_the_default_method(world: World, browser: httpx.AsyncClient) -> None:
    customer = await world.customer()
    made = await session(world, customer.id, flow_data={"type": "payment_method_update"})
    shown = (await browser.get(made.url)).text
    assert ("Payment method: none" in shown, "Subscriptions" in shown) == (True, False)
    sent = await browser.post(made.url, data={"method": "mastercard"})
    assert sent.headers["location"] == made.url
    expand = {"expand": ["invoice_settings.default_payment_method"]}
    changed = await world.v1.customers.retrieve_async(customer.id, expand)
    assert changed.invoice_settings.default_payment_method.card.brand == "mastercard"
    assert world.types_since(0)[-2:] == ["payment_method.attached", "customer.updated"]


async def test_the_portal_cancels_as_configured(world: World, browser: httpx.AsyncClient) -> None:
    subscription = await world.subscribe()
    flow = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
        "after_completion": {"type": "redirect", "redirect": {"return_url": "https://shop.example/bye"}},
    }
    made = await session(world, subscription.customer, flow_data=flow)
    sent = await browser.post(made.url, data={"cancel": subscription.id})
    assert sent.headers["location"] == "https://shop.example/bye"
    ending = await world.v1.subscriptions.retrieve_async(subscription.id)
    assert (ending.status, ending.cancel_at_period_end) == ("active", True)
    assert (await refused(session(world, subscription.customer, flow_data=flow))).http_status == 400


async def test_a_configuration_decides_what_the_portal_offers(world: World, browser: httpx.AsyncClient) -> None:
    features = {
        "subscription_cancel": {"enabled": True, "mode": "immediately"},
        "payment_method_update": {"enabled": False},
    }
    made = await world.v1.billing_portal.configurations.create_async({"features": features})
    subscription = await world.subscribe()
    refusal = await refused(
        session(world, subscription.customer, configuration=made.id, flow_data={"type": "payment_method_update"})
    )
    assert refusal.param == "flow_data[type]"
    home = await session(world, subscription.customer, configuration=made.id)
    assert "Payment method" not in (await browser.get(home.url)).text
    assert (await browser.post(home.url, data={"method": "visa"})).status_code == 400
    await browser.post(home.url, data={"cancel": subscription.id})
    assert (await world.v1.subscriptions.retrieve_async(subscription.id)).status == "canceled"
    changed = await world.v1.billing_portal.configurations.update_async(made.id, {"active": False})
    assert not changed.active


async def test_a_portal_session_ends(world: World, browser: httpx.AsyncClient) -> None:
    made = await session(world, (await world.customer()).id)
    world.sandbox.advance(301)
    assert (await browser.get(made.url)).status_code == 404


async def test_the_pdf_of_a_credit_note(world: World, browser: httpx.AsyncClient) -> None:
    invoice = await world.open_invoice()
    note = await world.v1.credit_notes.create_async({"invoice": invoice.id, "amount": 400})
    got = await browser.get(note.pdf)
    assert (got.headers["content-type"], b"Total credited" in got.content) == ("application/pdf", True)


async def test_a_browser_may_need_another_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.sandbox, "public_url", "https://billing.example")
    invoice = await world.open_invoice()
    assert invoice.hosted_invoice_url.startswith("https://billing.example/i/")


async def test_a_page_lives_in_the_time_of_its_test_clock(world: World, browser: httpx.AsyncClient) -> None:
    frozen = await world.v1.test_helpers.test_clocks.create_async({"frozen_time": 1_700_000_000})
    customer = await world.customer(test_clock=frozen.id)
    invoice = await world.open_invoice(customer=customer)
    await browser.post(invoice.hosted_invoice_url, data={"method": "visa"})
    paid = await world.v1.invoices.retrieve_async(invoice.id)
    assert (paid.status, paid.status_transitions.paid_at) == ("paid", 1_700_000_000)
    session = await world.v1.billing_portal.sessions.create_async({"customer": customer.id})
    assert (await browser.get(session.url)).status_code == 200
