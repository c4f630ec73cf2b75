"""The web application: the API, the webhook addresses, health and metrics.

    app = create_app(settings, keyring)

It starts whether or not the database is there: while it is away, everything that needs it answers 503 (so that
webhooks come again) and health says so. `serve` migrates before; nothing here does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import structlog
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.events import BaseEventEmitterBackend

from db.encryption import Keyring
from db.engine import DB, PoolOptions
from gateway.api.auth import principal
from gateway.api.health import health_routes
from gateway.api.method_page import page_routes
from gateway.api.observe import observed
from gateway.api.openapi import STRUCTS, openapi_config
from gateway.api.organization_page import organization_page_routes
from gateway.api.problems import handle
from gateway.api.routes import v1
from gateway.console.render import template_config
from gateway.console.routes import console
from gateway.inbox.intake import Intake
from gateway.inbox.routes import webhook_routes
from gateway.runtime import Runtime, running
from gateway.settings import Settings
from gateway.usage.intake import UsageIntake
from gateway.users.issuer import Issuer

log = structlog.get_logger()

OPEN_AGAIN_S = 1.0


def create_app(settings: Settings, keyring: Keyring) -> Litestar:
    """The application of one process. Where a pool is open already (tests), that one is used."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        if settings.database_url and DB.pool is None:
            DB.configure(settings.database_url, PoolOptions(max_size=settings.database_pool))
        async with (
            _pool(),
            running(settings, keyring) as runtime,
            Intake(runtime) as intake,
            UsageIntake(runtime) as usage,
        ):
            app.state.issuer = Issuer(settings, runtime.http) if settings.oidc_issuer else None
            app.state.runtime, app.state.intake, app.state.usage = runtime, intake, usage
            yield

    app = Litestar(
        route_handlers=[v1(), console(), *webhook_routes, *health_routes, *page_routes, *organization_page_routes],
        lifespan=[lifespan],
        dependencies={
            "runtime": Provide(_runtime, sync_to_thread=False),
            "usage": Provide(_usage, sync_to_thread=False),
            "principal": Provide(principal, sync_to_thread=False),
        },
        exception_handlers={Exception: handle},
        cors_config=_cors(settings),
        openapi_config=openapi_config(settings),
        plugins=[STRUCTS],
        template_config=template_config(),
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
        event_emitter_backend=_NoEvents,
    )
    app.asgi_handler = observed(app.asgi_handler, settings)
    return app


def _runtime(state: State) -> Runtime:
    runtime: Runtime = state.runtime
    return runtime


def _usage(state: State) -> UsageIntake:
    usage: UsageIntake = state.usage
    return usage


@asynccontextmanager
async def _pool() -> AsyncIterator[None]:
    """The pool, opened now or as soon as the database is there."""
    opening = asyncio.create_task(_open())
    # The first try is waited for, so that the first request does not meet a pool that is about to open.
    await asyncio.wait([opening], timeout=OPEN_AGAIN_S)
    try:
        yield
    finally:
        opening.cancel()
        with suppress(asyncio.CancelledError):
            await opening
        if not opening.cancelled():
            await DB.close_pool()


async def _open() -> None:
    while True:
        try:
            await DB.open_pool()
        except Exception as error:
            log.warning("database_unavailable", error=type(error).__name__)
            await asyncio.sleep(OPEN_AGAIN_S)
        else:
            return


def _cors(settings: Settings) -> CORSConfig | None:
    """Only the configured origins, without cookies: the API knows none."""
    if not settings.origins:
        return None
    return CORSConfig(
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
        allow_headers=["authorization", "content-type", "idempotency-key"],
        expose_headers=["request-id", "idempotent-replayed", "retry-after"],
        max_age=600,
    )


class _NoEvents(BaseEventEmitterBackend):
    """We use no events of Litestar's. Its own emitter binds the lifespan to the task that entered it."""

    def emit(self, event_id: str, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"nothing listens to {event_id}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None
