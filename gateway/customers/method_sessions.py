"""What the API does with a payment-method session: store an intent, poke, wait on the row. The worker does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from db.states import SETTLED, MethodSessionState, OpenInvoices
from gateway.accounts.accounts import policy_of
from gateway.accounts.named import connection_named
from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.shapes import CustomerShape
from gateway.clock import business_now
from gateway.customers import setups
from gateway.customers.client_secret import new_secret, sealed, secret_hash
from gateway.customers.customer import keep
from gateway.customers.errors import SessionError
from gateway.customers.offers import Attributes, Country, offers
from gateway.domain.method_session import FIRST_LOOK
from gateway.domain.routing import STRIPE, Asked, Offer
from gateway.runtime import Runtime
from gateway.waiting import until
from processors.values import SetupSession

SESSION: Final = "select * from tollbridge.payment_method_session where account = $1 and id = $2"
CUSTOMER: Final = """
    select c.deleted_at,
        (select i.currency from tollbridge.invoice i
         where i.account = c.account and i.customer = c.id and i.currency <> ''
         order by i.state = any($3), i.stripe_created_at desc nulls last, i.id desc limit 1) as currency
    from tollbridge.customer c where c.account = $1 and c.id = $2
"""
INSERT: Final = """
    insert into tollbridge.payment_method_session (id, account, customer, client_secret_hash, client_secret, state,
        connection, currency, return_url, country, attributes, expires_at, created_at, at_stripe, subscription,
        open_invoices, by_token)
    values ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    on conflict (account, customer, coalesce(connection, ''), at_stripe, coalesce(subscription, ''), return_url,
        by_token)
        where state in ('open', 'processing')
        do update set expires_at = excluded.expires_at, country = excluded.country, attributes = excluded.attributes,
            open_invoices = excluded.open_invoices
    returning *
"""
PROCESSING: Final = """
    update tollbridge.payment_method_session set state = 'processing', failure_code = '', reason = '',
        look_at = case when at_stripe then $3 else look_at end, looks = 0
    where account = $1 and id = $2
"""
OF_CUSTOMER: Final = """
    select exists (select 1 from tollbridge.subscription
                   where account = $1 and id = $2 and customer = $3 and ended_at is null)
"""


class MethodSessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """For whom another payment method is wanted, and how it may be given."""

    customer: Annotated[
        str,
        # It becomes part of an address at Stripe.
        msgspec.Meta(pattern="^[A-Za-z0-9_-]+$", max_length=255, description="The customer's id at Stripe: cus_…"),
    ]
    connection: Annotated[
        str,
        msgspec.Meta(
            max_length=63,
            description="The name of the only one on offer; all that fit without it. `stripe`: Stripe keeps the "
            "method, and collects with it what follows.",
        ),
    ] = ""
    subscription: Annotated[
        str,
        msgspec.Meta(
            pattern="^[A-Za-z0-9_-]*$",
            max_length=255,
            description="For which alone the method is given: sub_…; without it for all of the customer's.",
        ),
    ] = ""
    open_invoices: Annotated[
        OpenInvoices,
        msgspec.Meta(description="With `stripe`: we collect what is open to its end (`finish`), or Stripe pays it."),
    ] = OpenInvoices.FINISH
    return_url: Annotated[
        str,
        msgspec.Meta(
            pattern="^(https?://[^ ]+)?$",
            max_length=2000,
            description="Where our page leads the payer in the end.",
        ),
    ] = ""
    currency: Annotated[
        str,
        msgspec.Meta(
            pattern="^([a-z]{3})?$",
            description="Of the customer's invoices; needed only where there is none yet and Stripe knows no currency.",
        ),
    ] = ""
    country: Country = ""
    attributes: Attributes = {}


async def open_session(
    runtime: Runtime, account: str, request: MethodSessionRequest, *, by_token: bool = False
) -> asyncpg.Record:
    """A session of this customer's, or the live one that was asked for alike, which then lives on from now.

    `by_token`: a browser asks, with an organization's token; what the merchant has said stays in a session of its own.
    Raises SessionError; StripeError where only Stripe could know the customer, and can't be asked.
    """
    at_stripe = request.connection == STRIPE
    connection = None if at_stripe else await _connection(account, request.connection)
    currency = await _currency(runtime, account, request)
    await _refuse_strangers(account, request)
    asked = Asked(request.customer, currency, None, request.country, request.attributes)
    if not at_stripe and not await offers(account, asked, connection or ""):
        detail = f"no connection that takes {currency} is on offer to this payer"
        raise SessionError("invalid_request", detail, "connection" if connection else "")
    now = await business_now()
    policy, session, secret = await policy_of(account), new_id("pms"), new_secret(Kind.METHOD_SESSION)
    async with DB.transaction():
        await keep(account, request.customer, now)
        row = await sql.row(
            INSERT,
            session,
            account,
            request.customer,
            secret_hash(secret),
            sealed(runtime.keyring, Kind.METHOD_SESSION, session, secret),
            connection,
            currency,
            request.return_url,
            request.country,
            msgspec.json.encode(request.attributes).decode(),
            now + timedelta(hours=policy.session_hours),
            now,
            at_stripe,
            request.subscription or None,
            request.open_invoices,
            by_token,
        )
        assert row is not None, "it was inserted, or was there"
        await poke.poke(Kind.METHOD_SESSION, account, [row["id"]], now)
    return row


async def get_session(account: str, session: str) -> asyncpg.Record:
    """A session of this account; raises SessionError `not_found`."""
    row = await sql.row(SESSION, account, session)
    if row is None:
        raise SessionError("not_found", f"no payment method session {session}")
    return row


async def on_offer(row: asyncpg.Record) -> list[Offer]:
    """What this session's payer may choose, best first; nothing where Stripe keeps the method."""
    if row["at_stripe"]:
        return []
    attributes = msgspec.json.decode(row["attributes"], type=dict[str, str])
    asked = Asked(row["customer"], row["currency"], None, row["country"], attributes)
    return await offers(row["account"], asked, row["connection"] or "")


