"""The endpoints of Payment Records and their attempts, and attaching payments to invoices."""

from __future__ import annotations

from gateway.sandbox.stripe import closing, collection, payment_records, payments
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.objects import Obj, listing
from gateway.sandbox.stripe.routes import Call, retrieves, route

ADDRESS = "address:{city country line1 line2 postal_code state}"
SHIPPING = f"shipping_details:{{{ADDRESS} name phone}}"
BILLING = f"billing_details:{{{ADDRESS} email name phone}}"
METHOD = f"payment_method_details:{{{BILLING} custom:{{display_name type}} type:custom}}"
PAYER = "customer_details:{customer email name phone}"
OUTCOME = "outcome:failed|guaranteed guaranteed:{*guaranteed_at:int} failed:{*failed_at:int} *initiated_at:int"
ONE = "/v1/payment_records/{id}"


@route(
    "POST",
    "/v1/payment_records/report_payment",
    f"*amount_requested:{{*currency *value:int}} {PAYER} customer_presence:off_session|on_session description "
    f"metadata:map? {OUTCOME} *{METHOD} processor_details:{{*type:custom custom:{{*payment_reference}}}} {SHIPPING}",
)
def report_payment(call: Call) -> Obj:
    payment_records.check_enabled(call.account)
    return payment_records.report(call.account, call.params)


def _record(call: Call) -> Obj:
    payment_records.check_enabled(call.account)
    return call.account.payment_records.need(call.id)


@route("POST", f"{ONE}/report_payment_attempt", f"description metadata:map? {OUTCOME} {METHOD} {SHIPPING}")
def report_attempt(call: Call) -> Obj:
    record = _record(call)
    payment_records.add_attempt(call.account, record, call.params)
    return record


def _end(call: Call, outcome: payment_records.Outcome) -> Obj:
    record = _record(call)
    payment_records.end_attempt(call.account, record, outcome)
    payment_records.inform(call.account, record, call.params)
    return record


@route("POST", f"{ONE}/report_payment_attempt_guaranteed", "*guaranteed_at:int metadata:map?")
def report_guaranteed(call: Call) -> Obj:
    return _end(call, "guaranteed")


@route("POST", f"{ONE}/report_payment_attempt_failed", "*failed_at:int metadata:map?")
def report_failed(call: Call) -> Obj:
    return _end(call, "failed")


@route("POST", f"{ONE}/report_payment_attempt_canceled", "*canceled_at:int metadata:map?")
def report_canceled(call: Call) -> Obj:
    return _end(call, "canceled")


@route("POST", f"{ONE}/report_payment_attempt_informational", f"{PAYER} description? metadata:map? {SHIPPING}?")
def report_informational(call: Call) -> Obj:
    record = _record(call)
    payment_records.inform(call.account, record, call.params)
    return record


@route(
    "POST",
    f"{ONE}/report_refund",
    "amount:{*currency *value:int} initiated_at:int metadata:map? *outcome:refunded refunded:{*refunded_at:int} "
    "*processor_details:{*type:custom custom:{*refund_reference}}",
)
def report_refund(call: Call) -> Obj:
    record = _record(call)
    if "custom" not in call.params["processor_details"]:
        name = "processor_details[custom]"
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    payment_records.refund(call.account, record, call.params)
    payment_records.inform(call.account, record, {k: v for k, v in call.params.items() if k == "metadata"})
    return record


retrieves(ONE, lambda account: account.payment_records)
retrieves("/v1/payment_attempt_records/{id}", lambda account: account.payment_attempts)


@route("GET", "/v1/payment_attempt_records", "*payment_record limit:int starting_after")
def list_attempts(call: Call) -> Obj:
    record = call.account.payment_records.need(call.params["payment_record"], "payment_record")
    page = call.account.payment_attempts.page(call.params, ids=record["_attempts"])
    return listing("/v1/payment_attempt_records", *page)


@route("POST", "/v1/invoices/{id}/attach_payment", "payment_intent payment_record")
def attach(call: Call) -> Obj:
    """Parts are for send_invoice invoices (docs: invoicing/partial-payments); a record is for subscription invoices
    only (partners' documents, as Stripe's do not say)."""
    account, params, invoice = call.account, call.params, call.account.invoices.need(call.id)
    if ("payment_intent" in params) == ("payment_record" in params):
        raise invalid("You must pass exactly one of `payment_intent` or `payment_record`.", param="payment_intent")
    if invoice["status"] != "open":
        raise invalid(closing.NOT_OPEN)
    if "payment_record" in params:
        record = account.payment_records.need(params["payment_record"], "payment_record")
        if invoice["parent"] is None:
            raise invalid("PaymentRecords can only be attached to invoices of subscriptions.", param="payment_record")
        _check_part(invoice, record["amount"]["value"])
        payment_records.attach(account, invoice, record)
        return invoice
    intent = account.payment_intents.need(params["payment_intent"], "payment_intent")
    if intent["_invoice"] is not None:
        raise invalid("This PaymentIntent is already attached to an invoice.", param="payment_intent")
    if intent["currency"] != invoice["currency"] or intent["customer"] not in (None, invoice["customer"]):
        raise invalid("The PaymentIntent must have the invoice's currency and customer.", param="payment_intent")
    if intent["status"] == "canceled":
        raise invalid("You can't attach a canceled PaymentIntent.", param="payment_intent")
    _check_part(invoice, intent["amount"])
    payments.link(account, invoice, intent)
    if intent["status"] == "succeeded":
        collection.credit(account, invoice, intent)
    return invoice


def _check_part(invoice: Obj, amount: int) -> None:
    if invoice["collection_method"] != "send_invoice" and amount < invoice["amount_remaining"]:
        raise invalid("Invoices with collection_method=charge_automatically can't be paid in parts.")
