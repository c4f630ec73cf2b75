"""Invoice items: amounts that wait for a customer's next invoice, or are put on a draft."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from gateway.sandbox.stripe import lines
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import fix_currency, living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import decimal_text, nearest
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.price_objects import ONE_TIME, make_price
from gateway.sandbox.stripe.pricing import price_amount
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.totals import recompute

ITEM_FIELDS = (
    f"amount:int description discountable:bool metadata:map? period:{{*end:int *start:int}} price_data:{ONE_TIME} "
    "quantity:int quantity_decimal:num unit_amount_decimal:num tax_behavior:exclusive|inclusive|unspecified "
    "tax_rates:[str]?"
)
FROZEN = "This invoice item cannot be changed: its invoice is no longer a draft."


def new_item(
    account: Account,
    customer: Obj,
    currency: str,
    amount: int,
    *,
    description: str | None = None,
    price: Obj | None = None,
    unit: Decimal | None = None,
    quantity: int | Decimal = 1,
    period: tuple[int, int] | None = None,
    subscription: str | None = None,
    subscription_item: str | None = None,
    proration: bool = False,
    discountable: bool | None = None,
    tax_rates: list[Obj] | None = None,
    metadata: dict[str, str] | None = None,
) -> Obj:
    """A pending item, announced with invoiceitem.created. `unit`: a tier's unit amount instead of the price's own."""
    now = account.now()
    start, end = period or (now, now)
    details = {"subscription": subscription, **({"subscription_item": subscription_item} if subscription_item else {})}
    parent = {"subscription_details": details, "type": "subscription_details"}
    item: Obj = {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer["id"],
        "date": now,
        "description": description,
        "discountable": not proration if discountable is None else discountable,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": metadata or {},
        "net_amount": amount,
        "parent": parent if subscription else None,
        "period": {"end": end, "start": start},
        "pricing": lines.pricing(price, unit) if price else None,
        "proration": proration,
        "quantity": int(quantity),
        "quantity_decimal": decimal_text(Decimal(quantity)),
        "tax_rates": tax_rates or [],
        "test_clock": customer["test_clock"],
        "_subscription": subscription,
        "_tax_behavior": price["tax_behavior"] if price else "unspecified",
    }
    account.invoice_items.add(item["id"], item)
    account.items_of_customer[customer["id"]].append(item["id"])
    account.pending_items[customer["id"]][item["id"]] = None
    record(account, "invoiceitem.created", item)
    return item


def pending(account: Account, customer: Obj, subscription: str | None, *, loose: bool = True) -> list[Obj]:
    """What waits for the next invoice of `subscription`; `loose` takes the items of no subscription along."""
    found = [account.invoice_items[id] for id in account.pending_items.get(customer["id"], {})]
    return [i for i in found if i["_subscription"] == subscription or (loose and i["_subscription"] is None)]


def take(account: Account, invoice: Obj, items: list[Obj]) -> None:
    """Put items on a draft as lines."""
    for item in items:
        item["invoice"] = invoice["id"]
        account.pending_items[item["customer"]].pop(item["id"], None)
        line = lines.of_item(item)
        line["invoice"] = invoice["id"]
        invoice["lines"]["data"].append(line)
    recompute(account, invoice)


def drop_prorations(account: Account, customer: Obj, subscription: str) -> None:
    for item in pending(account, customer, subscription, loose=False):
        if item["proration"]:
            delete_item(account, item)


def release(account: Account, invoice: Obj) -> None:
    """The draft is deleted: its items wait again (the documents do not say; the Dashboard shows them pending)."""
    for line in invoice["lines"]["data"]:
        item = account.invoice_items.get(line.get("_invoice_item") or "")
        if item is not None:
            unassign(account, item)


def unassign(account: Account, item: Obj) -> None:
    item["invoice"] = None
    account.pending_items[item["customer"]][item["id"]] = None


def delete_item(account: Account, item: Obj) -> None:
    account.pending_items[item["customer"]].pop(item["id"], None)
    del account.invoice_items[item["id"]]
    record(account, "invoiceitem.deleted", item)


def _draft_of(account: Account, item: Obj) -> Obj | None:
    if item["invoice"] is None:
        return None
    invoice = account.invoices[item["invoice"]]
    if invoice["status"] != "draft":
        raise invalid(FROZEN, code="invoice_not_editable")
    return invoice


def _amount(account: Account, params: Obj, quantity: Decimal) -> tuple[int, Obj | None]:
    """Amount and price from the one of amount, pricing, price_data or unit_amount_decimal that is given."""
    given = [k for k in ("amount", "pricing", "price_data", "unit_amount_decimal") if k in params]
    if len(given) != 1:
        raise invalid(
            "You must pass exactly one of amount, pricing, price_data or unit_amount_decimal.", param="amount"
        )
    if given == ["amount"]:
        return params["amount"], None
    if given == ["unit_amount_decimal"]:
        return nearest(params["unit_amount_decimal"] * quantity), None
    if given == ["pricing"]:
        price = account.prices.need(params["pricing"].get("price", ""), "pricing[price]")
    else:
        product = account.products.need(params["price_data"]["product"], "price_data[product]")
        price = make_price(account, product, params["price_data"])
    if price["type"] != "one_time":
        raise invalid(
            "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`."
        )
    return price_amount(price, quantity), price


def _quantity(params: Obj) -> Decimal:
    if "quantity" in params and "quantity_decimal" in params:
        raise invalid("Pass only one of quantity and quantity_decimal.", param="quantity_decimal")
    quantity = Decimal(params["quantity_decimal"] if "quantity_decimal" in params else params.get("quantity", 1))
    if quantity < 0:
        raise invalid("Invalid non-negative integer", param="quantity")
    return quantity


def item_from(
    account: Account, customer: Obj, params: Obj, *, invoice: Obj | None = None, currency: str | None = None
) -> Obj:
    """A pending item from the parameters that invoice items, invoice lines and previews share."""
    return item_planned(account, customer, params, invoice=invoice, currency=currency)()


def item_planned(
    account: Account, customer: Obj, params: Obj, *, invoice: Obj | None = None, currency: str | None = None
) -> Callable[[], Obj]:
    """As `item_from`, but only what makes the item, which is not refused any more. Raises Refusal."""
    quantity = _quantity(params)
    amount, price = _amount(account, params, quantity)
    own = price["currency"] if price else params.get("currency")
    found: str = own or currency or (invoice or {}).get("currency") or customer["currency"] or account.default_currency
    if invoice is not None and invoice["currency"] != found.lower():
        raise invalid(f"The currency must be the invoice's: {invoice['currency']}.", param="currency")
    fix_currency(account, customer, found.lower())
    period = params.get("period")
    given = partial(
        new_item,
        account,
        customer,
        found.lower(),
        amount,
        description=params.get("description") or (account.products[price["product"]]["name"] if price else None),
        price=price,
        quantity=quantity,
        period=(period["start"], period["end"]) if period else None,
        subscription=params.get("subscription"),
        discountable=params.get("discountable", amount >= 0),
        tax_rates=check_tax_rates(account, params.get("tax_rates"), "tax_rates"),
        metadata={key: value for key, value in (params.get("metadata") or {}).items() if value != ""},
    )
    return partial(_made, given, params)


def _made(given: Callable[[], Obj], params: Obj) -> Obj:
    item = given()
    if "unit_amount_decimal" in params:
        item["_unit"] = decimal_text(Decimal(params["unit_amount_decimal"]))
    if "tax_behavior" in params:
        item["_tax_behavior"] = params["tax_behavior"]
    return item


def check_tax_rates(account: Account, ids: list[str] | str | None, where: str) -> list[Obj]:
    if not ids or isinstance(ids, str):
        return []
    return [account.tax_rates.need(id, f"{where}[{at}]") for at, id in enumerate(ids)]


@route("POST", "/v1/invoiceitems", f"customer currency invoice subscription pricing:{{price}} {ITEM_FIELDS}")
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    invoice = account.invoices.need(params["invoice"], "invoice") if "invoice" in params else None
    if "customer" not in params and invoice is None:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = living(account, params.get("customer") or (invoice or {})["customer"], "customer")
    if invoice is not None and invoice["status"] != "draft":
        raise invalid(f"Invoice {invoice['id']} is no longer editable", code="invoice_not_editable", param="invoice")
    if invoice is not None and invoice["customer"] != customer["id"]:
        raise invalid("The invoice belongs to another customer.", param="invoice")
    if "subscription" in params:
        account.subscriptions.need(params["subscription"], "subscription")
    item = item_from(account, customer, params, invoice=invoice)
    if invoice is not None:
        with updating(account, invoice, "invoice.updated"):
            take(account, invoice, [item])
    return item


retrieves("/v1/invoiceitems/{id}", lambda account: account.invoice_items)


@route(
    "POST",
    "/v1/invoiceitems/{id}",
    "amount:int description discountable:bool metadata:map? quantity:int tax_rates:[str]?",
)
def update(call: Call) -> Obj:
    account, params = call.account, call.params
    item = account.invoice_items.need(call.id)
    invoice = _draft_of(account, item)
    with updating(account, item, "invoiceitem.updated"):
        if "quantity" in params and item["pricing"]:
            price = account.prices[item["pricing"]["price_details"]["price"]]
            item["amount"] = price_amount(price, params["quantity"])
            item |= {"quantity": params["quantity"], "quantity_decimal": str(params["quantity"])}
        for name in ("amount", "description", "discountable"):
            item[name] = params.get(name, item[name])
        if "tax_rates" in params:
            item["tax_rates"] = check_tax_rates(account, params["tax_rates"], "tax_rates")
        item["net_amount"] = item["amount"]
        merge_metadata(item, params)
    if invoice is not None:
        with updating(account, invoice, "invoice.updated"):
            _drop(invoice, item)
            take(account, invoice, [item])
    return item


def _drop(invoice: Obj, item: Obj) -> None:
    kept = [line for line in invoice["lines"]["data"] if line.get("_invoice_item") != item["id"]]
    invoice["lines"]["data"] = kept


@route("DELETE", "/v1/invoiceitems/{id}")
def delete(call: Call) -> Obj:
    account, item = call.account, call.account.invoice_items.need(call.id)
    invoice = _draft_of(account, item)
    delete_item(account, item)
    if invoice is not None:
        with updating(account, invoice, "invoice.updated"):
            _drop(invoice, item)
            recompute(account, invoice)
    return {"id": call.id, "object": "invoiceitem", "deleted": True}


@route("GET", "/v1/invoiceitems", f"customer invoice pending:bool created:range {PAGE}")
def index(call: Call) -> Obj:
    params, account = call.params, call.account

    def keep(i: Obj) -> bool:
        return (
            params.get("invoice") in (None, i["invoice"])
            and (i["test_clock"] is None or not params.keys().isdisjoint(("customer", "invoice")))
            and ("pending" not in params or params["pending"] == (i["invoice"] is None))
            and in_range(i["date"], params.get("created"))
        )

    ids = account.items_of_customer.get(params["customer"], []) if "customer" in params else None
    return listing("/v1/invoiceitems", *account.invoice_items.page(params, keep, ids))
