"""The sandbox's checkout page, walked as a payer walks it."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, Route, expect

from gateway.cli.wiring import STRIPE_KEY
from tests.browser.conftest import Watched, watched
from tests.processes.house import House, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

PAY = re.compile("^Pay with ")
FAILED_LOAD = "Failed to load resource: the server responded with a status of 4"


async def test_amounts_lines_tax_then_paid_by_card(shop: House, browser: Browser) -> None:
    """1,900 net and 19 % are 22.61; the card works; Stripe has it as paid."""
    name = f"Payer {uuid4().hex[:8]}"
    async with watched(browser) as seen:
        page = seen.page
        await begin(shop, page, name)
        await expect(page.locator("#lines")).to_contain_text("€22.61")
        rows = await page.locator("#lines tr").all_inner_texts()
        assert [row.split("\t")[-1] for row in rows] == ["€19.00", "€3.61", "€22.61"]
        assert rows[-1].startswith("To pay now")
        assert rows[-2].startswith("Tax")
        await expect(page.locator("#due")).to_contain_text("Due ")
        await seen.shoot("amounts")
        await pay(page, "Card that works", seen)
        await expect(page.get_by_role("status")).to_have_text("Paid. The subscription is yours.")
        await seen.shoot("paid")
        await expect(page.get_by_role("button", name=PAY)).to_be_hidden()
        await expect(page.get_by_label("Promotion code")).to_be_hidden()
    (invoice,) = await invoices_of(shop, name)
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", 2261)
    assert shop.captures()[invoice["id"]] == 1


async def test_a_promotion_code_changes_the_amount(shop: House, browser: Browser) -> None:
    """Half price comes from Stripe, tax with it; a code that does not exist is said so, and changes nothing."""
    code = f"HALF{uuid4().hex[:6].upper()}"
    coupon = shop.stripe("/v1/coupons", {"percent_off": "50", "duration": "once"})["id"]
    shop.stripe("/v1/promotion_codes", {"promotion[type]": "coupon", "promotion[coupon]": coupon, "code": code})
    async with watched(browser) as seen:
        page = seen.page
        await begin(shop, page)
        await page.get_by_label("Promotion code").fill("NO-SUCH-CODE")
        await page.get_by_role("button", name="Apply").click()
        await expect(page.get_by_role("status")).to_contain_text("promotion code")
        await seen.shoot("wrong-code")
        # The browser itself notes the refused request; the page says nothing more.
        assert [text for text in seen.complaints if not text.startswith(FAILED_LOAD)] == []
        seen.complaints.clear()

        await page.get_by_label("Promotion code").fill(code)
        await page.get_by_role("button", name="Apply").click()
        await expect(page.locator("#lines")).to_contain_text("Discount")
        amounts = [row.split("\t")[-1] for row in await page.locator("#lines tr").all_inner_texts()]
        assert amounts == ["€19.00", "-€9.50", "€1.81", "€11.31"]
        await expect(page.get_by_role("status")).not_to_contain_text("promotion code")
        await seen.shoot("discount")
        await pay(page, "Card that works")
        await expect(page.get_by_role("status")).to_have_text("Paid. The subscription is yours.")


async def test_a_declined_card_is_told(shop: House, browser: Browser) -> None:
    """The message says that it did not work; nothing was taken."""
    name = f"Payer {uuid4().hex[:8]}"
    async with watched(browser) as seen:
        page = seen.page
        await begin(shop, page, name)
        await pay(page, "Card that the bank declines")
        await expect(page.get_by_role("status")).to_contain_text("did not work")
        await seen.shoot("declined")
    (invoice,) = await invoices_of(shop, name)
    assert invoice["status"] != "paid"
    assert shop.captures()[invoice["id"]] == 0


async def test_a_bank_debit_is_on_its_way(shop: House, browser: Browser) -> None:
    """Processing, also after another look."""
    async with watched(browser) as seen:
        page = seen.page
        await begin(shop, page)
        await pay(page, "Bank debit that arrives later")
        await expect(page.get_by_role("status")).to_contain_text("on its way", timeout=40_000)
        await seen.shoot("processing")
        await page.goto(f"{shop.urls['shop']}/checkout")
        await expect(page.get_by_role("status")).to_contain_text("on its way")


async def test_refreshing_in_the_middle_makes_no_second_subscription(shop: House, browser: Browser) -> None:
    """Refresh with the amounts on the screen, leave the processor's page, and refresh when it is paid."""
    name = f"Payer {uuid4().hex[:8]}"
    async with watched(browser) as seen:
        page = seen.page
        await begin(shop, page, name)
        for _ in range(2):
            await page.reload()
            await expect(page.locator("#lines")).to_contain_text("€22.61")
        await expect(page.locator("#start")).to_be_hidden()
        await page.get_by_role("button", name=PAY).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
        await page.go_back()
        await expect(page.locator("#lines")).to_contain_text("€22.61")
        await pay(page, "Card that works")
        await expect(page.get_by_role("status")).to_have_text("Paid. The subscription is yours.")
        # The address still names the set-up: coming back to it must not confirm again.
        await page.reload()
        await expect(page.get_by_role("status")).to_have_text("Paid. The subscription is yours.")
    (invoice,) = await invoices_of(shop, name)
    assert shop.captures()[invoice["id"]] == 1
    assert len(customers_of(shop, name)) == 1


