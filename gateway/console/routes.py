"""Everything under /console."""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide

from gateway.console.assets import asset_routes
from gateway.console.audit import audit_routes
from gateway.console.desk import HOME, desk
from gateway.console.errors import handle
from gateway.console.events import event_routes
from gateway.console.home import home_routes
from gateway.console.invoices import invoice_routes
from gateway.console.me import me_routes
from gateway.console.oidc import issuer_of, oidc_routes
from gateway.console.protection import Protection
from gateway.console.sign_in import sign_in_routes
from gateway.console.webhooks import webhook_routes
from gateway.console.welcome import welcome_routes


def console() -> Router:
    """The console's pages."""
    return Router(
        HOME,
        middleware=[Protection()],
        exception_handlers={Exception: handle},
        dependencies={
            "desk": Provide(desk, sync_to_thread=False),
            "issuer": Provide(issuer_of, sync_to_thread=False),
        },
        route_handlers=[
            *asset_routes,
            *home_routes,
            *sign_in_routes,
            *oidc_routes,
            *welcome_routes,
            *me_routes,
            *invoice_routes,
            *event_routes,
            *webhook_routes,
            *audit_routes,
        ],
        include_in_schema=False,
    )
