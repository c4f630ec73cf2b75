"""What a subscription's money says of access, from our rows as they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.states import InvoiceState
from gateway.access.disputed import disputed_of
from gateway.accounts.accounts import policy_of
from gateway.billing.shapes import InvoiceShape, billed
from gateway.collect.view import view_of
from gateway.domain.access import Access, AccessInvoice, Beginning, access, counting
from gateway.domain.disputed_access import with_disputes
from gateway.domain.lapse import owed

# A snapshot is looked at only for what a credit note alone may have settled.
INVOICES: Final = """
    select i.id, i.state, i.status, i.billing_reason, i.amount_due = 0 and i.total <= 0 as zero,
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
    where i.account = $1 and i.subscription = $2 and not exists (
        select 1 from tollbridge.remainder r where r.account = i.account and r.issued_as = i.id)
    order by coalesce(i.stripe_created_at, i.created_at), i.id
"""


async def money_of(row: asyncpg.Record, now: datetime) -> Access:
    """Whether the money of a subscription, by its row (`gate.ROW`), gives access."""
    account, ended = row["account"], row["ended_at"] is not None
    policy, found = await policy_of(account), await sql.rows(INVOICES, account, row["id"])
    beginning = Beginning(row["began_without_invoice"], row["confirmed"], row["method"])
    invoices = _invoices(found, beginning)
    if not ended:
        invoices = await _with_debts(account, invoices, _unpaid(found), now)
    opened = access(invoices, policy, beginning, status=row["status"], ended=ended)
    return with_disputes(opened, await disputed_of(account, row["id"]) if opened.granted else (), policy)


def _invoices(rows: Sequence[asyncpg.Record], beginning: Beginning) -> list[AccessInvoice]:
    # The invoice that began it; where Stripe's reason is not known (an older mirror), the oldest.
    first = next((i["id"] for i in rows if i["billing_reason"] == "subscription_create"), None)
    if first is None and rows and not beginning.without_invoice:
        first = rows[0]["id"]
    return [
        AccessInvoice(
            id=row["id"],
            first=row["id"] == first,
            # Who collects it may have changed since: what is paid stays paid.
            state=InvoiceState.PAID if row["status"] == "paid" else InvoiceState(row["state"]),
            credited=_credited(row),
            renewal=row["billing_reason"] == "subscription_cycle",
            rest_due=row["rest_due"],
            zero=row["zero"],
        )
        for row in rows
    ]


def _unpaid(rows: Sequence[asyncpg.Record]) -> Collection[str]:
    return {row["id"] for row in rows if row["status"] in ("open", "uncollectible")}


async def _with_debts(
    account: str, invoices: Sequence[AccessInvoice], unpaid: Collection[str], now: datetime
) -> list[AccessInvoice]:
    """The same with what each that counts and is not paid means: it takes a look at everything about it."""
    debts = {one.id: owed(await view_of(account, one.id), now) for one in counting(invoices) if one.id in unpaid}
    return [msgspec.structs.replace(one, owed=debts.get(one.id)) for one in invoices]


def _credited(invoice: asyncpg.Record) -> bool:
    snapshot = invoice["snapshot"]
    return snapshot is not None and billed(msgspec.json.decode(snapshot, type=InvoiceShape)).is_credited
