"""A process of the gateway, inside a test's loop: it can stop as a killed process stops.

A dead process runs no step any more: not of the coroutine that was under way, nor of any other task, timer or
`finally` of its. The loop sees to it: each callback belongs to a process by its context, and those of a dead one are
dropped. Its tasks are kept for ever, since a coroutine that is thrown away runs its handlers after all. Its database
sessions are ended from outside.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar

import asyncpg

from db import sql
from db.engine import DB, TollbridgeEngine

T = TypeVar("T")

CURRENT: Final[ContextVar[Process | None]] = ContextVar("process", default=None)
"""The process that runs now; None: the test, or one of the outside world's servers."""

POOL_SIZE: Final = 10
SESSIONS: Final = "pg_stat_activity where application_name = $1 and datname = current_database()"
END_SESSIONS: Final = f"select pg_terminate_backend(pid) from {SESSIONS}"
ANY_SESSION: Final = f"select exists (select from {SESSIONS})"
SESSIONS_END_S: Final = 30.0


class Loop(asyncio.SelectorEventLoop):
    """Runs no step of a process that is dead."""

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> asyncio.Task[Any]:
        if context is None:
            context = copy_context()
        elif CURRENT not in context:
            # A task with a context of its own is still its process's.
            context.run(CURRENT.set, CURRENT.get())
        task = super().create_task(coro, name=name, context=context)
        if process := context.get(CURRENT):
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
        return task

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:
        if process := CURRENT.get() if context is None else context.get(CURRENT):
            return super().call_soon(process.step, callback, *args, context=context)
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if process := CURRENT.get() if context is None else context.get(CURRENT):
            return super().call_at(when, process.step, callback, *args, context=context)
        return super().call_at(when, callback, *args, context=context)


class Process:
    """One process: `name` is its sessions' name at the database, `role` what it does."""

    def __init__(self, role: str, number: int) -> None:
        self.role = role
        self.name = f"crash-{role}-{number}"
        self.pool: Any = None
        self.dead = False
        self.died = asyncio.Event()
        self.heirs: Callable[[Process], None] = lambda _: None
        """Told of its death at once."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self.does: Any = None
        """The application that it serves, or the runtime that it works with."""
        self.life: Any = None
        """The context that it lives in, which is never left."""

    def step(self, callback: Callable[..., Any], *args: Any) -> None:
        if not self.dead:
            callback(*args)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something in this process."""
        return asyncio.get_running_loop().create_task(work, context=self._context())

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in this process and wait for it; raises DeadProcessError where it dies before that ends."""
        task, died = self.start(work), asyncio.ensure_future(self.died.wait())
        try:
            await asyncio.wait({task, died}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            died.cancel()
        if not task.done():
            raise DeadProcessError(self.name)
        return task.result()

    async def connect(self) -> None:
        """Open its own pool; to be run in it."""
        settings = {**DB.config["server_settings"], "application_name": self.name}
        config = {**DB.config, "server_settings": settings}
        self.pool = await asyncpg.create_pool(**config, min_size=0, max_size=POOL_SIZE)

    async def die(self) -> None:
        """Stop, in the middle of whatever calls this. It never returns, and nothing of the process runs again."""
        self.dead = True
        for task in self.tasks:
            # Nobody waits for them, nor cancels them, and they are never thrown away: that would run their handlers.
            asyncio.tasks._unregister_task(task)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
        self.died.set()
        Context().run(self.heirs, self)
        await asyncio.get_running_loop().create_future()

    async def end_sessions(self) -> None:
        """What the kernel does to the connections of a process that is gone; returns when its locks are free."""
        await sql.rows(END_SESSIONS, self.name)
        async with asyncio.timeout(SESSIONS_END_S):
            # PostgreSQL's own wait looks every 100 ms.
            while await sql.value(ANY_SESSION, self.name):
                await asyncio.sleep(0.002)

    def _context(self) -> Context:
        context = Context()
        context.run(CURRENT.set, self)
        return context


class DeadProcessError(Exception):
    """The process died; what it was asked is not answered."""


def outside(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run something that belongs to no process of the gateway, whoever asks for it."""
    context = Context()
    context.run(CURRENT.set, None)
    return asyncio.get_running_loop().create_task(work, context=context)


OWN_POOL = "pool_of_its_own"


def install_pools() -> None:
    """From now on `DB` uses the pool of the process that asks; the test, and every other engine, has one of its own."""
    DB.__dict__[OWN_POOL] = DB.pool

    def process_of(engine: TollbridgeEngine) -> Process | None:
        return CURRENT.get() if engine is DB else None

    def get(engine: TollbridgeEngine) -> Any:
        process = process_of(engine)
        return engine.__dict__.get(OWN_POOL) if process is None else process.pool

    def put(engine: TollbridgeEngine, pool: Any) -> None:
        process = process_of(engine)
        if process is None:
            engine.__dict__[OWN_POOL] = pool
        else:
            process.pool = pool

    TollbridgeEngine.pool = property(get, put)
