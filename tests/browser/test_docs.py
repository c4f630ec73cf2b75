"""The API's description, without the internet."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import watched
from tests.processes.house import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_description_is_shown_offline(shop: House, browser: Browser, scheme: str) -> None:
    """Operations are listed, one can be opened, and nothing is fetched from anywhere else."""
    async with watched(browser, color_scheme=scheme) as seen:
        page = seen.page
        await page.goto(f"{shop.urls['gateway']}/docs")
        await expect(page.get_by_text("/v1/checkout_sessions").first).to_be_visible()
        await seen.shoot(f"docs-{scheme}")
        operation = page.locator("details", has_text="/v1/checkout_sessions").first
        await operation.locator("summary").first.click()
        await expect(operation.get_by_text("client_reference").first).to_be_visible()
        await seen.shoot(f"docs-open-{scheme}")
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
