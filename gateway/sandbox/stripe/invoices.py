"""The life of an invoice: draft, open, paid, void, uncollectible.

Rules and texts: docs invoicing/integration/workflow-transitions, billing/invoices/subscription,
billing/subscriptions/webhooks (the one hour and the 72 hours), customer balance; error texts as recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from gateway.sandbox.stripe import payments
from gateway.sandbox.stripe.errors import Refusal, card_declined, invalid
from gateway.sandbox.stripe.events import EventRow, record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import MINIMUM
from gateway.sandbox.stripe.objects import Obj, listing, public
from gateway.sandbox.stripe.standing import review, subscription_of
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import UNKNOWN_LOCATION, location
from gateway.sandbox.stripe.totals import recompute

DRAFT_S = 3600
UNACKNOWLEDGED_DRAFT_S = 72 * 3600
DAY_S = 86400
NOT_OPEN = "You can only pass in open invoices. This invoice isn't open."
NEEDS_DUE = "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'."


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
        "test_clock": None,
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
    """Whether an enabled endpoint refused invoice.created (or, with manual delivery, has not got it yet)."""
    enabled = {e["id"] for e in account.webhook_endpoints.values() if e["status"] == "enabled"}
    waiting = created.waiting & enabled
    return bool(waiting) and (account.delivery.mode == "manual" or bool(waiting & created.tried))


def webhooks_delivered(account: Account, event: EventRow) -> None:
    """invoice.created was acknowledged everywhere: an hour after creation is enough again."""
    invoice = account.invoices.get(event.object_id)
    if event.type != "invoice.created" or event.waiting or invoice is None or invoice["webhooks_delivered_at"]:
        return
    invoice["webhooks_delivered_at"] = account.now()
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
        soon = max(account.now(), invoice["created"] + DRAFT_S)
        if soon < invoice["automatically_finalizes_at"]:
            invoice["automatically_finalizes_at"] = soon
            schedule(account, invoice)


def finalize(account: Account, invoice: Obj, *, auto_advance: bool | None = None, collect: bool = True) -> None:
    """draft → open, or at once paid where nothing, or less than Stripe's minimum, is due."""
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    customer = account.customers[invoice["customer"]]
    if invoice["automatic_tax"]["enabled"] and location(account, customer) is None:
        _fail_finalization(account, invoice)
    with updating(account, invoice, "invoice.updated"):
        recompute(account, invoice)
        _take_balance(account, invoice, customer)
        now = account.now()
        invoice |= {
            "status": "open",
            "auto_advance": invoice["auto_advance"] if auto_advance is None else auto_advance,
            "automatically_finalizes_at": None,
            "effective_at": now,
            "hosted_invoice_url": f"https://invoice.stripe.com/i/{account.id}/test_{invoice['id']}?s=ap",
            "invoice_pdf": f"https://pay.stripe.com/invoice/{account.id}/test_{invoice['id']}/pdf?s=ap",
            "last_finalization_error": None,
            "number": invoice["number"] or _number(account, customer),
        }
        invoice["status_transitions"]["finalized_at"] = now
        account.drafts_of_customer[customer["id"]].pop(invoice["id"], None)
        if invoice["amount_due"]:
            payments.open_default(account, invoice)
        record(account, "invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        invoice["attempted"] = True  # recorded: attempted=true, attempt_count=0
        _settle(account, invoice, "nothing_due")
        return
    if invoice["collection_method"] == "send_invoice":
        account.clock.at(max(invoice["due_date"], now), partial(_due, account, invoice))
        if account.sends_invoice_mails and customer.get("email") and invoice["auto_advance"]:
            record(account, "invoice.sent", invoice)
    elif collect and invoice["auto_advance"]:
        collect_automatically(account, invoice)
    _review(account, invoice)


def _fail_finalization(account: Account, invoice: Obj) -> None:
    error = {"code": "customer_tax_location_invalid", "message": UNKNOWN_LOCATION, "type": "invalid_request_error"}
    invoice["last_finalization_error"] = error
    invoice["automatic_tax"]["status"] = "requires_location_inputs"
    record(account, "invoice.finalization_failed", invoice)
    raise invalid(UNKNOWN_LOCATION, code="customer_tax_location_invalid")


def _take_balance(account: Account, invoice: Obj, customer: Obj) -> None:
    """The customer balance goes in before the amount due; what is too small to charge goes out to it."""
    balance = customer["balance"]
    due = max(0, invoice["total"] + balance)
    ending = min(0, invoice["total"] + balance)
    if 0 < due < MINIMUM.get(invoice["currency"], 0):
        ending, due = ending + due, 0
    invoice |= {"starting_balance": balance, "ending_balance": ending, "amount_due": due, "amount_remaining": due}
    if ending != balance:
        with updating(account, customer, "customer.updated"):
            customer["balance"] = ending


def _number(account: Account, customer: Obj) -> str:
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    return number


def _due(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "open":
        _review(account, invoice)


def _review(account: Account, invoice: Obj) -> None:
    subscription = subscription_of(account, invoice)
    if subscription is not None:
        review(account, subscription)


def _settle(account: Account, invoice: Obj, by: str) -> None:
    """→ paid. invoice.paid for every route; invoice.payment_succeeded is the caller's, for Stripe payments only."""
    with updating(account, invoice, "invoice.updated"):
        invoice |= {
            "status": "paid",
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "auto_advance": False,
            "next_payment_attempt": None,
            "_paid_by": by,
        }
        invoice["status_transitions"]["paid_at"] = account.now()
        record(account, "invoice.paid", invoice)
    _review(account, invoice)


def usable_payment_method(account: Account, invoice: Obj) -> str | None:
    """The default of invoice, subscription or customer, in this order; ``pm_…`` names only."""
    subscription = subscription_of(account, invoice) or {}
    customer = account.customers[invoice["customer"]]
    settings = customer.get("invoice_settings") or {}
    sources: list[Any] = [
        invoice["default_payment_method"],
        subscription.get("default_payment_method"),
        settings.get("default_payment_method"),
    ]
    return next((name for name in sources if name), None)


def collect_automatically(account: Account, invoice: Obj) -> None:
    """What Stripe does itself for charge_automatically. Later retries (Smart Retries) are not played."""
    method = usable_payment_method(account, invoice)
    outcome = "declined" if method is None else attempt(account, invoice, method)
    if method is None:
        _failed(account, invoice)
    elif outcome == "declined" and (subscription := subscription_of(account, invoice)) is not None:
        review(account, subscription)


def attempt(account: Account, invoice: Obj, payment_method: str) -> str:
    """One Stripe payment: succeeded (the invoice is paid), processing (still open), declined."""
    outcome = payments.charge(account, invoice, payment_method)
    if outcome == "declined":
        _failed(account, invoice)
        return outcome
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if outcome == "processing":
        when = account.now() + payments.PROCESSING_S
        account.clock.at(when, partial(_processed, account, invoice))
    else:
        _settle(account, invoice, "stripe_payment")
        record(account, "invoice.payment_succeeded", invoice)
    return outcome


def _processed(account: Account, invoice: Obj) -> None:
    intent = payments.intent_of(account, invoice)
    if invoice["status"] == "open" and intent is not None and intent["status"] == "processing":
        payments.succeed(account, invoice)
        _settle(account, invoice, "stripe_payment")
        record(account, "invoice.payment_succeeded", invoice)


def _failed(account: Account, invoice: Obj) -> None:
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1, "next_payment_attempt": None}
        record(account, "invoice.payment_failed", invoice)
    _review(account, invoice)


def pay(account: Account, invoice: Obj, *, out_of_band: bool, payment_method: str | None) -> None:
    """Pay on a draft finalizes first; uncollectible can still be paid; paid, void and unknown cannot."""
    if invoice["status"] == "draft":
        finalize(account, invoice, collect=False)
        if invoice["status"] == "paid":
            return
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    if invoice["status"] == "void":
        raise invalid(NOT_OPEN)
    if out_of_band:
        payments.out_of_band(account, invoice)
        _settle(account, invoice, "out_of_band")
        return
    method = payment_method or usable_payment_method(account, invoice)
    if method is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please attach a payment method "
            "and set it as the default, or pass one with `payment_method`.",
        )
    intent = payments.intent_of(account, invoice)
    if intent is not None and intent["status"] == "processing":
        raise invalid(
            "This invoice has a payment that is still processing.", code="invoice_payment_intent_requires_action"
        )
    if attempt(account, invoice, method) == "declined":
        raise card_declined(public(payments.intent_of(account, invoice)))


