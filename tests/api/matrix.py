"""What every route of the application is to whom: the table that tests of access and of the description go by.

`test_matrix` holds it against the application's own routes, so that a new route without a row fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.api.seed import Seeded

CHECKOUT: Final = {"client_reference": "r", "items": [{"price": "price_1"}], "customer": "cus_1", "confirm": True}
NEW_CONNECTION: Final = {
    "name": "new",
    "adapter": "practice",
    "credentials": {"api_key": "k", "webhook_secret": "s"},
    "options": {"base_url": "http://127.0.0.1:1", "account": "pa_1"},
}
SETUP: Final = {"processor": "practice", "return_url": "https://shop.example/back"}
PAYMENT: Final = {"source": "credits", "reference": "r", "received_at": 1, "reason": "paid"}
FILE: Final = "Date,What,Payment,Gross,Curr\n2027-03-01,Sale,psp_1,10.00,EUR\n"
READ_AS: Final = {
    "connection": "practice",
    "map": "date=Date,type=What,processor_id=Payment,amount=Gross,currency=Curr",
    "kind": "Sale=capture",
}
USAGE: Final = {"identifier": "u", "event_name": "calls", "customer": "cus_1", "value": 1}
IMPORT: Final = {"connection": "practice", "token": "ptok_1"}
ACCOUNT_KEYS: Final = ("checkout", "server", "finance", "admin")


@dataclass(frozen=True)
class Row:
    """One route. `opens`: the kinds of keys that open it; `answer`: what they get for their own object.

    `ids` says which seeded object each path parameter names. A body that is text is a CSV file; `query` goes with it.
    """

    opens: frozenset[str]
    answer: int = 200
    body: Any = None
    ids: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None

    def path(self, route: str, seeded: Seeded) -> str:
        """The route's address, with the ids of these objects."""
        return route.partition(" ")[2].format_map({p: getattr(seeded, name) for p, name in (self.ids or {}).items()})


def _row(opens: str, answer: int = 200, body: Any = None, query: Mapping[str, str] | None = None, **ids: str) -> Row:
    return Row(frozenset(opens.split()), answer, body, ids, query)


