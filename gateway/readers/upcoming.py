"""A subscription's next invoice as Stripe would make it now, and what usage it does not hold yet."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from gateway.accounts.errors import NotThereError
from gateway.billing.upcoming import UpcomingShape, preview
from gateway.checkout.amounts import Line, shown_line
from gateway.clock import business_now
from gateway.readers.about import about
from gateway.readers.usage import MeterBacklog, backlog
from gateway.runtime import Runtime
from gateway.subscriptions.known import living


class UpcomingBody(msgspec.Struct, frozen=True):
    """The next invoice, which does not exist yet. Amounts in minor units; nothing of it is kept here."""

    subscription: str
    customer: str
    comes: Annotated[int | None, about("When Stripe will make it: at the end of the period that runs.")]
    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int
    amount_due: int
    lines: list[Line]
    has_more_lines: bool
    as_of: Annotated[int, about("When Stripe said so. It adds what was just sent up some time later.")]
    unsent_usage: Annotated[list[MeterBacklog], about("Its customer's usage that is still on its way to Stripe.")]
    object: Literal["upcoming_invoice"] = "upcoming_invoice"


async def find_upcoming(runtime: Runtime, account: str, subscription: str) -> UpcomingBody:
    """Raises NotThereError, also where no invoice will come; SubscriptionEndedError, StripeError."""
    row = await living(account, subscription)
    as_of = await business_now()
    _, unsent = await backlog(account, row["customer"])
    shape = await preview(await runtime.stripe(account), subscription)
    if shape is None:
        raise NotThereError("upcoming invoice of", subscription)
    return _shown(subscription, row["customer"], shape, int(as_of.timestamp()), unsent)


def _shown(
    subscription: str, customer: str, shape: UpcomingShape, as_of: int, unsent: list[MeterBacklog]
) -> UpcomingBody:
    return UpcomingBody(
        subscription=subscription,
        customer=customer,
        comes=shape.created or None,
        currency=shape.currency,
        subtotal=shape.subtotal,
        discount=sum(one.amount for one in shape.total_discount_amounts or []),
        tax=sum(one.amount for one in shape.total_taxes or []),
        total=shape.total,
        amount_due=shape.amount_due,
        lines=[shown_line(line) for line in shape.lines.data],
        has_more_lines=shape.lines.has_more,
        as_of=as_of,
        unsent_usage=unsent,
    )
