"""A session in which a payer gives Stripe itself a payment method: then Stripe collects the subscriptions with it.

On the merchant's page, with a SetupIntent's client secret, which is fetched whenever it is wanted and kept nowhere; or
on Stripe's own portal. What has come of it, Stripe is asked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind
from db.states import Collector, MethodSessionState, OpenInvoices
from gateway.billing import setups, subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeUnknownError
from gateway.billing.setups import SetupIntentShape
from gateway.billing.shapes import id_of
from gateway.clock import business_now
from gateway.collect import switch_wish
from gateway.customers.errors import SessionError
from gateway.customers.method_sessions import SESSION, get_session, refuse_unless_live
from gateway.domain.method_session import FIRST_LOOK, next_look
from gateway.domain.routing import STRIPE
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.values import SetupSession

INTENT: Final = """
    update tollbridge.payment_method_session set setup_intent = coalesce(setup_intent, $3),
        look_at = coalesce(look_at, $4)
    where account = $1 and id = $2 returning setup_intent
"""
LOST: Final = """
    update tollbridge.payment_method_session set intents_lost = intents_lost + 1
    where account = $1 and id = $2 and intents_lost = $3
"""
PORTAL: Final = "update tollbridge.payment_method_session set portal_at = $3 where account = $1 and id = $2"
COMPLETE: Final = """
    update tollbridge.payment_method_session
    set state = 'complete', stripe_payment_method = $4, failure_code = '', reason = '', look_at = null
    where account = $1 and id = $2 and claimed_by = $3 and state in ('open', 'processing') returning id
"""
LOOK_AGAIN: Final = """
    update tollbridge.payment_method_session set look_at = $4, looks = looks + 1, state = $5, failure_code = $6,
        reason = $7
    where account = $1 and id = $2 and claimed_by = $3 and state in ('open', 'processing')
"""
LIVING: Final = """
    select id from tollbridge.subscription
    where account = $1 and customer = $2 and ended_at is null and ($3::text is null or id = $3)
    order by id for no key update
"""


async def begin(runtime: Runtime, account: str, session: str, return_url: str, *, portal: bool) -> SetupSession:
    """What the payer's browser needs: a SetupIntent's client secret, or an address of Stripe's portal.

    Raises SessionError, StripeError. It moves no money.
    """
    row, now = await get_session(account, session), await business_now()
    refuse_unless_live(row, now)
    stripe = await runtime.stripe(account)
    if portal:
        opened = await setups.open_portal(stripe, row["customer"], return_url)
        await _note(account, session, PORTAL, now)
        return SetupSession(processor_ref="", redirect_url=opened.url)
    if row["setup_intent"]:
        made = await setups.read_intent(stripe, row["setup_intent"])
    else:
        made = await _create(stripe, row)
    kept = await _note(account, session, INTENT, made.id, now + FIRST_LOOK)
    if kept != made.id:
        # Another call was quicker, under another key: only what stands in our row is looked at.
        made = await setups.read_intent(stripe, kept)
    return SetupSession(processor_ref=made.id, client={"setup_intent_client_secret": made.client_secret or ""})


async def look(runtime: Runtime, claim: Claim, row: asyncpg.Record, now: datetime) -> None:
    """Ask Stripe what the payer has done; where a method was given, its subscriptions are to be switched to it."""
    stripe, method = await runtime.stripe(claim.account), ""
    intent = await setups.read_intent(stripe, row["setup_intent"]) if row["setup_intent"] else None
    if intent is not None and intent.status == "succeeded":
        method = id_of(intent.payment_method)
    elif row["portal_at"] is not None and row["state"] == MethodSessionState.PROCESSING:
        customer = await subscriptions.read_customer(stripe, row["customer"])
        method = id_of(customer.invoice_settings.default_payment_method) if customer.invoice_settings else ""
    if method:
        await _complete(claim, row, method)
        return
    failure = _failure(row, intent)
    waits = intent is not None and intent.status not in ("canceled", "succeeded")
    again = next_look(now, row["looks"], row["expires_at"]) if waits else None
    state = MethodSessionState.OPEN if failure else MethodSessionState(row["state"])
    told = ("setup_failed", failure) if failure else (row["failure_code"], row["reason"])
    await sql.rows(LOOK_AGAIN, claim.account, claim.id, claim.holder, again, state, *told)


async def _complete(claim: Claim, row: asyncpg.Record, method: str) -> None:
    now = await business_now()
    asked = switch_wish.Asked(
        Collector.STRIPE, stripe_payment_method=method, open_invoices=OpenInvoices(row["open_invoices"])
    )
    async with DB.transaction():
        # Sessions are locked before subscriptions.
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await sql.row(COMPLETE, claim.account, claim.id, claim.holder, method) is None:
            raise ClaimLostError(claim.id)
        for one in await sql.rows(LIVING, claim.account, row["customer"], row["subscription"]):
            await switch_wish.want(claim.account, one["id"], asked, now, by_payer=True)


def _failure(row: asyncpg.Record, intent: SetupIntentShape | None) -> str:
    """Why nothing came of it so far; empty while something may, and nobody has said that the payer is done."""
    if row["state"] != MethodSessionState.PROCESSING or (intent is not None and intent.status == "processing"):
        return ""
    if intent is None:
        return "the customer has no default payment method at Stripe"
    error = intent.last_setup_error
    words = (error.message or error.code) if error is not None else None
    return sql.storable(words or f"the SetupIntent is {intent.status}", 500)


async def _create(stripe: StripeClient, row: asyncpg.Record) -> SetupIntentShape:
    try:
        return await setups.create_intent(stripe, row["customer"], row["id"], row["intents_lost"])
    except StripeUnknownError:
        await sql.rows(LOST, row["account"], row["id"], row["intents_lost"])
        raise


async def _note(account: str, session: str, statement: str, *values: object) -> Any:
    """Write down what was begun for a session that is still open; what the statement returns."""
    now = await business_now()
    async with DB.transaction():
        refuse_unless_live(await sql.row(f"{SESSION} for no key update", account, session), now)
        noted = await sql.value(statement, account, session, *values)
        await poke.poke(Kind.METHOD_SESSION, account, [session], now)
    return noted


def refuse_for_processors(processor: str) -> None:
    """Raise SessionError for a processor's name where Stripe keeps the method."""
    if processor != STRIPE:
        raise SessionError("not_found", f"no processor {processor!r} is on offer for this session", "processor")
