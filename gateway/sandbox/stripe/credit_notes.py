"""Credit notes with the exact split of Stripe's description.

An amount first lowers what is still due (`pre_payment_amount`); the excess is `post_payment_amount`, and
``refund_amount + credit_amount + out_of_band_amount`` must equal it; `out_of_band_amount` is never inferred
(since 2019-12-03). Assumed, where the documents are silent: an open invoice refuses any of the three for the
pre-payment part, and a credit note of a paid invoice cannot be voided.
"""

from __future__ import annotations

from decimal import Decimal

from gateway.sandbox.stripe import closing, credit_note_money, hosting, payments
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import decimal_text, nearest
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route, updates
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import sum_by_rate

FIELDS = (
    f"*invoice amount:int {credit_note_money.FIELDS} effective_at:int "
    "email_type:credit_note|none memo metadata:map reason:duplicate|fraudulent|order_change|product_unsatisfactory "
    "lines:[{*type:custom_line_item|invoice_line_item amount:int quantity:int unit_amount:int unit_amount_decimal:num "
    "description invoice_line_item tax_rates:[str]?}]"
)


@route("POST", "/v1/credit_notes", FIELDS)
def create(call: Call) -> Obj:
    account = call.account
    note = _drawn_up(call)
    invoice = account.invoices[note["invoice"]]
    account.numbers[invoice["id"]] += 1
    account.credit_notes.add(note["id"], note)
    account.credit_notes_of_invoice[invoice["id"]].append(note["id"])
    credit_note_money.give_back(account, invoice, note, call.params)
    record(account, "credit_note.created", note)
    with updating(account, invoice, "invoice.updated"):
        _apply(invoice, note, 1)
    payments.follow_remaining(account, invoice)
    if invoice["status"] in ("open", "uncollectible") and invoice["amount_remaining"] == 0:
        closing.credited_to_zero(account, invoice)
    return note


@route("GET", "/v1/credit_notes/preview", FIELDS)
def preview(call: Call) -> Obj:
    return _drawn_up(call)


@route("GET", "/v1/credit_notes/preview/lines", f"{FIELDS} {PAGE}")
def preview_lines(call: Call) -> Obj:
    return listing("/v1/credit_notes/preview/lines", _drawn_up(call)["lines"]["data"])


def _apply(invoice: Obj, note: Obj, sign: int) -> None:
    before, after = sign * note["pre_payment_amount"], sign * note["post_payment_amount"]
    invoice["pre_payment_credit_notes_amount"] += before
    invoice["post_payment_credit_notes_amount"] += after
    invoice["amount_due"] -= before
    invoice["amount_remaining"] -= before


