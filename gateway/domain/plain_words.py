"""How an invoice and a subscription stand, in words for the organization that pays. Pure.

No word of ladders, processors or cases: what is owed, whether something is under way, and what the reader can do.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from db.states import IN_FLIGHT, Collector, InvoiceState

MENDED_BY_A_METHOD: Final = frozenset(
    {InvoiceState.RETRYING, InvoiceState.NEEDS_PAYMENT_METHOD, InvoiceState.EXHAUSTED}
)


class Pays(StrEnum):
    """How the reader can pay an invoice now."""

    HOSTED_PAGE = "hosted_page"
    """On Stripe's own page of it."""
    PAYMENT_METHOD = "payment_method"
    """By giving another payment method, on ours: what is open is charged to it."""


class Standing(StrEnum):
    """The same for every way of collecting."""

    OPEN = "open"
    PROCESSING = "processing"
    ACTION_NEEDED = "action_needed"
    OVERDUE = "overdue"
    PAID = "paid"
    UNPAID = "unpaid"
    """It was given up; mostly it can still be paid."""
    VOID = "void"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that is final, as far as these words go. `status` is Stripe's; `paying`: at Stripe, at this moment."""

    status: str
    state: InvoiceState
    collector: Collector | None
    paying: bool = False
    due_date: datetime | None = None
    paid_at: datetime | None = None
    next_attempt_at: datetime | None = None


def pays(one: Shown) -> Pays | None:
    """What leads to its payment; None where nothing need be done, or nothing can."""
    if one.paying or one.status not in ("open", "uncollectible"):
        return None
    if one.collector in (Collector.HOSTED, Collector.STRIPE):
        return Pays.HOSTED_PAGE
    # At Stripe a customer of ours must not pay beside us: never its page (law 3).
    charged = one.collector is Collector.GATEWAY and one.status == "open" and one.state in MENDED_BY_A_METHOD
    return Pays.PAYMENT_METHOD if charged else None


def standing(one: Shown, now: datetime) -> tuple[Standing, str]:
    """How it stands, for programs and for people."""
    match one.status:
        case "paid":
            return Standing.PAID, f"Paid on {day(one.paid_at)}" if one.paid_at else "Paid"
        case "void":
            return Standing.VOID, "Canceled: nothing is owed"
        case "uncollectible":
            return Standing.UNPAID, "Not paid in time" + ("; it can still be paid" if pays(one) else "")
        case _:
            return _open(one, now)


def _open(one: Shown, now: datetime) -> tuple[Standing, str]:
    if one.paying or one.state in IN_FLIGHT:
        return Standing.PROCESSING, "A payment is being processed"
    if one.state is InvoiceState.NEEDS_PAYMENT_METHOD:
        return Standing.ACTION_NEEDED, "A payment method is needed"
    if one.state is InvoiceState.RETRYING:
        again = f"; it is tried again on {day(one.next_attempt_at)}" if one.next_attempt_at else ""
        return Standing.ACTION_NEEDED, f"The last payment failed{again}"
    if one.due_date is not None and one.due_date <= now:
        return Standing.OVERDUE, f"Was due on {day(one.due_date)}"
    if one.state is InvoiceState.EXHAUSTED and one.collector is Collector.GATEWAY:
        return Standing.ACTION_NEEDED, "It could not be charged: another payment method is needed"
    due = f"Due on {day(one.due_date)}" if one.due_date else "Due"
    charged = "" if one.collector in (Collector.HOSTED, None) else "; it is charged to your payment method"
    return Standing.OPEN, f"{due}{charged}"


def subscription_words(
    status: str, ended_at: datetime | None, ends_at: datetime | None, trial_end: datetime | None
) -> str:
    """How a subscription stands. `ends_at`: when it is set to end; `status` is Stripe's."""
    if ended_at is not None:
        return f"Ended on {day(ended_at)}"
    if ends_at is not None:
        return f"Ends on {day(ends_at)}"
    if status == "trialing" and trial_end is not None:
        return f"Free until {day(trial_end)}"
    return {"paused": "Paused", "past_due": "Active, with an overdue invoice", "unpaid": "Not paid"}.get(
        status, "Active"
    )


def day(at: datetime) -> str:
    """A day in words, in UTC."""
    return f"{at.day} {at:%B %Y}"
