"""Access to a subscription: opened by money, never because Stripe calls the subscription active (law 13).

The first invoice opens it; where nothing is due at first, the account's policy does. A later one that is not paid
closes it as the account's policy says (`lapse`), until it is paid or not owed any more, or a later renewal is paid:
what counts is the period that runs, as with Stripe's own status.
Of that status one word counts: `unpaid`. The merchant's own settings in Stripe have ended the recovery then, and Stripe
bills no further period (docs: billing/subscriptions/overview). `past_due` says nothing that our dates don't.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from db.states import InvoiceState
from gateway.domain.lapse import Owed
from gateway.domain.policy import Policy
from gateway.domain.times import moment


class AccessInvoice(msgspec.Struct, frozen=True):
    """An invoice of the subscription; the first one is that which began it, and a renewal began another period."""

    id: str
    first: bool
    state: InvoiceState
    credited: bool = False
    """Settled by a credit note alone: nobody paid anything."""
    renewal: bool = False
    owed: Owed | None = None
    """What it means for access while it is not paid."""
    rest_due: bool = False
    """A part of it was credited, and the invoice that bills that is not paid."""
    zero: bool = False
    """It bills nothing, as a trial's or a free plan's: that it is paid says nothing of the payer."""

    @property
    def is_paid(self) -> bool:
        return self.state is InvoiceState.PAID and not self.credited


class Beginning(msgspec.Struct, frozen=True):
    """What a subscription begins with, besides its first invoice.

    `without_invoice`: Stripe has made none with it, as of metered prices alone. `confirmed`: the checkout that makes it
    was, if there is one. `method`: a payment method that it may be charged to is stored.
    """

    without_invoice: bool = False
    confirmed: bool = True
    method: bool = False


class Access(msgspec.Struct, frozen=True):
    """Whether access is granted, and why. `invoice`: the one that decides. `closes_at`: when it ends by the clock.

    `closing`: why it is closed then, where nothing but the clock is waited for.
    """

    granted: bool
    reason: str
    invoice: str = ""
    closes_at: datetime | None = None
    closing: str = ""


def in_words(reason: str, closes_at: datetime | None = None) -> str:
    """A reason for people."""
    told = WORDS.get(reason) or f"its first invoice is not paid: it is {reason.removeprefix(FIRST)}"
    return f"{told} until {moment(closes_at)}" if closes_at else told


FIRST: Final = "first_invoice_"
ENDED: Final = "subscription_ended"
NO_INVOICE: Final = "no_first_invoice"
NOT_CONFIRMED: Final = "checkout_not_done"
BY_HAND: Final = "granted_by_hand"
METHOD_STORED: Final = "payment_method_stored"
METHOD_MISSING: Final = "payment_method_missing"
WORDS: Final[Mapping[str, str]] = {
    BY_HAND: "somebody has granted it by hand",
    METHOD_STORED: "nothing was due at first, and a payment method is stored",
    METHOD_MISSING: "nothing was due at first, and no payment method is stored",
    "nothing_due_first": "nothing was due at first, and nothing has closed it since",
    NOT_CONFIRMED: "its checkout is not confirmed",
    ENDED: "the subscription has ended",
    NO_INVOICE: "no invoice of the subscription is known yet",
    "first_invoice_draft": "its first invoice is not paid: it is still a draft",
    "first_invoice_credited": "its first invoice was settled by a credit note alone: nobody has paid",
    "first_invoice_rest_due": "its first invoice was paid in part, and what bills the rest is not paid",
    "first_invoice_paid": "its first invoice is paid, and nothing has closed it since",
    "invoice_open": "an invoice is not paid yet; access closes if it stays so",
    "invoice_pending": "an invoice is not paid in time, and a charge for it is still under way",
    "invoice_not_asked_for": "an invoice is not paid in time, and the payer was not asked for it",
    "access_never_closes": "an invoice is not paid, and the account's policy leaves access open",
    "invoice_overdue": "an invoice was not paid by its due date",
    "invoice_not_collected": "an invoice could not be collected, and its recovery has ended",
    "invoice_disputed": "the payer disputes an invoice of it",
    "dispute_lost": "the payer took an invoice's money back, and has paid none since",
    "subscription_unpaid": "Stripe calls the subscription unpaid: its recovery has ended there",
}
"""The reasons; `first_invoice_STATE` is one for each other state of the first invoice."""


def access(
    invoices: Sequence[AccessInvoice],
    policy: Policy,
    beginning: Beginning = Beginning(),  # noqa: B008 (a value, which nobody changes)
    *,
    status: str = "",
    ended: bool = False,
) -> Access:
    """Whether a subscription with these invoices, oldest first, gives access; `status` is Stripe's."""
    if ended:
        return Access(False, ENDED)
    first = next((i for i in invoices if i.first), None)
    opened = _without_first(beginning) if first is None else _with_first(first)
    if opened.granted and (first is None or first.zero) and policy.access_without_first_invoice != "at_once":
        opened = _after_method(opened, invoices, beginning)
    return _since(opened, counting(invoices), policy, status) if opened.granted else opened


def _with_first(first: AccessInvoice) -> Access:
    if first.state is InvoiceState.PAID and first.credited:
        return Access(False, "first_invoice_credited", first.id)
    if first.state is not InvoiceState.PAID:
        return Access(False, f"{FIRST}{first.state}", first.id)
    if first.rest_due:
        return Access(False, "first_invoice_rest_due", first.id)
    return Access(True, "first_invoice_paid", first.id)


def _without_first(beginning: Beginning) -> Access:
    if not beginning.without_invoice:
        return Access(False, NO_INVOICE)
    return Access(True, "nothing_due_first") if beginning.confirmed else Access(False, NOT_CONFIRMED)


def _after_method(opened: Access, invoices: Sequence[AccessInvoice], beginning: Beginning) -> Access:
    """Whoever has paid once has shown how; until then a payment method must be there."""
    if any(i.is_paid and not i.zero for i in invoices):
        return opened
    return Access(beginning.method, METHOD_STORED if beginning.method else METHOD_MISSING, opened.invoice)


def counting(invoices: Sequence[AccessInvoice]) -> Sequence[AccessInvoice]:
    """Those that may close what the first one opened: later than the last renewal that was paid."""
    paid = max((n for n, i in enumerate(invoices) if i.renewal and i.is_paid), default=-1)
    return [i for i in invoices[paid + 1 :] if not i.first]


def _since(opened: Access, later: Sequence[AccessInvoice], policy: Policy, status: str) -> Access:
    """The oldest one that closes it is named: it is collected first."""
    unpaid = [(invoice.id, invoice.owed) for invoice in later if invoice.owed is not None]
    if (closing := next(((id, o) for id, o in unpaid if o.closes), None)) is not None:
        return Access(False, closing[1].reason, closing[0])
    if policy.access_closes == "never":
        # Also over what Stripe calls unpaid.
        return Access(True, "access_never_closes", unpaid[0][0]) if unpaid else opened
    if status == "unpaid":
        return Access(False, "subscription_unpaid", unpaid[0][0] if unpaid else "")
    if not unpaid:
        return opened
    by_the_clock = [(not one.closing, one.closes_at, id, one) for id, one in unpaid if one.closes_at is not None]
    if by_the_clock:
        # The first that nothing but the clock holds up.
        _, closes_at, id, one = min(by_the_clock, key=lambda found: found[:3])
        return Access(True, "invoice_open", id, closes_at, one.closing)
    id, one = unpaid[0]
    return Access(True, one.reason, id)
