"""Access as the rules see it, from our rows; and telling the merchant of it when its subscription's turn ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import outbox, sql
from db.outbox import Announcement
from db.states import InvoiceState
from gateway.accounts.accounts import policy_of
from gateway.billing.shapes import InvoiceShape, billed
from gateway.collect.view import view_of
from gateway.domain.access import Access, AccessInvoice, access, counting
from gateway.domain.disputed_access import with_disputes
from gateway.domain.lapse import owed
from gateway.domain.subscription_news import SubscriptionFacts, access_news, trial_news
from gateway.subscriptions.disputed import disputed_of

# A snapshot is looked at only for what a credit note alone may have settled.
INVOICES: Final = """
    select i.id, i.subscription, i.state, i.status, i.billing_reason,
        case when i.amount_due = 0 then i.snapshot end as snapshot, exists (
        with recursive rest as (
            select r.account, r.credit_note, r.issued_as from tollbridge.remainder r
            where r.account = i.account and r.invoice = i.id
            union
            select r.account, r.credit_note, r.issued_as from tollbridge.remainder r
            join rest o on r.account = o.account and r.invoice = o.issued_as)
        select 1 from rest join tollbridge.credit_note n on n.account = rest.account and n.id = rest.credit_note
        left join tollbridge.invoice c on c.account = rest.account and c.id = rest.issued_as
        where n.state = 'issued' and coalesce(c.state, 'due') not in ('paid', 'closed'))
        -- Stripe names one, and a restored database has not looked for it yet.
        or (i.names_rest <> '' and i.rest_looked_for_at is null and not exists (
                select 1 from tollbridge.remainder r where r.account = i.account and r.issued_as = i.names_rest)
        ) as rest_due
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


async def access_of(account: str, subscriptions: Sequence[asyncpg.Record], now: datetime) -> list[Access]:
    """Whether each of these rows of subscriptions gives access, in their order."""
    policy = await policy_of(account)
    invoices: dict[str, list[asyncpg.Record]] = {row["id"]: [] for row in subscriptions}
    for invoice in await sql.rows(INVOICES, account, list(invoices)):
        invoices[invoice["subscription"]].append(invoice)
    disputed = await disputed_of(account, list(invoices))
    found = []
    for row in subscriptions:
        seen, ended = _invoices(invoices[row["id"]]), row["ended_at"] is not None
        unpaid = {i["id"] for i in invoices[row["id"]] if i["status"] in ("open", "uncollectible")}
        if not ended:
            seen = await _with_debts(account, seen, unpaid, now)
        opened = access(seen, policy, status=row["status"], ended=ended)
        found.append(with_disputes(opened, disputed.get(row["id"], ()), policy))
    return found


async def facts_of(account: str, subscription: str, now: datetime) -> tuple[SubscriptionFacts, Access]:
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
    [found] = await access_of(account, [row], now)
    return facts, found


async def tell(account: str, facts: SubscriptionFacts, found: Access, now: datetime) -> None:
    """Tell what there is to tell, in the caller's transaction; under the subscription's claim."""
    changed, ending = access_news(facts, found), trial_news(facts, now)
    told = [Announcement(one.type, one.step, one.data) for one in (changed, ending) if one is not None]
    await outbox.announce(account, "subscription", facts.id, told, now)
    if changed is not None:
        await sql.rows(CHANGED, account, facts.id)


def _invoices(rows: Sequence[asyncpg.Record]) -> list[AccessInvoice]:
    # The invoice that began it; where Stripe's reason is not known (an older mirror), the oldest.
    first = next((i["id"] for i in rows if i["billing_reason"] == "subscription_create"), None)
    first = first or (rows[0]["id"] if rows else None)
    return [
        AccessInvoice(
            id=row["id"],
            first=row["id"] == first,
            state=InvoiceState(row["state"]),
            credited=_credited(row),
            renewal=row["billing_reason"] == "subscription_cycle",
            rest_due=row["rest_due"],
        )
        for row in rows
    ]


async def _with_debts(
    account: str, invoices: Sequence[AccessInvoice], unpaid: Collection[str], now: datetime
) -> list[AccessInvoice]:
    """The same with what each that counts and is not paid means: it takes a look at everything about it."""
    debts = {one.id: owed(await view_of(account, one.id), now) for one in counting(invoices) if one.id in unpaid}
    return [msgspec.structs.replace(one, owed=debts.get(one.id)) for one in invoices]


def _credited(invoice: asyncpg.Record) -> bool:
    snapshot = invoice["snapshot"]
    return snapshot is not None and billed(msgspec.json.decode(snapshot, type=InvoiceShape)).is_credited
