"""Everything under /console."""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide

from gateway.console.access_grants import access_grant_routes
from gateway.console.assets import asset_routes
from gateway.console.audit import audit_routes
from gateway.console.breaks import break_routes
from gateway.console.cancelling import cancel_routes
from gateway.console.case_repairs import case_repair_routes
from gateway.console.cases import case_routes
from gateway.console.customer_changes import customer_change_routes
from gateway.console.customers import customer_routes
from gateway.console.desk import HOME, seated
from gateway.console.disputes import dispute_routes
from gateway.console.errors import handle
from gateway.console.events import event_routes
from gateway.console.exports import export_routes
from gateway.console.home import home_routes
from gateway.console.invoice import one_invoice_routes
from gateway.console.invoices import invoice_routes
from gateway.console.me import me_routes
from gateway.console.oidc import issuer_of, oidc_routes
from gateway.console.overview import overview_routes
from gateway.console.protection import Protection
from gateway.console.reconciliations import reconciliation_routes
from gateway.console.refund_new import refund_new_routes
from gateway.console.refunds import refund_routes
from gateway.console.settings import settings_routes
from gateway.console.settlements import settlement_routes
from gateway.console.sign_in import sign_in_routes
from gateway.console.subscriptions import subscription_routes
from gateway.console.switching import switch_routes
from gateway.console.update_links import update_link_routes
from gateway.console.webhooks import webhook_routes
from gateway.console.welcome import welcome_routes


def console() -> Router:
    """The console's pages."""
    return Router(
        HOME,
        middleware=[Protection()],
        exception_handlers={Exception: handle},
        dependencies={
            "desk": Provide(seated),
            "issuer": Provide(issuer_of, sync_to_thread=False),
        },
        route_handlers=[
            *asset_routes,
            *home_routes,
            *sign_in_routes,
            *oidc_routes,
            *welcome_routes,
            *me_routes,
            *overview_routes,
            *invoice_routes,
            *one_invoice_routes,
            *refund_new_routes,
            *refund_routes,
            *dispute_routes,
            *case_routes,
            *case_repair_routes,
            *reconciliation_routes,
            *break_routes,
            *settlement_routes,
            *export_routes,
            *customer_routes,
            *customer_change_routes,
            *update_link_routes,
            *subscription_routes,
            *cancel_routes,
            *switch_routes,
            *access_grant_routes,
            *settings_routes,
            *event_routes,
            *webhook_routes,
            *audit_routes,
        ],
        include_in_schema=False,
    )
