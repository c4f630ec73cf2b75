"""Access as the rules see it, from our rows; and telling the merchant of it when its subscription's turn ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import outbox, sql
from db.outbox import Announcement
from db.states import InvoiceState
from gateway.billing.shapes import InvoiceShape, billed
from gateway.domain.access import Access, AccessInvoice, access
from gateway.domain.subscription_news import SubscriptionFacts, access_news, trial_news

INVOICES: Final = """
    select i.id, i.subscription, i.state, i.billing_reason, i.snapshot, exists (
        with recursive rest as (
            select r.account, r.credit_note, r.issued_as from tollbridge.remainder r
            where r.account = i.account and r.invoice = i.id
            union
            select r.account, r.credit_note, r.issued_as from tollbridge.remainder r
            join rest o on r.account = o.account and r.invoice = o.issued_as)
        select 1 from rest join tollbridge.credit_note n on n.account = rest.account and n.id = rest.credit_note
        left join tollbridge.invoice c on c.account = rest.account and c.id = rest.issued_as
        where n.state = 'issued' and coalesce(c.state, 'due') not in ('paid', 'closed')) as rest_due
    from tollbridge.invoice i
    where i.account = $1 and i.subscription = any($2) and not exists (
        select 1 from tollbridge.remainder r where r.account = i.account and r.issued_as = i.id)
    order by coalesce(i.stripe_created_at, i.created_at), i.id
"""
FACTS: Final = """
    select s.*, coalesce(c.opted_out, false) as opted_out from tollbridge.subscription s
    left join tollbridge.customer c on c.account = s.account and c.id = s.customer
    where s.account = $1 and s.id = $2
"""
CHANGED: Final = """
    update tollbridge.subscription set access_changes = access_changes + 1 where account = $1 and id = $2
"""


async def access_of(account: str, subscriptions: Sequence[asyncpg.Record]) -> list[Access]:
    """Whether each of these rows of subscriptions gives access, in their order."""
    invoices: dict[str, list[asyncpg.Record]] = {row["id"]: [] for row in subscriptions}
    for invoice in await sql.rows(INVOICES, account, list(invoices)):
        invoices[invoice["subscription"]].append(invoice)
    return [_access(row, invoices[row["id"]]) for row in subscriptions]


async def facts_of(account: str, subscription: str) -> tuple[SubscriptionFacts, Access]:
    """What the merchant may have to be told of a subscription, which must exist."""
    row = await sql.row(FACTS, account, subscription)
    assert row is not None, "the subscription exists"
    facts = SubscriptionFacts(
        id=row["id"],
        customer=row["customer"],
        status=row["status"],
        ours=row["collection_method"] == "send_invoice" and not row["opted_out"],
        ending=row["cancel_at_period_end"],
        trial_end=row["trial_end"],
        access_changes=row["access_changes"],
    )
    [found] = await access_of(account, [row])
    return facts, found


async def tell(account: str, facts: SubscriptionFacts, found: Access, now: datetime) -> None:
    """Tell what there is to tell, in the caller's transaction; under the subscription's claim."""
    changed, ending = access_news(facts, found), trial_news(facts, now)
    told = [Announcement(one.type, one.step, one.data) for one in (changed, ending) if one is not None]
    await outbox.announce(account, "subscription", facts.id, told, now)
    if changed is not None:
        await sql.rows(CHANGED, account, facts.id)


def _access(row: asyncpg.Record, invoices: Sequence[asyncpg.Record]) -> Access:
    # The invoice that began it; where Stripe's reason is not known (an older mirror), the oldest.
    first = next((i["id"] for i in invoices if i["billing_reason"] == "subscription_create"), None)
    first = first or (invoices[0]["id"] if invoices else None)
    seen = [
        AccessInvoice(
            i["id"], i["id"] == first, InvoiceState(i["state"]), i["id"] == first and _credited(i), i["rest_due"]
        )
        for i in invoices
    ]
    return access(seen, ended=row["ended_at"] is not None)


def _credited(invoice: asyncpg.Record) -> bool:
    snapshot = invoice["snapshot"]
    return snapshot is not None and billed(msgspec.json.decode(snapshot, type=InvoiceShape)).is_credited
