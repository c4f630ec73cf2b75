"""How a credit note gives its post-payment part back: to the balance, as refunds, or outside Stripe.

``refund_amount + credit_amount + out_of_band_amount + Σ refunds`` must equal that part (API description). New refunds
are taken from the invoice's charges, oldest first; a refund or payment record refund that exists is linked, up to its
own amount. Assumed: a linked payment record refund shows its refund group as `refund`, which the description requires.
"""

from __future__ import annotations

from gateway.sandbox.stripe import balances, payments, refunds
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account

FIELDS = (
    "credit_amount:int out_of_band_amount:int refund_amount:int refunds:[{amount_refunded:int refund "
    "type:payment_record_refund|refund payment_record_refund:{*payment_record *refund_group}}]"
)
NAMES = ("credit_amount", "refund_amount", "out_of_band_amount")


def split(account: Account, invoice: Obj, params: Obj, post: int) -> tuple[list[Obj], dict[str, str]]:
    """Check the parts against the post-payment amount. The rows of `refunds`; new ones bear a made-up id, by which
    the second answer knows the charge to refund."""
    for name in NAMES:
        if params.get(name, 0) < 0:
            raise invalid("Invalid non-negative integer", param=name)
    credit, refund, oob = (params.get(name, 0) for name in NAMES)
    rows = [_linked(account, invoice, given, f"refunds[{at}]") for at, given in enumerate(params.get("refunds", []))]
    whole = credit + refund + oob + sum(row["amount_refunded"] for row in rows)
    if whole != post:
        raise invalid(
            f"The sum of credit amount, refund amount and out of band amount ({whole}) must equal the post payment "
            f"credit note amount ({post}).",
            param=next((name for name in reversed(NAMES) if name in params), None),
        )
    charges = payments.charges_of(account, invoice)
    if refund and not charges:
        raise invalid("The invoice has no Stripe charge that could be refunded.", param="refund_amount")
    if refund > sum(map(refunds.refundable, charges)):
        raise invalid("The refund amount is greater than what is left of the invoice's charges.", param="refund_amount")
    if credit and account.customers[invoice["customer"]].get("deleted"):
        raise invalid("The customer of this invoice has been deleted.", param="credit_amount")
    wanted: dict[str, str] = {}
    for charge in charges:
        part = min(refund, refunds.refundable(charge))
        refund -= part
        if part:
            row = _row(part, new_id("re"))
            rows.append(row)
            wanted[row["refund"]] = charge["id"]
    return rows, wanted


def _row(amount: int, refund: str, record_refund: Obj | None = None) -> Obj:
    kind = "refund" if record_refund is None else "payment_record_refund"
    return {"amount_refunded": amount, "payment_record_refund": record_refund, "refund": refund, "type": kind}


def _linked(account: Account, invoice: Obj, given: Obj, where: str) -> Obj:
    """A row for a refund that exists. Raises if it isn't of this invoice, or if other notes have used it up."""
    if given.get("type", "refund") == "refund":
        if "refund" not in given:
            raise invalid(f"Missing required param: {where}[refund].", code="parameter_missing", param=where)
        refund = account.refunds.need(given["refund"], f"{where}[refund]")
        whole, id, link = refund["amount"], refund["id"], None
        ours = refund["charge"] in {charge["id"] for charge in payments.charges_of(account, invoice)}
    else:
        link = given.get("payment_record_refund")
        if link is None:
            name = f"{where}[payment_record_refund]"
            raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
        payment_record = account.payment_records.need(link["payment_record"], f"{where}[payment_record_refund]")
        id = link["refund_group"]
        whole = payment_record["_refunds"].get(id, 0)
        ours = payments.row_of(account, invoice, "payment_record", payment_record["id"]) is not None
    if not ours or not whole:
        raise invalid("This refund is not of a payment of the invoice.", param=where)
    left = whole - _used(account, invoice, id, link)
    amount = given.get("amount_refunded", left)
    if not 0 < amount <= left:
        raise invalid(
            f"The amount refunded ({amount}) is greater than what is left of the refund ({left}).", param=where
        )
    return _row(amount, id, link)


def _used(account: Account, invoice: Obj, id: str, link: Obj | None) -> int:
    """What the invoice's other credit notes say of the same refund."""
    notes = (account.credit_notes[one] for one in account.credit_notes_of_invoice.get(invoice["id"], []))
    return sum(
        row["amount_refunded"]
        for note in notes
        if note["status"] == "issued"
        for row in note["refunds"]
        if row["refund"] == id and row["payment_record_refund"] == link
    )


def give_back(account: Account, invoice: Obj, note: Obj, params: Obj) -> None:
    """Make the balance transaction and the refunds that the note needs."""
    credit = params.get("credit_amount", 0)
    if credit:
        customer = account.customers[invoice["customer"]]
        row = balances.move(account, customer, -credit, "credit_note", credit_note=note["id"], invoice=invoice["id"])
        note["customer_balance_transaction"] = row["id"]
    for row in note["refunds"]:
        charge = note["_wanted"].get(row["refund"])
        if charge is not None:
            row["refund"] = refunds.make(account, account.charges[charge], row["amount_refunded"])["id"]
