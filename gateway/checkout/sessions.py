"""What the API does with a session: store an intent, poke, wait on the row. Nothing here charges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from db.states import Collection, SessionState
from gateway.accounts.accounts import policy_of
from gateway.checkout.values import CheckoutError, CheckoutRequest
from gateway.clock import business_now
from gateway.customers import setups
from gateway.customers.client_secret import new_secret, sealed, secret_hash
from gateway.customers.offers import offers
from gateway.domain.routing import Asked, Offer
from gateway.runtime import Runtime
from gateway.waiting import until
from processors.values import SetupSession

CREATE_WAIT_S: Final = 5.0

SESSION = "select * from tollbridge.checkout_session where account = $1 and id = $2"
LIVE = """
    select * from tollbridge.checkout_session where account = $1 and client_reference = $2
      and state in ('creating', 'open', 'processing', 'complete')
"""
INSERT = """
    insert into tollbridge.checkout_session (id, account, client_reference, client_secret_hash, client_secret, state,
        request, customer, country, payment_method, confirmed_at, expires_at, created_at, collection)
    values ($1, $2, $3, $4, $5, 'creating', $6, $7, $8, $9, $10, $11, $12, $13)
    on conflict (account, client_reference) where state in ('creating', 'open', 'processing', 'complete') do nothing
    returning id
"""
AMOUNT = "select amount_due from tollbridge.invoice where account = $1 and id = $2"
COLLECTION: Final = "select tollbridge.collection($1, $2, '')"
CHARGES_NOTHING: Final = "nothing is charged in this checkout: its payer pays on Stripe's page of the invoice"
RESTS = """
    select exists (
        select 1 from tollbridge.checkout_session s
        where s.account = $1 and s.id = $2 and s.invoice <> '' and s.seen = s.poked and s.claimed_by is null
          and (exists (select 1 from tollbridge.attempt a where a.account = s.account and a.invoice = s.invoice
                       and a.state in ('pending', 'requires_action'))
               or exists (select 1 from tollbridge.invoice i where i.account = s.account and i.id = s.invoice
                          and (i.state = 'retrying' or i.collector = 'hosted' and i.status = 'open'))))
"""


async def open_session(runtime: Runtime, account: str, request: CheckoutRequest) -> asyncpg.Record:
    """The live session of this `client_reference`, or a new one; waits up to 5 s for Stripe's part of it.

    Raises CheckoutError: a request that can't be met, or `in_progress`.
    """
    _check(request)
    now = await business_now()
    live = await sql.row(LIVE, account, request.client_reference)
    if live is None:
        hosted = await _collection(account, request) is Collection.HOSTED
        if not hosted:
            await _refuse_without_method(account, request)
        elif request.payment_method:
            raise CheckoutError("invalid_request", CHARGES_NOTHING, "payment_method")
        live = await _insert(runtime, account, request, now)
    _refuse_other(live, request)
    session = await wait_for(account, live["id"], CREATE_WAIT_S, until_not=(SessionState.CREATING,))
    if session["state"] == SessionState.CREATING:
        raise CheckoutError("in_progress", "the session is still being made; ask again with the same client_reference")
    if session["state"] == SessionState.FAILED and not session["subscription"]:
        code, _, param = session["failure_code"].partition(":")
        raise CheckoutError(code, session["reason"], param)
    return session


async def _insert(runtime: Runtime, account: str, request: CheckoutRequest, now: datetime) -> asyncpg.Record:
    policy = await policy_of(account)
    # Settled now: what is sent under the session's key must not change with the policy.
    request = msgspec.structs.replace(request, days_until_due=request.days_until_due or policy.days_until_due)
    session, secret = new_id("cs"), new_secret(Kind.CHECKOUT)
    async with DB.transaction():
        inserted = await sql.row(
            INSERT,
            session,
            account,
            request.client_reference,
            secret_hash(secret),
            sealed(runtime.keyring, Kind.CHECKOUT, session, secret),
            msgspec.json.encode(request).decode(),
            request.customer,
            _country(request),
            request.payment_method or None,
            now if request.confirm else None,
            now + timedelta(hours=policy.session_hours),
            now,
            await _collection(account, request),
        )
        if inserted is not None:
            await poke.poke(Kind.CHECKOUT, account, [session], now)
    # Somebody else's session of the same reference, where two came at once.
    found = await sql.row(LIVE, account, request.client_reference)
    if found is None:
        raise CheckoutError("in_progress", "a session of this client_reference has just ended; ask again")
    return found


async def _collection(account: str, request: CheckoutRequest) -> Collection:
    """How the subscription's invoices will be collected, as things stand."""
    return request.collection or Collection(await sql.value(COLLECTION, account, request.customer))


