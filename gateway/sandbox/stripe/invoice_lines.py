"""The lines of an invoice: their pages, and on a draft their adding, changing and removing in bulk.

Every line that is added has an invoice item behind it, as in Stripe; a subscription's own line has none, and once its
amount is set by hand it counts no more usage (chosen).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from gateway.sandbox.stripe.catalog import create_product
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.invoice_items import check_tax_rates, delete_item, item_planned, take, unassign
from gateway.sandbox.stripe.lines import of_item, pricing
from gateway.sandbox.stripe.money import decimal_text
from gateway.sandbox.stripe.objects import Obj, listing, merge_metadata
from gateway.sandbox.stripe.price_objects import AMOUNT, BEHAVIOR, make_price
from gateway.sandbox.stripe.pricing import price_amount
from gateway.sandbox.stripe.routes import PAGE, Call, route
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.totals import recompute

PRODUCT_DATA = "{*name description images:[str] metadata:map tax_code unit_label}"
PRICE_DATA = f"{{*currency product product_data:{PRODUCT_DATA} {AMOUNT} {BEHAVIOR}}}"
LINE = (
    f"amount:int description discountable:bool metadata:map? period:{{*end:int *start:int}} price_data:{PRICE_DATA} "
    "pricing:{price} quantity:int quantity_decimal:num tax_rates:[str]?"
)
FROZEN = "You can't change the lines of an invoice that is no longer a draft."
MAX_LINES = 250


@route("GET", "/v1/invoices/{id}/lines", PAGE)
def index(call: Call) -> Obj:
    """In the order of the invoice; paginated like every list. Of a preview too, while it is among the last."""
    found = call.account.previews.get(call.id) or call.account.invoices.need(call.id)
    rows, params = found["lines"]["data"], call.params
    limit = params.get("limit", 10)
    place = {line["id"]: at for at, line in enumerate(rows)}
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in place:
            raise invalid(f"No such invoice line item: '{params[name]}'", code="resource_missing", param=name)
    if "ending_before" in params:
        end = place[params["ending_before"]]
        start = max(0, end - limit)
        return listing(f"/v1/invoices/{call.id}/lines", rows[start:end], start > 0)
    start = place[params["starting_after"]] + 1 if "starting_after" in params else 0
    return listing(f"/v1/invoices/{call.id}/lines", rows[start : start + limit], len(rows) > start + limit)


def _draft(call: Call) -> Obj:
    invoice = call.account.invoices.need(call.id)
    if invoice["status"] != "draft":
        raise invalid(FROZEN, code="invoice_not_editable")
    given = call.params.get("lines", [])
    if len(given) > MAX_LINES:
        raise invalid(f"Pass at most {MAX_LINES} lines.", param="lines")
    return invoice


def _line(invoice: Obj, id: str, where: str) -> Obj:
    found: Obj | None = next((line for line in invoice["lines"]["data"] if line["id"] == id), None)
    if found is None:
        raise missing("invoice line item", id, param=where, status=400)
    return found


def _merge_metadata(invoice: Obj, params: Obj) -> None:
    if "invoice_metadata" in params:
        merge_metadata(invoice, {"metadata": params["invoice_metadata"]})


@route("POST", "/v1/invoices/{id}/add_lines", f"*lines:[{{invoice_item {LINE}}}] invoice_metadata:map?")
def add_lines(call: Call) -> Obj:
    account, params, invoice = call.account, call.params, _draft(call)
    planned = [_planned(account, invoice, entry, f"lines[{at}]") for at, entry in enumerate(params["lines"])]
    with updating(account, invoice, "invoice.updated"):
        _merge_metadata(invoice, params)
        take(account, invoice, [make() for make in planned])
    return invoice


def _waiting(account: Account, invoice: Obj, id: str, where: str) -> Obj:
    item = account.invoice_items.need(id, where)
    if item["invoice"] is not None or item["customer"] != invoice["customer"]:
        raise invalid("The invoice item is on an invoice already, or another customer's.", param=where)
    return item


def _planned(account: Account, invoice: Obj, entry: Obj, where: str) -> Callable[[], Obj]:
    """What makes the item of a line: all lines are checked before the first one is made."""
    if "invoice_item" in entry:
        return partial(_changed, _waiting(account, invoice, entry["invoice_item"], f"{where}[invoice_item]"), entry)
    customer = account.customers[invoice["customer"]]
    return item_planned(account, customer, _with_product(account, entry), invoice=invoice)


def _changed(item: Obj, entry: Obj) -> Obj:
    merge_metadata(item, entry)
    item |= {name: entry[name] for name in ("description", "discountable", "period") if name in entry}
    return item


def _with_product(account: Account, entry: Obj) -> Obj:
    """``price_data`` of a line may describe a product instead of naming one."""
    data = entry.get("price_data")
    if data is None or "product" in data:
        return entry
    if "product_data" not in data:
        raise invalid("Pass product or product_data.", code="parameter_missing", param="price_data[product]")
    product = create_product(Call(account, data["product_data"]))
    return {**entry, "price_data": {**data, "product": product["id"]}}


@route("POST", "/v1/invoices/{id}/update_lines", f"*lines:[{{*id {LINE}}}] invoice_metadata:map?")
def update_lines(call: Call) -> Obj:
    account, params, invoice = call.account, call.params, _draft(call)
    found = [_line(invoice, entry["id"], f"lines[{at}][id]") for at, entry in enumerate(params["lines"])]
    changes = [_changes(account, invoice, *pair) for pair in zip(found, params["lines"], strict=True)]
    with updating(account, invoice, "invoice.updated"):
        for line, entry, new in zip(found, params["lines"], changes, strict=True):
            _update(account, invoice, line, entry, new)
        _merge_metadata(invoice, params)
        recompute(account, invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/lines/{line}", LINE)
def update_line(call: Call) -> Obj:
    account, invoice = call.account, _draft(call)
    line: Obj | None = next((line for line in invoice["lines"]["data"] if line["id"] == call.ids[1]), None)
    if line is None:
        raise missing("invoice line item", call.ids[1])
    changes = _changes(account, invoice, line, call.params)
    with updating(account, invoice, "invoice.updated"):
        _update(account, invoice, line, call.params, changes)
        recompute(account, invoice)
    return line


def _update(account: Account, invoice: Obj, line: Obj, entry: Obj, changes: Obj) -> None:
    """The line, and the invoice item behind it, take what is given."""
    item = account.invoice_items.get(line.get("_invoice_item") or "")
    if item is None:
        line |= changes
        line["subtotal"] = line["amount"]
        line["_tax_rates"] = [rate["id"] for rate in changes.pop("tax_rates", [])] or line["_tax_rates"]
        line.pop("tax_rates", None)
        if changes.keys() & {"amount", "quantity"}:
            line.pop("_window", None)
        merge_metadata(line, entry)
        return
    with updating(account, item, "invoiceitem.updated"):
        item |= changes
        item["net_amount"] = item["amount"]
        merge_metadata(item, entry)
    id = line["id"]
    line |= {**of_item(item), "id": id, "invoice": invoice["id"]}


def _changes(account: Account, invoice: Obj, line: Obj, entry: Obj) -> Obj:
    """New values of fields that a line and its item have in common. Raises Refusal; nothing is changed yet."""
    entry = _with_product(account, entry)
    changes: Obj = {k: entry[k] for k in ("amount", "description", "discountable", "period") if k in entry}
    if "tax_rates" in entry:
        changes["tax_rates"] = check_tax_rates(account, entry["tax_rates"], "tax_rates")
    given = entry["quantity_decimal"] if "quantity_decimal" in entry else entry.get("quantity")
    quantity = Decimal(line["quantity_decimal"] if given is None else given)
    price = _price(account, invoice, line, entry)
    if entry.keys() & {"quantity", "quantity_decimal", "pricing", "price_data"} and "amount" not in entry:
        if price is None:
            raise invalid("A quantity needs a price; pass an amount instead.", param="quantity")
        changes["amount"] = price_amount(price, quantity)
        changes |= {"quantity": int(quantity), "quantity_decimal": decimal_text(quantity)}
    if price is not None and entry.keys() & {"pricing", "price_data"}:
        changes["pricing"] = pricing(price)
    return changes


def _price(account: Account, invoice: Obj, line: Obj, entry: Obj) -> Any:
    if "price_data" in entry:
        return make_price(account, account.products.need(entry["price_data"]["product"]), entry["price_data"])
    named = entry.get("pricing", {}).get("price")
    if named is not None:
        price = account.prices.need(named, "pricing[price]")
        if price["currency"] != invoice["currency"]:
            raise invalid(f"The currency must be the invoice's: {invoice['currency']}.", param="pricing[price]")
        return price
    own = ((line["pricing"] or {}).get("price_details") or {}).get("price")
    return account.prices.get(own or "")


@route("POST", "/v1/invoices/{id}/remove_lines", "*lines:[{*id *behavior:delete|unassign}] invoice_metadata:map?")
def remove_lines(call: Call) -> Obj:
    """`delete` takes the item with it, `unassign` lets it wait for another invoice."""
    account, params, invoice = call.account, call.params, _draft(call)
    found = [_line(invoice, entry["id"], f"lines[{at}][id]") for at, entry in enumerate(params["lines"])]
    for at, (line, entry) in enumerate(zip(found, params["lines"], strict=True)):
        if entry["behavior"] == "unassign" and "_invoice_item" not in line:
            raise invalid("Only lines of invoice items can be unassigned.", param=f"lines[{at}][behavior]")
    with updating(account, invoice, "invoice.updated"):
        for line, entry in zip(found, params["lines"], strict=True):
            invoice["lines"]["data"].remove(line)
            item = account.invoice_items.get(line.get("_invoice_item") or "")
            if item is not None:
                (unassign if entry["behavior"] == "unassign" else delete_item)(account, item)
        _merge_metadata(invoice, params)
        recompute(account, invoice)
    return invoice
