"""The types of what a merchant is told, when each is told, and what it carries: thin, and never a token or a secret.

The README's table is this one, and a test holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

import msgspec

from gateway.domain.agreement import Fate


class NewsType(StrEnum):
    """Every type of event; a receiver ignores those that it does not know."""

    PAYMENT_FAILED = "tollbridge.invoice.payment_failed"
    PAYMENT_METHOD_NEEDED = "tollbridge.invoice.payment_method_needed"
    PAYMENT_NEEDED = "tollbridge.invoice.payment_needed"
    ACTION_REQUIRED = "tollbridge.invoice.action_required"
    DUE_SOON = "tollbridge.invoice.due_soon"
    OVERDUE = "tollbridge.invoice.overdue"
    PAID = "tollbridge.invoice.paid"
    GIVEN_UP = "tollbridge.invoice.given_up"
    PAYMENT_REVERSED = "tollbridge.invoice.payment_reversed"
    REFUNDED = "tollbridge.invoice.refunded"
    DISPUTED = "tollbridge.invoice.disputed"
    DISPUTE_OPENED = "tollbridge.dispute.opened"
    DISPUTE_WON = "tollbridge.dispute.won"
    DISPUTE_LOST = "tollbridge.dispute.lost"
    DISPUTE_PARTLY_LOST = "tollbridge.dispute.partly_lost"
    DISPUTE_CLOSED = "tollbridge.dispute.closed"
    TRIAL_ENDING = "tollbridge.subscription.trial_ending"
    ACCESS_OPENED = "tollbridge.subscription.access_opened"
    ACCESS_CLOSED = "tollbridge.subscription.access_closed"
    METHOD_REVOKED = "tollbridge.payment_method.revoked"
    USAGE_REFUSED = "tollbridge.usage.refused"
    PING = "tollbridge.webhook_endpoint.ping"


class InvoiceNews(msgspec.Struct, frozen=True, kw_only=True):
    """The invoice as Stripe showed it then. Amounts in minor units, times in Unix seconds.

    `collected_by`: gateway, stripe or hosted. `hosted_invoice_url`: where the payer of a hosted one pays it.
    """

    object: Literal["invoice"] = "invoice"
    id: str
    number: str | None
    customer: str
    subscription: str | None
    currency: str
    amount_due: int
    amount_remaining: int
    due_date: int | None
    collected_by: str
    hosted_invoice_url: str | None


class MethodNews(InvoiceNews, frozen=True, kw_only=True):
    """And why another payment method is needed.

    `most`: what the stored one may be charged at once, where that is the reason. A link for the payer is had by a POST
    with the `customer` to `ask_by`; it opens a session in the payer's name, so that it stands in no event.
    """

    reason: str
    most: int | None = None
    ask_by: Literal["/v1/payment_method_sessions"] = "/v1/payment_method_sessions"


class AttemptNews(InvoiceNews, frozen=True, kw_only=True):
    """And the attempt that it is about."""

    attempt: str


class FailureNews(AttemptNews, frozen=True, kw_only=True):
    """And why it failed, and what comes next.

    `next_attempt` is null where no further try is planned; `last_chance`: that one is the last.
    `payment_method_needed`: only another payment method helps, and nothing is tried before there is one.
    """

    attempt_number: int
    decline_class: str | None
    advice: str | None
    reason: str
    next_attempt: int | None
    next_attempt_reason: str
    last_chance: bool
    payment_method_needed: bool


class PaidNews(InvoiceNews, frozen=True, kw_only=True):
    """And how: ours, stripe_payment, credited, by_hand or zero. `attempt` where it was ours."""

    how: str
    attempt: str | None


class ReturnNews(InvoiceNews, frozen=True, kw_only=True):
    """And the movement of the ledger that went back to the payer, with its amount."""

    movement: str
    amount: int


class DisputeNews(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute, by its ids. `state` may be `inquiry`, a question for which no money is held; `withdrawn` is gone now.

    `evidence_due_by`: by when the processor wants an answer.
    """

    object: Literal["dispute"] = "dispute"
    id: str
    invoice: str
    customer: str | None
    subscription: str | None
    state: str
    amount: int
    withdrawn: int
    currency: str
    evidence_due_by: int | None


