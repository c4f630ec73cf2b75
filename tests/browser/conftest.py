"""A browser before a house of real processes. Nothing that it shows comes from anywhere but this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Request, async_playwright

from tests.processes.house import House, house

VARIABLE = "TOLLBRIDGE_CHROMIUM"
REQUIRED = "TOLLBRIDGE_CHROMIUM_REQUIRED"
MISSING = f"no Chromium on this machine: install it, or name one in {VARIABLE}"
USUAL = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What slips through all of these finds no name server.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
OUR_HOST = "127.0.0.1"


@dataclass
class Watched:
    """A page with everything that it asked for and complained about."""

    page: Page
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.context.on("request", self._requested)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != OUR_HOST:
            self.strangers.append(request.url)

    async def shoot(self, name: str) -> None:
        """A picture for people, where TOLLBRIDGE_TEST_SCREENSHOTS names a folder."""
        if folder := os.environ.get("TOLLBRIDGE_TEST_SCREENSHOTS"):
            await self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def find_chromium() -> str | None:
    """The system's Chromium."""
    named = os.environ.get(VARIABLE)
    return named or next((path for path in USUAL if Path(path).exists()), shutil.which("chromium"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; skips where there is none, and fails where there must be one."""
    found = find_chromium()
    if found is None:
        pytest.fail(MISSING) if os.environ.get(REQUIRED) == "1" else pytest.skip(MISSING)
    return found


@pytest.fixture(scope="session")
def shop(chromium: str) -> Iterator[House]:
    """The house whose checkout page is walked."""
    with house() as made:
        yield made


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for all tests, with a profile of its own in a folder that goes away with it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def watched(browser: Browser, **options: Any) -> AsyncIterator[Watched]:
    """A page in a context of its own; in the end it must have stayed at home and must not have complained."""
    context = await browser.new_context(locale="en-GB", viewport={"width": 900, "height": 800}, **options)
    context.set_default_timeout(20_000)
    try:
        made = Watched(await context.new_page())
        yield made
        assert made.strangers == []
        assert made.complaints == []
    finally:
        await context.close()
