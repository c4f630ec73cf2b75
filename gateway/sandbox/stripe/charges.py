"""Charges: one for every try of a payment intent to take money."""

from __future__ import annotations

from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, public
from gateway.sandbox.stripe.payment_methods import behaviour
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route, updates
from gateway.sandbox.stripe.store import Account

KEPT = {
    "card": ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4"),
    "sepa_debit": ("bank_code", "branch_code", "country", "fingerprint", "last4"),
    "us_bank_account": (
        "account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number",
    ),
}  # fmt: skip


def make(account: Account, intent: Obj, method: Obj, status: str) -> Obj:
    """A charge that has succeeded, is pending, or has failed; announced as charge.<status>."""
    charge: Obj = {
        "id": new_id("ch" if method["type"] == "card" else "py"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if status == "succeeded" else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": public(method["billing_details"]),
        "calculated_statement_descriptor": account.name[:22].upper(),
        "captured": status != "failed",
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(method, status),
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(method),
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
        "_invoice": intent.get("_invoice"),
    }
    if status == "failed":
        _explain(charge, method)
    account.charges.add(charge["id"], charge)
    record(account, f"charge.{status}", charge)
    return charge


def _explain(charge: Obj, method: Obj) -> None:
    why = behaviour(method).decline
    if why is not None:
        charge |= {"failure_code": why.code, "failure_message": why.message, "outcome": _outcome(method, "failed")}


def finish(account: Account, charge: Obj, method: Obj, status: str) -> None:
    """A pending charge comes to its end."""
    taken = charge["amount"] if status == "succeeded" else 0
    charge |= {"status": status, "paid": status == "succeeded", "amount_captured": taken}
    if status == "failed":
        _explain(charge, method)
    record(account, f"charge.{status}", charge)


def _outcome(method: Obj, status: str) -> Obj:
    why = behaviour(method).decline if status == "failed" else None
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if why else "approved_by_network",
        "reason": (why.reason or why.code) if why else None,
        "risk_level": "normal",
        "seller_message": why.message if why else "Payment complete.",
        "type": "issuer_declined" if why else "authorized",
    }


def _details(method: Obj) -> Obj:
    kind = method["type"]
    details = {name: method[kind][name] for name in KEPT[kind]}
    if kind == "card":
        details |= {"checks": method["card"]["checks"], "network": method["card"]["brand"], "wallet": None}
    return {kind: details, "type": kind}


retrieves("/v1/charges/{id}", lambda account: account.charges)
updates("/v1/charges/{id}", "description metadata:map? receipt_email", lambda account: account.charges)


@route("GET", "/v1/charges", f"customer payment_intent created:range {PAGE}")
def index(call: Call) -> Obj:
    params = call.params

    def keep(charge: Obj) -> bool:
        wanted = all(params.get(name) in (None, charge[name]) for name in ("customer", "payment_intent"))
        return wanted and in_range(charge["created"], params.get("created"))

    return listing("/v1/charges", *call.account.charges.page(params, keep))
