"""What pays an invoice: its InvoicePayments, each a payment intent or a payment record.

Finalization makes the default pair, for send_invoice too (recorded: payment_intent.created beside invoice.finalized).

Open in Stripe's documents: whether paid_out_of_band leaves an InvoicePayment of type payment_record. By default the
default payment is cancelled and nothing else is made (what recordings show); `account.oob_makes_payment_record`
plays the other model.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.sandbox.stripe import payment_intents
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.thin_events import announce


def open_default(account: Account, invoice: Obj) -> None:
    """The default PaymentIntent (requires_payment_method) and InvoicePayment of a newly finalized invoice."""
    intent = payment_intents.make(account, invoice["amount_due"], invoice["currency"], invoice["customer"])
    invoice["_payment_intent"] = intent["id"]
    link(account, invoice, intent, default=True)
    record(account, "payment_intent.created", intent)


def link(account: Account, invoice: Obj, intent: Obj, *, default: bool = False) -> Obj:
    """Let an intent pay this invoice."""
    intent["_invoice"] = invoice["id"]
    payment = {"type": "payment_intent", "payment_intent": intent["id"]}
    return add(account, invoice, payment, intent["amount"], default=default)


def add(account: Account, invoice: Obj, payment: Obj, amount: int, *, default: bool = False) -> Obj:
    row = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": account.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": default,
        "livemode": False,
        "payment": payment,
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
        "_lane": invoice["customer"],
    }
    account.invoice_payments.add(row["id"], row)
    account.payments_of_invoice[invoice["id"]].append(row["id"])
    announce(account, "v1.invoice_payment.open", row)
    return row


def rows_of(account: Account, invoice: Obj) -> Iterator[Obj]:
    """Oldest first."""
    return (account.invoice_payments[id] for id in account.payments_of_invoice.get(invoice["id"], []))


def row_of(account: Account, invoice: Obj, kind: str, id: str) -> Obj | None:
    """The InvoicePayment behind which a payment_intent or payment_record stands."""
    return next((row for row in rows_of(account, invoice) if row["payment"].get(kind) == id), None)


def has(account: Account, invoice: Obj, status: str) -> bool:
    """Whether a payment beside the default one is `status`, or the default one has been paid."""
    rows = rows_of(account, invoice)
    return any(row["status"] == status and (status == "paid" or not row["is_default"]) for row in rows)


def intent_of(account: Account, invoice: Obj) -> Obj | None:
    """The default payment intent."""
    return account.payment_intents.get(invoice.get("_payment_intent") or "")


def charges_of(account: Account, invoice: Obj) -> list[Obj]:
    """The charges that have paid it, oldest first."""
    intents = (account.payment_intents[r["payment"]["payment_intent"]]
               for r in rows_of(account, invoice)
               if r["status"] == "paid" and r["payment"]["type"] == "payment_intent")  # fmt: skip
    return [account.charges[intent["latest_charge"]] for intent in intents]


def cancel(account: Account, invoice: Obj, reason: str) -> None:
    """Close what is still open: `reason` as recorded, requested_by_customer for out of band, void_invoice for void."""
    for row in rows_of(account, invoice):
        if row["status"] == "open":
            row["status"] = "canceled"
            row["status_transitions"]["canceled_at"] = account.now()
            announce(account, "v1.invoice_payment.canceled", row)
            intent = account.payment_intents.get(row["payment"].get("payment_intent", ""))
            if intent is not None:
                payment_intents.cancel(account, intent, reason)


def drop_attached(account: Account, invoice: Obj) -> None:
    """Payments beside the default one that have not come no longer wait for this invoice."""
    for row in rows_of(account, invoice):
        if row["status"] == "open" and not row["is_default"]:
            row["status"] = "canceled"
            row["status_transitions"]["canceled_at"] = account.now()
            announce(account, "v1.invoice_payment.canceled", row)


def out_of_band(account: Account, invoice: Obj) -> None:
    cancel(account, invoice, "requested_by_customer")
    if account.oob_makes_payment_record:
        payment = {"type": "payment_record", "payment_record": new_id("pr")}
        paid(account, add(account, invoice, payment, invoice["amount_remaining"]))


def paid(account: Account, row: Obj) -> None:
    row |= {"status": "paid", "amount_paid": row["amount_requested"]}
    row["status_transitions"]["paid_at"] = account.now()
    record(account, "invoice_payment.paid", row)


def follow_remaining(account: Account, invoice: Obj) -> None:
    """A credit note or a part payment lowered what is due: the default payment asks for the rest only."""
    for row in rows_of(account, invoice):
        if row["status"] == "open" and row["is_default"]:
            row["amount_requested"] = invoice["amount_remaining"]
    intent = intent_of(account, invoice)
    if intent is not None and intent["status"] not in (*payment_intents.OVER, "processing"):
        intent["amount"] = invoice["amount_remaining"]


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
    elif name in wanted:
        held = account.payment_intents if name == "payment_intent" else account.payment_records
        invoice = held.get(wanted[name], {}).get("_invoice") or ""
        ids = account.payments_of_invoice.get(invoice, [])

    def keep(row: Obj) -> bool:
        return (
            params.get("status") in (None, row["status"])
            and in_range(row["created"], params.get("created"))
            and (name is None or row["payment"]["type"] == name)
            and (name is None or name not in wanted or row["payment"].get(name) == wanted[name])
        )

    return listing("/v1/invoice_payments", *account.invoice_payments.page(params, keep, ids))
