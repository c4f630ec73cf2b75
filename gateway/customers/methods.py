"""Payment methods: stored encrypted, found by hash, erased when they are gone at the processor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from gateway.accounts.errors import NotThereError
from gateway.collect.references import sealed_reference
from gateway.collect.unsettled import unsettled
from gateway.customers import vault
from gateway.customers.customer import keep
from gateway.runtime import Runtime
from processors.outcome import DeclineClass
from processors.values import Card, PaymentMethodReference

INSERT = """
    insert into tollbridge.payment_method (id, account, customer, connection, reference, token_hash, vault_hash, card,
        status, position, created_at, told_stripe)
    values ($1, $2, $3, $4, $5, $6, $7, $8, 'active',
        (select coalesce(min(position), 1) - 1 from tollbridge.payment_method where account = $2 and customer = $3), $9,
        $10)
    on conflict (connection, token_hash) where status <> 'revoked' do nothing
"""
AGAIN = """
    update tollbridge.payment_method p set status = 'active', stopped_reason = '', revoke_asked_at = null,
        retiring = false, card = p.card || $5,
        alone = alone and ($4 or exists (select 1 from tollbridge.subscription b
                                         where b.account = p.account and b.payment_method = p.id)),
        told_stripe = told_stripe and $3,
        position = (select min(position) - 1 from tollbridge.payment_method o
                    where o.account = p.account and o.customer = p.customer)
    where account = $1 and id = $2
"""
STORED = """
    select id, account, customer from tollbridge.payment_method
    where connection = $1 and token_hash = $2 and status <> 'revoked'
"""
# Set to end, or about to be, since the payer had ended the method before; or access waits for one.
LIVE_ON = """
    select s.id from tollbridge.subscription s
    where s.account = $1 and s.customer = $2 and s.ended_at is null
      and (s.access_reason = 'payment_method_missing' or exists (
          select 1 from tollbridge.cancellation c where c.account = s.account and c.subscription = s.id
            and c.origin = 'agreement' and (c.state = 'wanted' or c.id = s.ends_by)))
"""
OPENED_BY_IT = """
    select id from tollbridge.subscription
    where account = $1 and customer = $2 and access_reason = 'payment_method_stored'
"""
# Payment methods are locked before subscriptions.
BIND = """
    update tollbridge.subscription s set payment_method = $3
    where s.account = $1 and s.id = $2
      and exists (select 1 from tollbridge.payment_method p where p.account = $1 and p.id = $3 and p.alone)
"""
ALONE = "update tollbridge.payment_method set alone = true where account = $1 and id = $2"
WANT_REVOKED = """
    update tollbridge.payment_method set status = 'stopped', stopped_reason = $4, revoke_asked_at = $3
    where account = $1 and id = $2 and status <> 'revoked' and revoke_asked_at is null returning customer
"""
# What the payer has agreed to stays agreed, whatever the new card says of itself.
REPLACE = """
    update tollbridge.payment_method set reference = $3, token_hash = $4, vault_hash = $5,
        card = jsonb_strip_nulls(jsonb_build_object('charge_limit', card -> 'charge_limit')) || $6,
        told_stripe = false,
        status = case when status = 'revoked' or stopped_reason = any($7) then 'active' else status end,
        stopped_reason = case when status = 'revoked' or stopped_reason = any($7) then '' else stopped_reason end,
        revoked_at = null, ended_by_payer = false, end_answered = true
    where account = $1 and id = $2 returning customer
"""
OF_CUSTOMER = """
    select id, position, created_at from tollbridge.payment_method
    where account = $1 and customer = $2 and status <> 'revoked' order by id for no key update
"""
REORDER = """
    update tollbridge.payment_method p set position = o.place
    from unnest($2::text[]) with ordinality as o (id, place) where p.account = $1 and p.id = o.id
"""
UNHEARD_OF = """
    select i as id from unnest($2::text[]) as i
    where not exists (select 1 from tollbridge.invoice k where k.account = $1 and k.id = i)
"""
CURED = frozenset({DeclineClass.EXPIRED, DeclineClass.ACCOUNT_CLOSED, DeclineClass.INVALID_PAYMENT_METHOD})
"""What a new number from the payer's bank mends. A method stopped for fraud or theft waits for the payer."""
REVOCATION = "revocation"
"""The reason for which a method is stopped that is about to be revoked."""


class TokenOfAnotherCustomerError(Exception):
    """The processor's token is stored for another customer already."""


