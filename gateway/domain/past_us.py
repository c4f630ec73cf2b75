"""Payments on Stripe's own page by customers who pay through us: nothing is lost, and somebody should know. Pure.

Both are read from the live invoice; the events `invoice.overpaid` and `invoice.payment_succeeded` only poke it.
"""

from __future__ import annotations

from db.states import Collector
from gateway.domain.actions import OpenCase
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.view import InvoiceView
from processors.money import to_text


def paid_past_us(view: InvoiceView, invoice: BilledInvoice) -> OpenCase | None:
    """The case that a paid invoice wants because of that; None for none, and where it was opened."""
    known = view.told_cases
    if invoice.overpaid > 0 and CaseKind.OVERPAID_AT_STRIPE not in known:
        too_much = to_text(invoice.overpaid, invoice.currency)
        return OpenCase(CaseKind.OVERPAID_AT_STRIPE, f"Stripe has taken {too_much} more than the invoice")
    if _bought_nothing(view, invoice) and CaseKind.PAID_AFTER_THE_END not in known:
        return OpenCase(CaseKind.PAID_AFTER_THE_END, "it was paid at Stripe when its subscription had been given up")
    ours = invoice.collection_method == "send_invoice" and bool(view.attempts or view.methods)
    # Stripe pays what was handed over to it, and on Stripe's page is where the payer of a hosted one pays.
    ours = ours and view.collector not in (Collector.STRIPE, Collector.HOSTED)
    # What was paid before we had heard of it was Stripe's own business. Its times are whole seconds.
    known_since = view.known_since.replace(microsecond=0) if view.known_since is not None else None
    since = invoice.paid_at is not None and known_since is not None and invoice.paid_at >= known_since
    if ours and since and invoice.stripe_payment is StripePayment.PAID and CaseKind.PAID_AT_STRIPE not in known:
        return OpenCase(CaseKind.PAID_AT_STRIPE, "the payer paid it on Stripe's own page")
    return None


def _bought_nothing(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Paid on Stripe's page after its account's end had cancelled the subscription: Stripe holds the money, not we."""
    hosted = view.collector is Collector.HOSTED and invoice.stripe_payment is StripePayment.PAID
    ended_at = view.subscription.ended_at if view.subscription is not None else None
    late = ended_at is not None and invoice.paid_at is not None and invoice.paid_at >= ended_at
    return hosted and view.given_up and late
