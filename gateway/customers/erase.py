"""Erasing a customer's personal data on request: first its payment methods at their processors, then what stands here.

That it was asked for stands on the customer's row, so that the upkeep of its last method finishes what was begun, or
the sweep where there is none; once more takes it up again, also to erase what has come since. What each table holds is
told in `personal`.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog

from db import poke, sql
from db.encryption import EncryptionError, Keyring
from db.engine import DB
from db.poke import Kind
from gateway.accounts.audit import Author, required
from gateway.accounts.known import refuse_unknown
from gateway.billing.impersonal import personal_texts, texts, without_person
from gateway.clock import business_now
from gateway.collect.references import MethodErasedError, method_reference
from gateway.customers.customer import keep
from gateway.customers.errors import NotErasableError
from gateway.customers.methods import want_revoked
from gateway.customers.personal import AFTER_INVOICES, BEFORE_INVOICES, ERASED_TEXT, INVOICES
from gateway.customers.setups import look_at_all
from gateway.replies import place
from gateway.runtime import Runtime

log = structlog.get_logger()

BEGUN_FOR: Final = timedelta(minutes=5)
"""Whoever has asked for it may be at it for so long; longer, and its server has died."""
BEGUN_AT_ONCE: Final = 10
BATCH: Final = 500
LONGEST_DELIVERIES: Final = 10_000
"""Batches; five million deliveries."""

IN_THE_WAY: Final = f"""
    select 'subscription ' || s.id || ' lives, and is collected here: cancel it first' as reason
    from tollbridge.subscription s
    where s.account = $1 and s.customer = $2 and s.ended_at is null and s.collection_method = 'send_invoice'
      and not exists (select 1 from tollbridge.customer c where c.account = $1 and c.id = $2 and c.opted_out)
    union all
    select 'subscription ' || w.subscription || ' is about to be collected here' from tollbridge.switch w
    join tollbridge.subscription s on s.account = w.account and s.id = w.subscription
    where w.account = $1 and s.customer = $2 and w.state = 'wanted' and w.collector = 'gateway' and s.ended_at is null
      and s.collection_method <> 'send_invoice'
    union all
    select 'the end of a charge for invoice ' || t.invoice || ' is not known' from tollbridge.attempt t
    where t.account = $1 and t.state in {sql.UNRESOLVED_STATES} and t.invoice in ({INVOICES})
    union all
    select 'refund ' || f.id || ' is under way' from tollbridge.refund f
    where f.account = $1 and f.state in ('requested', 'deferred', 'sending', 'pending', 'unknown')
      and f.invoice in ({INVOICES})
    union all
    select 'checkout ' || k.id || ' is under way' from tollbridge.checkout_session k
    where k.account = $1 and k.customer = $2 and k.state in ('creating', 'open', 'processing')
"""  # noqa: S608 (constants of ours)
ASKED: Final = """
    update tollbridge.customer set erase_asked_at = coalesce(erase_asked_at, $3) where account = $1 and id = $2
    returning erased_at
"""
ERASED: Final = """
    update tollbridge.customer set erased_at = $3
    where account = $1 and id = $2 and erase_asked_at is not null and not exists (
        select 1 from tollbridge.payment_method p
        where p.account = $1 and p.customer = $2 and p.status <> 'revoked')
    returning id
"""
BEGUN: Final = """
    select c.account, c.id from tollbridge.customer c
    where c.erase_asked_at < $1 and c.erased_at is null and not exists (
        select 1 from tollbridge.payment_method p
        where p.account = c.account and p.customer = c.id and p.status <> 'revoked')
    order by c.erase_asked_at, c.id limit $2
"""
METHODS: Final = """
    select id from tollbridge.payment_method where account = $1 and customer = $2 and status <> 'revoked' order by id
"""
EVERY_METHOD: Final = "select id from tollbridge.payment_method where account = $1 and customer = $2"
OPEN_SESSIONS: Final = """
    update tollbridge.payment_method_session set state = 'expired', expires_at = least(expires_at, $3)
    where account = $1 and customer = $2 and state in ('open', 'processing') returning id
"""
TOKENS: Final = "delete from tollbridge.organization_token where account = $1 and customer = $2"
SNAPSHOTS: Final = """
    select id, snapshot from tollbridge.invoice
    where account = $1 and customer = $2 and snapshot is not null order by id