async def store_method(
    runtime: Runtime,
    account: str,
    customer: str,
    connection: str,
    reference: PaymentMethodReference,
    card: Card,
    now: datetime,
    *,
    tell: bool = False,
    place: int = 1,
    invoices: Collection[str] = (),
    subscription: str | None = None,
) -> str:
    """Store a method as the customer's first, and poke the customer's unsettled invoices; its id.

    `subscription`: it is for that one alone. One that was stored already, and serves others too, goes on to do so.

    In the caller's transaction. The same token again is the same method. `tell`: the method's own upkeep tells Stripe
    of it (a checkout does that itself, before its invoice is collected). `place`: where it stands, if not first.
    `invoices`: what else Stripe shows of the customer's; those of which we have not heard are read. Raises
    TokenOfAnotherCustomerError, and NotYetError for one that is being deleted at its processor at this moment.
    """
    DB.current("storing a payment method")
    await keep(account, customer, now)
    method = new_id("pmt")
    sealed = sealed_reference(runtime.keyring, method, reference)
    token_hash = runtime.keyring.token_hash(connection, reference.token.reveal())
    vault_hash = await vault.vault_hash(runtime, connection, reference)
    await vault.take(vault_hash)
    others = [row["id"] for row in await sql.rows(OF_CUSTOMER, account, customer)] if subscription is not None else []
    display = msgspec.json.encode(card).decode()
    hashes = token_hash, vault_hash
    await sql.rows(INSERT, method, account, customer, connection, sealed, *hashes, display, now, not tell)
    stored = await sql.row(STORED, connection, token_hash)
    assert stored is not None, "it was inserted, or was there"
    if (stored["account"], stored["customer"]) != (account, customer):
        raise TokenOfAnotherCustomerError("this token belongs to another customer")
    # The same card again: the payer means this one, also where a decline or a person had stopped it.
    if stored["id"] != method:
        await sql.rows(AGAIN, account, stored["id"], not tell, subscription is not None, display)
    if subscription is not None:
        if stored["id"] == method:
            await sql.rows(ALONE, account, method)
        # The one in whose place it comes may have nothing left that needs it.
        await poke.poke(Kind.METHOD, account, others, now)
        await sql.rows(BIND, account, subscription, stored["id"])
    if place > 1:
        await move(account, customer, stored["id"], place)
    if tell:
        await poke.poke(Kind.METHOD, account, [stored["id"]], now)
    await poke_living_on(account, customer, now)
    unheard_of = [row["id"] for row in await sql.rows(UNHEARD_OF, account, sorted(invoices))]
    await poke.poke(Kind.INVOICE, account, [*unheard_of, *await unsettled(account, "customer", [customer])], now)
    return str(stored["id"])


async def move(account: str, customer: str, method: str, place: int) -> tuple[int, int]:
    """Move a method to a place in the order in which they are charged, 1 being the first; its place before and after.

    In the caller's transaction. A place behind the last is the last. Raises NotThereError.
    """
    DB.current("moving a payment method")
    # Locked by id, as by everybody; charged by their places.
    rows = await sql.rows(OF_CUSTOMER, account, customer)
    before = [row["id"] for row in sorted(rows, key=lambda row: (row["position"], row["created_at"], row["id"]))]
    if method not in before:
        raise NotThereError("payment method", method)
    after = [one for one in before if one != method]
    after.insert(place - 1, method)
    await sql.rows(REORDER, account, after)
    return before.index(method) + 1, after.index(method) + 1


async def replace_reference(
    runtime: Runtime, account: str, method: str, reference: PaymentMethodReference, card: Card, now: datetime
) -> bool:
    """The processor has moved a method to another token: it stays the customer's, in its place, under the new one.

    In the caller's transaction, under the new token's lock. One that was stopped for what a new card cures may be
    charged again, and so may one that had ended there; a mandate that follows its payer to another bank keeps its
    token. False where another method has the
    new token.
    """
    connection = await sql.value("select connection from tollbridge.payment_method where id = $1", method)
    token_hash = runtime.keyring.token_hash(connection, reference.token.reveal())
    stored = await sql.row(STORED, connection, token_hash)
    if stored is not None and stored["id"] != method:
        return False
    hashes = token_hash, await vault.vault_hash(runtime, connection, reference)
    sealed, display = sealed_reference(runtime.keyring, method, reference), msgspec.json.encode(card).decode()
    customer = await sql.value(REPLACE, account, method, sealed, *hashes, display, sorted(CURED))
    await poke.poke(Kind.METHOD, account, [method], now)
    await poke_living_on(account, customer, now)
    await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now)
    return True


async def poke_living_on(account: str, customer: str, now: datetime) -> None:
    """The customer has a method again: tell the subscriptions that end, or give no access, for want of one; in the
    caller's transaction."""
    await poke.poke(Kind.SUBSCRIPTION, account, [r["id"] for r in await sql.rows(LIVE_ON, account, customer)], now)


async def want_revoked(account: str, method: str, now: datetime) -> None:
    """Have a method deleted at its processor, in the caller's transaction; nothing is charged to it from now on.

    Its upkeep does it, as soon as no charge to it is unresolved. Once more changes nothing.
    """
    customer = await sql.value(WANT_REVOKED, account, method, now, REVOCATION)
    if customer is not None:
        await poke.poke(Kind.METHOD, account, [method], now)
        opened = [row["id"] for row in await sql.rows(OPENED_BY_IT, account, customer)]
        await poke.poke(Kind.SUBSCRIPTION, account, opened, now)
        # Whoever is about to charge it looks again.
        await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now)


PROCESSOR_KEY = "third_party_processor"
CUSTOMER_KEY = "third_party_customer_id"
METHOD_KEY = "third_party_payment_method_id"
"""Keys at the Stripe customer; the last two are the names of Stripe's own guide for third-party processors."""
NO_METADATA = dict.fromkeys((PROCESSOR_KEY, CUSTOMER_KEY, METHOD_KEY), "")
"""Stripe deletes a key whose value is empty (docs: api/metadata)."""


def stripe_metadata(processor: str, method: PaymentMethodReference) -> Mapping[str, str]:
    """What Stripe's guide for third-party processors keeps at the customer (policy `token_metadata`)."""
    customer = method.processor_customer
    return {
        PROCESSOR_KEY: processor,
        CUSTOMER_KEY: customer.reveal() if customer else "",
        METHOD_KEY: method.token.reveal(),
    }
