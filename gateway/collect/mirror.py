"""The mirror: Stripe's last answer about an invoice, a subscription or a credit note, kept on its row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.billing import subscriptions
from gateway.billing.client import StripeClient, from_unix
from gateway.billing.impersonal import without_person
from gateway.billing.invoices import StripeInvoice
from gateway.billing.mails import hash_of
from gateway.billing.names import name_words
from gateway.billing.shapes import SubscriptionShape, billed, id_of, invoice_digest
from gateway.clock import business_now
from gateway.collect.unsettled import unsettled
from gateway.domain.billed import REMAINDER_KEY
from gateway.domain.forgotten import named
from gateway.runtime import Runtime

STORE = """
    with kept as (update tollbridge.invoice set
        snapshot = $3, read_at = $4, stale = (poked <> $5), status = $6, customer = $7, number = $9,
        -- Of one that bills another's rest it is that one's, which Stripe does not tell.
        subscription = coalesce(nullif($8, ''), subscription),
        billing_reason = $10, digest = $11, currency = $12, amount_due = $13, amount_remaining = $14, total = $15,
        stripe_created_at = $16, due_date = $17, paid_at = $18, names_rest = $19, collection_method = $20,
        mail_hash = $21, stripe_took = $23,
        -- Settled with the first look, as it may be paid by then; later it changes in its own turn alone.
        collector = case when collector is null and read_at is null and $20 = 'send_invoice'
            and tollbridge.collection($1, $7, coalesce(nullif($8, ''), subscription)) = 'hosted' then 'hosted'
            else collector end
    where account = $1 and id = $2 and (read_at is null or read_at <= $4) returning id)
    -- In one order, as two invoices of a customer may be kept at once.
    insert into tollbridge.customer_word (account, customer, word)
    select $1, $7, called.word from kept, unnest($22::text[]) called(word) where $7 <> '' order by called.word
    on conflict do nothing
"""
STORE_DELETED = """
    update tollbridge.invoice set status = 'deleted', stale = false, snapshot = coalesce(snapshot, $5),
        read_at = $3, digest = $4,
        amount_remaining = 0, amount_due = 0
    where account = $1 and id = $2 and status in ('', 'draft', 'deleted')
"""

STORE_SUBSCRIPTION = """
    update tollbridge.subscription set customer = $3, status = $4, collection_method = $5, pause_behavior = $6,
        paused_at = case when $6 <> '' then coalesce(paused_at, $11) end, cancel_at_period_end = $7, ended_at = $8,
        digest = $9, trial_end = $12, stale = (poked <> $10), read_at = $11,
        days_until_due = $13, cancel_at = $14, schedule = $15, ends_by = case when $7 then ends_by end,
        left_at = case when $5 = 'send_invoice' then null
                        when $5 = 'charge_automatically' and collection_method = 'send_invoice' then $11
                        else left_at end,
        products = $16, prices = $17, began_without_invoice = began_without_invoice or $18
    where account = $1 and id = $2 and (read_at is null or read_at <= $11)
    returning id
"""
ERASED: Final = """
    select exists (select 1 from tollbridge.customer where account = $1 and id = $2 and erase_asked_at is not null)
"""
UNKNOWN: Final = """
    select $2::text as id
    where $2 <> '' and not exists (select 1 from tollbridge.invoice where account = $1 and id = $2)
"""
# Whose it is must not be unknown until it is read: the payment methods that it needs would be deleted before that.
OWN_LAST: Final = """
    update tollbridge.invoice set customer = $3, subscription = $4
    where account = $1 and id = $2 and read_at is null and customer = ''
"""
INVOICE_POKED: Final = "select poked from tollbridge.invoice where account = $1 and id = $2"
# Whether it was ours, and is not any more by what Stripe shows now.
LEAVES: Final = """
    select exists (select 1 from tollbridge.subscription
                   where account = $1 and id = $2 and ended_at is null
                     and ($3 or $4 = 'charge_automatically' and collection_method = 'send_invoice'))
"""
METHODS: Final = """
    select id from tollbridge.payment_method where account = $1 and customer = $2 and status <> 'revoked'