# Where a 503 stands, Stripe or the processor would be asked, and nobody is there.
ROUTES: Final[Mapping[str, Row]] = {
    "POST /v1/accounts": _row("platform", body={"name": "new", "api_key": "sk_test_new_made_up"}),
    "GET /v1/accounts": _row("admin platform"),
    "GET /v1/accounts/{account_id}": _row("admin platform", account_id="account"),
    "POST /v1/accounts/{account_id}": _row("admin platform", body={"enabled": True}, account_id="account"),
    "POST /v1/accounts/{account_id}/check": _row("admin platform", 503, account_id="account"),
    "POST /v1/accounts/{account_id}/setup_webhook": _row("admin platform", 503, {}, account_id="account"),
    "POST /v1/accounts/{account_id}/webhook_secrets": _row(
        "admin platform", body={"secret": "whsec_made_up_two"}, account_id="account"
    ),
    "DELETE /v1/accounts/{account_id}/webhook_secrets/{secret_id}": _row(
        "admin platform", account_id="account", secret_id="webhook_secret"
    ),
    "GET /v1/attempts": _row("server finance"),
    "GET /v1/attempts/{attempt_id}": _row("server finance", attempt_id="attempt"),
    "GET /v1/audit_log": _row("finance admin"),
    "GET /v1/disputes": _row("server finance"),
    "GET /v1/disputes/{dispute_id}": _row("server finance", dispute_id="dispute"),
    "POST /v1/disputes/{dispute_id}/retry": _row("finance", 409, {}, dispute_id="dispute"),
    "GET /v1/cases": _row("finance"),
    "GET /v1/cases/{case_id}": _row("finance", case_id="case"),
    "POST /v1/cases/{case_id}/assign": _row("finance", body={"owner": "ada"}, case_id="case"),
    "GET /v1/cases/{case_id}/notes": _row("finance", case_id="case"),
    "POST /v1/cases/{case_id}/notes": _row("finance", body={"text": "called"}, case_id="case"),
    "POST /v1/cases/{case_id}/close": _row("finance", body={"reason": "done"}, case_id="case"),
    "GET /v1/catch_up": _row("finance admin"),
    "POST /v1/checkout_sessions": _row("checkout server", 409, CHECKOUT),
    "GET /v1/doctor": _row("admin"),
    # Stripe's silence is part of the answer; what it says of subscriptions nobody else can.
    "GET /v1/doctor/why/{object_id}": _row("admin", object_id="invoice"),
    "GET /v1/checkout_sessions/{session_id}": _row("checkout server session", session_id="session"),
    "POST /v1/checkout_sessions/{session_id}": _row("checkout server session", 503, {}, session_id="session"),
    "POST /v1/checkout_sessions/{session_id}/setup": _row("checkout server session", 503, SETUP, session_id="session"),
    "POST /v1/checkout_sessions/{session_id}/confirm": _row("checkout server session", 409, {}, session_id="session"),
    "GET /v1/connections": _row("admin"),
    "POST /v1/connections": _row("admin", body=NEW_CONNECTION),
    "GET /v1/connections/{connection_id}": _row("admin", connection_id="connection"),
    "POST /v1/connections/{connection_id}": _row("admin", body={"priority": 1}, connection_id="connection"),
    "GET /v1/connections/{connection_id}/declines": _row("admin", connection_id="connection"),
    "POST /v1/connections/{connection_id}/check": _row("admin", 503, connection_id="connection"),
    "POST /v1/customers/{customer_id}": _row("server", body={"opted_out": True}, customer_id="customer"),
    "POST /v1/customers/{customer_id}/tax_location": _row(
        "server", 503, {"address": {"country": "DE"}}, customer_id="customer"
    ),
    "GET /v1/customers/{customer_id}": _row("server finance admin", customer_id="customer"),
    "POST /v1/customers/{customer_id}/erase": _row("admin", body={"reason": "asked for"}, customer_id="customer"),
    "GET /v1/customers/{customer_id}/payment_methods": _row("server", customer_id="customer"),
    "POST /v1/customers/{customer_id}/payment_methods": _row("server", 503, IMPORT, customer_id="customer"),
    "GET /v1/customers/{customer_id}/payment_methods/{method_id}": _row(
        "server", customer_id="customer", method_id="method"
    ),
    "POST /v1/customers/{customer_id}/payment_methods/{method_id}": _row(
        "server", body={"position": 1}, customer_id="customer", method_id="method"
    ),
    "DELETE /v1/customers/{customer_id}/payment_methods/{method_id}": _row(
        "server", customer_id="customer", method_id="method"
    ),
    "POST /v1/payment_method_sessions": _row(
        "checkout server",
        503,
        {"customer": "cus_1", "currency": "eur"},
    ),
    "GET /v1/payment_method_sessions/{session_id}": _row("checkout server method_session", session_id="method_session"),
    "POST /v1/payment_method_sessions/{session_id}/setup": _row(
        "checkout server method_session", 503, SETUP, session_id="method_session"
    ),
    "POST /v1/payment_method_sessions/{session_id}/complete": _row(
        "checkout server method_session", 409, {}, session_id="method_session"
    ),
    "GET /v1/customers/{customer_id}/access": _row("server finance", customer_id="customer"),
    "POST /v1/organization_tokens": _row("server", 404, {"customer": "cus_1"}),
    "GET /v1/organization/subscriptions": _row("organization"),
    "GET /v1/organization/subscriptions/{subscription_id}": _row("organization", subscription_id="subscription"),
    "GET /v1/organization/invoices": _row("organization"),
    "GET /v1/organization/invoices/{invoice_id}": _row("organization", invoice_id="invoice"),
    "POST /v1/organization/portal_sessions": _row("organization", 503, {}),
    "POST /v1/organization/payment_method_sessions": _row("organization", body={}),
    "GET /v1/subscriptions": _row("server finance"),
    "GET /v1/subscriptions/{subscription_id}": _row("server finance", subscription_id="subscription"),
    # Nobody works: it is wanted, and Stripe is not told of it.
    "POST /v1/subscriptions/{subscription_id}/cancel": _row(
        "server", 202, {"ends": "period_end", "wait_s": 0}, subscription_id="subscription"
    ),
    "POST /v1/subscriptions/{subscription_id}/switch": _row(
        "server", 202, {"to": "stripe", "wait_s": 0}, subscription_id="subscription"
    ),
    "GET /v1/subscriptions/{subscription_id}/access": _row("server finance", subscription_id="subscription"),
    "GET /v1/subscriptions/{subscription_id}/access_grants": _row("server finance", subscription_id="subscription"),
    "POST /v1/subscriptions/{subscription_id}/access_grants": _row(
        "finance", 201, {"reason": "promised", "until": 4_000_000_000}, subscription_id="subscription"
    ),
    # It ended long ago.
    "POST /v1/subscriptions/{subscription_id}/access_grants/{grant_id}/revoke": _row(
        "finance", 409, {"reason": "did not come"}, subscription_id="subscription", grant_id="grant"
    ),
    "GET /v1/subscriptions/{subscription_id}/upcoming_invoice": _row(
        "server finance", 503, subscription_id="subscription"
    ),
    "POST /v1/usage": _row("server", 404, USAGE),
    "GET /v1/usage": _row("server finance"),
    "GET /v1/usage/{usage_id}": _row("server finance", usage_id="usage"),
    "GET /v1/customers/{customer_id}/usage_backlog": _row("server finance", customer_id="customer"),
    "GET /v1/events": _row("server finance admin"),
    "GET /v1/events/{event_id}": _row("server finance admin", event_id="event"),
    "POST /v1/events/{event_id}/replay": _row("admin", body={}, event_id="event"),
    "GET /v1/exports/journal": _row("finance"),
    "GET /v1/inbox": _row("admin"),
    "GET /v1/inbox/{delivery_id}": _row("admin", delivery_id="delivery"),
    "POST /v1/inbox/{delivery_id}/replay": _row("admin", delivery_id="delivery"),
    "GET /v1/invoices": _row("server finance"),
    "GET /v1/invoices/{invoice_id}": _row("server finance", invoice_id="invoice"),
    "POST /v1/invoices/{invoice_id}/ask_processor": _row("server finance", 409, {}, invoice_id="invoice"),
    "POST /v1/invoices/{invoice_id}/collect": _row("server finance", 409, {}, invoice_id="invoice"),
    "POST /v1/invoices/{invoice_id}/record_payment": _row("finance", 409, PAYMENT, invoice_id="invoice"),
    "POST /v1/invoices/{invoice_id}/void": _row("finance", 409, {"reason": "a mistake"}, invoice_id="invoice"),
    "GET /v1/reconciliations": _row("finance"),
    "POST /v1/reconciliations": _row("finance", body={"whole": True}),
    "GET /v1/reconciliations/{reconciliation_id}": _row("finance", reconciliation_id="reconciliation"),
    "GET /v1/reconciliations/{reconciliation_id}/breaks": _row("finance", reconciliation_id="reconciliation"),
    "GET /v1/reconciliations/{reconciliation_id}/in_transit": _row("finance", reconciliation_id="reconciliation"),
    "GET /v1/reconciliations/{reconciliation_id}/report": _row("finance", reconciliation_id="reconciliation"),
    "POST /v1/reconciliations/{reconciliation_id}/breaks/{break_id}/repair": _row(
        "finance", body={"wait_s": 0}, reconciliation_id="reconciliation", break_id="reconciliation_break"
    ),
    "GET /v1/refunds": _row("server finance"),
    "POST /v1/refunds": _row("finance", 404, {"invoice": "in_1"}),
    "POST /v1/refunds/preview": _row("server finance", 404, {"invoice": "in_1"}),
    "GET /v1/refunds/{refund_id}": _row("server finance", refund_id="refund"),
    "POST /v1/refunds/{refund_id}/approve": _row("finance", 409, {}, refund_id="refund"),
    "POST /v1/refunds/{refund_id}/deny": _row("finance", 409, {}, refund_id="refund"),
    "POST /v1/refunds/{refund_id}/retry": _row("finance", 409, {}, refund_id="refund"),
    "GET /v1/credit_notes": _row("server finance"),
    "POST /v1/credit_notes/{note_id}/resolve": _row("finance", 409, {}, note_id="note"),
    "GET /v1/settlements": _row("finance"),
    "POST /v1/settlements": _row("finance", body=FILE, query=READ_AS),
    "GET /v1/settlements/{settlement_id}": _row("finance", settlement_id="settlement"),
    "GET /v1/webhook_endpoints": _row("admin"),
    "POST /v1/webhook_endpoints": _row("admin", body={"url": "https://192.0.43.8/hook"}),
    "GET /v1/webhook_endpoints/{endpoint_id}": _row("admin", endpoint_id="endpoint"),
    "POST /v1/webhook_endpoints/{endpoint_id}": _row("admin", body={"description": "x"}, endpoint_id="endpoint"),
    "DELETE /v1/webhook_endpoints/{endpoint_id}": _row("admin", endpoint_id="endpoint"),
    "POST /v1/webhook_endpoints/{endpoint_id}/roll_secret": _row("admin", body={}, endpoint_id="endpoint"),
    "POST /v1/webhook_endpoints/{endpoint_id}/ping": _row("admin", endpoint_id="endpoint"),
    "GET /v1/webhook_endpoints/{endpoint_id}/deliveries": _row("admin", endpoint_id="endpoint"),
    "POST /v1/customers/{customer_id}/pause_collection": _row(
        "server finance", body={"reason": "pays by transfer"}, customer_id="customer"
    ),
    "POST /v1/customers/{customer_id}/resume_collection": _row(
        "server finance", body={"reason": "no transfer"}, customer_id="customer"
    ),
    "POST /v1/invoices/{invoice_id}/pause_collection": _row(
        "server finance", body={"reason": "pays by transfer"}, invoice_id="invoice"
    ),
    "POST /v1/invoices/{invoice_id}/resume_collection": _row(
        "server finance", body={"reason": "no transfer"}, invoice_id="invoice"
    ),
    "GET /v1/api_keys": _row("admin platform"),
    "POST /v1/api_keys": _row("admin platform", body={"name": "x", "scopes": ["server"]}),
    "DELETE /v1/api_keys/{key_id}": _row("admin platform", key_id="key"),
}

# The answer to a call without any key, where none is needed. A webhook's signature is its key.
PUBLIC: Final[Mapping[str, tuple[str, int]]] = {
    "GET /payment_methods/{session_id}": ("/payment_methods/pms_1", 200),
    "GET /organization": ("/organization", 200),
    # A token in the body is the key.
    "POST /organization": ("/organization", 401),
    "POST /organization/portal": ("/organization/portal", 401),
    "POST /organization/payment_method": ("/organization/payment_method", 401),
    "GET /docs": ("/docs", 200),
    "GET /docs/openapi.json": ("/docs/openapi.json", 200),
    "GET /docs/{path}": ("/docs/nothing", 404),
    "GET /health/live": ("/health/live", 200),
    "GET /health/ready": ("/health/ready", 200),
    "GET /metrics": ("/metrics", 200),
    "POST /webhooks/stripe/{account}": ("/webhooks/stripe/ours", 400),
    "POST /webhooks/{account}/{connection}": ("/webhooks/ours/practice", 400),
    "GET /webhooks/{account}/{connection}": ("/webhooks/ours/practice", 400),
}