async def begin_setup(runtime: Runtime, account: str, session: str, processor: str, return_url: str) -> SetupSession:
    """Open a set-up at a processor for this session alone; raises SessionError. It moves no money."""
    row = await get_session(account, session)
    refuse_unless_live(row, await business_now())
    chosen = next((offer for offer in await on_offer(row) if offer.name == processor), None)
    if chosen is None:
        raise SessionError("not_found", f"no processor {processor!r} is on offer for this session", "processor")
    connection = chosen.connection
    made = await setups.begin(runtime, row, connection, row["currency"], return_url)
    now = await business_now()
    async with DB.transaction():
        refuse_unless_live(await sql.row(f"{SESSION} for no key update", account, session), now)
        owner = (Kind.METHOD_SESSION, session)
        await setups.keep(runtime, account, owner, connection, made, now, look_at=now + FIRST_LOOK)
        await poke.poke(Kind.METHOD_SESSION, account, [session], now)
    return made


async def complete(
    runtime: Runtime, account: str, session: str, *, setup: str = "", client: Mapping[str, str] | None = None
) -> None:
    """The payer came back: have the processor asked, and the method stored. A repeat changes nothing.

    `setup` is what a redirect came back with: it must name a set-up of this very session. `client` is what the
    processor's client code gave the browser. Raises SessionError.
    """
    now = await business_now()
    async with DB.transaction():
        row = await sql.row(f"{SESSION} for no key update", account, session)
        if row is None:
            raise SessionError("not_found", f"no payment method session {session}")
        if row["state"] == MethodSessionState.COMPLETE:
            return
        refuse_unless_live(row, now)
        begun = row["setup_intent"] or row["portal_at"] or await setups.open_setups(account, session)
        if not begun:
            if row["failure_code"]:
                return
            raise SessionError("payment_method_needs_repair", "no payment method was set up in this session", "setup")
        if not row["at_stripe"]:
            await setups.name(runtime, account, session, setup, client or {}, now)
        await sql.rows(PROCESSING, account, session, now)
        await setups.look_at_all(account, session, now)
        await poke.poke(Kind.METHOD_SESSION, account, [session], now)


async def wait_for(account: str, session: str, wait_s: float) -> asyncpg.Record:
    """The session's row once it isn't processing any more, or after `wait_s` seconds of machine time as it is then."""

    async def rests(row: asyncpg.Record) -> bool:
        return bool(row["state"] != MethodSessionState.PROCESSING)

    return await until(rests, lambda: get_session(account, session), wait_s)


def refuse_unless_live(row: asyncpg.Record | None, now: datetime) -> None:
    """Raise SessionError for a session that has ended."""
    assert row is not None, "sessions are not deleted"
    if row["state"] == MethodSessionState.COMPLETE:
        raise SessionError("session_not_open", "the session is complete; open a new one")
    if row["state"] == MethodSessionState.EXPIRED or now >= row["expires_at"]:
        raise SessionError("session_expired", "the session has expired; open a new one")


async def _refuse_strangers(account: str, request: MethodSessionRequest) -> None:
    """Raise SessionError for what does not go together, and for a subscription that is not a living one of theirs."""
    if request.open_invoices is not OpenInvoices.FINISH and request.connection != STRIPE:
        raise SessionError("invalid_request", f'only with `connection: "{STRIPE}"`', "open_invoices")
    if request.subscription and not await sql.value(OF_CUSTOMER, account, request.subscription, request.customer):
        raise SessionError("invalid_request", "the customer has no such subscription that lives", "subscription")


async def _connection(account: str, name: str) -> str | None:
    """The id of the enabled connection of this name; None without a name. Raises SessionError."""
    if not name:
        return None
    found = await connection_named(account, name)
    if found is None:
        raise SessionError("invalid_request", f"no connection {name!r}", "connection")
    return str(found)


async def _currency(runtime: Runtime, account: str, request: MethodSessionRequest) -> str:
    """What set-ups are begun for: the currency of the invoices that wait for the method. Raises SessionError."""
    known = await sql.row(CUSTOMER, account, request.customer, sorted(SETTLED))
    currency = known["currency"] if known is not None else None
    deleted = known is not None and known["deleted_at"] is not None
    if known is None or not (currency or request.currency):
        shape = await _at_stripe(runtime, account, request.customer)
        deleted, currency = shape.deleted, currency or shape.currency
    if deleted:
        raise SessionError("state_conflict", "the customer was deleted in Stripe", "customer")
    if not (request.currency or currency):
        raise SessionError("invalid_request", "say the currency: the customer has no invoice yet", "currency")
    return str(request.currency or currency)


async def _at_stripe(runtime: Runtime, account: str, customer: str) -> CustomerShape:
    try:
        return await subscriptions.read_customer(await runtime.stripe(account), customer)
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        raise SessionError("not_found", f"no customer {customer!r}", "customer") from error
