"""The end of an invoice's recovery, as its account wants it: marked uncollectible, voided, its subscription cancelled;
and what somebody wants void.

That it has begun stands on the invoice before the first call, so that a worker that dies in between is followed by one
that finishes, and nobody finishes what staff began in Stripe themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from db import poke, sql
from db.engine import DB
from db.poke import Claim, Kind
from gateway.accounts.audit import LONGEST_REASON, Author
from gateway.billing import invoices
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoices import StripeInvoice
from gateway.billing.shapes import billed
from gateway.clock import business_now
from gateway.collect import record
from gateway.collect.load import Loaded
from gateway.collect.mirror import cancel_subscription
from gateway.domain.actions import GiveUp
from gateway.domain.billed import StripePayment
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

log = structlog.get_logger()

Close = Callable[[StripeClient, str], Awaitable[StripeInvoice]]
BEGIN = """
    update tollbridge.invoice set given_up_at = coalesce(given_up_at, $3), giving_up = $4 where account = $1 and id = $2
"""
DROP = "update tollbridge.invoice set void_asked_at = null where account = $1 and id = $2"


async def give_up(runtime: Runtime, claim: Claim, loaded: Loaded, action: GiveUp, now: datetime) -> None:
    """Do one step. Raises StripeError where Stripe does not do it; the next turn tries again."""
    async with DB.transaction():
        if await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S) != loaded.poked:
            # Something about the invoice changed since it was looked at (a new payment method, say): look again.
            return
        await sql.rows(BEGIN, claim.account, claim.id, now, action.step)
    log.info("given_up", invoice=claim.id, step=action.step, reason=action.reason)
    if action.step == "cancel_subscription":
        await _cancel(runtime, claim, loaded)
    else:
        close = invoices.void if action.step == "void" else invoices.mark_uncollectible
        await _close(runtime, claim, loaded, close)


async def void_by_hand(runtime: Runtime, claim: Claim, loaded: Loaded) -> None:
    """Void it, as somebody wants. Of what Stripe refuses and leaves as it was the audit log tells; no more is tried.

    Raises StripeError where Stripe does not answer; the next turn tries again.
    """
    if await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S) != loaded.poked:
        # Something about the invoice changed since it was looked at: look again.
        return
    try:
        await _close(runtime, claim, loaded, invoices.void)
    except StripeRefusedError as error:
        await end_voiding(claim, f"Stripe refused: {error}")


async def end_voiding(claim: Claim, refused: str) -> None:
    """Forget the wish: the invoice is void, or, by the audit log, why it can't be."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(DROP, claim.account, claim.id)
        if refused:
            # However much Stripe has to say, the turn must not fail for it.
            await Author("tollbridge", refused[:LONGEST_REASON]).note(claim.account, "invoice.void_refused", claim.id)


async def _close(runtime: Runtime, claim: Claim, loaded: Loaded, close: Close) -> None:
    """After a refusal the invoice is read: somebody paid or closed it meanwhile, or is paying it (law 6)."""
    assert loaded.view.invoice is not None, "what is closed was read"
    before = loaded.view.invoice.status
    try:
        await record.call(runtime, claim, loaded, lambda stripe: close(stripe, claim.id))
    except StripeRefusedError:
        answer = await record.call(runtime, claim, loaded, lambda stripe: invoices.read(stripe, claim.id))
        if answer.shape.status == before and billed(answer.shape).stripe_payment is StripePayment.NONE:
            raise


async def _cancel(runtime: Runtime, claim: Claim, loaded: Loaded) -> None:
    assert loaded.view.invoice is not None, "what is given up was read"
    subscription, now = loaded.view.invoice.subscription, await business_now()
    async with DB.transaction():
        # What its end closes is told in its own turn; and one that we have not heard of yet gets its row.
        await poke.poke(Kind.SUBSCRIPTION, claim.account, [subscription], now, stale=True)
    await cancel_subscription(runtime, claim.account, subscription)
