"""What pays an invoice at Stripe: its InvoicePayments and PaymentIntents.

Finalization makes the default pair, for send_invoice too (recorded: payment_intent.created beside invoice.finalized).
Payment methods are names only: any ``pm_…`` works, one containing ``Declined`` is declined, and ``pm_sepaDebit…`` or
``pm_usBankAccount…`` stay processing for three days.

Open in Stripe's documents: whether paid_out_of_band leaves an InvoicePayment of type payment_record. By default the
default payment is cancelled and nothing else is made (what recordings show); `account.oob_makes_payment_record`
plays the other model.
"""

from __future__ import annotations

from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.thin_events import announce

PROCESSING_S = 3 * 86400


def declines(payment_method: str) -> bool:
    return "declined" in payment_method.lower()


def is_slow(payment_method: str) -> bool:
    return payment_method.lower().startswith(("pm_sepadebit", "pm_usbankaccount"))


def open_default(account: Account, invoice: Obj) -> None:
    """The default PaymentIntent (requires_payment_method) and InvoicePayment of a newly finalized invoice."""
    intent = {
        "id": new_id("pi"),
        "object": "payment_intent",
        "amount": invoice["amount_due"],
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": new_id("pi") + "_secret_sandbox",
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        "_invoice": invoice["id"],
    }
    account.payment_intents.add(intent["id"], intent)
    invoice["_payment_intent"] = intent["id"]
    _add(account, invoice, {"type": "payment_intent", "payment_intent": intent["id"]}, default=True)
    record(account, "payment_intent.created", intent)


def _add(account: Account, invoice: Obj, payment: Obj, *, default: bool) -> Obj:
    row = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_remaining"],
        "created": account.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": default,
        "livemode": False,
        "payment": payment,
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    account.invoice_payments.add(row["id"], row)
    account.payments_of_invoice[invoice["id"]].append(row["id"])
    announce(account, "v1.invoice_payment.open", row)
    return row


def intent_of(account: Account, invoice: Obj) -> Obj | None:
    return account.payment_intents.get(invoice.get("_payment_intent") or "")


def cancel(account: Account, invoice: Obj, reason: str) -> None:
    """Close what is still open: `reason` as recorded, requested_by_customer for out of band, void_invoice for void."""
    for id in account.payments_of_invoice.get(invoice["id"], []):
        row = account.invoice_payments[id]
        if row["status"] == "open":
            row["status"] = "canceled"
            row["status_transitions"]["canceled_at"] = account.now()
            announce(account, "v1.invoice_payment.canceled", row)
    intent = intent_of(account, invoice)
    if intent is not None and intent["status"] not in ("succeeded", "canceled"):
        intent |= {"status": "canceled", "canceled_at": account.now(), "cancellation_reason": reason}
        record(account, "payment_intent.canceled", intent)


def out_of_band(account: Account, invoice: Obj) -> None:
    cancel(account, invoice, "requested_by_customer")
    if account.oob_makes_payment_record:
        row = _add(account, invoice, {"type": "payment_record", "payment_record": new_id("pr")}, default=False)
        _paid(account, row)


def charge(account: Account, invoice: Obj, payment_method: str) -> str:
    """Try a Stripe payment: ``succeeded``, ``processing`` or ``declined``, written to intent and payment."""
    intent = intent_of(account, invoice)
    if intent is None:
        raise AssertionError(f"{invoice['id']} has an amount due and no payment intent")
    intent |= {"payment_method": payment_method, "amount": invoice["amount_remaining"]}
    if declines(payment_method):
        error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
        intent |= {"status": "requires_payment_method", "last_payment_error": error}
        record(account, "payment_intent.payment_failed", intent)
        return "declined"
    if is_slow(payment_method):
        intent["status"] = "processing"
        record(account, "payment_intent.processing", intent)
        return "processing"
    succeed(account, invoice)
    return "succeeded"


def succeed(account: Account, invoice: Obj) -> None:
    intent = intent_of(account, invoice)
    if intent is None:
        raise AssertionError(f"{invoice['id']} has no payment intent")
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": new_id("ch")}
    record(account, "payment_intent.succeeded", intent)
    for id in account.payments_of_invoice[invoice["id"]]:
        if account.invoice_payments[id]["status"] == "open":
            _paid(account, account.invoice_payments[id])


def _paid(account: Account, row: Obj) -> None:
    row |= {"status": "paid", "amount_paid": row["amount_requested"]}
    row["status_transitions"]["paid_at"] = account.now()
    record(account, "invoice_payment.paid", row)


def follow_remaining(account: Account, invoice: Obj) -> None:
    """A credit note lowered what is due: the open payment asks for the rest only."""
    for id in account.payments_of_invoice.get(invoice["id"], []):
        row = account.invoice_payments[id]
        if row["status"] == "open":
            row["amount_requested"] = invoice["amount_remaining"]
    intent = intent_of(account, invoice)
    if intent is not None and intent["status"] == "requires_payment_method":
        intent["amount"] = invoice["amount_remaining"]


@route("GET", "/v1/payment_intents/{id}", "client_secret")
def retrieve_intent(call: Call) -> Obj:
    return call.account.payment_intents.need(call.id)


retrieves("/v1/invoice_payments/{id}", lambda account: account.invoice_payments)


@route(
    "GET",
    "/v1/invoice_payments",
    f"invoice status:open|paid|canceled created:range {PAGE} "
    "payment:{*type:payment_intent|payment_record payment_intent payment_record}",
)
def index(call: Call) -> Obj:
    account, params = call.account, call.params
    wanted = params.get("payment", {})
    name = wanted.get("type")
    ids = None
    if "invoice" in params:
        ids = account.payments_of_invoice.get(params["invoice"], [])
    elif "payment_intent" in wanted:
        invoice = account.payment_intents.get(wanted["payment_intent"], {}).get("_invoice", "")
        ids = account.payments_of_invoice.get(invoice, [])

    def keep(row: Obj) -> bool:
        return (
            params.get("status") in (None, row["status"])
            and in_range(row["created"], params.get("created"))
            and (name is None or row["payment"]["type"] == name)
            and (name is None or name not in wanted or row["payment"].get(name) == wanted[name])
        )

    return listing("/v1/invoice_payments", *account.invoice_payments.page(params, keep, ids))
