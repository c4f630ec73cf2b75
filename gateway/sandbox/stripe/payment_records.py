"""Payment Records: payments at another processor, reported to Stripe (docs: payments/payment-records).

A record is one payment with its attempts, of which one at a time is under way. Attached to an invoice it is credited
once an attempt is guaranteed. `account.third_party_processing` stands for Stripe's enabling it account by account.
Chosen where the documents are silent: the text of that refusal, and that the most recent attempt's fields are the
record's.
"""

from __future__ import annotations

from typing import Literal

from gateway.sandbox.stripe import payments
from gateway.sandbox.stripe.closing import receive
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, merge_metadata, snapshot
from gateway.sandbox.stripe.store import Account

Outcome = Literal["guaranteed", "failed", "canceled"]
SHARED = ("customer_details", "description", "shipping_details")


def check_enabled(account: Account) -> None:
    if not account.third_party_processing:
        raise invalid("Your account is not enabled for processing payments outside of Stripe. Please contact support.")


def money(currency: str, value: int = 0) -> Obj:
    return {"currency": currency, "value": value}


def report(account: Account, params: Obj) -> Obj:
    """A new record with its first attempt."""
    amount = params["amount_requested"]
    currency, value = amount["currency"].lower(), amount["value"]
    if value <= 0:
        raise invalid("Invalid positive integer", param="amount_requested[value]")
    record = _blank(account, new_id("pr"), "payment_record", currency, value)
    record |= {
        "customer_details": _customer(account, params.get("customer_details")),
        "customer_presence": params.get("customer_presence"),
        "latest_payment_attempt_record": None,
        "processor_details": {
            "custom": {"payment_reference": _reference(params)}, "type": "custom",
        },
        "_attempts": [],
        "_invoice": None,
        "_refunds": {},  # refund reference -> amount
    }  # fmt: skip
    account.payment_records.add(record["id"], record)
    add_attempt(account, record, params)
    return record


def _reference(params: Obj) -> str | None:
    custom = params.get("processor_details", {}).get("custom", {})
    return str(custom["payment_reference"]) if "payment_reference" in custom else None


def _customer(account: Account, given: Obj | None) -> Obj | None:
    if not given:
        return None
    if "customer" in given:
        account.customers.need(given["customer"], "customer_details[customer]")
    return {"customer": None, "email": None, "name": None, "phone": None, **given}


def _blank(account: Account, id: str, kind: str, currency: str, value: int) -> Obj:
    zero = ("authorized", "canceled", "failed", "guaranteed", "refunded")
    return {
        "id": id,
        "object": kind,
        "amount": money(currency, value),
        **{f"amount_{name}": money(currency) for name in zero},
        "amount_requested": money(currency, value),
        "application": None,
        "created": account.now(),
        "customer_details": None,
        "customer_presence": None,
        "description": None,
        "livemode": False,
        "metadata": {},
        "payment_method_details": None,
        "processor_details": {"custom": {"payment_reference": None}, "type": "custom"},
        "reported_by": "self",
        "shipping_details": None,
    }


def add_attempt(account: Account, record: Obj, params: Obj) -> None:
    """Another attempt: only once all the others have failed or were cancelled."""
    if any(account.payment_attempts[id]["_state"] in ("open", "guaranteed") for id in record["_attempts"]):
        raise invalid("A new attempt can only be reported once all others have failed or were canceled.")
    amount = record["amount_requested"]
    attempt = _blank(account, new_id("par"), "payment_attempt_record", amount["currency"], amount["value"])
    for name in ("customer_details", "customer_presence", "processor_details"):
        attempt[name] = snapshot(record[name])
    details = record["payment_method_details"]
    if "payment_method_details" in params:
        details = _method(params["payment_method_details"])
    for name in ("canceled", "failed"):
        record[f"amount_{name}"] = money(amount["currency"])
    attempt |= {"payment_method_details": details, "payment_record": record["id"], "_state": "open"}
    account.payment_attempts.add(attempt["id"], attempt)
    record["_attempts"].append(attempt["id"])
    record |= {"latest_payment_attempt_record": attempt["id"], "payment_method_details": snapshot(details)}
    inform(account, record, params)
    if "outcome" in params:
        _check_outcome(params)
        end_attempt(account, record, params["outcome"])