class SubscriptionNews(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription, by its ids."""

    object: Literal["subscription"] = "subscription"
    id: str
    customer: str | None


class TrialNews(SubscriptionNews, frozen=True, kw_only=True):
    """And when its trial ends."""

    trial_end: int


class AccessNews(SubscriptionNews, frozen=True, kw_only=True):
    """And whether it gives access now, and why."""

    granted: bool
    reason: str
    invoice: str | None


class Affected(msgspec.Struct, frozen=True):
    """A subscription, and what happens to it."""

    id: str
    outcome: Fate


class RevokedNews(msgspec.Struct, frozen=True, kw_only=True):
    """A payment method by its ids, and what happens to each subscription of its customer's that is collected here."""

    object: Literal["payment_method"] = "payment_method"
    id: str
    customer: str
    connection: str
    subscriptions: list[Affected]


class UsageRefusedNews(msgspec.Struct, frozen=True, kw_only=True):
    """The meter by its id (`no_meter` where none was found), why so many events of it are not counted, and which, as
    far as Stripe has named them: ten at most."""

    object: Literal["meter"] = "meter"
    id: str
    event_name: str | None
    code: str
    count: int
    identifiers: list[str]


class PingNews(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint that was asked to be tried."""

    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    id: str


class Described(msgspec.Struct, frozen=True):
    """A type's row in the table: when it is told, what makes it happen once, and what `data` holds."""

    when: str
    step: str
    data: type[msgspec.Struct]


DESCRIBED: Final[Mapping[NewsType, Described]] = {
    NewsType.PAYMENT_FAILED: Described("a try was declined, and the invoice is still open", "attempt", FailureNews),
    NewsType.PAYMENT_METHOD_NEEDED: Described(
        "nothing can be tried for want of a payment method, and no decline has said so; or the stored one may not be "
        "charged so much",
        "last attempt, or the method",
        MethodNews,
    ),
    NewsType.PAYMENT_NEEDED: Described(
        "a hosted invoice is open: send its payer to `hosted_invoice_url`", "invoice", InvoiceNews
    ),
    NewsType.ACTION_REQUIRED: Described("the payer must act before the money comes", "attempt", AttemptNews),
    NewsType.DUE_SOON: Described("`due_soon_days` before the due date, still open", "due date", InvoiceNews),
    NewsType.OVERDUE: Described("the due date has come, still open", "due date", InvoiceNews),
    NewsType.PAID: Described("the invoice is paid, by whatever means", "invoice", PaidNews),
    NewsType.GIVEN_UP: Described("the invoice is marked uncollectible", "invoice", InvoiceNews),
    NewsType.PAYMENT_REVERSED: Described("the payer's bank took a payment back", "attempt", AttemptNews),
    NewsType.REFUNDED: Described("money of it was returned", "movement", ReturnNews),
    NewsType.DISPUTED: Described("money of it was withdrawn for a dispute", "movement", ReturnNews),
    NewsType.DISPUTE_OPENED: Described(
        "a payer asks or objects, also before any money is withdrawn; again when one that was won is reopened",
        "round",
        DisputeNews,
    ),
    NewsType.DISPUTE_WON: Described("a dispute ended for you", "round", DisputeNews),
    NewsType.DISPUTE_LOST: Described("a dispute ended for the payer: what is gone is credited", "round", DisputeNews),
    NewsType.DISPUTE_PARTLY_LOST: Described("the payer keeps a part, which is credited", "round", DisputeNews),
    NewsType.DISPUTE_CLOSED: Described("a dispute or an inquiry ended without money", "round", DisputeNews),
    NewsType.TRIAL_ENDING: Described("three days before its trial ends", "end of the trial", TrialNews),
    NewsType.ACCESS_OPENED: Described(
        "its first invoice is paid, or what had closed it is, or somebody has granted it", "change", AccessNews
    ),
    NewsType.ACCESS_CLOSED: Described(
        "the subscription has ended, an invoice closes it by the policy `access_closes`, or a grant is over",
        "change",
        AccessNews,
    ),
    NewsType.METHOD_REVOKED: Described(
        "the payer ended a payment method at the processor, and not every subscription was to end anyway",
        "end",
        RevokedNews,
    ),
    NewsType.USAGE_REFUSED: Described(
        "Stripe does not count usage that was reported, which it often says much later", "report", UsageRefusedNews
    ),
    NewsType.PING: Described("somebody asked for it; goes to one endpoint alone", "request", PingNews),
}
