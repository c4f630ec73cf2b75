"""Every page of the console that links lead to, each shape once; and what is wrong with a page as it is drawn."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.browser.kept_demo import Demo

MOST = 150
"""Pages in one walk; more shapes than that are a mistake in telling ids."""
ID = re.compile(r"[a-z]+_[0-9A-Za-z_]{8,}|[0-9a-f-]{32,36}")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SCHEMES = ("light", "dark")
GRAVE = ("serious", "critical")
LINKS = "links => links.filter(a => !a.hasAttribute('download')).map(a => a.href)"
CLIPPED = """() => [...document.querySelectorAll(".scroll:has(table)")]
    .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.getAttribute("aria-label"))"""
WIDTHS = "() => [document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"


@dataclass
class Walk:
    """`pages`: addresses by a name for each; `dead`: links that lead to no page, and where they stand."""

    pages: dict[str, str] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)


def name_of(url: str, console: str) -> str:
    """What pages of one shape share: the path with its ids taken out, and whether a query narrows it."""
    parts = urlsplit(url)
    below = parts.path.removeprefix(urlsplit(console).path).strip("/").split("/")
    words = below[2:] or ["overview"] if below[0] == "a" else below
    name = "-".join("id" if ID.fullmatch(word) else word for word in words)
    return f"{name}-narrowed" if parts.query else name


async def walk(page: Page, demo: Demo) -> Walk:
    """From the account's first page, as whoever is signed in; first to what is most worth a look."""
    found = Walk()
    waiting = deque((url, "the start") for url in (demo.account, f"{demo.console}/me", *demo.worth_a_look()))
    seen: set[str] = set()
    while waiting:
        url, origin = waiting.popleft()
        name = name_of(url, demo.console)
        if name in seen:
            continue
        seen.add(name)
        assert len(seen) <= MOST, f"too many pages: {sorted(seen)}"
        # Asked for before it is opened: a file would be a download, which is no page.
        answer = await page.request.get(url)
        if answer.status >= 400:
            found.dead.append(f"{url} on {origin}: {answer.status}")
        elif answer.headers.get("content-type", "").startswith("text/html") and "<main" in await answer.text():
            await page.goto(url)
            found.pages[name] = url
            links = await page.locator("a[href]").evaluate_all(LINKS)
            bare = (urljoin(url, link).partition("#")[0] for link in links)
            waiting += [(link, name) for link in bare if link.startswith(f"{demo.console}/a/")]
    return found


async def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical in the page as it stands. It comes by the debugger, past the policy."""
    response = (await Axe().run(page)).response
    return [
        f"{one['id']}: {', '.join(str(node['target']) for node in one['nodes'][:3])}"
        for one in response["violations"]
        if one["impact"] in GRAVE
    ]


async def overhang(page: Page) -> int:
    """By how many pixels the page scrolls sideways."""
    whole, shown = await page.evaluate(WIDTHS)
    return max(0, int(whole) - int(shown))


async def clipped(page: Page) -> list[str]:
    """The tables of which a part is out of sight."""
    return list(await page.evaluate(CLIPPED))
