"""`serve`, `work` and `migrate`: the processes of a deployment."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from pathlib import Path

import click
import structlog
import uvicorn

from db import migrate as migrations
from db.engine import DB, PoolOptions
from db.errors import DatabaseUnavailableError
from gateway.cli.context import command_settings, failures, run, server_of
from gateway.cli.output import ERR, OUT, as_json, say
from gateway.settings import Settings, load_keyring
from gateway.workers.run import stop_on_signals
from gateway.workers.run import work as work_until

log = structlog.get_logger()

AGAIN_S = 1.0
BACKLOG = 2048
DRAIN_S = 25
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@click.command()
@click.option("--host", help="Address to listen on (TOLLBRIDGE_HOST).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (TOLLBRIDGE_PORT).")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@as_json
def serve(host: str | None, port: int | None, workers: int, json_: bool) -> None:
    """Serve the API and take webhooks. Migrates first; needs encryption keys from the environment."""
    settings = command_settings()
    with failures():
        load_keyring()
        host, port = host or settings.host, port or settings.port
        _refuse_taken(host, port)
        with server_of(settings) as found:
            asyncio.run(_migrated(found, wait=False))
            # The processes read their settings from the environment, like any other start.
            os.environ.update(
                TOLLBRIDGE_DATABASE_URL=found.database_url, TOLLBRIDGE_HOST=host, TOLLBRIDGE_PORT=str(port)
            )
            say({"url": f"http://{host}:{port}"}, json_, lambda: ERR.print(f"Serving http://{host}:{port}"))
            _serve(host, port, workers)


def _serve(host: str, port: int, workers: int) -> None:
    several = workers > 1
    if several:
        # Scrapes meet any one process: they share their numbers through files.
        os.environ[METRICS_VARIABLE] = tempfile.mkdtemp(prefix="tollbridge-metrics-")
    try:
        uvicorn.run(
            "gateway.cli.factory:app",
            factory=True,
            host=host,
            port=port,
            workers=workers if several else None,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=DRAIN_S,
        )
    finally:
        if several:
            shutil.rmtree(Path(os.environ.pop(METRICS_VARIABLE)), ignore_errors=True)


@click.command()
@as_json
def work(json_: bool) -> None:
    """Work: route webhooks, collect, retry. Any number, anywhere; needs encryption keys from the environment."""
    settings = command_settings()

    async def until_stopped() -> None:
        keyring = load_keyring()
        with server_of(settings) as found:
            stop = asyncio.Event()
            stop_on_signals(stop)
            migrating = asyncio.create_task(_migrated(found, wait=True))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([migrating, stopping], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                migrating.cancel()
                return
            await migrating
            say({"working": True}, json_, lambda: ERR.print("Working. Stop with Ctrl-C."))
            DB.configure(found.database_url, PoolOptions(max_size=settings.database_pool))
            await work_until(found, keyring, stop)
            stopping.cancel()

    run(until_stopped)


@click.command()
@as_json
def migrate(json_: bool) -> None:
    """Bring the database to this version's schema. Safe while others start, and safe to repeat."""
    settings = command_settings("warning")

    async def apply() -> list[str]:
        with server_of(settings) as found, ERR.status("Migrating…"):
            return await migrations.migrate(found.database_url)

    applied = run(apply)
    say({"applied": applied}, json_, lambda: OUT.print("\n".join(applied) if applied else "Up to date."))


async def _migrated(settings: Settings, *, wait: bool) -> None:
    """Migrate; while the database is away, wait for it or go on without (the API then answers 503)."""
    while True:
        try:
            for name in await migrations.migrate(settings.database_url):
                log.info("migrated", name=name)
        except DatabaseUnavailableError as error:
            log.warning("database_unavailable", error=str(error))
            if not wait:
                return
            await asyncio.sleep(AGAIN_S)
        else:
            return


def _refuse_taken(host: str, port: int) -> None:
    """Say it in one line, before anything is started."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(f"can't listen on {host}:{port}: {error.strerror}") from None
