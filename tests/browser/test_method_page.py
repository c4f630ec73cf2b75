"""Our page for another payment method, walked as a payer walks it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Watched, watched
from tests.browser.test_checkout_page import CONTRAST, tab_to
from tests.processes.house import House, Payer, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

STORED = "Your payment method is stored"


def unpaid(shop: House) -> Payer:
    """A customer whose one payment method is revoked, with an open invoice of 42.00."""
    payer = shop.sign_up()
    path = f"/v1/customers/{payer.customer}/payment_methods"
    [method] = shop.gateway("GET", path)["data"]
    shop.gateway("DELETE", f"{path}/{method['id']}")
    terms = {"customer": payer.customer, "collection_method": "send_invoice", "days_until_due": "10"}
    invoice = shop.stripe("/v1/invoices", terms)["id"]
    item = {"customer": payer.customer, "invoice": invoice, "amount": "4200", "currency": "eur"}
    shop.stripe("/v1/invoiceitems", item)
    shop.stripe(f"/v1/invoices/{invoice}/finalize", {})
    waits = lambda: shop.gateway_invoices().get(invoice, {}).get("state") == "needs_payment_method"  # noqa: E731
    until(waits, "the invoice waits for a payment method", 20)
    return Payer(payer.customer, payer.subscription, invoice)


def session_of(shop: House, payer: Payer) -> dict[str, Any]:
    body = {"customer": payer.customer, "return_url": f"{shop.urls['shop']}/checkout"}
    return dict(shop.gateway("POST", "/v1/payment_method_sessions", body))


async def choose(page: Page, card: str, seen: Watched | None = None) -> None:
    await page.get_by_role("button", name="Continue with Practice").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
    if seen is not None:
        await seen.shoot("method-processor")
    await page.get_by_role("button", name=card).click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_new_card_pays_what_is_open(shop: House, browser: Browser, scheme: Any) -> None:
    """The amount is told before, the secret stands in no address that anybody sees, and text stands out."""
    payer = unpaid(shop)
    session = session_of(shop, payer)
    async with watched(browser, color_scheme=scheme) as seen:
        page, asked = seen.page, []
        page.context.on("request", lambda request: asked.append(request.url))
        await page.goto(session["url"])
        await expect(page.locator("#due")).to_contain_text("€42.00")
        await seen.shoot(f"method-{scheme}")
        for selector in ("h1", "#due", "#choose p", "#processors button"):
            assert await page.locator(selector).first.evaluate(CONTRAST) >= 4.5, f"{selector} in {scheme}"
        assert session["client_secret"] not in page.url
        await choose(page, "Card that works", seen if scheme == "light" else None)
        await expect(page.get_by_role("heading", level=1)).to_have_text(STORED)
        await expect(page.get_by_role("link", name="Back to the shop")).to_be_visible()
        await seen.shoot(f"method-stored-{scheme}")
        for selector in ("h1", "#status", "#return"):
            assert await page.locator(selector).first.evaluate(CONTRAST) >= 4.5, f"{selector} in {scheme}"
        assert not [url for url in asked if session["client_secret"] in url.partition("#")[0]]

    paid = lambda: shop.stripe_invoices()[payer.invoice]["status"] == "paid"  # noqa: E731
    until(paid, "the open invoice is paid", 20)


async def test_a_card_that_fails_and_then_another(shop: House, browser: Browser) -> None:
    session = session_of(shop, shop.sign_up())
    async with watched(browser) as seen:
        page = seen.page
        await page.goto(session["url"])
        await choose(page, "Card that can't be stored")
        await expect(page.get_by_role("status")).to_contain_text("That did not work")
        await seen.shoot("method-failed")
        await choose(page, "Card that works")
        await expect(page.get_by_role("heading", level=1)).to_have_text(STORED)
        # The link from the mail, a second time.
        await page.goto(session["url"])
        await expect(page.get_by_role("heading", level=1)).to_have_text(STORED)


async def test_with_the_keyboard_alone_on_a_narrow_screen(shop: House, browser: Browser) -> None:
    """Tab and Enter; what has the focus shows it; the end takes the focus, so that it is read out."""
    session = session_of(shop, shop.sign_up())
    async with watched(browser) as seen:
        page = seen.page
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.goto(session["url"])
        await expect(page.get_by_role("button", name="Continue with Practice")).to_be_visible()
        await tab_to(page, "Continue with Practice")
        await seen.shoot("method-narrow")
        assert "solid" in await page.evaluate("getComputedStyle(document.activeElement).outline")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
        await tab_to(page, "Card that works")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text(STORED)
        assert await page.evaluate("document.activeElement.id") == "title"


async def test_who_goes_back_may_choose_again(shop: House, browser: Browser) -> None:
    session = session_of(shop, shop.sign_up())
    async with watched(browser) as seen:
        page = seen.page
        await page.goto(session["url"])
        await page.get_by_role("button", name="Continue with Practice").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
        await page.go_back()
        await choose(page, "Card that works")
        await expect(page.get_by_role("heading", level=1)).to_have_text(STORED)


async def test_a_link_without_its_end_is_told(shop: House, browser: Browser) -> None:
    """A mail program has cut it: nothing is shown of the session."""
    session = session_of(shop, shop.sign_up())
    async with watched(browser) as seen:
        await seen.page.goto(session["url"].partition("#")[0])
        await expect(seen.page.get_by_role("status")).to_contain_text("not complete")
        await seen.shoot("method-cut-link")
        await expect(seen.page.locator("#choose")).to_be_hidden()
        assert all("401" in complaint for complaint in seen.complaints)
        seen.complaints.clear()
