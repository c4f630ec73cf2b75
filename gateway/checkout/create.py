"""Making a session's customer, subscription and draft at Stripe, each once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from db import poke, sql
from db.engine import DB
from db.ids import derived_key
from db.poke import Claim, Kind
from gateway.billing import invoices, subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.shapes import SESSION_KEY, CustomerShape, SubscriptionShape, id_of
from gateway.billing.subscriptions import MadeSubscription
from gateway.checkout.load import LoadedSession
from gateway.checkout.values import Item, customer_params
from gateway.collect import mirror
from gateway.collect.mirror import store_subscription
from gateway.runtime import Runtime

KEY_LIFE: Final = timedelta(hours=23)
"""Stripe keeps an idempotency key for 24 hours; an older one protects nothing."""

REFUSE = """
    update tollbridge.checkout_session set state = 'failed', failure_code = $4, reason = $5
    where account = $1 and id = $2 and claimed_by = $3 and state = 'creating'
"""
COLLECT = "update tollbridge.subscription set collection = $3 where account = $1 and id = $2"
STORE_MADE = """
    update tollbridge.checkout_session set subscription = $4, invoice = $5, currency = $6
    where account = $1 and id = $2 and claimed_by = $3
"""


async def customer(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """Create the Stripe customer under a key of this session's, or find the one that a lost answer left behind."""
    request = loaded.request
    params = customer_params(
        request.customer_details,
        # Who pays on Stripe's page may be sent there by Stripe's own mails.
        mails_off=loaded.policy.stripe_mails_off or loaded.view.hosted,
        taxed=request.automatic_tax,
    )
    params["metadata"] = {SESSION_KEY: claim.id}
    stripe = await runtime.stripe(claim.account)
    made: CustomerShape | None = None
    try:
        if _must_look(loaded, now):
            made = await subscriptions.find_customer(stripe, claim.id, loaded.row["created_at"])
        made = made or await subscriptions.create_customer(stripe, params, _key(loaded, "customer"))
    except StripeRefusedError as error:
        await _refuse(claim, error, "customer_details")
        return
    await sql.rows(
        "update tollbridge.checkout_session set customer = $4 where account = $1 and id = $2 and claimed_by = $3",
        claim.account,
        claim.id,
        claim.holder,
        made.id,
    )


async def subscription(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """Create the subscription, or find the one that a lost answer left behind; keep its draft as the mirror."""
    stripe = await runtime.stripe(claim.account)
    made: MadeSubscription | None = None
    try:
        if _must_look(loaded, now):
            made = await subscriptions.find_made(stripe, loaded.view.customer, claim.id)
        if made is None:
            params = await _subscription_params(runtime, claim, loaded)
            if params is None:
                return
            made = await subscriptions.create(stripe, params, _key(loaded, "subscription"))
    except StripeRefusedError as error:
        await _refuse(claim, error, "items")
        return
    await _store_made(claim, loaded, made, now)


async def find_subscription(runtime: Runtime, claim: Claim, loaded: LoadedSession, now: datetime) -> None:
    """A session that ended while it was being made: what a lost answer left behind at Stripe must be ended too."""
    made = await subscriptions.find_made(await runtime.stripe(claim.account), loaded.view.customer, claim.id)
    if made is not None:
        await _store_made(claim, loaded, made, now)
    await sql.rows(
        "update tollbridge.checkout_session set looked_for_subscription = true where account = $1 and id = $2",
        claim.account,
        claim.id,
    )


async def hold_draft(runtime: Runtime, claim: Claim, loaded: LoadedSession) -> None:
    """Keep Stripe from finalizing the first draft before the payer has confirmed."""
    account, invoice = claim.account, loaded.view.invoice
    try:
        await mirror.ask(runtime, account, invoice, lambda s, i: invoices.update(s, i, {"auto_advance": False}))
    except StripeRefusedError:
        # It is no draft any more (an hour has passed, or staff finalized it): it goes on as it is.
        answer = await mirror.ask(runtime, account, invoice, invoices.read)
        if answer.shape.status == "draft":
            raise


async def _subscription_params(runtime: Runtime, claim: Claim, loaded: LoadedSession) -> dict[str, Any] | None:
    request = loaded.request
    params: dict[str, Any] = {
        "customer": loaded.view.customer,
        "items": [_item(item) for item in request.items],
        "collection_method": "send_invoice",
        "days_until_due": request.days_until_due,
        "metadata": {**request.metadata, SESSION_KEY: claim.id},
    }
    if request.default_tax_rates:
        params["default_tax_rates"] = request.default_tax_rates
    if request.automatic_tax:
        params["automatic_tax"] = {"enabled": True}
    if request.trial_period_days:
        params["trial_period_days"] = request.trial_period_days
    if request.promotion_code:
        stripe = await runtime.stripe(claim.account)
        code = await subscriptions.find_promotion_code(stripe, request.promotion_code)
        if code is None:
            await _store_refusal(claim, "invalid_request:promotion_code", "no such promotion code is active")
            return None
        params["discounts"] = [{"promotion_code": code.id}]
    return params


def _item(item: Item) -> dict[str, Any]:
    # Stripe takes no quantity for a metered price, and 1 for any other where none is named.
    return {"price": item.price} | ({} if item.quantity is None else {"quantity": item.quantity})


async def _store_made(claim: Claim, loaded: LoadedSession, made: MadeSubscription, now: datetime) -> None:
    """Keep ids and mirrors in one transaction, so that a session that has a subscription also knows its draft."""
    shape: SubscriptionShape = made.subscription
    invoice = id_of(shape.latest_invoice)
    async with DB.transaction():
        await sql.rows(STORE_MADE, claim.account, claim.id, claim.holder, shape.id, invoice, shape.currency)
        await poke.poke(Kind.SUBSCRIPTION, claim.account, [shape.id], now)
        if made.invoice is not None:
            await poke.poke(Kind.INVOICE, claim.account, [invoice], now, urgent=True)
        await store_subscription(claim.account, shape, 1, now)
        if loaded.request.collection is not None:
            await sql.rows(COLLECT, claim.account, shape.id, loaded.request.collection)
        if made.invoice is not None:
            await mirror.store(claim.account, made.invoice, read_at=now, poked=1)


async def _refuse(claim: Claim, error: StripeRefusedError, param: str) -> None:
    await _store_refusal(claim, f"stripe_refused:{error.param or param}", str(error))


async def _store_refusal(claim: Claim, code: str, reason: str) -> None:
    await sql.rows(REFUSE, claim.account, claim.id, claim.holder, code, sql.storable(reason, 500))


def _round(loaded: LoadedSession) -> int:
    """Which key to use: the first failure may be a lost answer, which the same key gives again; later ones are not."""
    return max(0, int(loaded.row["failures"]) - 1)


def _must_look(loaded: LoadedSession, now: datetime) -> bool:
    """The key is dead, or keeps a 500 for ever: look before making another (law 11)."""
    return _round(loaded) > 0 or now - loaded.row["created_at"] > KEY_LIFE


def _key(loaded: LoadedSession, what: str) -> str:
    return derived_key("checkout", loaded.row["account"], loaded.row["id"], what, str(_round(loaded)))
