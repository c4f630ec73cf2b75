"""No page asks once for each row that it shows: with thirty rows of every kind it asks as much as with three."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.domain.roles import Role
from tests.api.seed import Seeded, seed
from tests.console.conftest import Console
from tests.console.crowd import grow
from tests.console.matrix import IN_ACCOUNT, PAGES, Route
from tests.support.staff import text_of
from tests.support.statements import statements

ELSEWHERE: Final[Mapping[str, str]] = {
    "/exports/journal": "a file of the days that one names",
    "/{rest}": "an address that there is not",
    "/settings/doctor/findings": "the doctor looks at each secret and object of a sample",
    "/settings/doctor/why": "Stripe is asked about the object that one names",
}
"""What is not looked at here, and why."""
MOST: Final = 10
"""Statements of a page, the session's and the navigation's among them."""
MORE: Final[Mapping[str, int]] = {
    "": 25,
    "/invoices/{invoice_id}": 27,
    "/customers/{customer_id}": 13,
    "/subscriptions/{subscription_id}": 12,
}
"""Those that show many things at once."""


def below(route: Route) -> str:
    """A page's path below its account's."""
    return route.path.removeprefix(IN_ACCOUNT)


async def asked_for(console: Console, pages: list[Route], seeded: Seeded) -> dict[str, list[str]]:
    """What each page asks, once it has been shown before."""
    found: dict[str, list[str]] = {}
    for route in pages:
        await console[Role.ADMIN].get(route.at("ours", seeded))
        with statements() as asked:
            page = await console[Role.ADMIN].get(route.at("ours", seeded))
        # Some lead on, where nothing was named.
        assert page.status_code in (200, 303), f"{route}: {text_of(page)}"
        found[below(route)] = asked
    return found


async def test_no_page_asks_once_for_each_row(console: Console) -> None:
    runtime, pages = console.api.runtime, [route for route in PAGES if below(route) not in ELSEWHERE]
    seeded = await seed(runtime, console.api.ours.id)
    await grow(runtime, seeded, range(1, 3))
    few = await asked_for(console, pages, seeded)
    await grow(runtime, seeded, range(3, 30))
    many = await asked_for(console, pages, seeded)
    for path in many:
        more = sorted(set(many[path]) - set(few[path])) or many[path]
        assert len(many[path]) == len(few[path]), f"{path} asks {len(few[path])}, then {len(many[path])}: {more}"
    assert {path: len(asked) for path, asked in many.items() if len(asked) > MORE.get(path, MOST)} == {}
    assert many.keys() >= MORE.keys()
