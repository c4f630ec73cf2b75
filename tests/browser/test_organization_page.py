"""Our page for an organization, opened by its link, and by a form where JavaScript is off."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import watched
from tests.browser.test_checkout_page import CONTRAST
from tests.browser.test_method_page import unpaid
from tests.processes.house import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]


def _token(shop: House, customer: str) -> dict[str, Any]:
    return dict(shop.gateway("POST", "/v1/organization_tokens", {"customer": customer}))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_link_shows_the_invoices_and_loses_its_token(shop: House, browser: Browser, scheme: Any) -> None:
    payer = unpaid(shop)
    made = _token(shop, payer.customer)
    async with watched(browser, color_scheme=scheme) as seen:
        page, asked = seen.page, []
        page.context.on("request", lambda request: asked.append(request.url))
        await page.goto(made["url"])
        await expect(page.get_by_role("row")).to_have_count(3)
        await expect(page.get_by_text("42.00 EUR")).to_be_visible()
        await seen.shoot(f"organization-{scheme}")
        for selector in ("h1", "td.bad", "td.good", "button"):
            assert await page.locator(selector).first.evaluate(CONTRAST) >= 4.5, f"{selector} in {scheme}"
        assert made["token"] not in page.url
        # A fragment is no part of what is sent.
        assert not [url for url in asked if made["token"] in url.partition("#")[0]]

        async with page.context.expect_page() as opened:
            await page.get_by_role("button", name="Give a payment method").click()
        given = await opened.value
        await expect(given.locator("#due")).to_contain_text("€42.00")


async def test_without_javascript_a_form_leads_there(shop: House, browser: Browser) -> None:
    payer = unpaid(shop)
    made = _token(shop, payer.customer)
    address = made["url"].partition("#")[0]
    async with watched(browser, java_script_enabled=False) as seen:
        page = seen.page
        await page.set_viewport_size({"width": 360, "height": 720})
        await page.set_content(
            f'<form method="post" action="{address}"><input name="token" value="{made["token"]}">'
            "<button>Go</button></form>"
        )
        await page.get_by_role("button").click()
        await expect(page.get_by_text("42.00 EUR")).to_be_visible()
        await seen.shoot("organization-narrow")
        async with page.context.expect_page() as opened:
            await page.get_by_role("button", name="Open the customer portal").click()
        await expect((await opened.value).locator("body")).to_contain_text("EUR 42.00")