"""
STRIP: Final = "update tollbridge.invoice set snapshot = $3, mail_hash = null where account = $1 and id = $2"
# Every name by which a delivery or a reply may speak of the customer.
NAMES: Final = f"""
    select $2::text as name
    union {INVOICES}
    union select id from tollbridge.subscription where account = $1 and customer = $2
    union select id from tollbridge.payment_method where account = $1 and customer = $2
    union select id from tollbridge.checkout_session where account = $1 and customer = $2
    union select id from tollbridge.payment_method_session where account = $1 and customer = $2
    union select processor_id from tollbridge.attempt where account = $1 and invoice in ({INVOICES})
    union select reference from tollbridge.attempt where account = $1 and invoice in ({INVOICES})
    union select processor_id from tollbridge.dispute where account = $1 and invoice in ({INVOICES})
"""  # noqa: S608 (constants of ours)
SETUPS: Final = """
    select u.id, u.processor_ref from tollbridge.payment_setup u
    left join tollbridge.checkout_session k on k.account = u.account and k.id = u.checkout_session
    left join tollbridge.payment_method_session s on s.account = u.account and s.id = u.payment_method_session
    where u.account = $1 and coalesce(k.customer, s.customer) = $2
"""
REQUESTS: Final = """
    select (request -> 'customer_details')::text as details from tollbridge.checkout_session
    where account = $1 and customer = $2 and request ? 'customer_details'
"""
CARDS: Final = "select card from tollbridge.payment_method where account = $1 and customer = $2"
DELIVERIES: Final = """
    select id, body from tollbridge.delivery
    where account = $1 and id > $2 and state <> 'stored' and body <> '' order by id limit $3
"""
EMPTY: Final = "update tollbridge.delivery set body = '' where account = $1 and id = any($2)"
REPLIES: Final = """
    select principal, key, body from tollbridge.idempotent_reply where account = $1 and body is not null
"""
CASES: Final = """
    update tollbridge.review_case set reason = case when reason ilike any($3) then $2 else reason end,
        closed_reason = case when closed_reason ilike any($3) then $2 else closed_reason end
    where account = $1 and (reason ilike any($3) or closed_reason ilike any($3))
      and (invoice = any($4) or subject = any($4))
"""
NOTES: Final = """
    update tollbridge.case_note n set text = $2 from tollbridge.review_case c
    where n.account = $1 and n.text ilike any($3) and c.account = n.account and c.id = n.review_case
      and (c.invoice = any($4) or c.subject = any($4))
"""
VIEWS: Final = "select id, name, query from tollbridge.console_view where account = $1"
FORGET_VIEWS: Final = "delete from tollbridge.console_view where account = $1 and id = any($2)"
SHORT: Final = 5
"""What is shorter, such as a card's last four digits, is found in what is about others too."""
NO_REPLY: Final = b"{}"


async def ask(runtime: Runtime, by: Author, account: str, customer: str) -> None:
    """Have a customer erased. Done at once where no payment method must be deleted first. Once more goes on with it.

    Raises NotThereError, FieldError without a reason, and NotErasableError with what stands in the way.
    """
    required(by.reason)
    await refuse_unknown(account, customer)
    await _refuse(account, customer)
    now = await business_now()
    # Those that name a token or its owner are found only while we have it.
    await _deliveries(runtime.keyring, account, await _secret_names(runtime, account, customer))
    async with DB.transaction():
        await keep(account, customer, now)
        sessions = [row["id"] for row in await sql.rows(OPEN_SESSIONS, account, customer, now)]
        for session in sessions:
            # What was begun at a processor is dropped there.
            await look_at_all(account, session, now)
        await poke.poke(Kind.METHOD_SESSION, account, sessions, now)
        # What stands in browsers opens nothing from now on.
        await sql.rows(TOKENS, account, customer)
        # Whoever has a subscription switched to a method holds its row.
        methods = [row["id"] for row in await sql.rows(f"{METHODS} for no key update", account, customer)]
        await _refuse(account, customer)
        for method in methods:
            await want_revoked(account, method, now)
        # Whoever comes last there erases, also after a death of ours.
        await poke.poke(Kind.METHOD, account, [r["id"] for r in await sql.rows(EVERY_METHOD, account, customer)], now)
        before = await sql.row(ASKED, account, customer, now)
        erased = before is not None and before["erased_at"] is not None
        await by.note(account, "customer.erased", customer, before={"erased": erased}, after={"erased": True})
    await go_on(runtime, account, customer)