def _method(given: Obj) -> Obj:
    custom = given.get("custom", {})
    billing = {"address": {}, "email": None, "name": None, "phone": None, **given.get("billing_details", {})}
    parts = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "billing_details": {**billing, "address": {**parts, **billing["address"]}},
        "custom": {"display_name": custom.get("display_name") or "Custom", "type": custom.get("type")},
        "payment_method": None,
        "type": "custom",
    }


def _check_outcome(params: Obj) -> None:
    name = params["outcome"]
    if name not in params:
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)


def inform(account: Account, record: Obj, params: Obj) -> None:
    """Description, metadata and the like, on the record and on its latest attempt."""
    if "customer_details" in params:
        record["customer_details"] = _customer(account, params["customer_details"])
    if "description" in params:
        record["description"] = params["description"] or None
    if "shipping_details" in params:
        given = params["shipping_details"] or None
        record["shipping_details"] = given and {"name": None, "phone": None, "address": {}, **given}
    merge_metadata(record, params)
    latest = account.payment_attempts[record["latest_payment_attempt_record"]]
    latest |= {name: snapshot(record[name]) for name in SHARED}
    merge_metadata(latest, params)


def end_attempt(account: Account, record: Obj, outcome: Outcome) -> None:
    """The attempt under way has ended. A guaranteed one pays the invoice that waits for it."""
    attempt = account.payment_attempts[record["latest_payment_attempt_record"]]
    if attempt["_state"] != "open":
        raise invalid(f"The most recent payment attempt of this PaymentRecord is already {attempt['_state']}.")
    attempt["_state"] = outcome
    for one in (record, attempt):
        one[f"amount_{outcome}"] = money(one["amount"]["currency"], one["amount"]["value"])
    invoice = account.invoices.get(record["_invoice"] or "")
    row = payments.row_of(account, invoice, "payment_record", record["id"]) if invoice is not None else None
    if outcome == "guaranteed" and invoice is not None and row is not None and row["status"] == "open":
        _credit(account, invoice, row)


def refund(account: Account, record: Obj, params: Obj) -> None:
    """Report that (a part of) the payment was given back."""
    reference = params["processor_details"]["custom"]["refund_reference"]
    if reference in record["_refunds"]:
        raise invalid(f"The refund_reference {reference} was already used on this PaymentRecord.")
    currency, left = (
        record["amount"]["currency"],
        record["amount_guaranteed"]["value"] - record["amount_refunded"]["value"],
    )
    amount = params.get("amount", money(currency, left))
    if amount["currency"].lower() != currency:
        raise invalid(f"The currency must be the payment's: {currency}.", param="amount[currency]")
    if not 0 < amount["value"] <= left:
        raise invalid(f"Can only refund up to the remaining amount of the payment ({left}).", param="amount[value]")
    record["_refunds"][reference] = amount["value"]
    for one in (record, account.payment_attempts[record["latest_payment_attempt_record"]]):
        one["amount_refunded"] = money(currency, one["amount_refunded"]["value"] + amount["value"])


def attach(account: Account, invoice: Obj, record: Obj) -> None:
    """Let a record pay an invoice, now if it is guaranteed, else as soon as it is."""
    check_enabled(account)
    if record["amount"]["currency"] != invoice["currency"]:
        raise invalid(f"The currency must be the invoice's: {invoice['currency']}.", param="payment_record")
    if record["_invoice"] is not None:
        raise invalid("This PaymentRecord is already attached to an invoice.", param="payment_record")
    record["_invoice"] = invoice["id"]
    row = payments.add(
        account, invoice, {"type": "payment_record", "payment_record": record["id"]}, record["amount"]["value"]
    )
    if record["amount_guaranteed"]["value"]:
        _credit(account, invoice, row)


def _credit(account: Account, invoice: Obj, row: Obj) -> None:
    payments.paid(account, row)
    if invoice["status"] in ("open", "uncollectible"):
        receive(account, invoice, row["amount_paid"], "payment_record")
