"""After a session failed or expired: its subscription, its invoice and its payment method are ended, each once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from db import poke
from db.engine import DB
from db.poke import Claim, Kind
from gateway.billing import invoices
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoices import StripeInvoice
from gateway.checkout.load import LoadedSession
from gateway.clock import business_now
from gateway.collect import mirror
from gateway.customers import methods
from gateway.runtime import Runtime


async def read_invoice(runtime: Runtime, claim: Claim, loaded: LoadedSession) -> None:
    """Look at the live invoice before anything is ended on its account."""
    await _look(runtime, claim, loaded.view.invoice, invoices.read)


async def _look(
    runtime: Runtime, claim: Claim, invoice: str, call: Callable[[StripeClient, str], Awaitable[StripeInvoice]]
) -> StripeInvoice:
    """One call about the invoice; its answer is the mirror, and the invoice's own `advance` hears of it."""
    answer = await mirror.ask(runtime, claim.account, invoice, call)
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, claim.account, [invoice], await business_now())
    return answer


async def close_invoice(runtime: Runtime, claim: Claim, loaded: LoadedSession) -> None:
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