async def test_a_second_click_makes_no_second_subscription(shop: House, browser: Browser) -> None:
    """An impatient payer clicks Continue twice, quickly."""
    name = f"Payer {uuid4().hex[:8]}"
    async with watched(browser) as seen:
        page = seen.page
        await page.goto(f"{shop.urls['shop']}/checkout")
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Continue").dblclick()
        await expect(page.locator("#lines")).to_contain_text("€22.61")
    assert len(await invoices_of(shop, name)) == 1


async def test_an_answer_that_is_lost_makes_no_second_subscription(shop: House, browser: Browser) -> None:
    """The order reaches the shop and its answer does not reach the payer, who is told, and tries again."""
    name = f"Payer {uuid4().hex[:8]}"

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    async with watched(browser) as seen:
        page = seen.page
        await page.goto(f"{shop.urls['shop']}/checkout")
        await page.route("**/checkout/sessions", lose, times=1)
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("status")).to_have_class("bad")
        assert seen.complaints == ["Failed to load resource: net::ERR_FAILED"]
        seen.complaints.clear()
        await page.reload()
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.locator("#lines")).to_contain_text("€22.61")
    assert len(await invoices_of(shop, name)) == 1


async def test_with_the_keyboard_alone(shop: House, browser: Browser) -> None:
    """Tab and Enter from the first field to the payment; what has the focus shows it."""
    async with watched(browser) as seen:
        page = seen.page
        await page.goto(f"{shop.urls['shop']}/checkout")
        await tab_to(page, "Continue")
        await seen.shoot("keyboard-focus")
        assert "solid" in await page.evaluate("getComputedStyle(document.activeElement).outline")
        await page.keyboard.press("Enter")
        await expect(page.locator("#lines")).to_contain_text("€22.61")
        await tab_to(page, "Pay with Practice")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
        await tab_to(page, "Card that works")
        await seen.shoot("keyboard-processor")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("Paid. The subscription is yours.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_light_and_dark(shop: House, browser: Browser, scheme: Any) -> None:
    """Text stands out from what is behind it, at 4.5 to 1 at least, in both."""
    async with watched(browser, color_scheme=scheme) as seen:
        page = seen.page
        await page.goto(f"{shop.urls['shop']}/checkout")
        await seen.shoot(f"start-{scheme}")
        await begin(shop, page)
        await seen.shoot(f"amounts-{scheme}")
        await page.get_by_role("button", name=PAY).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
        await seen.shoot(f"processor-{scheme}")
        await page.get_by_role("button", name="Card reported stolen").click()
        await expect(page.get_by_role("status")).to_contain_text("did not work")
        await seen.shoot(f"declined-{scheme}")
        for selector in ("h1", "p.note", "#lines td", "[role=status]"):
            assert await page.locator(selector).first.evaluate(CONTRAST) >= 4.5, f"{selector} in {scheme}"


async def test_on_a_narrow_screen(shop: House, browser: Browser) -> None:
    """A telephone's width needs no scrolling sideways."""
    async with watched(browser) as seen:
        page = seen.page
        await page.set_viewport_size({"width": 360, "height": 740})
        await begin(shop, page)
        await seen.shoot("narrow")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def begin(shop: House, page: Page, name: str = "") -> None:
    """Open the page, say who pays, and see the amount."""
    await page.goto(f"{shop.urls['shop']}/checkout")
    if name:
        await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.locator("#lines")).to_contain_text("€22.61")


async def pay(page: Page, method: str, seen: Watched | None = None) -> None:
    """Choose the processor, and there a payment method."""
    await page.get_by_role("button", name=PAY).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a payment method")
    if seen is not None:
        await seen.shoot("processor")
    await page.get_by_role("button", name=method).click()


async def tab_to(page: Page, button: str) -> None:
    """Press Tab until a button with this text has the focus."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        if (await page.evaluate("document.activeElement.textContent") or "").startswith(button):
            return
    raise AssertionError(f"Tab does not reach {button!r}")


async def invoices_of(shop: House, name: str) -> list[dict[str, Any]]:
    """The invoices at Stripe of everybody of this name, once the gateway is at rest with them."""

    def found() -> list[dict[str, Any]]:
        ids = customers_of(shop, name)
        return [one for one in shop.stripe_invoices().values() if one["customer"] in ids]

    return list(await asyncio.to_thread(until, found, f"{name} has an invoice", 20))


def customers_of(shop: House, name: str) -> set[str]:
    """The ids of everybody of this name at Stripe."""
    customers = shop.listed(f"{shop.urls['stripe']}/v1/customers", STRIPE_KEY)
    return {one["id"] for one in customers if one["name"] == name}


CONTRAST = """
element => {
  const parse = text => text.startsWith("color(srgb")
    ? text.match(/[\\d.]+/g).slice(0, 3).map(Number)
    : text.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255);
  const light = text => parse(text).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  let behind = dark ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
  for (let up = element; up; up = up.parentElement) {
    const own = getComputedStyle(up).backgroundColor;
    if (own !== "rgba(0, 0, 0, 0)") { behind = own; break; }
  }
  const [a, b] = [light(getComputedStyle(element).color), light(behind)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}
"""
