"""No page asks once for each row that it shows: with thirty rows of every kind it asks as much as with three."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.console.desk import ACCOUNT_PATH, HOME
from gateway.console.routes import console as router
from gateway.domain.roles import Role
from tests.api.seed import Seeded, seed
from tests.console.conftest import Console, text_of
from tests.console.crowd import grow
from tests.support.statements import statements

MOST: Final = 45
"""Statements of any page."""
ELSEWHERE: Final[Mapping[str, str]] = {
    "/exports/journal": "a file of the days that one names",
    "/{rest:path}": "an address that there is not",
    "/settings/doctor/findings": "the doctor looks at each secret and object of a sample",
    "/settings/doctor/why": "Stripe is asked about the object that one names",
}
"""What is not looked at here, and why."""
OF: Final[Mapping[str, str]] = {
    "break": "reconciliation_break",
    "run": "reconciliation",
    "session": "method_session",
    "webhook": "delivery",
}
"""What a place in an address is called in `Seeded`, where that is another name."""


def pages() -> list[str]:
    """The paths of every page of an account, below the account's."""
    prefix = HOME + ACCOUNT_PATH
    found = [route for route in router().routes if route.path.startswith(prefix)]
    return sorted(route.path.removeprefix(prefix) for route in found if "GET" in route.methods)


def address(path: str, seeded: Seeded) -> str:
    """A page's address with the ids of what there is."""

    def id_of(place: re.Match[str]) -> str:
        name = place[1].removesuffix("_id")
        return str(getattr(seeded, OF.get(name, name)))

    return re.sub(r"\{(\w+):str\}", id_of, path)


async def asked_for(console: Console, paths: list[str], seeded: Seeded) -> dict[str, list[str]]:
    """What each page asks, once it has been shown before."""
    found: dict[str, list[str]] = {}
    for path in paths:
        await console[Role.ADMIN].get(address(path, seeded))
        with statements() as asked:
            page = await console[Role.ADMIN].get(address(path, seeded))
        # Some lead on, where nothing was named.
        assert page.status_code in (200, 303), f"{path}: {text_of(page)}"
        found[path] = asked
    return found


async def test_no_page_asks_once_for_each_row(console: Console) -> None:
    runtime, paths = console.api.runtime, [path for path in pages() if path not in ELSEWHERE]
    seeded = await seed(runtime, console.api.ours.id)
    await grow(runtime, seeded, range(1, 3))
    few = await asked_for(console, paths, seeded)
    await grow(runtime, seeded, range(3, 30))
    many = await asked_for(console, paths, seeded)
    for path in paths:
        more = sorted(set(many[path]) - set(few[path])) or many[path]
        assert len(many[path]) == len(few[path]), f"{path} asks {len(few[path])}, then {len(many[path])}: {more}"
    assert {path: len(asked) for path, asked in many.items() if len(asked) > MOST} == {}
    assert "" in many