async def go_on(runtime: Runtime, account: str, customer: str) -> bool:
    """Erase what stands here, once the last payment method is gone; False: it is not yet. Once more is harmless."""
    if await sql.rows(METHODS, account, customer):
        return False
    now = await business_now()
    names, said = await _names(account, customer), await _texts(account, customer)
    await _deliveries(runtime.keyring, account, names | await _setups(runtime.keyring, account, customer))
    await _replies(runtime.keyring, account, names)
    async with DB.transaction():
        for statement in BEFORE_INVOICES:
            await sql.rows(statement, account, customer)
        erased = await sql.row(ERASED, account, customer, now)
        for row in await sql.rows(f"{SNAPSHOTS} for no key update", account, customer):
            await sql.rows(STRIP, account, row["id"], without_person(bytes(row["snapshot"])))
        for statement in AFTER_INVOICES:
            await sql.rows(statement, account, customer)
        for statement in (CASES, NOTES) if said else ():
            like = [f"%{_like(text)}%" for text in sorted(said)]
            await sql.rows(statement, account, ERASED_TEXT, like, sorted(names))
        await _views(account, names | said)
    return erased is not None


async def finish_begun(runtime: Runtime, now: datetime) -> None:
    """Finish what no payment method holds up and nobody is at any more. One that fails keeps no other waiting."""
    for row in await sql.rows(BEGUN, now - BEGUN_FOR, BEGUN_AT_ONCE):
        try:
            await go_on(runtime, row["account"], row["id"])
        except Exception as error:
            log.warning("erasure_failed", customer=row["id"], error=type(error).__name__)


async def _refuse(account: str, customer: str) -> None:
    reasons = [row["reason"] for row in await sql.rows(IN_THE_WAY, account, customer)]
    if reasons:
        raise NotErasableError("; ".join(reasons))


async def _names(account: str, customer: str) -> set[str]:
    return {row["name"] for row in await sql.rows(NAMES, account, customer) if row["name"]}


async def _secret_names(runtime: Runtime, account: str, customer: str) -> set[str]:
    """The tokens of the methods that still have one, and what their processors call the customer."""
    found: set[str] = set()
    for row in await sql.rows(METHODS, account, customer):
        with suppress(MethodErasedError, EncryptionError):  # gone meanwhile, or its key is
            reference = await method_reference(runtime, account, row["id"])
            found |= {one.reveal() for one in (reference.token, reference.processor_customer) if one is not None}
    return found


async def _setups(keyring: Keyring, account: str, customer: str) -> set[str]:
    """What processors call the set-ups in which methods were given."""
    return {
        keyring.decrypt(row["processor_ref"], table="payment_setup", column="processor_ref", row=row["id"]).decode()
        for row in await sql.rows(SETUPS, account, customer)
    }


async def _texts(account: str, customer: str) -> set[str]:
    """What is told of the person anywhere, to know it again in what people wrote."""
    said: set[str] = set()
    for row in await sql.rows(SNAPSHOTS, account, customer):
        said |= personal_texts(bytes(row["snapshot"]))
    for row in await sql.rows(REQUESTS, account, customer):
        said |= texts(_json(row["details"]))
    for row in await sql.rows(CARDS, account, customer):
        card = _json(row["card"])
        said |= texts([card.get("last4"), card.get("label")])
    return said


def _json(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


async def _deliveries(keyring: Keyring, account: str, names: Collection[str]) -> None:
    """Empty the bodies of webhooks that name any of these. They are encrypted, so each is looked into."""
    after = ""
    for _ in range(LONGEST_DELIVERIES if names else 0):
        rows = await sql.rows(DELIVERIES, account, after, BATCH)
        if not rows:
            return
        found = [row["id"] for row in rows if _speaks(_opened(keyring, row["id"], row["body"]), names)]
        await sql.rows(EMPTY, account, found)
        after = rows[-1]["id"]


async def _replies(keyring: Keyring, account: str, names: Collection[str]) -> None:
    for row in await sql.rows(REPLIES, account):
        whose = place((account, row["principal"], row["key"]))
        if _speaks(keyring.decrypt(row["body"], **whose), names):
            await sql.rows(
                "update tollbridge.idempotent_reply set body = $4 where account = $1 and principal = $2 and key = $3",
                account,
                row["principal"],
                row["key"],
                keyring.encrypt(NO_REPLY, **whose),
            )


async def _views(account: str, told: Collection[str]) -> None:
    """Forget the searches that somebody keeps for any of these."""
    known = {text.casefold() for text in told if len(text) >= SHORT}
    found = []
    for row in await sql.rows(VIEWS, account):
        words = " ".join((row["name"], *(value for _, value in parse_qsl(row["query"])))).casefold()
        if any(text in words for text in known):
            found.append(row["id"])
    await sql.rows(FORGET_VIEWS, account, found)


def _opened(keyring: Keyring, delivery: str, body: bytes) -> bytes:
    try:
        return keyring.decrypt(body, table="delivery", column="body", row=delivery)
    except EncryptionError:
        return b""  # its key is gone, and with it all that it said


def _speaks(body: bytes, names: Collection[str]) -> bool:
    return any(name.encode() in body for name in names)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
