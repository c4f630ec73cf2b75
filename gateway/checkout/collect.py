"""From confirm to the end of a session: store the method, tell Stripe, let the invoice be collected."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind
from gateway.billing import subscriptions
from gateway.checkout.load import LoadedSession
from gateway.collect.references import method_reference
from gateway.customers import setups
from gateway.customers.methods import store_method, stripe_metadata
from gateway.runtime import Runtime
from gateway.turns.turn import NotYetError
from processors.values import SetupReady

UNRESOLVED = """
    select exists (select 1 from tollbridge.attempt where account = $1 and invoice = $2
                   and state in ('sending', 'pending', 'requires_action', 'unknown', 'succeeded') and not surplus)
"""
OF_SUBSCRIPTION = """
    select id from tollbridge.invoice
    where account = $1 and subscription = $2 and subscription <> '' and status in ('draft', 'open')
"""
BACK_TO_OPEN = """
    update tollbridge.checkout_session set state = 'open', confirmed_at = null,
        failure_code = $4, reason = $5
    where account = $1 and id = $2 and claimed_by = $3 and state = 'processing'
"""
LEAVE_TO_PAYER = """
    update tollbridge.checkout_session set state = 'processing'
    where account = $1 and id = $2 and claimed_by = $3 and state = 'creating'
"""
STORE_METHOD = """
    update tollbridge.checkout_session set payment_method = $4, connection = $5
    where account = $1 and id = $2 and claimed_by = $3 returning id
"""
END = """
    update tollbridge.checkout_session set state = $4, failure_code = $5, reason = $6
    where account = $1 and id = $2 and claimed_by = $3 and state = $7 returning id
"""


async def confirm_at_once(claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """A session that was opened with `confirm`: collect it with the method named, or the customer's first; or leave it
    to its payer, on Stripe's page."""
    if loaded.view.hosted:
        await sql.rows(LEAVE_TO_PAYER, claim.account, claim.id, claim.holder)
        return
    method = loaded.view.payment_method or await sql.value(
        """select p.id from tollbridge.payment_method p join tollbridge.connection c on c.id = p.connection
           where p.account = $1 and p.customer = $2 and p.status = 'active' and c.enabled
             and tollbridge.serves(p.account, p.id, '')
           order by p.position, p.created_at limit 1""",
        claim.account,
        loaded.view.customer,
    )
    if method is None:
        await fail(claim, loaded, "payment_method_needs_repair", "the customer's payment method is gone", now)
        return
    await sql.rows(
        """update tollbridge.checkout_session set state = 'processing', payment_method = $4,
               connection = (select connection from tollbridge.payment_method where id = $4)
           where account = $1 and id = $2 and claimed_by = $3 and state = 'creating'""",
        claim.account,
        claim.id,
        claim.holder,
        method,
    )


async def complete_setup(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """Ask the processor what has become of the set-up, and store the method. Raises NotYetError, CallError."""

    async def store(setup: asyncpg.Record, made: SetupReady) -> None:
        customer, connection = loaded.view.customer, setup["connection"]
        stored = await store_method(runtime, claim.account, customer, connection, made.method, made.card, now)
        if await sql.row(STORE_METHOD, claim.account, claim.id, claim.holder, stored, connection) is None:
            raise ClaimLostError(claim.id)

    looked = await setups.look(runtime, claim, store)
    if looked.stored:
        return
    if looked.pending:
        raise NotYetError
    await sql.rows(BACK_TO_OPEN, claim.account, claim.id, claim.holder, "setup_failed", looked.failure)


async def tell_stripe(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """Write the processor's references to the Stripe customer, then let the invoice be finalized and collected."""
    if loaded.policy.token_metadata == "reference":  # noqa: S105 (a choice, not a secret)
        await _write_references(runtime, claim, loaded)
    await release(claim, loaded, now)


async def _write_references(runtime: Runtime, claim: Claim, loaded: LoadedSession) -> None:
    method = loaded.view.payment_method
    name = await sql.value(
        """select c.name from tollbridge.connection c join tollbridge.payment_method p on p.connection = c.id
           where p.account = $1 and p.id = $2""",
        claim.account,
        method,
    )
    reference = await method_reference(runtime, claim.account, method)
    stripe = await runtime.stripe(claim.account)
    await subscriptions.update_customer(stripe, loaded.view.customer, {"metadata": stripe_metadata(name, reference)})


async def release(claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """The session is confirmed: its invoice is not held any more."""
    async with DB.transaction():
        await sql.rows(
            "update tollbridge.checkout_session set told_stripe = true where account = $1 and id = $2",
            claim.account,
            claim.id,
        )
        if loaded.view.invoice:
            await poke.poke(Kind.INVOICE, claim.account, [loaded.view.invoice], now, urgent=True)
        else:
            # Nothing is due at first: access waits for the checkout alone.
            await poke.poke(Kind.SUBSCRIPTION, claim.account, [loaded.view.subscription], now, urgent=True)


async def fail(claim: Claim, loaded: LoadedSession, code: str, reason: str, now: datetime) -> None:
    """End the session without its money, unless money is on its way at this moment."""
    await _end(claim, loaded, "failed", code, reason, now)


async def expire(claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    await _end(claim, loaded, "expired", "session_expired", "not confirmed in time", now)


async def _end(claim: Claim, loaded: LoadedSession, state: str, code: str, reason: str, now: datetime) -> None:
    """Sessions before invoices: the charge checks the invoice's counter under this same lock."""
    invoice = loaded.view.invoice
    async with DB.transaction():
        was = loaded.row["state"]
        if await sql.row(END, claim.account, claim.id, claim.holder, state, code, reason, was) is None:
            # The payer has confirmed since this was decided, or the claim is lost: the next round sees it.
            return
        if not invoice:
            return
        # Its younger invoices too: what is under way for them is withdrawn before the subscription is ended.
        younger = [r["id"] for r in await sql.rows(OF_SUBSCRIPTION, claim.account, loaded.view.subscription)]
        await poke.poke(Kind.INVOICE, claim.account, [invoice, *younger], now)
        if code != "action_abandoned" and await sql.value(UNRESOLVED, claim.account, invoice):
            # A charge went out between the look and this lock: the session waits for how it ends.
            raise NotYetError
