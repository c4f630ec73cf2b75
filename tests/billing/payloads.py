"""Stripe's invoices as it sends them: of our API version (dahlia), and of an endpoint that is still at 2022-11-15."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.billing.shapes import InvoiceShape

CREATED = 1798804800
DUE_DATE = CREATED + 10 * 86400

DAHLIA: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "status": "open",
    "collection_method": "send_invoice",
    "customer": "cus_1",
    "currency": "eur",
    "amount_due": 1000,
    "amount_paid": 0,
    "amount_remaining": 1000,
    "amount_overpaid": 0,
    "total": 1000,
    "pre_payment_credit_notes_amount": 0,
    "post_payment_credit_notes_amount": 0,
    "auto_advance": True,
    "automatic_tax": {"enabled": False, "status": None},
    "billing_reason": "subscription_cycle",
    "number": "N-1",
    "created": CREATED,
    "due_date": DUE_DATE,
    "automatically_finalizes_at": None,
    "status_transitions": {"finalized_at": CREATED, "paid_at": None},
    "parent": {
        "type": "subscription_details",
        "subscription_details": {"subscription": "sub_1", "metadata": {"tollbridge_session": "cs_1"}},
    },
    "payments": {"object": "list", "data": [], "has_more": False},
    "metadata": {},
    "last_finalization_error": None,
}

OLD: dict[str, Any] = {
    **{name: value for name, value in DAHLIA.items() if name not in ("parent", "payments", "amount_overpaid")},
    "subscription": "sub_1",
    "subscription_details": {"metadata": {"tollbridge_session": "cs_1"}},
    "paid": False,
    "paid_out_of_band": False,
    "payment_intent": "pi_1",
    "charge": None,
    "tax": None,
}


def shape(payload: dict[str, Any] = DAHLIA, **changes: Any) -> InvoiceShape:
    """As it is decoded from the wire."""
    return msgspec.json.decode(msgspec.json.encode({**payload, **changes}), type=InvoiceShape)


def paid(payload: dict[str, Any], *, out_of_band: bool = True) -> dict[str, Any]:
    """The same invoice, paid. Before 2025-03-31 one paid out of band reads as if nothing had been paid."""
    old = "paid" in payload
    amounts = {} if old and out_of_band else {"amount_paid": payload["amount_due"], "amount_remaining": 0}
    flags = {"paid": True, "paid_out_of_band": out_of_band} if old else {}
    transitions = {**payload["status_transitions"], "paid_at": CREATED + 60}
    return {**payload, "status": "paid", "auto_advance": False, "status_transitions": transitions, **amounts, **flags}


def payments(*payments: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": list(payments), "has_more": False}


def intent(status: str, payment: str = "open") -> dict[str, Any]:
    """An InvoicePayment with its PaymentIntent expanded."""
    target = {"type": "payment_intent", "payment_intent": {"id": "pi_1", "object": "payment_intent", "status": status}}
    return {"object": "invoice_payment", "status": payment, "is_default": True, "payment": target}
