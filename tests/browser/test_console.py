"""The finance console over the demo's data, as people use it: by mouse, by keyboard alone, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.conftest import Watched, watched
from tests.browser.kept_demo import Demo, kept_demo
from tests.browser.walking import NARROW, SCHEMES, WIDE, Walk, clipped, faults, overhang, walk

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("console"), pytest.mark.timeout(600)]

SOON = 60_000
"""Milliseconds in which workers have done what a form asked for, in a crowd."""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  // Within a date the browser marks the part that has the focus, and no longer the whole.
  const seen = one.type === "date" || style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const order = [...document.querySelectorAll("*")].indexOf(one);
  return {tag: one.tagName, name: one.name || one.innerText || "", seen, order};
}"""


@pytest.fixture(scope="session")
def demo(chromium: str) -> Iterator[Demo]:
    with kept_demo() as made:
        yield made


@pytest.fixture(scope="session")
async def cookies(demo: Demo, browser: Browser) -> dict[str, Any]:
    """Everybody's session, from a first sign-in in which their phone is set up; each of its pages without a fault."""
    found: dict[str, Any] = {}
    for role in ("admin", "finance"):
        async with watched(browser) as seen:

            async def look(name: str, page: Page = seen.page) -> None:
                assert await faults(page) == [], name

            await demo.sign_in(seen.page, role, look)
            found[role] = await seen.page.context.storage_state()
    return found


@asynccontextmanager
async def at_work(browser: Browser, cookies: dict[str, Any], role: str, **options: Any) -> AsyncIterator[Watched]:
    """Somebody who is signed in, and says yes when a form asks."""
    async with watched(browser, storage_state=cookies[role], **options) as seen:
        seen.page.on("dialog", lambda dialog: dialog.accept())
        yield seen


@pytest.fixture(scope="session")
async def walked(demo: Demo, browser: Browser, cookies: dict[str, Any]) -> Walk:
    """What an admin finds by links."""
    async with at_work(browser, cookies, "admin") as seen:
        return await walk(seen.page, demo)


async def to_refund(page: Page, demo: Demo, amount: str) -> None:
    """From the list of invoices to a form with an amount in it."""
    number = demo.renewal_of("Ada").number
    await page.goto(f"{demo.account}/invoices")
    await page.get_by_role("searchbox").fill(number)
    await page.get_by_role("searchbox").press("Enter")
    await page.get_by_role("link", name=number, exact=True).click()
    await page.get_by_role("link", name="Refund", exact=True).click()
    await page.get_by_label("Amount in EUR").fill(amount)


