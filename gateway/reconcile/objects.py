"""What a page of Stripe's objects says against our rows: unknown, different, or not open there any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import SETTLED, Walk
from gateway.billing.credit_notes import CreditNoteShape
from gateway.billing.shapes import InvoiceShape, SubscriptionShape, invoice_digest, is_echo
from gateway.billing.subscriptions import GONE
from gateway.customers.customer import suspect
from gateway.returns.listed_notes import store_listed

KNOWN: Final = "select id, digest from tollbridge.{} where account = $1 and id = any($2) order by id for no key update"
LISTED: Final = "update tollbridge.{} set listed_at = $3 where account = $1 and id = any($2)"
INVOICES_GONE: Final = """
    select id from tollbridge.invoice
    where account = $1 and status = $2 and status in ('draft', 'open') and state <> all($3) and not stale
        and (listed_at is null or listed_at < $4) and read_at < $4 order by id for no key update
"""
# Read whole, and once in a walk, which has just written to each of them.
SUBSCRIPTIONS_GONE: Final = """
    select id from tollbridge.subscription
    where account = $1 and collection_method = 'send_invoice' and ended_at is null and status <> all($2) and not stale
        and (listed_at is null or listed_at < $3) and read_at < $3 order by id for no key update
"""
STATUS: Final[Mapping[Walk, Literal["draft", "open"]]] = {Walk.OPEN_INVOICES: "open", Walk.DRAFT_INVOICES: "draft"}


async def compare_invoices(account: str, found: Sequence[InvoiceShape], began_at: datetime, now: datetime) -> int:
    """Poke those that we do not know, or know otherwise; in the caller's transaction. Returns how many."""
    shown = {shape.id: invoice_digest(shape) for shape in found}
    ours = await _mark_listed(Kind.INVOICE, account, sorted(shown), began_at)
    differs = [i for i, digest in shown.items() if not is_echo(digest, ours.get(i, ""))]
    await poke.poke(Kind.INVOICE, account, differs, now, stale=True)
    return len(differs)


async def compare_subscriptions(
    account: str, found: Sequence[SubscriptionShape], began_at: datetime, now: datetime
) -> int:
    """The same for subscriptions."""
    shown = {shape.id: shape.digest for shape in found}
    ours = await _mark_listed(Kind.SUBSCRIPTION, account, sorted(shown), began_at)
    differs = [i for i, digest in shown.items() if digest != ours.get(i)]
    await poke.poke(Kind.SUBSCRIPTION, account, differs, now, stale=True)
    return len(differs)


async def poke_what_is_credited(account: str, found: Sequence[CreditNoteShape], now: datetime) -> int:
    """Keep these credit notes, and poke their invoices; in the caller's transaction. Returns how many invoices."""
    invoices = sorted({shape.invoice_id for shape in found} - {""})
    await poke.poke(Kind.INVOICE, account, invoices, now, stale=True)
    await store_listed(account, found, now, now)
    return len(invoices)


async def poke_what_is_gone(account: str, walk: Walk, began_at: datetime, now: datetime) -> int:
    """Poke what lives for us and stood on no page of the walk that ends; in the caller's transaction."""
    if walk is Walk.SUBSCRIPTIONS:
        kind, rows = Kind.SUBSCRIPTION, await sql.rows(SUBSCRIPTIONS_GONE, account, list(GONE), began_at)
    elif walk in STATUS:
        kind, rows = Kind.INVOICE, await sql.rows(INVOICES_GONE, account, STATUS[walk], sorted(SETTLED), began_at)
    else:
        return 0
    gone = [row["id"] for row in rows]
    if walk is Walk.SUBSCRIPTIONS:
        await suspect(account, gone)
    await poke.poke(kind, account, gone, now, stale=True)
    return len(gone)


async def _mark_listed(kind: Kind, account: str, ids: Sequence[str], began_at: datetime) -> dict[str, str]:
    """The digests of those that we know, which are marked as seen by this walk."""
    DB.current("comparing objects")
    known = {row["id"]: row["digest"] for row in await sql.rows(KNOWN.format(kind), account, list(ids))}
    await sql.rows(LISTED.format(kind), account, sorted(known), began_at)
    return known
