"""The gateway of a history: a server and a worker. Each is replaced by a new one as soon as it is dead."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from db import sql
from db.encryption import Keyring
from db.errors import DATABASE_AWAY
from gateway.app import create_app
from gateway.clock import business_now
from gateway.inbox.intake import Listed
from gateway.reconcile.catch_up import catch_up
from gateway.runtime import Runtime, running
from gateway.settings import Settings
from tests.support.drain import drain
from tests.support.process import DeadProcessError, Process, outside

CLAIMED: Final = (
    "invoice",
    "subscription",
    "checkout_session",
    "payment_method_session",
    "payment_method",
    "refund",
    "dispute",
    "usage_stream",
    "webhook_endpoint",
)
CLAIMS_RUN_OUT: Final = """
    update tollbridge.{} set claim_until = clock_timestamp() - interval '1 second' where claimed_by is not null
    returning id
"""
LOCKS_RUN_OUT: Final = """
    update tollbridge.idempotent_reply set locked_until = clock_timestamp() - interval '1 second'
    where status is null and locked_until > clock_timestamp()
"""
READINGS_RUN_OUT: Final = """
    update tollbridge.usage_stream set asked_at = null where asked_at is not null
"""
WALKS_RUN_OUT: Final = """
    update tollbridge.catch_up set claim_until = clock_timestamp() - interval '1 second' where claim_until is not null
"""
NUMBERS: Final = itertools.count()


class Gateway:
    """Both processes, and how many have died."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings, self.keyring = settings, keyring
        self.deaths = 0
        self.server = self.worker = Process("none", 0)
        self._funerals: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.server, self.worker = await self._new("server"), await self._new("worker")

    async def alive(self) -> None:
        """Return when whoever died has been replaced."""
        while self._funerals:
            await asyncio.gather(*self._funerals)

    async def work(self) -> bool:
        """A turn of the worker; True also where it dies of it."""
        await self.alive()
        try:
            return bool(await self.worker.run(drain(self.worker.does, survives=True)))
        except DeadProcessError:
            await self.alive()
            return True

    async def catch_up(self) -> None:
        """A turn of the worker's timer, which comes again whatever becomes of this one."""
        await self.alive()
        await sql.rows(WALKS_RUN_OUT)
        with suppress(DeadProcessError, Exception):  # as the worker's timers do
            await self.worker.run(self._walk())
        await self.alive()

    async def _walk(self) -> None:
        runtime = self.worker.does
        await catch_up(runtime, await business_now(), Listed(runtime.keyring))

    async def command(self, work: Callable[[Runtime], Awaitable[object]]) -> bool:
        """What somebody runs beside them, in a process that dies as the worker's does; whether it came to its end."""
        await self.alive()
        try:
            await self.worker.run(self._work(work))
        except (DeadProcessError, *DATABASE_AWAY):
            await self.alive()
            return False
        return True

    async def _work(self, work: Callable[[Runtime], Awaitable[object]]) -> None:
        await work(self.worker.does)

    async def minutes_pass(self) -> bool:
        """What some minutes do to claims and locks whose holders have lost them; machine time can't be moved.

        To be called while nobody works; True where there was a claim.
        """
        await sql.rows(LOCKS_RUN_OUT)
        await sql.rows(READINGS_RUN_OUT)
        return any([await sql.rows(CLAIMS_RUN_OUT.format(table)) for table in CLAIMED])

    async def _new(self, role: str) -> Process:
        process = Process(role, next(NUMBERS))
        await process.run(self._serve(process) if role == "server" else self._stand_by(process))
        process.heirs = self._mourn
        return process

    async def _serve(self, process: Process) -> None:
        await process.connect()
        app = create_app(self.settings, self.keyring)
        lifespan = app.lifespan()
        await lifespan.__aenter__()
        process.does, process.life = app, lifespan

    async def _stand_by(self, process: Process) -> None:
        await process.connect()
        life = running(self.settings, self.keyring)
        process.does, process.life = await life.__aenter__(), life

    def _mourn(self, process: Process) -> None:
        funeral = outside(self._replace(process))
        self._funerals.add(funeral)
        funeral.add_done_callback(self._funerals.discard)

    async def _replace(self, process: Process) -> None:
        """End its sessions, let run out what it held, and start another."""
        self.deaths += 1
        await process.end_sessions()
        if process.role == "server":
            await sql.rows(LOCKS_RUN_OUT)
            await sql.rows(READINGS_RUN_OUT)
            self.server = await self._new("server")
        else:
            for table in CLAIMED:
                await sql.rows(CLAIMS_RUN_OUT.format(table))
            self.worker = await self._new("worker")
