"""The play of `tollbridge demo --marketplace`: two marketplaces, each with its own Stripe account, sell metered plans.

Two organizations buy at each: one pays through a processor, one on Stripe's own page. Each is given access once its
first invoice is paid. It uses what it bought; a month passes, and usage that comes late, in the hour in which Stripe
keeps the period's invoice a draft, is billed with the rest. Then it cancels: a final invoice bills what remains, and
when that is paid its payment method is deleted. In the end Stripe, whoever received the money and the ledger say, each
for itself, what they know of the invoices, and are held against what the plan's prices make of the usage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any, Final

import httpx

from gateway.cli.market_report import MarketReport
from gateway.cli.offer import BUYERS, OFFERS, USED, put_up
from gateway.cli.organization import Organization
from gateway.cli.stage import Actors, Stage

DRAFT_HOUR: Final = timedelta(minutes=70)


async def play_marketplace(stages: dict[str, Stage]) -> MarketReport:
    """Put it on, with a stage for each of OFFERS; raises click.ClickException for a scene that does not go as it must.

    The clocks are everybody's: time passes for both marketplaces at once.
    """
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        marketplaces = {name: Actors(stage, http) for name, stage in stages.items()}
        buyers = [
            Organization(stage, http, name, OFFERS[name], buyer) for name, stage in stages.items() for buyer in BUYERS
        ]
        items = {name: await put_up(actors, OFFERS[name]) for name, actors in marketplaces.items()}
        stage = buyers[0].stage
        await _all(one.sign_up(items[one.marketplace]) for one in buyers)
        await stage.move_time(timedelta(hours=1))
        await _all(one.use(USED.in_time) for one in buyers)

        stage.tell("A month passes. Usage of it comes late, while the period's invoice is a draft.")
        await stage.move_time(max([await one.until_period_end() for one in buyers]))
        await _all(one.until(one.drafts, 1, f"drafts for {one.name}") for one in buyers)
        await _all(one.use(USED.late, late=True) for one in buyers)
        await stage.move_time(DRAFT_HOUR)
        await _all(one.pays(2) for one in buyers)

        await _all(one.leave() for one in buyers)
        found = [await one.statement() for one in buyers]
        cases = [f"{name}: {case}" for name, actors in marketplaces.items() for case in await actors.open_cases()]
        return MarketReport(found, await _strangers(buyers), cases, round(time.monotonic() - began, 1))


async def _all(doing: Iterable[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*doing)


async def _strangers(buyers: Sequence[Organization]) -> list[str]:
    """Each organization's token, and its marketplace's key, try what is another's."""
    opened = []
    for one, other in permutations(buyers, 2):
        wanted = [(f"/v1/organization/subscriptions/{other.subscription}", await one.token())]
        if one.marketplace != other.marketplace:
            wanted.append((f"/v1/subscriptions/{other.subscription}/access", ""))
        for path, key in wanted:
            if (status := await one.status_of(path, key)) != 404:
                opened.append(f"{one.marketplace}, {one.name}: {path} (HTTP {status})")
    return opened
