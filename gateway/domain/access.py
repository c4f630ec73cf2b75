"""Access to a subscription: opened by money, never because Stripe calls the subscription active (law 13)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from db.states import InvoiceState


class AccessInvoice(msgspec.Struct, frozen=True):
    """An invoice of the subscription; the first one is that which began it."""

    id: str
    first: bool
    state: InvoiceState
    credited: bool = False
    """Settled by a credit note alone: nobody paid anything."""
    rest_due: bool = False
    """A part of it was credited, and the invoice that bills that is not paid."""


class Access(msgspec.Struct, frozen=True):
    """Whether access is granted, and why."""

    granted: bool
    reason: str
    invoice: str = ""


def access(invoices: Sequence[AccessInvoice], *, ended: bool) -> Access:
    """Whether a subscription with these invoices gives access."""
    if ended:
        return Access(False, "subscription_ended")
    first = next((i for i in invoices if i.first), None)
    if first is None:
        return Access(False, "no_first_invoice")
    if first.state is InvoiceState.PAID and first.credited:
        return Access(False, "first_invoice_credited", first.id)
    if first.state is InvoiceState.PAID and first.rest_due:
        return Access(False, "first_invoice_rest_due", first.id)
    if first.state is InvoiceState.PAID:
        return Access(True, "first_invoice_paid", first.id)
    return Access(False, f"first_invoice_{first.state}", first.id)
