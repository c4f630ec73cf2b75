"""Subscriptions: how each stands at Stripe, and what is wanted of it."""

from __future__ import annotations

from typing import Any, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import AccessState, CancellationState, Collector, Ends, OpenInvoices, SwitchState
from gateway.accounts.errors import NotThereError
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SHOWN: Final = """
    select t.*, (select c from tollbridge.cancellation c where c.account = t.account and c.subscription = t.id
                 order by c.created_at desc, c.id desc limit 1) as cancellation,
        (select w from tollbridge.switch w where w.account = t.account and w.subscription = t.id
         order by w.created_at desc, w.id desc limit 1) as switch,
        tollbridge.collection(t.account, t.customer, t.id) = 'hosted' as hosted
"""
SELECT: Final = f"{SHOWN} from tollbridge.subscription t"
# What a list is narrowed by, as columns.
COLLECTED_BY: Final = """
    case s.collection_method when 'charge_automatically' then 'stripe'
        when 'send_invoice' then case tollbridge.collection(s.account, s.customer, s.id)
            when 'hosted' then 'hosted' else 'gateway' end end as collected_by
"""
# What time it is, is asked once and not for each row.
ENDS_SOON: Final = """
    s.ended_at is null and s.cancel_at <= (select tollbridge.business_now()) + interval '30 days' as ends_soon
"""
LISTED: Final = f"{SHOWN} from (select s.*, {COLLECTED_BY}, {ENDS_SOON} from tollbridge.subscription s) t"  # noqa: S608
# Each stands there once for each of its products and prices.
LISTED_BY_ITEM: Final = f"""
    {SHOWN} from (select s.*, {COLLECTED_BY}, {ENDS_SOON}, u.item
                  from tollbridge.subscription s, unnest(s.products || s.prices) u(item)) t
"""  # noqa: S608 (constants of ours)


COLLECTORS: Final = {"send_invoice": Collector.GATEWAY, "charge_automatically": Collector.STRIPE}


class CancellationBody(msgspec.Struct, frozen=True):
    """The last wish that a subscription end, or live on: `wanted` until Stripe was told. `error`: why it came to
    nothing."""

    id: str
    ends: Ends
    status: CancellationState
    invoice_now: bool
    prorate: bool
    comment: str | None
    origin: str
    error: str | None
    created: int
    object: Literal["cancellation"] = "cancellation"


class SwitchBody(msgspec.Struct, frozen=True):
    """The last wish that it be collected by another, or with another payment method: `wanted` until that is done.
    `error`: why it came to nothing; `resolved`: when it was done, or did. `stripe_payment_method`: what Stripe
    charges, once that is known."""

    id: str
    to: Collector
    status: SwitchState
    payment_method: str | None
    stripe_payment_method: str | None
    open_invoices: OpenInvoices
    days_until_due: int | None
    retire: bool
    error: str | None
    created: int
    resolved: int | None
    object: Literal["switch"] = "switch"


class SubscriptionBody(msgspec.Struct, frozen=True):
    """A subscription as Stripe showed it at `as_of`. `cancel_at`: when it will end, as far as that is settled.

    `collected_by`: who collects its invoices to come: Stripe itself, we, or (`hosted`) their payer, on Stripe's page;
    null until Stripe has shown it.
    `payment_method`: ours, that it is charged to first; null: the customer's first.
    """

    id: str
    customer: str | None
    status: str | None
    collected_by: Collector | None
    days_until_due: int | None
    trial_end: int | None
    cancel_at_period_end: bool
    cancel_at: int | None
    ended_at: int | None
    payment_method: str | None
    cancellation: CancellationBody | None
    switch: SwitchBody | None
    as_of: int | None
    object: Literal["subscription"] = "subscription"


async def find_subscription(account: str, subscription: str) -> SubscriptionBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, subscription)
    if row is None:
        raise NotThereError("subscription", subscription)
    return shown(row)


async def find_subscriptions(
    account: str,
    customer: str = "",
    status: str = "",
    *,
    collected_by: Collector | None = None,
    access: AccessState | None = None,
    product: str = "",
    ends_soon: bool = False,
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[SubscriptionBody]:
    """Those that we know of, the newest first. `product`: of this product or price; `ends_soon`: within 30 days."""
    where: dict[str, Any] = {"customer": customer, "status": status, "collected_by": collected_by, "access": access}
    where |= {"item": product, "ends_soon": ends_soon or None}
    select = LISTED_BY_ITEM if product else LISTED
    return listed(*await page(account, select, "created_at", where, limit=limit, starting_after=starting_after), shown)


def collected_by(collection_method: str, *, hosted: bool) -> Collector | None:
    """Who collects what comes of a subscription; None where Stripe has not shown it yet."""
    found = COLLECTORS.get(collection_method)
    return Collector.HOSTED if found is Collector.GATEWAY and hosted else found


def shown(row: asyncpg.Record) -> SubscriptionBody:
    """The row as it is shown."""
    return SubscriptionBody(
        id=row["id"],
        customer=row["customer"] or None,
        status=row["status"] or None,
        collected_by=collected_by(row["collection_method"], hosted=row["hosted"]),
        days_until_due=row["days_until_due"],
        trial_end=unix(row["trial_end"]),
        cancel_at_period_end=row["cancel_at_period_end"],
        cancel_at=unix(row["cancel_at"]),
        ended_at=unix(row["ended_at"]),
        payment_method=row["payment_method"],
        cancellation=row["cancellation"] and _cancellation(row["cancellation"]),
        switch=row["switch"] and _switch(row["switch"]),
        as_of=unix(row["read_at"]),
    )


def _cancellation(row: asyncpg.Record) -> CancellationBody:
    return CancellationBody(
        id=row["id"],
        ends=Ends(row["ends"]),
        status=CancellationState(row["state"]),
        invoice_now=row["invoice_now"],
        prorate=row["prorate"],
        comment=row["comment"] or None,
        origin=row["origin"],
        error=row["error"] or None,
        created=unix(row["created_at"]),
    )


def _switch(row: asyncpg.Record) -> SwitchBody:
    return SwitchBody(
        id=row["id"],
        to=Collector(row["collector"]),
        status=SwitchState(row["state"]),
        payment_method=row["payment_method"],
        stripe_payment_method=row["stripe_payment_method"] or None,
        open_invoices=OpenInvoices(row["open_invoices"]),
        days_until_due=row["days_until_due"],
        retire=row["retire"],
        error=row["error"] or None,
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
    )