async def until_noted(page: Page, *, reload: bool = False) -> None:
    """Until the refund's page shows its credit note; it looks by itself, or is loaded again."""
    issued = page.locator("dl.facts").filter(has_text="outside Stripe").get_by_text("issued")
    for _ in range(SOON // 1000 if reload else 0):
        if await issued.count():
            break
        await page.wait_for_timeout(1000)
        await page.reload()
    await expect(issued).to_be_visible(timeout=SOON)


async def test_signing_in_again_needs_the_code_of_the_phone(demo: Demo, browser: Browser, cookies: Any) -> None:
    async with watched(browser) as seen:

        async def look(name: str) -> None:
            assert await faults(seen.page) == [], name

        await demo.sign_in(seen.page, "finance", look)
        await expect(seen.page.get_by_role("navigation", name="Sections")).to_be_visible()
        await seen.page.get_by_role("button", name="Sign out").click()
        await expect(seen.page.get_by_role("status")).to_have_text("You are signed out.")


async def test_a_part_goes_back_once_a_second_person_agrees(demo: Demo, browser: Browser, cookies: Any) -> None:
    async with at_work(browser, cookies, "finance") as asks, at_work(browser, cookies, "admin") as agrees:
        await to_refund(asks.page, demo, "12,000.00")
        amount = asks.page.locator("#amount")
        await expect(amount).to_have_attribute("aria-invalid", "true")
        await amount.fill("12.00")
        await expect(asks.page.locator("#preview")).to_contain_text("12.00 EUR would go back")
        await expect(amount).not_to_have_attribute("aria-invalid", "true")
        await expect(asks.page.locator("#preview")).to_contain_text("Somebody else must approve it")
        await asks.page.get_by_label("Why, for your own people").fill("Promised by phone")
        await asks.page.get_by_role("button", name="Refund", exact=True).click()
        await expect(asks.page.get_by_role("heading", level=1)).to_have_text("Refund of 12.00 EUR")
        await expect(asks.page.get_by_role("button", name="Approve")).to_have_count(0)

        await agrees.page.goto(asks.page.url.partition("?")[0])
        await expect(agrees.page.locator("main")).to_contain_text("Promised by phone")
        await agrees.page.get_by_role("button", name="Approve 12.00 EUR").click()
        for one in (agrees, asks):
            await until_noted(one.page)


async def test_a_part_goes_back_without_javascript(demo: Demo, browser: Browser, cookies: Any) -> None:
    async with at_work(browser, cookies, "finance", java_script_enabled=False) as seen:
        page = seen.page
        await to_refund(page, demo, "2.00")
        await page.get_by_role("button", name="Preview").click()
        await expect(page.locator("#preview")).to_contain_text("2.00 EUR would go back")
        await page.get_by_role("button", name="Refund", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Refund of 2.00 EUR")
        await until_noted(page, reload=True)


async def test_a_case_is_taken_annotated_and_closed(demo: Demo, browser: Browser, cookies: Any) -> None:
    async with at_work(browser, cookies, "finance") as seen:
        page = seen.page
        await page.goto(f"{demo.account}/cases")
        await page.locator("th a", has_text=re.compile("paid at stripe", re.IGNORECASE)).last.click()
        await page.get_by_role("button", name="Take it").click()
        await expect(page.locator("dl.facts")).to_contain_text("you")
        await page.get_by_label("A note").fill("They found the link in an old mail.")
        await page.get_by_role("button", name="Write it down").click()
        await expect(page.locator("article")).to_contain_text("They found the link in an old mail.")
        await page.get_by_label("Why", exact=True).fill("Explained to the payer")
        await page.get_by_role("button", name="Close the case").click()
        await expect(page.locator("dl.facts")).to_contain_text("Explained to the payer")


async def tab(page: Page) -> dict[str, Any]:
    """One step on; where it leads must be seen."""
    await page.keyboard.press("Tab")
    found: dict[str, Any] = await page.evaluate(FOCUSED)
    assert found["seen"], f"no focus is seen on {found['tag']} {found['name']}"
    return found


async def tab_to(page: Page, wanted: Locator) -> None:
    """Step by step, never backwards; some fields take several, as a date does."""
    last = -1
    for _ in range(100):
        found = await tab(page)
        assert found["order"] >= last, f"the focus jumps back to {found['tag']} {found['name']}"
        last = found["order"]
        if await wanted.evaluate("wanted => wanted === document.activeElement"):
            return
    raise AssertionError(f"the focus never comes to {wanted}")


async def test_the_keyboard_is_enough(demo: Demo, browser: Browser, cookies: Any) -> None:
    person = demo.person("admin")
    async with watched(browser) as seen:
        page = seen.page
        page.on("dialog", lambda dialog: dialog.accept())
        await page.goto(demo.console)
        await page.keyboard.type(person.email)
        await tab_to(page, page.get_by_label("Password"))
        await page.keyboard.type(person.password)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/sign-in/code*")
        await page.keyboard.type(demo.next_code("admin"))
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{demo.account}**")

        number = demo.renewal_of("Ada").number
        await page.goto(f"{demo.account}/invoices")
        await tab_to(page, page.get_by_role("link", name="To the content"))
        await page.keyboard.press("Enter")
        await tab_to(page, page.get_by_role("searchbox"))
        await page.keyboard.type(number)
        await page.keyboard.press("Enter")
        for link in (
            page.get_by_role("link", name=number, exact=True),
            page.get_by_role("link", name="Refund", exact=True),
        ):
            await expect(link).to_be_visible()
            await tab_to(page, link)
            await page.keyboard.press("Enter")
        await expect(page.get_by_label("Amount in EUR")).to_be_focused()
        await page.keyboard.type("1.50")
        await expect(page.locator("#preview")).to_contain_text("1.50 EUR would go back")
        await tab_to(page, page.get_by_label("Reason on the credit note"))
        await page.keyboard.press("ArrowDown")
        await tab_to(page, page.get_by_role("button", name="Refund", exact=True))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Refund of 1.50 EUR")


def test_no_link_leads_nowhere(walked: Walk) -> None:
    assert walked.dead == []


def test_every_section_was_walked(walked: Walk) -> None:
    """Each list with one of what it lists; else the tests of all pages look at too few."""
    expected = {"overview", "invoices", "invoices-id", "refunds", "refunds-id", "refunds-new-narrowed", "cases"}
    expected |= {"cases-id", "disputes", "disputes-id", "customers", "customers-id", "subscriptions", "me"}
    expected |= {"subscriptions-id", "reconciliations", "exports", "events", "events-id", "webhooks", "webhooks-id"}
    expected |= {"audit", "settings-account", "settings-connections", "settings-policies", "settings-declines"}
    expected |= {"settings-users", "settings-keys", "settings-endpoints", "settings-doctor"}
    assert expected - set(walked.pages) == set()


async def test_pages_are_for_everybody(demo: Demo, browser: Browser, cookies: Any, walked: Walk) -> None:
    """No serious fault, no page that scrolls sideways, no table with a part out of sight, and no complaint of the
    browser's, which names each page.

    Colours change with the scheme and places with the width: a wide light form and a narrow dark one show both of each.
    """
    wrong = []
    async with at_work(browser, cookies, "admin") as seen:
        for name, url in walked.pages.items():
            await seen.page.goto(url)
            for size, scheme in zip((WIDE, NARROW), SCHEMES, strict=True):
                await seen.page.set_viewport_size(size)
                await seen.page.emulate_media(color_scheme=scheme)
                form = f"{name}, {scheme}, {size['width']} px"
                wrong += [f"{form}: {one}" for one in await faults(seen.page)]
                wrong += [f"{form}: scrolls sideways by {by} px" for by in [await overhang(seen.page)] if by]
                wrong += [f"{form}: the table {label!r} is clipped" for label in await clipped(seen.page)]
    assert wrong == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_pages_before_signing_in_are_for_everybody(demo: Demo, browser: Browser, scheme: Any) -> None:
    async with watched(browser, color_scheme=scheme) as seen:
        for size in (WIDE, NARROW):
            await seen.page.set_viewport_size(size)
            for path in ("/sign-in", "/welcome#made-up-key"):
                await seen.page.goto(f"{demo.console}{path}")
                assert (await faults(seen.page), await overhang(seen.page)) == ([], 0), path
