"""`console`: how long people wait for a page, with a year of invoices and its events behind it.

A house with so many invoices, their attempts, ledger and cases, and as many events (deliveries from Stripe, what the
merchant was told, and where that went) is made inside its PostgreSQL. Then somebody who is signed in asks one gateway
process for one page after the other; each page is asked for in turns with /health/live, which only says that the
server is there. Meanwhile PostgreSQL counts how often a large table was read from end to end: never is right. How many
statements a page asks is counted in this process, as tests do.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from db.engine import DB, PoolOptions
from gateway.accounts.audit import Author
from gateway.app import create_app
from gateway.cli.wiring import ACCOUNT
from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.sessions import Manner, Stage, open_session
from scripts.benches import load
from scripts.benches.console_seed import seed
from scripts.benches.ground import Ground, ground, percentile
from scripts.benches.growth import scans
from tests.support.statements import statements

AIM_MS: Final = 200.0
WARM: Final = 10
"""Calls of each page before it is measured: PostgreSQL plans a statement anew for the first five on a connection."""
BASE: Final = f"/console/a/{ACCOUNT}"

Path = Callable[[int], str]
"""The address of a page that is about the n-th invoice."""

PAGES: Final[Mapping[str, Path]] = {
    "overview": lambda n: "",
    "invoices": lambda n: "/invoices",
    "invoices_paid": lambda n: "/invoices?state=paid",
    "invoices_retrying": lambda n: "/invoices?state=retrying",
    "invoices_at_risk": lambda n: "/invoices?group=at_risk",
    "invoices_collected": lambda n: "/invoices?collected_from=2026-01-01&source=con_b1",
    "invoices_older": lambda n: f"/invoices?starting_after=in_b{n}",
    "invoice": lambda n: f"/invoices/in_b{n}",
    "cases": lambda n: "/cases",
    "customer": lambda n: f"/customers/cus_b{n % 1000 + 1}",
    "webhooks": lambda n: "/webhooks",
    "events": lambda n: "/events",
}
"""Those that this version does not have are left out, and named."""
SEARCHES: Final[Mapping[str, Callable[[int], str]]] = {
    "id": lambda n: f"in_b{n}",
    "number": lambda n: f"B-{n}",
    "customer": lambda n: f"cus_b{n % 1000 + 1}",
    "mail": lambda n: f"payer{n % 1000 + 1}@example.com",
    "reference": lambda n: f"psp_{n}",
    "amount": lambda n: f"{10 + n % 90}.00",
    "nothing": lambda n: f"nothing-{n}",
}
"""One term of each kind, for the list's search field."""


def run(*, invoices: int, events: int, rounds: int) -> dict[str, Any]:
    """Each page so many times."""
    with ground() as house:
        return asyncio.run(_measured(house, invoices, events, rounds))


async def _measured(house: Ground, invoices: int, events: int, rounds: int) -> dict[str, Any]:
    seeded_s = await seed(house, invoices, events)
    async with _signed_in(house) as cookie:
        pages = PAGES | {f"search_{kind}": _searching(term) for kind, term in SEARCHES.items()}
        before = await scans(house)
        figures = {}
        for name, path in pages.items():
            figures[name] = await _figures(house, cookie, path, invoices, rounds)
        after = await scans(house)
        for name, count in (await _statements(house, cookie, pages)).items():
            figures[name]["statements"] = count
    return {
        "bench": "console",
        "invoices": invoices,
        "events": events,
        "seeded_s": round(seeded_s, 1),
        "rounds": rounds,
        "aim_ms": AIM_MS,
        "pages": figures,
        "within": all(one["p95_ms"] <= AIM_MS and one["not_200"] == 0 for one in figures.values()),
        "large_tables_read_whole": {t: after[t] - n for t, n in before.items() if after.get(t, n) > n},
    }


@asynccontextmanager
async def _signed_in(house: Ground) -> AsyncIterator[str]:
    """The cookie of somebody who may look at everything."""
    DB.configure(house.dsn, PoolOptions(max_size=2))
    await DB.open_pool()
    try:
        by = Author("bench")
        user = await users.add(by, "bench@example.com", "Bench")
        await users.give_role(by, user.id, house.wired.account, Role.ADMIN)
        opened = await open_session(user.id, Stage.COMPLETE, Manner.PASSWORD)
        yield f"tollbridge={opened.token}"
    finally:
        await DB.close_pool()


def _searching(term: Callable[[int], str]) -> Path:
    return lambda n: f"/invoices?{httpx.QueryParams({'search': term(n)})}"


async def _figures(house: Ground, cookie: str, path: Path, invoices: int, rounds: int) -> dict[str, Any]:
    """One page and the server's health in turns, by one who asks."""
    port = int(house.urls["gateway"].rpartition(":")[2])
    drawn = random.Random(1)
    numbers = iter(lambda: drawn.randint(1, invoices), 0)
    page = _asking(lambda: BASE + path(next(numbers)), cookie)
    health = _asking(lambda: "/health/live", "")
    for make in (page, health):
        await load.asked(port, WARM, make)
    results = {"page": load.Result(), "health": load.Result()}
    for _ in range(rounds):
        for name, make in (("page", page), ("health", health)):
            results[name].add(await load.asked(port, 1, make))
    of = results["page"].latencies
    p50 = percentile(of, 0.5)
    return {
        "p50_ms": round(p50 * 1000, 1),
        "p95_ms": round(percentile(of, 0.95) * 1000, 1),
        "of_health": round(p50 / percentile(results["health"].latencies, 0.5), 1),
        "not_200": sum(count for status, count in results["page"].statuses.items() if status != 200),
    }


async def _statements(house: Ground, cookie: str, pages: Mapping[str, Path]) -> dict[str, int]:
    """How many each page asks, in this process, once it has been shown before."""
    app = create_app(house.settings, house.keyring)
    asked_of = {}
    transport = httpx.ASGITransport(app=app)
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://bench") as http:
        for name, path in pages.items():
            for _ in range(2):
                with statements() as asked:
                    await http.get(BASE + path(7), headers={"cookie": cookie})
            asked_of[name] = len(asked)
    return asked_of


def _asking(path: Callable[[], str], cookie: str) -> load.Make:
    def make() -> bytes:
        head = f"GET {path()} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n"
        return head.encode()

    return make
