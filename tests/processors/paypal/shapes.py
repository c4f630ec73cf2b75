"""What PayPal answers and sends, written from its descriptions: only what an adapter may meet, no text copied."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ACCOUNT = "RD465XN5VS364"
ANOTHER = "ZZ465XN5VS364"
ORDER, CAPTURE, REFUND, DISPUTE = "5O190127TN364715T", "3C679366HH908993F", "1JU08902781691411", "PP-D-27803"
REFERENCE, INVOICE, REFUND_REFERENCE = "in_1.1", "in_1", "rfd_1"
VAULT_ID, CUSTOMER, SETUP = "8kk8451t", "customer_4029352050", "5C991763VB2781612"
AT = "2027-03-01T12:00:00Z"
HOST = "https://api-m.sandbox.paypal.com"


def money(value: str = "10.00", currency: str = "USD") -> Json:
    return {"currency_code": currency, "value": value}


def link(rel: str, path: str) -> Json:
    return {"rel": rel, "href": f"{HOST}{path}", "method": "GET"}


def capture(status: str = "COMPLETED", **changed: Any) -> Json:
    shown = {
        "id": CAPTURE,
        "status": status,
        "amount": money(),
        "invoice_id": REFERENCE,
        "custom_id": INVOICE,
        "final_capture": True,
        "create_time": AT,
        "update_time": AT,
        "links": [link("up", f"/v2/checkout/orders/{ORDER}")],
    }
    return shown | changed


def order(*captures: Json, status: str = "COMPLETED", **changed: Any) -> Json:
    unit: Json = {
        "reference_id": INVOICE,
        "invoice_id": REFERENCE,
        "custom_id": INVOICE,
        "amount": money(),
        "payee": {"merchant_id": ACCOUNT},
    }
    if captures:
        unit["payments"] = {"captures": list(captures), "refunds": changed.pop("refunds", [])}
    return {"id": ORDER, "status": status, "purchase_units": [unit | changed.pop("unit", {})], **changed}


def refund(status: str = "COMPLETED", **changed: Any) -> Json:
    shown = {
        "id": REFUND,
        "status": status,
        "amount": money(),
        "invoice_id": REFUND_REFERENCE,
        "custom_id": REFUND_REFERENCE,
        "create_time": AT,
        "update_time": AT,
        "payer": {"merchant_id": ACCOUNT},
        "links": [link("self", f"/v2/payments/refunds/{REFUND}"), link("up", f"/v2/payments/captures/{CAPTURE}")],
    }
    return shown | changed


def dashboard_refund(**changed: Any) -> Json:
    """It carries what its capture does."""
    return refund(**{"id": "9AB", "invoice_id": REFERENCE, "custom_id": INVOICE, **changed})


def moved(kind: str = "DEBIT", value: str = "10.00", **changed: Any) -> Json:
    shown = {"affected_party": "SELLER", "type": kind, "reason": "DISPUTE_SETTLEMENT", "initiated_time": AT}
    return {**shown, "amount": money(value), **changed}


def dispute(status: str = "WAITING_FOR_SELLER_RESPONSE", **changed: Any) -> Json:
    of = {
        "seller_transaction_id": CAPTURE,
        "invoice_number": REFERENCE,
        "transaction_status": changed.pop("transaction_status", "COMPLETED"),
        "gross_amount": money(),
        "seller": {"merchant_id": ACCOUNT},
    }
    shown = {
        "dispute_id": DISPUTE,
        "create_time": AT,
        "update_time": AT,
        "disputed_transactions": [of],
        "reason": "UNAUTHORISED",
        "status": status,
        "dispute_amount": money(),
        "dispute_life_cycle_stage": "CHARGEBACK",
        "dispute_channel": "INTERNAL",
        "seller_response_due_date": "2027-03-11T12:00:00Z",
    }
    return shown | changed


def resolved(code: str, **changed: Any) -> Json:
    return dispute("RESOLVED", dispute_outcome={"outcome_code": code}, **changed)


def setup_token(status: str = "PAYER_ACTION_REQUIRED") -> Json:
    links = [
        link("approve", f"/agreements/approve?approval_session_id={SETUP}"),
        link("self", "/v3/vault/setup-tokens"),
    ]
    return {"id": SETUP, "status": status, "customer": {"id": CUSTOMER}, "links": links}


def payment_token(**changed: Any) -> Json:
    wallet = {"email_address": "payer@example.com", "payer_id": "VYYFH3WJ4JPJQ"}
    return {"id": VAULT_ID, "customer": {"id": CUSTOMER}, "payment_source": {"paypal": wallet}, **changed}


def error(issue: str = "", name: str = "UNPROCESSABLE_ENTITY") -> Json:
    told: Json = {"name": name, "message": "The requested action could not be performed.", "debug_id": "b1d1f06c7246c"}
    return {**told, "details": [{"issue": issue, "description": "It was not."}]} if issue else told


def event(kind: str, resource: Json, event_id: str = "WH-58D329510W468432D-8HN650336L201105X") -> Json:
    return {
        "id": event_id,
        "event_version": "1.0",
        "create_time": AT,
        "resource_type": "capture",
        "event_type": kind,
        "summary": "Something happened.",
        "resource": resource,
    }