def _country(request: CheckoutRequest) -> str:
    details = request.customer_details
    return details.address.country if details is not None and details.address is not None else ""


async def on_offer(row: asyncpg.Record) -> list[Offer]:
    """What this session's payer may choose, best first; nothing where the payer pays on Stripe's page."""
    if row["collection"] == Collection.HOSTED:
        return []
    request = msgspec.json.decode(row["request"], type=CheckoutRequest)
    asked = Asked(
        payer=row["customer"] or row["id"],
        currency=row["currency"],
        amount=await sql.value(AMOUNT, row["account"], row["invoice"]),
        country=row["country"],
        attributes=request.attributes,
    )
    return await offers(row["account"], asked)


def _refuse_other(live: asyncpg.Record, request: CheckoutRequest) -> None:
    """A reference names one checkout: another customer's, or another basket, must not open it (law 11); nor one that is
    paid in another way."""
    before = msgspec.json.decode(live["request"], type=CheckoutRequest)
    same_payer = request.customer in (before.customer, live["customer"])
    same_way = request.collection in (None, live["collection"])
    if not same_payer or request.items != before.items or not same_way:
        detail = "this client_reference is that of another checkout: use another, or wait for its end"
        raise CheckoutError("state_conflict", detail, "client_reference")


def _check(request: CheckoutRequest) -> None:
    if request.customer and request.customer_details is not None:
        raise CheckoutError("invalid_request", "give customer or customer_details, not both", "customer")
    if not request.customer and request.customer_details is None:
        raise CheckoutError("invalid_request", "give customer or customer_details", "customer")
    if request.payment_method and not request.confirm:
        raise CheckoutError("invalid_request", "payment_method goes with confirm", "payment_method")
    if request.confirm and not request.customer:
        raise CheckoutError("invalid_request", "confirm goes with an existing customer", "confirm")
    if any(not key or len(key) > 40 or "[" in key or "]" in key for key in request.metadata):
        raise CheckoutError("invalid_request", "keys are 1 to 40 characters without brackets", "metadata")


async def _refuse_without_method(account: str, request: CheckoutRequest) -> None:
    """A checkout that is confirmed at once needs a stored method that can be charged, before Stripe hears of it."""
    if not request.confirm:
        return
    if request.payment_method:
        await own_method(account, request.customer, request.payment_method)
        return
    active = await sql.value(
        """select exists (select 1 from tollbridge.payment_method p join tollbridge.connection c on c.id = p.connection
           where p.account = $1 and p.customer = $2 and p.status = 'active' and c.enabled
             and tollbridge.serves(p.account, p.id, ''))""",
        account,
        request.customer,
    )
    if not active:
        raise CheckoutError(
            "payment_method_needs_repair", "the customer has no payment method that can be charged", "payment_method"
        )


async def own_method(account: str, customer: str, method: str) -> str:
    """The connection of an active method of this very customer; raises CheckoutError."""
    row = await sql.row(
        """select p.connection, case when c.enabled then p.status else 'at a disabled connection' end as status
           from tollbridge.payment_method p join tollbridge.connection c on c.id = p.connection
           where p.account = $1 and p.customer = $2 and p.id = $3""",
        account,
        customer,
        method,
    )
    if row is None:
        raise CheckoutError("not_found", "the customer has no such payment method", "payment_method")
    if row["status"] != "active":
        raise CheckoutError("payment_method_needs_repair", f"it is {row['status']}", "payment_method")
    return str(row["connection"])