"""
SUBSCRIPTION_POKED: Final = "select poked from tollbridge.subscription where account = $1 and id = $2"


async def ask(
    runtime: Runtime, account: str, invoice: str, call: Callable[[StripeClient, str], Awaitable[StripeInvoice]]
) -> StripeInvoice:
    """One call about an invoice, by who holds no claim on it; its answer is the mirror. Raises StripeError."""
    stripe = await runtime.stripe(account)
    poked = await sql.value(INVOICE_POKED, account, invoice)
    asked_at = await business_now()
    answer = await call(stripe, invoice)
    await store(account, answer, read_at=asked_at, poked=poked or 0)
    return answer


async def cancel_subscription(runtime: Runtime, account: str, subscription: str) -> None:
    """Cancel at Stripe at once; our row shows it as ended. Raises StripeError."""
    shape = await subscriptions.cancel(await runtime.stripe(account), subscription)
    poked = await sql.value(SUBSCRIPTION_POKED, account, shape.id)
    # An end is final: it stands above every look that began before it was answered.
    now = await business_now()
    async with DB.transaction():
        await store_subscription(account, shape, poked or 0, now)
        # Access ends with it, whether or not an event of Stripe's comes.
        await poke.poke(Kind.SUBSCRIPTION, account, [shape.id], now)


async def store(account: str, answer: StripeInvoice, *, read_at: datetime, poked: int) -> None:
    """Keep an answer to what was asked for at `read_at`. A look is as old as its request: Stripe may show that moment.

    `poked` is the counter read before the call: a poke since then makes the row stale at once.
    """
    read_at += answer.waited
    invoice = billed(answer.shape)
    digest = invoice_digest(answer.shape)
    if invoice.status == "deleted":
        # A deleted draft answers with hardly more than its id: what we knew of it stays.
        await sql.rows(STORE_DELETED, account, invoice.id, read_at, digest, answer.raw)
        return
    # Whoever was erased does not come back with what Stripe still shows.
    erased = await sql.value(ERASED, account, invoice.customer)
    await sql.rows(
        STORE,
        account,
        invoice.id,
        without_person(answer.raw) if erased else answer.raw,
        read_at,
        poked,
        invoice.status,
        invoice.customer,
        invoice.subscription,
        invoice.number,
        invoice.billing_reason,
        digest,
        invoice.currency,
        invoice.amount_due,
        invoice.amount_remaining,
        invoice.total,
        invoice.created,
        invoice.due_date,
        invoice.paid_at,
        # By the same test as the look for it: what names no invoice is nobody's rest.
        named(invoice, REMAINDER_KEY),
        invoice.collection_method,
        None if erased else hash_of(account, answer.raw),
        [] if erased else name_words(answer.raw),
        invoice.stripe_took,
    )


async def store_subscription(account: str, shape: SubscriptionShape, poked: int, now: datetime) -> None:
    """Keep what Stripe shows to who asked at `now`; its unsettled invoices are poked where anything of it changed.

    So are its customer's payment methods where it has ended, or is Stripe's to collect now: nothing may need them any
    more. A look that is older than
    what we have changes nothing.
    """
    async with DB.transaction():
        ended = shape.ended_at is not None
        if await sql.value(LEAVES, account, shape.id, ended, shape.collection_method):
            # Payment methods are locked before subscriptions.
            methods = [row["id"] for row in await sql.rows(METHODS, account, id_of(shape.customer))]
            await poke.poke(Kind.METHOD, account, methods, now)
        before = await sql.value(
            "select digest from tollbridge.subscription where account = $1 and id = $2 for no key update",
            account,
            shape.id,
        )
        kept = await sql.row(
            STORE_SUBSCRIPTION,
            account,
            shape.id,
            id_of(shape.customer),
            shape.status,
            shape.collection_method,
            shape.pause_collection.behavior if shape.pause_collection else "",
            shape.cancel_at_period_end,
            from_unix(shape.ended_at),
            shape.digest,
            poked,
            now,
            from_unix(shape.trial_end),
            shape.days_until_due,
            from_unix(shape.cancel_at),
            id_of(shape.schedule),
            shape.products,
            shape.prices,
            # Of metered prices alone the first invoice comes with the first period's end (docs: billing_mode flexible).
            id_of(shape.latest_invoice) == "",
        )
        if kept is not None and shape.ended_at is not None:
            # What bills its last may not have been told of yet, and still needs the payment methods.
            last = id_of(shape.latest_invoice)
            unknown = [row["id"] for row in await sql.rows(UNKNOWN, account, last)]
            await poke.poke(Kind.INVOICE, account, unknown, now, stale=True)
            await sql.rows(OWN_LAST, account, last, id_of(shape.customer), shape.id)
        if kept is not None and before != shape.digest:
            # Of one that was new too: its invoices may have been looked at before its pause was known.
            await poke.poke(Kind.INVOICE, account, await unsettled(account, "subscription", [shape.id]), now)
