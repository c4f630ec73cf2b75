"""A draft invoice: how it begins, and when it finalizes itself.

Rules: docs billing/subscriptions/webhooks (the one hour, and the 72 hours of an unacknowledged invoice.created).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.sandbox.stripe.errors import Refusal
from gateway.sandbox.stripe.events import EventRow, record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.invoices import finalize
from gateway.sandbox.stripe.objects import Obj, listing, public
from gateway.sandbox.stripe.receivers import receivers
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.times import clock_of, in_time
from gateway.sandbox.stripe.totals import recompute

DRAFT_S = 3600
UNACKNOWLEDGED_DRAFT_S = 72 * 3600
DAY_S = 86400


def new_invoice(
    account: Account,
    customer: Obj,
    *,
    reason: str,
    currency: str,
    collection_method: str,
    days_until_due: int | None = None,
    due_date: int | None = None,
    auto_advance: bool = True,
    subscription: Obj | None = None,
    discounts: Sequence[str] = (),
    default_tax_rates: Sequence[Obj] = (),
    automatic_tax: bool = False,
    metadata: dict[str, str] | None = None,
    period: tuple[int, int] | None = None,
    lines: Sequence[Obj] = (),
) -> Obj:
    """A draft, announced with invoice.created. `auto_advance` starts the hour after which it finalizes itself."""
    now = account.now()
    id = new_id("in")
    start, end = period or (now, now)
    invoice: Obj = {
        "id": id,
        "object": "invoice",
        "account_country": account.country,
        "account_name": account.name,
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": auto_advance,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": automatic_tax,
            "liability": {"type": "self"} if automatic_tax else None,
            "provider": "stripe" if automatic_tax else None,
            "status": None,
        },
        "automatically_finalizes_at": now + DRAFT_S if auto_advance else None,
        "billing_reason": reason,
        "collection_method": collection_method,
        "created": now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": list(default_tax_rates),
        "description": None,
        "discounts": list(discounts),
        "due_date": due_date if days_until_due is None else now + days_until_due * DAY_S,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listing(f"/v1/invoices/{id}/lines", lines),
        "livemode": False,
        "metadata": metadata or {},
        "next_payment_attempt": now + DRAFT_S if auto_advance and collection_method != "send_invoice" else None,
        "number": None,
        "on_behalf_of": None,
        "parent": None if subscription is None else _parent(subscription),
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None,
        },
        "test_clock": customer["test_clock"],
        "total_pretax_credit_amounts": [],
        "webhooks_delivered_at": None,
    }  # fmt: skip
    for line in lines:
        line["invoice"] = id
    account.invoices.add(id, invoice)
    account.invoices_of_customer[customer["id"]].append(id)
    account.drafts_of_customer[customer["id"]][id] = None
    if subscription is not None:
        account.invoices_of_subscription[subscription["id"]].append(id)
        subscription["latest_invoice"] = id
    follow_customer(account, invoice)
    created = record(account, "invoice.created", invoice)
    invoice["_created_event"] = created.id
    if not created.waiting:
        invoice["webhooks_delivered_at"] = now
    schedule(account, invoice)
    return invoice


def _parent(subscription: Obj) -> Obj:
    details = {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]}
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def follow_customer(account: Account, invoice: Obj) -> None:
    """A draft shows the customer as it is now; what it shows is frozen at finalization."""
    customer = account.customers[invoice["customer"]]
    names = {"address", "email", "name", "phone", "shipping", "tax_exempt"}
    invoice |= {f"customer_{name}": public(customer.get(name)) for name in names}
    recompute(account, invoice)


def follow_drafts(account: Account, customer: Obj) -> None:
    """Every draft of a customer who changed."""
    for id in list(account.drafts_of_customer.get(customer["id"], {})):
        with updating(account, account.invoices[id], "invoice.updated"):
            follow_customer(account, account.invoices[id])


def schedule(account: Account, invoice: Obj) -> None:
    """Ring when the draft is to finalize itself."""
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
        account.clock.at(invoice["automatically_finalizes_at"], partial(_auto_finalize, account, invoice))


def _auto_finalize(account: Account, invoice: Obj) -> None:
    when = invoice["automatically_finalizes_at"]
    if invoice["id"] not in account.invoices or invoice["status"] != "draft" or when is None or when > account.now():
        return
    created = account.events.get(invoice["_created_event"])
    last = invoice["created"] + UNACKNOWLEDGED_DRAFT_S
    if created is not None and account.now() < last and _unacknowledged(account, created):
        invoice["automatically_finalizes_at"] = last
        schedule(account, invoice)
        return
    try:
        finalize(account, invoice)
    except Refusal:
        invoice["automatically_finalizes_at"] = None  # finalization_failed was sent; it waits for the merchant


def _unacknowledged(account: Account, created: EventRow) -> bool:
    """Whether an enabled receiver refused invoice.created (or, with manual delivery, has not got it yet)."""
    waiting = created.waiting & {receiver.id for receiver in receivers(account)}
    return bool(waiting) and (account.webhooks.delivery.settings.mode == "manual" or bool(waiting & created.tried))


def webhooks_delivered(account: Account, event: EventRow) -> None:
    """invoice.created was acknowledged everywhere: an hour after creation is enough again."""
    invoice = account.invoices.get(event.object_id)
    if event.type != "invoice.created" or event.waiting or invoice is None or invoice["webhooks_delivered_at"]:
        return
    with in_time(account, clock_of(account, invoice)):
        _shorten(account, invoice)


def _shorten(account: Account, invoice: Obj) -> None:
    invoice["webhooks_delivered_at"] = account.now()
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
        soon = max(account.now(), invoice["created"] + DRAFT_S)
        if soon < invoice["automatically_finalizes_at"]:
            invoice["automatically_finalizes_at"] = soon
            schedule(account, invoice)
