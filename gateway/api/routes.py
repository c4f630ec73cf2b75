"""Everything under /v1: authenticated, then made repeatable, then checked, then handled."""

from __future__ import annotations

from litestar import Router

from gateway.api.access_grants import access_grant_routes
from gateway.api.accounts import account_routes
from gateway.api.attempts import attempt_routes
from gateway.api.audit import audit_routes
from gateway.api.auth import Authentication
from gateway.api.body import refuse_strange
from gateway.api.by_hand import by_hand_routes
from gateway.api.cases import case_routes
from gateway.api.catch_up import catch_up_routes
from gateway.api.checkout import checkout_routes
from gateway.api.connections import connection_routes
from gateway.api.credit_notes import credit_note_routes
from gateway.api.customers import customer_routes
from gateway.api.disputes import dispute_routes
from gateway.api.doctor import doctor_routes
from gateway.api.events import event_routes
from gateway.api.exports import export_routes
from gateway.api.idempotency import Idempotency
from gateway.api.inbox import inbox_routes
from gateway.api.invoices import invoice_routes
from gateway.api.keys import key_routes
from gateway.api.method_sessions import method_session_routes
from gateway.api.organization import organization_routes
from gateway.api.pauses import pause_routes
from gateway.api.payment_methods import payment_method_routes
from gateway.api.reconciliations import reconciliation_routes
from gateway.api.refunds import refund_routes
from gateway.api.settlements import settlement_routes
from gateway.api.subscriptions import subscription_routes
from gateway.api.usage import usage_routes
from gateway.api.webhook_endpoints import webhook_endpoint_routes


def v1() -> Router:
    """The API."""
    return Router(
        "/v1",
        middleware=[Authentication(), Idempotency()],
        before_request=refuse_strange,
        route_handlers=[
            *account_routes,
            *attempt_routes,
            *audit_routes,
            *by_hand_routes,
            *case_routes,
            *catch_up_routes,
            checkout_routes,
            *connection_routes,
            *credit_note_routes,
            *customer_routes,
            *dispute_routes,
            *doctor_routes,
            *event_routes,
            *export_routes,
            *inbox_routes,
            *invoice_routes,
            *key_routes,
            *webhook_endpoint_routes,
            method_session_routes,
            *payment_method_routes,
            *organization_routes,
            *pause_routes,
            *reconciliation_routes,
            *refund_routes,
            *settlement_routes,
            *subscription_routes,
            *access_grant_routes,
            *usage_routes,
        ],
    )