def void(account: Account, invoice: Obj) -> None:
    """open or uncollectible → void. Whether a used balance comes back is `account.void_returns_balance`."""
    if invoice["status"] == "paid":
        raise invalid("Invoices with `paid` payments cannot be voided.")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(NOT_OPEN)
    payments.cancel(account, invoice, "void_invoice")
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["voided_at"] = account.now()
        record(account, "invoice.voided", invoice)
    used = invoice["ending_balance"] - invoice["starting_balance"]
    if used and account.void_returns_balance:
        customer = account.customers[invoice["customer"]]
        if not customer.get("deleted"):
            with updating(account, customer, "customer.updated"):
                customer["balance"] -= used
    _review(account, invoice)


def mark_uncollectible(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "uncollectible":
        raise invalid("This invoice has already been marked uncollectible.")
    if invoice["status"] != "open":
        raise invalid(NOT_OPEN)
    with updating(account, invoice, "invoice.updated"):
        invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
        invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
        record(account, "invoice.marked_uncollectible", invoice)
    _review(account, invoice)


def credited_to_zero(account: Account, invoice: Obj) -> None:
    """A credit note took the rest: Stripe settles the invoice by itself."""
    payments.cancel(account, invoice, "automatic")
    _settle(account, invoice, "credit_note")