async def get_session(account: str, session: str) -> asyncpg.Record:
    """A session of this account; raises CheckoutError `not_found`."""
    row = await sql.row(SESSION, account, session)
    if row is None:
        raise CheckoutError("not_found", f"no checkout session {session}")
    return row


async def begin_setup(runtime: Runtime, account: str, session: str, processor: str, return_url: str) -> SetupSession:
    """Open a set-up at a processor for this session alone; raises SessionError. It moves no money."""
    row = await get_session(account, session)
    _refuse_unless_open(row, await business_now())
    chosen = next((offer for offer in await on_offer(row) if offer.name == processor), None)
    if chosen is None:
        raise CheckoutError("not_found", f"no processor {processor!r} is on offer for this session", "processor")
    connection = chosen.connection
    made = await setups.begin(runtime, row, connection, row["currency"], return_url)
    now = await business_now()
    async with DB.transaction():
        again = await sql.row(f"{SESSION} for no key update", account, session)
        assert again is not None, "sessions are not deleted"
        _refuse_unless_open(again, now)
        # Nobody asks for it before the payer confirms; from the session's end on it is due to be dropped.
        await setups.keep(runtime, account, (Kind.CHECKOUT, session), connection, made, now, look_at=now)
    return made


async def confirm(
    runtime: Runtime,
    account: str,
    session: str,
    *,
    payment_method: str = "",
    setup: str = "",
    client: Mapping[str, str] | None = None,
) -> None:
    """Store the intent to pay and poke; a repeat changes nothing. Raises CheckoutError.

    `setup` is what a redirect came back with: it must name the set-up of this very session. `client` is what the
    processor's client code gave the browser.
    """
    now = await business_now()
    async with DB.transaction():
        row = await sql.row(f"{SESSION} for no key update", account, session)
        if row is None:
            raise CheckoutError("not_found", f"no checkout session {session}")
        if row["state"] in (SessionState.PROCESSING, SessionState.COMPLETE, SessionState.FAILED):
            return
        _refuse_unless_open(row, now)
        hosted, connection = row["collection"] == Collection.HOSTED, row["connection"]
        if hosted and payment_method:
            raise CheckoutError("invalid_request", CHARGES_NOTHING, "payment_method")
        await setups.name(runtime, account, session, setup, client or {}, now)
        if payment_method:
            connection = await own_method(account, row["customer"], payment_method)
        elif not hosted and not await setups.open_setups(account, session):
            raise CheckoutError("payment_method_needs_repair", "no payment method was set up in this session", "setup")
        await sql.rows(
            """update tollbridge.checkout_session set state = 'processing', confirmed_at = $3, reason = '',
                   payment_method = $4, connection = $5, failure_code = ''
               where account = $1 and id = $2""",
            account,
            session,
            now,
            payment_method or None,
            connection,
        )
        await poke.poke(Kind.CHECKOUT, account, [session], now)


def _refuse_unless_open(row: asyncpg.Record, now: datetime) -> None:
    if row["state"] == SessionState.EXPIRED or (row["state"] == SessionState.OPEN and now >= row["expires_at"]):
        raise CheckoutError("session_expired", "the session has expired; open a new one")
    if row["state"] == SessionState.CREATING:
        raise CheckoutError("in_progress", "the session is still being made")
    if row["state"] != SessionState.OPEN:
        raise CheckoutError("session_not_open", f"the session is {row['state']}")


async def wait_for(
    account: str, session: str, wait_s: float, *, until_not: tuple[SessionState, ...] = (SessionState.PROCESSING,)
) -> asyncpg.Record:
    """The session's row once it has left these states, or after `wait_s` seconds of machine time as it is then."""

    async def rests(row: asyncpg.Record) -> bool:
        return row["state"] not in until_not or await _rests(row)

    return await until(rests, lambda: get_session(account, session), wait_s)


async def _rests(row: asyncpg.Record) -> bool:
    """Whether a processing session waits for what takes its time: the payer, a slow processor, the next try.

    In one look with the session's own rest: the end of a charge pokes it, and it may be about to end itself.
    """
    return bool(await sql.value(RESTS, row["account"], row["id"]))
