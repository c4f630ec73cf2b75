"""The endpoints of invoices; what they do to an invoice is in `drafts.py` and `invoices.py`."""

from __future__ import annotations

from gateway.sandbox.stripe import closing, coupons, drafts, invoices
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import fix_currency, living, set_delinquent
from gateway.sandbox.stripe.invoice_items import check_tax_rates, pending, release, take
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.payment_methods import defaults
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.totals import recompute

COMMON = (
    "auto_advance:bool automatic_tax:{*enabled:bool} automatically_finalizes_at:int "
    "collection_method:charge_automatically|send_invoice days_until_due:int due_date:int default_payment_method "
    f"default_tax_rates:[str]? description? footer? number? metadata:map? {coupons.DISCOUNTS} "
    "custom_fields:[{*name *value}]? statement_descriptor"
)
# What stays editable after finalization; the rest is "monetary, or frozen" (docs: invoices/update).
ALWAYS = {"metadata", "auto_advance", "default_payment_method", "expand"}
PLAIN = ("description", "footer", "number", "statement_descriptor", "custom_fields")
FROZEN = "Finalized invoices can't be updated in this way"


@route(
    "POST",
    "/v1/invoices",
    f"customer subscription currency pending_invoice_items_behavior:exclude|include {COMMON}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    subscription = None
    if "subscription" in params:
        subscription = account.subscriptions.need(params["subscription"], "subscription")
    if "customer" not in params and subscription is None:
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = living(account, params.get("customer") or (subscription or {})["customer"], "customer")
    method: str = params.get("collection_method") or (subscription or {}).get(
        "collection_method", "charge_automatically"
    )
    days = params.get(
        "days_until_due", (subscription or {}).get("days_until_due") if "due_date" not in params else None
    )
    _check_due(method, days, params.get("due_date"))
    currency = params.get("currency") or customer["currency"] or account.default_currency
    items = []
    if params.get("pending_invoice_items_behavior") == "include" or subscription is not None:
        wanted = subscription["id"] if subscription else None
        items = pending(account, customer, wanted, loose=subscription is None)
    if subscription is not None and not items:
        raise invalid("Nothing to invoice for subscription", code="invoice_no_subscription_line_items")
    if items:
        currency = items[0]["currency"]
    method_given = defaults(account, params, customer)
    fix_currency(account, customer, currency.lower())
    invoice = drafts.new_invoice(
        account,
        customer,
        reason="manual" if subscription is None else "subscription_update",
        currency=currency.lower(),
        collection_method=method,
        days_until_due=days,
        due_date=params.get("due_date"),
        auto_advance=params.get("auto_advance", False),
        subscription=subscription,
        default_tax_rates=check_tax_rates(account, params.get("default_tax_rates"), "default_tax_rates"),
        automatic_tax=params.get("automatic_tax", {}).get("enabled", False),
        metadata=params.get("metadata") or {},
    )
    with updating(account, invoice, "invoice.updated"):
        _set(call, invoice)
        invoice |= method_given
        if items:
            take(account, invoice, items)
        recompute(account, invoice)
    return invoice


def _check_due(method: str, days: int | None, due_date: int | None) -> None:
    if method == "send_invoice" and days is None and due_date is None:
        raise invalid(invoices.NEEDS_DUE, param="days_until_due")
    if method != "send_invoice" and (days is not None or due_date is not None):
        raise invalid("`days_until_due` and `due_date` are only for invoices with collection_method=send_invoice.")
    if days is not None and days < 0:
        raise invalid("Invalid non-negative integer", param="days_until_due")


def _set(call: Call, invoice: Obj) -> None:
    """What create and update have in common, on a draft."""
    account, params = call.account, call.params
    for name in PLAIN:
        if name in params:
            invoice[name] = params[name] or None
    if "discounts" in params:
        customer = account.customers[invoice["customer"]]
        invoice["discounts"] = coupons.apply(
            account, params["discounts"], customer, invoice["currency"], invoice=invoice, amount=invoice["subtotal"]
        )
    if "automatically_finalizes_at" in params:
        invoice |= {"automatically_finalizes_at": params["automatically_finalizes_at"], "auto_advance": True}
        drafts.schedule(account, invoice)


retrieves("/v1/invoices/{id}", lambda account: account.invoices)


@route("POST", "/v1/invoices/{id}", COMMON)
def update(call: Call) -> Obj:
    account, params, invoice = call.account, call.params, call.account.invoices.need(call.id)
    if invoice["status"] != "draft" and params.keys() - ALWAYS:
        raise invalid(FROZEN, param=sorted(params.keys() - ALWAYS)[0])
    method: str = params.get("collection_method") or invoice["collection_method"]
    if invoice["status"] == "draft" and params.keys() & {"collection_method", "days_until_due", "due_date"}:
        due = params.get("due_date", invoice["due_date"] if method == "send_invoice" else None)
        _check_due(method, params.get("days_until_due"), due)
    method_given = defaults(account, params, account.customers[invoice["customer"]])
    with updating(account, invoice, "invoice.updated"):
        merge_metadata(invoice, params)
        if "auto_advance" in params:
            _advance_or_hold(call, invoice)
        if invoice["status"] != "draft":
            invoice |= method_given
            return invoice
        _set(call, invoice)
        invoice |= {"collection_method": method, **method_given}
        if "due_date" in params:
            invoice["due_date"] = params["due_date"]
        if "days_until_due" in params:
            invoice["due_date"] = invoice["created"] + params["days_until_due"] * drafts.DAY_S
        if method != "send_invoice":
            invoice["due_date"] = None
        if "automatic_tax" in params:
            enabled = params["automatic_tax"]["enabled"]
            invoice["automatic_tax"] |= {
                "enabled": enabled, "liability": {"type": "self"} if enabled else None,
                "provider": "stripe" if enabled else None, "status": None,
            }  # fmt: skip
        if "default_tax_rates" in params:
            invoice["default_tax_rates"] = check_tax_rates(account, params["default_tax_rates"], "default_tax_rates")
        recompute(account, invoice)
    return invoice


def _advance_or_hold(call: Call, invoice: Obj) -> None:
    """auto_advance=false holds a draft; true starts it again, an hour after its creation or at once."""
    account, invoice["auto_advance"] = call.account, call.params["auto_advance"]
    if invoice["status"] != "draft":
        return
    if not invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = None
    elif invoice["automatically_finalizes_at"] is None:
        soon = max(account.now() + 1, invoice["created"] + drafts.DRAFT_S)
        invoice["automatically_finalizes_at"] = soon
        drafts.schedule(account, invoice)


@route("DELETE", "/v1/invoices/{id}")
def delete(call: Call) -> Obj:
    account, invoice = call.account, call.account.invoices.need(call.id)
    if invoice["status"] != "draft":
        raise invalid("You can only delete draft invoices.")
    if invoice["parent"] is not None:
        raise invalid("You can't delete invoices created by subscriptions.")
    release(account, invoice)
    account.drafts_of_customer[invoice["customer"]].pop(invoice["id"], None)
    del account.invoices[invoice["id"]]
    record(account, "invoice.deleted", invoice)
    return {"id": call.id, "object": "invoice", "deleted": True}


@route(
    "GET",
    "/v1/invoices",
    "customer subscription status:draft|open|paid|uncollectible|void created:range due_date:range "
    f"collection_method:charge_automatically|send_invoice {PAGE}",
)
def index(call: Call) -> Obj:
    account, params = call.account, call.params
    ids = None
    if "subscription" in params:
        ids = account.invoices_of_subscription.get(params["subscription"], [])
    elif "customer" in params:
        ids = account.invoices_of_customer.get(params["customer"], [])

    def keep(i: Obj) -> bool:
        return (
            all(params.get(name) in (None, i[name]) for name in ("status", "customer", "collection_method"))
            and in_range(i["created"], params.get("created"))
            and in_range(i["due_date"], params.get("due_date"))
            and (ids is not None or i["test_clock"] is None)
        )

    return listing("/v1/invoices", *account.invoices.page(params, keep, ids))


@route("POST", "/v1/invoices/{id}/finalize", "auto_advance:bool")
def finalize(call: Call) -> Obj:
    invoice = call.account.invoices.need(call.id)
    invoices.finalize(call.account, invoice, auto_advance=call.params.get("auto_advance"))
    return invoice


@route("POST", "/v1/invoices/{id}/pay", "paid_out_of_band:bool payment_method off_session:bool forgive:bool")
def pay(call: Call) -> Obj:
    invoice, params = call.account.invoices.need(call.id), call.params
    out_of_band = params.get("paid_out_of_band", False)
    invoices.pay(
        call.account,
        invoice,
        out_of_band=out_of_band,
        payment_method=params.get("payment_method"),
        off_session=params.get("off_session", True),
    )
    return invoice


@route("POST", "/v1/invoices/{id}/void")
def void(call: Call) -> Obj:
    invoice = call.account.invoices.need(call.id)
    closing.void(call.account, invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/mark_uncollectible")
def mark_uncollectible(call: Call) -> Obj:
    invoice = call.account.invoices.need(call.id)
    closing.mark_uncollectible(call.account, invoice)
    set_delinquent(call.account, invoice["customer"], False)
    return invoice


@route("POST", "/v1/invoices/{id}/send")
def send(call: Call) -> Obj:
    account, invoice = call.account, call.account.invoices.need(call.id)
    if invoice["collection_method"] != "send_invoice":
        raise invalid("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if not account.customers[invoice["customer"]].get("email"):
        raise invalid("The customer has no email address to send the invoice to.", code="missing", param="email")
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    elif invoice["status"] != "open":
        raise invalid(closing.NOT_OPEN)
    record(account, "invoice.sent", invoice)
    return invoice
