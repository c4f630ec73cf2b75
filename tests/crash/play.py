"""Playing one history, and the stage for it: one database, one gateway, a copy of each path's beginning."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec

from db.encryption import Keyring, generate_key
from db.engine import DB, PoolOptions
from gateway.checkout import sessions
from gateway.outbound import deliver
from gateway.reconcile import catch_up
from gateway.runtime import Runtime, running
from gateway.sandbox.kit import delivery
from gateway.sandbox.practice import PracticeProcessor
from gateway.sandbox.practice import create_app as create_practice
from gateway.sandbox.stripe import StripeSandbox, ids
from gateway.sandbox.stripe import create_app as create_stripe
from gateway.settings import Settings
from gateway.usage import meters
from tests.crash.beginnings import Begins, nothing
from tests.crash.gateway import Gateway
from tests.crash.paths import PATHS, Path
from tests.crash.snapshot import Snapshot
from tests.crash.wire import GATEWAY, MERCHANT, PRACTICE, STRIPE, Wire, install_wire
from tests.crash.world import CrashWorld
from tests.support.canaries import Record
from tests.support.invariants import check_invariants
from tests.support.merchant import Merchant
from tests.support.points import Journal, Point, Turn, install_points, open_journal
from tests.support.process import install_pools
from tests.support.shop import Shop, open_shop

LONGEST_S: Final = 60.0
"""A history that takes hundreds of times as long as the others hangs."""


class History(msgspec.Struct, frozen=True, order=True, tag=True):
    """A path, and what happens on it. Written as `renewal:17/after,31/before`."""

    path: str
    turns: tuple[Turn, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}:{','.join(map(str, self.turns))}"


class Played(msgspec.Struct, tag=True):
    """What came of a history: the points that it crossed, and what is wrong with its end."""

    history: History
    points: list[Point] = []
    taken: list[Turn] = []
    wrong: str = ""


class Stage:
    """Where histories are played, one after another; one in each Python process."""

    def __init__(self, wire: Wire, gateway: Gateway, runtime: Runtime, http: httpx.AsyncClient) -> None:
        self._wire, self._gateway, self._runtime, self._http = wire, gateway, runtime, http
        self._shops: list[Shop] = []
        self._snapshots: dict[str, Snapshot] = {}

    async def prepare(self) -> None:
        """Make the shop that every path begins with, and start the gateway."""
        ids._dice.seed(0)
        world = self._behind(StripeSandbox(), PracticeProcessor(), Merchant())
        for sandbox in (world.stripe, world.practice):
            sandbox.delivery.set(mode="manual")
        self._shops.append(await open_shop(world, self._runtime.keyring, "shop"))
        await self._gateway.start()
        await self._keep(nothing.__name__, world, None)

    async def play(self, history: History) -> Played:
        """Play it to its end, and look whether that is right."""
        path = PATHS[history.path]
        world, begun = await self._begun(path.begins)
        journal = Journal(history.turns)
        played = Played(history, journal.points, journal.taken)
        open_journal(journal)
        try:
            async with asyncio.timeout(LONGEST_S):
                await path.plays(world, begun)
                open_journal(None)
                await check_invariants(world)
                assert not self._wire.broken_laws, self._wire.broken_laws
        except Exception:
            played.wrong = traceback.format_exc()
        finally:
            open_journal(None)
            await self._gateway.alive()
        return played

    async def at(self, path: Path, name: str) -> tuple[CrashWorld, Any]:
        """The world after a path that nobody disturbs; played once, put back later. Nothing is delivered after it."""
        if name not in self._snapshots:
            world, begun = await self._begun(path.begins)
            await path.plays(world, begun)
            await self._keep(name, world, begun)
        return await self._put_back(name)

    async def _begun(self, begins: Begins) -> tuple[CrashWorld, Any]:
        """The world as it is when a path has begun."""
        name = begins.__name__
        if name not in self._snapshots:
            world, _ = await self._put_back(nothing.__name__)
            await self._keep(name, world, await begins(world))
        return await self._put_back(name)

    async def _put_back(self, name: str) -> tuple[CrashWorld, Any]:
        stripe, practice, (merchant, begun) = await self._snapshots[name].put_back()
        ids._dice.seed(1)  # the same history meets the same ids, and so the same order
        return self._behind(stripe, practice, merchant), begun

    async def _keep(self, name: str, world: CrashWorld, begun: Any) -> None:
        snapshot = Snapshot(name)
        await snapshot.take(world.stripe, world.practice, (world.merchant, begun))
        self._snapshots[name] = snapshot

    def _behind(self, stripe: StripeSandbox, practice: PracticeProcessor, merchant: Merchant) -> CrashWorld:
        """A world with these behind the wire."""
        practice.origin = PRACTICE
        self._wire.broken_laws.clear()
        self._wire.apps = {
            httpx.URL(STRIPE).host: create_stripe(stripe),
            httpx.URL(PRACTICE).host: create_practice(practice),
            httpx.URL(MERCHANT).host: merchant,
        }
        world = CrashWorld(
            stripe, STRIPE, practice, PRACTICE, self._runtime, GATEWAY, self._http, Record(), shops=self._shops
        )
        world.gateway = self._gateway
        world.merchant, world.merchant_url = merchant, MERCHANT
        return world


@asynccontextmanager
async def open_stage(dsn: str) -> AsyncIterator[Stage]:
    """A stage over an empty, migrated database, for the rest of this Python process's life."""
    sessions.CREATE_WAIT_S = meters.ANSWER_S = 0.0  # nobody waits on real time: a client asks again
    catch_up.WALKS_AT_ONCE = 1  # one walk after another, and
    delivery.PARALLEL = 1  # one webhook after another, so that points come in one order
    deliver.JITTER = 0.0  # what the merchant did not take comes again when it did in the last history
    settings, keyring = Settings(outbound_private=True), Keyring.parse(f"test:{generate_key()}", generate_key())
    DB.configure(dsn, PoolOptions(max_size=5))
    await DB.open_pool()
    install_pools()
    install_points()
    wire, gateway = Wire(), Gateway(settings, keyring)
    install_wire(wire)
    wire.server = lambda: gateway.server
    async with running(settings, keyring) as runtime, httpx.AsyncClient() as http:
        stage = Stage(wire, gateway, runtime, http)
        await stage.prepare()
        yield stage
