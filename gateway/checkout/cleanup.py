"""After a session failed or expired: its subscription, its invoice and its payment method are ended, each once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from db import poke, sql
from db.engine import DB
from db.poke import Claim, Kind
from gateway.billing import invoices, subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoices import StripeInvoice
from gateway.checkout.load import LoadedSession
from gateway.clock import business_now
from gateway.collect import mirror
from gateway.collect.mirror import store_subscription
from gateway.customers import methods
from gateway.runtime import Runtime


async def cancel_subscription(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """Cancel at Stripe at once; our row shows it as ended."""
    shape = await subscriptions.cancel(await runtime.stripe(claim.account), loaded.view.subscription)
    poked = await sql.value(
        "select poked from tollbridge.subscription where account = $1 and id = $2", claim.account, shape.id
    )
    # An end is final: it stands above every look that began before it was answered.
    await store_subscription(claim.account, shape, poked or 0, await business_now())


async def read_invoice(runtime: Runtime, claim: Claim, loaded: LoadedSession) -> None:
    """Look at the live invoice before anything is ended on its account."""
    await _look(runtime, claim, loaded.view.invoice, invoices.read)


async def _look(
    runtime: Runtime, claim: Claim, invoice: str, call: Callable[[StripeClient, str], Awaitable[StripeInvoice]]
) -> StripeInvoice:
    """One call about the invoice; its answer is the mirror, and the invoice's own `advance` hears of it."""
    stripe = await runtime.stripe(claim.account)
    poked = await sql.value(
        "select poked from tollbridge.invoice where account = $1 and id = $2", claim.account, invoice
    )
    asked_at = await business_now()
    answer = await call(stripe, invoice)
    await mirror.store(claim.account, answer, read_at=asked_at, poked=poked or 0)
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, claim.account, [invoice], asked_at)
    return answer


async def close_invoice(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """An expired session's draft is finalized and voided; a failed one's invoice is marked uncollectible.

    One call a turn: the invoice's mirror says what comes next.
    """
    call = invoices.mark_uncollectible
    if loaded.view.invoice_status == "draft":
        call = invoices.finalize
    elif loaded.row["state"] == "expired":
        call = invoices.void
    try:
        await _look(runtime, claim, loaded.view.invoice, call)
    except StripeRefusedError:
        answer = await _look(runtime, claim, loaded.view.invoice, invoices.read)
        if answer.shape.status == loaded.view.invoice_status:
            raise


async def revoke_method(loaded: LoadedSession, now: datetime) -> None:
    """The method that this session stored, where nothing else needs it: its own upkeep does it."""
    async with DB.transaction():
        await methods.want_revoked(loaded.row["account"], loaded.view.payment_method, now)
