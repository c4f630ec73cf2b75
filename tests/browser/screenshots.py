"""Pictures of every page of the console over the demo's data, in light and dark, on a desk and on a phone.

scripts/screenshots [FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.browser.conftest import ARGUMENTS, MISSING, find_chromium
from tests.browser.kept_demo import Demo, kept_demo
from tests.browser.walking import NARROW, SCHEMES, WIDE, walk

DEFAULT = "screenshots"


@dataclass
class Camera:
    """One page of a browser, and the pictures that were taken of it."""

    page: Page
    folder: Path
    taken: list[Path] = field(default_factory=list)

    async def shoot(self, name: str, url: str = "") -> None:
        """A page as it is drawn at both widths in both schemes; with `url` it is opened at each width, else it stays
        where it is."""
        for size in (WIDE, NARROW):
            await self.page.set_viewport_size(size)
            if url:
                await self.page.goto(url)
            for scheme in SCHEMES:
                await self.page.emulate_media(color_scheme=scheme)
                path = self.folder / f"{name}-{size['width']}-{scheme}.png"
                await self.page.screenshot(path=path, full_page=True)
                self.taken.append(path)
        await self.page.set_viewport_size(WIDE)


async def _pictures(browser: Any, demo: Demo, folder: Path) -> list[Path]:
    """Of signing in, and then of each page that links lead to, as an admin."""
    camera = Camera(await (await browser.new_context(locale="en-GB")).new_page(), folder)
    await camera.shoot("welcome", f"{demo.console}/welcome")
    # Once to set the phone up, and once with its code.
    await demo.sign_in(camera.page, "admin", camera.shoot)
    await camera.page.get_by_role("button", name="Sign out").click()
    await demo.sign_in(camera.page, "admin", camera.shoot)
    found = await walk(camera.page, demo)
    for name, url in found.pages.items():
        await camera.shoot(name, url)
    for dead in found.dead:
        print(f"no page: {dead}", file=sys.stderr)
    return sorted(set(camera.taken))


async def _shot(chromium: str, demo: Demo, folder: Path) -> list[Path]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            return await _pictures(browser, demo, folder)
        finally:
            await browser.close()


def main() -> int:
    """Print the pictures' paths."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", default=DEFAULT, type=Path, help=f"where to put them (./{DEFAULT})")
    folder: Path = parser.parse_args().folder
    chromium = find_chromium()
    if chromium is None:
        print(MISSING, file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with kept_demo() as demo:
        taken = asyncio.run(_shot(chromium, demo, folder))
    print("\n".join(str(path) for path in taken))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
