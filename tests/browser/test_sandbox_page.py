"""The sandbox's page in a browser: walked with mouse and keyboard, without a script, at home."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import Watched, watched
from tests.sandbox.tools import KEY, Tool, opened

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]
NARROW = {"width": 360, "height": 700}
SCRIPT = "<script>document.title='stolen'</script>"


@pytest.fixture
async def tool() -> AsyncIterator[Tool]:
    """A Stripe with a customer, an event and an endpoint that nobody listens at."""
    async with opened("stripe") as made:
        auth = {"authorization": f"Bearer {KEY}"}
        hook = {"url": "http://127.0.0.1:9/", "enabled_events[]": "*"}
        made.sandbox.delivery.set(mode="manual")
        await made.http.post("/v1/webhook_endpoints", headers=auth, data=hook)
        await made.http.post("/v1/customers", headers=auth, data={"name": SCRIPT})
        yield made


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_from_a_call_to_its_event_and_the_next_month(tool: Tool, browser: Browser, scheme: str) -> None:
    async with watched(browser, color_scheme=scheme, java_script_enabled=False) as seen:
        page = seen.page
        await page.goto(tool.url)
        await seen.shoot(f"sandbox-overview-{scheme}")
        await page.get_by_role("link", name="customers 1").click()
        await expect(page.get_by_role("cell", name=SCRIPT)).to_be_visible()
        await page.get_by_role("link", name="events 1", exact=True).click()
        await expect(page.get_by_role("cell", name="waiting")).to_be_visible()
        await page.get_by_role("row").nth(1).get_by_role("link").first.click()
        await page.get_by_role("button", name="Send with a forged signature").click()
        await expect(page.get_by_role("status")).to_contain_text("1 sent, 0 accepted")
        await expect(page.get_by_role("cell", name="forged: signature; ConnectError")).to_be_visible()
        await seen.shoot(f"sandbox-event-{scheme}")
        await page.get_by_role("button", name="+1 month").click()
        await expect(page.get_by_text("moved by")).to_be_visible()
        assert tool.sandbox.clock.offset_s >= 28 * 86400


async def test_a_fault_by_keyboard_alone(tool: Tool, browser: Browser) -> None:
    async with watched(browser) as seen:
        page = seen.page
        await page.goto(f"{tool.url}/?view=faults")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the contents")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.type("lost a")
        for text in ("\t", "POST", "\t", "/v1/customers"):
            await (page.keyboard.press("Tab") if text == "\t" else page.keyboard.type(text))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("The fault waits.")
        (fault,) = tool.sandbox.faults.pending
        assert (fault.effect, fault.match.method, fault.match.path) == ("lost_after", "POST", "/v1/customers")
        await page.get_by_role("button", name="Remove", exact=True).click()
        await expect(page.get_by_text("Nothing goes wrong.")).to_be_visible()


async def test_a_narrow_screen_shows_all_of_it(tool: Tool, browser: Browser) -> None:
    """Wide tables scroll inside their frame; the page itself never does sideways."""
    async with watched(browser) as seen:
        await seen.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        for query in ("", "?view=calls", "?view=deliveries", "?view=faults", "?view=objects&shelf=customers"):
            await seen.page.goto(f"{tool.url}/{query}")
            await no_sideways(seen)
        await seen.shoot("sandbox-narrow")


async def no_sideways(seen: Watched) -> None:
    wide = await seen.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0


async def test_a_page_of_another_origin_presses_nothing(tool: Tool, browser: Browser) -> None:
    """A form elsewhere that is sent by itself: the browser says where it comes from, and it is refused."""
    async with opened("practice") as elsewhere, watched(browser) as seen:
        await seen.page.goto(f"{elsewhere.url}/setup/none")
        fields = '<input name="do" value="move"><input name="by" value="day">'
        await seen.page.set_content(f'<form method="post" action="{tool.url}/">{fields}</form>')
        async with seen.page.expect_navigation():
            await seen.page.evaluate("document.forms[0].submit()")
        await expect(seen.page.locator("body")).to_contain_text("cross_site")
        assert tool.sandbox.clock.offset_s == 0
        seen.complaints.clear()  # of the answer 403
