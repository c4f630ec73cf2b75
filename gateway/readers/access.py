"""Access: what a customer may use, and why. One statement each, over the answers that stand on subscriptions' rows.

What the clock has closed since an answer was worked out is closed here, without a worker. Only where something
may have postponed that (downtime, law 7: of a processor, of ours, or nobody works at this moment) it is left to the
subscription's turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import AccessState
from gateway.access.gate import stored_gate
from gateway.accounts.errors import NotThereError
from gateway.accounts.known import KNOWN
from gateway.domain.access import FIRST, WORDS, in_words
from gateway.domain.gate import settled
from gateway.readers.about import about
from gateway.readers.pages import unix

SHOWN: Final = """
    s.id, s.customer, s.status, s.products, s.created_at, s.access, s.access_reason, s.access_invoice, s.access_since,
    s.access_closes_at, s.access_closing, tollbridge.business_now() as now,
    case when s.access_closes_at <= tollbridge.business_now() and not exists (
            select 1 from tollbridge.invoice i
            where i.account = s.account and i.id = s.access_invoice and i.collector = 'hosted') then
        exists (select 1 from tollbridge.downtime d where (d.until_at is null or d.until_at >= s.access_seen_at)
                  and (d.connection = '' or d.connection in (
                      select c.id from tollbridge.connection c where c.account = s.account)))
        or exists (select 1 from tollbridge.review_case r where r.account = s.account
                     and r.kind = 'connection_locked' and (r.state = 'open' or r.closed_at >= s.access_seen_at))
        or (select max(beat_at) < clock_timestamp() - interval '1 minute' from tollbridge.worker)
    end as postponed
"""
OF_SUBSCRIPTION: Final = f"select {SHOWN} from tollbridge.subscription s where s.account = $1 and s.id = $2"  # noqa: S608
OF_THESE: Final = f"select {SHOWN} from tollbridge.subscription s where s.account = $1 and s.id = any($2)"  # noqa: S608
OF_CUSTOMER: Final = f"""
    select {SHOWN} from (select 1 where ({KNOWN})) known left join tollbridge.subscription s
        on s.account = $1 and s.customer = $2 and ($3 = '' or s.products @> array[$3] or s.prices @> array[$3])
    order by s.created_at desc, s.id desc
"""  # noqa: S608 (constants of ours)
ORDER: Final = (
    AccessState.GRANTED,
    AccessState.PENDING_FIRST_PAYMENT,
    AccessState.SUSPENDED,
    AccessState.ENDED,
)
"""What counts of several subscriptions: the first of these that one has."""


class AccessBody(msgspec.Struct, frozen=True):
    """Whether a subscription gives access, and why."""

    subscription: str
    state: Annotated[
        AccessState,
        about(
            "`pending_first_payment`: it may be asked for, and opens with the first payment; `suspended`: closed by "
            "what is not paid; `ended`: for good."
        ),
    ]
    granted: Annotated[bool, about("Whether the state is `granted`.")]
    reason: Annotated[str, about(f"For programs: {', '.join(WORDS)}, or `{FIRST}` and the state of that invoice.")]
    description: Annotated[str, about("The reason for people.")]
    since: Annotated[int, about("Since when the state is this one.")]
    closes_at: Annotated[int | None, about("When the clock alone ends it, unless that is paid or granted anew before.")]
    invoice: Annotated[str | None, about("The invoice that decides.")]
    customer: str | None
    products: Annotated[list[str], about("What its items are of (prod_…), as Stripe showed it last.")]
    status: Annotated[str | None, about("Stripe's. It opens nothing, and closes access only as `unpaid`.")]
    object: Literal["access"] = "access"


class CustomerAccess(msgspec.Struct, frozen=True):
    """The access of each subscription of a customer, or of those of one product."""

    customer: str
    product: Annotated[str | None, about("The product or price that was asked for.")]
    granted: Annotated[bool, about("Whether any of them gives it.")]
    state: Annotated[AccessState | None, about("The best that any of them has; null where there is none.")]
    subscriptions: Annotated[list[AccessBody], about("The newest first.")]
    object: Literal["customer_access"] = "customer_access"


async def find_access(account: str, customer: str, product: str = "") -> CustomerAccess:
    """`product`: only of this one, or of this price. Raises NotThereError."""
    rows = await sql.rows(OF_CUSTOMER, account, customer, product)
    if not rows:
        raise NotThereError("customer", customer)
    found = [_shown(row) for row in rows if row["id"] is not None]
    return CustomerAccess(customer, product or None, any(one.granted for one in found), _best(found), found)


async def find_subscription_access(account: str, subscription: str) -> AccessBody:
    """Raises NotThereError."""
    row = await sql.row(OF_SUBSCRIPTION, account, subscription)
    if row is None:
        raise NotThereError("subscription", subscription)
    return _shown(row)


async def accesses(account: str, subscriptions: Sequence[str]) -> dict[str, AccessBody]:
    """By id; what is not known here is left out."""
    return {row["id"]: _shown(row) for row in await sql.rows(OF_THESE, account, list(subscriptions))}


def _best(found: Sequence[AccessBody]) -> AccessState | None:
    return min((one.state for one in found), key=ORDER.index, default=None)


def _shown(row: asyncpg.Record) -> AccessBody:
    gate = stored_gate(row)
    if not row["postponed"]:
        gate = settled(gate, row["now"])
    return AccessBody(
        subscription=row["id"],
        state=gate.state,
        granted=gate.granted,
        reason=gate.reason,
        description=in_words(gate.reason, gate.closes_at),
        since=unix(gate.since or row["created_at"]),
        closes_at=unix(gate.closes_at),
        invoice=gate.invoice or None,
        customer=row["customer"] or None,
        products=row["products"],
        status=row["status"] or None,
    )