def _drawn_up(call: Call) -> Obj:
    """The credit note that the parameters describe, or the refusal."""
    account, params = call.account, call.params
    invoice = account.invoices.need(params["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid("You can only create a credit note for an open, paid or uncollectible invoice.", param="invoice")
    if ("amount" in params) == ("lines" in params):
        raise invalid("You must pass exactly one of `amount` or `lines`.", code="parameter_missing", param="amount")
    id = new_id("cn")
    rows = _lines(account, invoice, params["lines"]) if "lines" in params else []
    if "amount" in params:
        rows = [_row(None, params["amount"], [], None, type_="custom_line_item")]
    taxes = sum_by_rate(tax for row in rows for tax in row["taxes"])
    exclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    amount = sum(r["amount"] for r in rows)
    discounts = _sum_discounts(rows)
    discounted = sum(d["amount"] for d in discounts)
    total = amount - discounted + exclusive
    _check_size(account, invoice, total)
    pre = min(total, invoice["amount_remaining"])
    post = total - pre
    refunds, wanted = credit_note_money.split(account, invoice, params, post)
    number = f"{invoice['number']}-CN-{account.numbers[invoice['id']] + 1}"
    note: Obj = {
        "id": id,
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": account.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": discounted,
        "discount_amounts": discounts,
        "effective_at": params.get("effective_at", account.now()),
        "invoice": invoice["id"],
        "lines": listing(f"/v1/credit_notes/{id}/lines", rows),
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": {},
        "number": number,
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": "",
        "post_payment_amount": post,
        "pre_payment_amount": pre,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": refunds,
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount - sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive"),
        "total": total,
        "total_excluding_tax": total - sum(t["amount"] for t in taxes),
        "total_taxes": taxes,
        "type": "mixed" if pre and post else "pre_payment" if pre else "post_payment",
        "voided_at": None,
        "_wanted": wanted,
    }
    note["pdf"] = hosting.of_credit_note(account, note)
    merge_metadata(note, params)
    return note


def _check_size(account: Account, invoice: Obj, total: int) -> None:
    if total <= 0:
        raise invalid("The credit note amount must be greater than zero.", param="amount")
    ids = account.credit_notes_of_invoice.get(invoice["id"], [])
    issued = sum(n["total"] for n in map(account.credit_notes.__getitem__, ids) if n["status"] == "issued")
    left = invoice["total"] - issued
    if invoice["status"] != "paid":
        left = min(left, invoice["amount_remaining"])
    if total > left:
        raise invalid(
            f"The credit note amount ({total}) is greater than what can still be credited on this invoice ({left}).",
            param="amount",
        )


def _lines(account: Account, invoice: Obj, given: list[Obj]) -> list[Obj]:
    rows = []
    for at, entry in enumerate(given):
        where = f"lines[{at}]"
        if entry["type"] == "custom_line_item":
            rows.append(_custom(account, entry, where))
            continue
        line = next((r for r in invoice["lines"]["data"] if r["id"] == entry.get("invoice_line_item")), None)
        if line is None:
            name = f"{where}[invoice_line_item]"
            raise invalid(
                f"No such invoice line item: '{entry.get('invoice_line_item')}'", code="resource_missing", param=name
            )
        rows.append(_of_line(account, invoice, line, entry, where))
    return rows


def _custom(account: Account, entry: Obj, where: str) -> Obj:
    if "unit_amount" not in entry and "unit_amount_decimal" not in entry:
        name = f"{where}[unit_amount]"
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    unit = Decimal(entry["unit_amount"]) if "unit_amount" in entry else entry["unit_amount_decimal"]
    quantity = entry.get("quantity", 1)
    amount = nearest(unit * quantity)
    ids = entry.get("tax_rates") or []
    rates = [account.tax_rates.need(id, f"{where}[tax_rates]") for id in ids]
    taxes = []
    inside = sum((r["_percent"] for r in rates if r["inclusive"]), Decimal(0))
    for rate in rates:
        share = nearest(Decimal(amount) * rate["_percent"] / (100 + inside))
        taxes.append(_tax(rate["id"], "inclusive" if rate["inclusive"] else "exclusive", share, amount))
    row = _row(entry.get("description"), amount, taxes, None, type_="custom_line_item")
    return {**row, "quantity": quantity, "tax_rates": rates, "unit_amount_decimal": decimal_text(unit)}


def _tax(rate: str, behavior: str, amount: int, base: int) -> Obj:
    return {
        "amount": amount,
        "tax_behavior": behavior,
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": "standard_rated",
        "taxable_amount": base,
        "type": "tax_rate_details",
    }


def _of_line(account: Account, invoice: Obj, line: Obj, entry: Obj, where: str) -> Obj:
    """Part of an invoice line; discounts and taxes follow in proportion. `amount` is before exclusive tax.

    A line credited by quantity cannot later be credited by amount, and the reverse (docs: programmatic credit notes).
    """
    by = "quantity" if "quantity" in entry else "amount"
    if by == "amount" and "amount" not in entry:
        name = f"{where}[amount]"
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    done = 0
    for id in account.credit_notes_of_invoice.get(invoice["id"], []):
        note = account.credit_notes[id]
        for row in note["lines"]["data"] if note["status"] == "issued" else []:
            if row.get("invoice_line_item") == line["id"]:
                if row["_by"] != by:
                    raise invalid(f"This line was credited by {row['_by']} before.", param=f"{where}[{by}]")
                done += row["quantity"] if by == "quantity" else row["amount"]
    whole = line["quantity"] if by == "quantity" else line["amount"]
    part = entry[by]
    if part <= 0 or done + part > whole:
        raise invalid(
            f"The {by} to credit ({part}) is greater than what is left on the line ({whole - done}).",
            param=f"{where}[{by}]",
        )

    def scaled(value: int) -> int:
        # cumulative, so that the parts of a line add up to the line to the last unit
        return nearest(Decimal(value) * (done + part) / whole) - nearest(Decimal(value) * done / whole)

    taxes = [{**t, "amount": scaled(t["amount"]), "taxable_amount": scaled(t["taxable_amount"])} for t in line["taxes"]]
    row = _row(line["description"], scaled(line["amount"]), taxes, line["id"], type_="invoice_line_item")
    row["discount_amounts"] = [{**d, "amount": scaled(d["amount"])} for d in line["discount_amounts"]]
    row["discount_amount"] = sum(d["amount"] for d in row["discount_amounts"])
    return {**row, "quantity": part if by == "quantity" else None, "_by": by}


def _row(description: str | None, amount: int, taxes: list[Obj], line: str | None, *, type_: str) -> Obj:
    row: Obj = {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": taxes,
        "type": type_,
        "unit_amount": None,
        "unit_amount_decimal": None,
        "_by": "amount",
    }
    return row if line is None else {**row, "invoice_line_item": line}


def _sum_discounts(rows: list[Obj]) -> list[Obj]:
    totals: dict[str, int] = {}
    for entry in (entry for row in rows for entry in row["discount_amounts"]):
        totals[entry["discount"]] = totals.get(entry["discount"], 0) + entry["amount"]
    return [{"amount": amount, "discount": id} for id, amount in totals.items()]


retrieves("/v1/credit_notes/{id}", lambda account: account.credit_notes)


@route("GET", "/v1/credit_notes/{id}/lines", PAGE)
def list_lines(call: Call) -> Obj:
    rows = call.account.credit_notes.need(call.id)["lines"]["data"]
    limit = call.params.get("limit", 10)
    return listing(f"/v1/credit_notes/{call.id}/lines", rows[:limit], len(rows) > limit)


updates("/v1/credit_notes/{id}", "memo metadata:map", lambda account: account.credit_notes)


@route("POST", "/v1/credit_notes/{id}/void")
def void(call: Call) -> Obj:
    account, note = call.account, call.account.credit_notes.need(call.id)
    invoice = account.invoices[note["invoice"]]
    if note["status"] == "void":
        raise invalid("This credit note has already been voided.")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid("You can only void a credit note of an open invoice.")
    note |= {"status": "void", "voided_at": account.now()}
    with updating(account, invoice, "invoice.updated"):
        _apply(invoice, note, -1)
    payments.follow_remaining(account, invoice)
    record(account, "credit_note.voided", note)
    return note


@route("GET", "/v1/credit_notes", f"customer invoice created:range {PAGE}")
def index(call: Call) -> Obj:
    account, params = call.account, call.params
    ids = None
    if "invoice" in params:
        ids = account.credit_notes_of_invoice.get(params["invoice"], [])

    def keep(n: Obj) -> bool:
        return params.get("customer") in (None, n["customer"]) and in_range(n["created"], params.get("created"))

    return listing("/v1/credit_notes", *account.credit_notes.page(params, keep, ids))
