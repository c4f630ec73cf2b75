"""Refunds of Stripe charges. A bank debit's is pending for as long as the debit was; those of some cards fail."""

from __future__ import annotations

from functools import partial

from gateway.sandbox.stripe.errors import Refusal, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.payment_methods import behaviour
from gateway.sandbox.stripe.ready_made import DEBIT_S
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account


def refundable(charge: Obj) -> int:
    return int(charge["amount_captured"] - charge["amount_refunded"]) if charge["status"] == "succeeded" else 0


def make(account: Account, charge: Obj, amount: int, reason: str | None = None, params: Obj | None = None) -> Obj:
    """Give `amount` of a charge back. Raises for more than is left of it."""
    _check(charge, amount)
    method = account.payment_methods[charge["payment_method"]]
    fate = "pending" if method["type"] != "card" else behaviour(method).refund
    refund: Obj = {
        "id": new_id("re" if method["type"] == "card" else "pyr"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "destination_details": _destination(method["type"]),
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if fate == "pending" else "succeeded",
        "transfer_reversal": None,
        "_lane": charge["customer"],
    }
    merge_metadata(refund, params or {})
    account.refunds.add(refund["id"], refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    record(account, "refund.created", refund)
    record(account, "charge.refunded", charge)
    if fate != "succeeded":
        end = {"pending": "succeeded", "failed": "failed"}[fate]
        account.clock.at(account.now() + DEBIT_S, partial(_end, account, refund, end))
    return refund


def _check(charge: Obj, amount: int) -> None:
    if charge["status"] != "succeeded":
        raise invalid("This charge has not been captured yet, or has failed; it can't be refunded.", param="charge")
    if charge["disputed"]:
        raise Refusal("This charge has been charged back.", code="charge_disputed", param="charge")
    left = refundable(charge)
    if not left:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < amount <= left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")


def _destination(kind: str) -> Obj:
    if kind != "card":
        return {"type": kind}
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {"card": card, "type": "card"}


def _end(account: Account, refund: Obj, status: str) -> None:
    with updating(account, refund, "refund.updated"):
        refund["status"] = status
        if status == "failed":
            refund["failure_reason"] = "expired_or_canceled_card"
    record(account, "charge.refund.updated", refund)
    if status == "failed":
        charge = account.charges[refund["charge"]]
        with updating(account, charge, "charge.updated"):
            charge["amount_refunded"] -= refund["amount"]
            charge["refunded"] = False
        record(account, "refund.failed", refund)


@route(
    "POST",
    "/v1/refunds",
    "amount:int charge payment_intent metadata:map? reason:duplicate|fraudulent|requested_by_customer",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    if "charge" in params:
        charge = account.charges.need(params["charge"], "charge")
    else:
        intent = account.payment_intents.need(params["payment_intent"], "payment_intent")
        if intent["latest_charge"] is None:
            raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
        charge = account.charges[intent["latest_charge"]]
    return make(account, charge, params.get("amount", refundable(charge)), params.get("reason"), params)


retrieves("/v1/refunds/{id}", lambda account: account.refunds)


@route("POST", "/v1/refunds/{id}", "metadata:map?")
def update(call: Call) -> Obj:
    refund = call.account.refunds.need(call.id)
    with updating(call.account, refund, "refund.updated"):
        merge_metadata(refund, call.params)
    return refund


@route("GET", "/v1/refunds", f"charge payment_intent created:range {PAGE}")
def index(call: Call) -> Obj:
    params = call.params

    def keep(refund: Obj) -> bool:
        wanted = all(params.get(name) in (None, refund[name]) for name in ("charge", "payment_intent"))
        return wanted and in_range(refund["created"], params.get("created"))

    return listing("/v1/refunds", *call.account.refunds.page(params, keep))
