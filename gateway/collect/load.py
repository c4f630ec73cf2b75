"""Loading the view: everything that is true of one invoice, read in one transaction under its claim."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind
from db.states import AttemptState, InvoiceState, MethodStatus, RecordingState, SessionState, known
from gateway.billing.shapes import InvoiceShape, billed
from gateway.connections import capabilities_of
from gateway.domain.billed import BilledInvoice
from gateway.domain.policy import Policy
from gateway.domain.project import project
from gateway.domain.view import AttemptView, Hold, InvoiceView, MethodView, ReceiptView, RecordingView, SubscriptionView
from processors.outcome import Advice

CLAIM_S = 20.0
"""How long a claim lasts while nothing is called; every call lengthens it first."""

WAITING_STATES = frozenset({InvoiceState.DUE, InvoiceState.CHARGING})
"""While an older invoice is in one of these, the younger ones of its subscription wait for it."""

INVOICE = "select * from tollbridge.invoice where account = $1 and id = $2"
ATTEMPTS = """
    select a.*, c.adapter from tollbridge.attempt a join tollbridge.connection c on c.id = a.connection
    where a.account = $1 and a.invoice = $2 order by a.number
"""
RECEIPTS = """
    select id, amount from tollbridge.movement
    where account = $1 and invoice = $2 and kind = 'receipt' order by created_at, id
"""
RECORDINGS = """
    select *, coalesce(attempt, receipt) as payment from tollbridge.recording
    where account = $1 and invoice = $2 order by created_at, id
"""
HELD = """
    select coalesce((select sum(case m.kind when 'capture_reversed' then -m.amount else m.amount end)
                     from tollbridge.movement m left join tollbridge.attempt a on a.id = m.attempt
                     where m.account = $1 and m.invoice = $2 and not coalesce(a.surplus, false)
                       and m.kind in ('capture', 'receipt', 'capture_reversed', 'capture_reinstated')), 0)
         - coalesce((select sum(amount) from tollbridge.recording
                     where account = $1 and invoice = $2 and state = 'recorded'), 0)
"""
METHODS = """
    select p.*, c.adapter, c.enabled and (c.currencies = '{}' or $3 = any(c.currencies)) as usable
    from tollbridge.payment_method p join tollbridge.connection c on c.id = p.connection
    where p.account = $1 and p.customer = $2 and p.status <> 'revoked' order by p.position, p.created_at
"""
AROUND = """
    select exists (select 1 from tollbridge.connection where account = $1 and enabled
                   and (currencies = '{}' or $3 = any(currencies))) as connections,
           coalesce((select opted_out from tollbridge.customer where account = $1 and id = $2), false) as opted_out,
           exists (select 1 from tollbridge.customer
                   where account = $1 and id = $2 and deleted_at is not null) as deleted,
           (select policies from tollbridge.account where id = $1) as policies
"""
# The session that made its subscription, or is about to: what metadata say is a hint (law 11), so the session that they
# name must be waiting for just this customer's subscription.
SESSION = """
    select state, told_stripe, payment_method, invoice, exists (select 1 from tollbridge.invoice i
            where i.account = s.account and i.id = s.invoice and i.status = 'paid') as paid
    from tollbridge.checkout_session s
    where account = $1 and (subscription = $2 and $2 <> '' or id = $3 and customer = $4 and subscription = '')
    order by created_at desc limit 1
"""
CASES = "select kind from tollbridge.review_case where account = $1 and invoice = $2 and state = 'open'"
OLDER = """
    select exists (select 1 from tollbridge.invoice i
        where i.account = $1 and i.subscription = $2 and i.subscription <> '' and i.status = 'open'
          and (i.stripe_created_at, i.id) < ($3, $4) and i.failures = 0
          and (i.state in ('due', 'charging') or i.seen < i.poked)
          and not exists (select 1 from tollbridge.review_case r
                          where r.account = i.account and r.invoice = i.id and r.state = 'open'))
"""
WATCHING = """
    select id from tollbridge.checkout_session where account = $1 and invoice = $2
      and (state in ('open', 'processing') or state in ('failed', 'expired') and not cleanup_done)
    order by id for no key update
"""
YOUNGER = """
    select i.id from tollbridge.invoice i
    where i.account = $1 and i.status = 'open' and i.subscription <> ''
      and (i.subscription, true) = (select o.subscription, (i.stripe_created_at, i.id) > (o.stripe_created_at, o.id)
                                    from tollbridge.invoice o where o.account = $1 and o.id = $2)
"""
LOCK = "select id from tollbridge.invoice where account = $1 and id = any($2) order by id for no key update"
STORE_STATE = """
    update tollbridge.invoice set state = $4 where account = $1 and id = $2 and claimed_by = $3 returning id
"""


class Loaded(msgspec.Struct, frozen=True):
    """A view, the counter that was read with it, and the rows that steps need."""

    view: InvoiceView
    poked: int
    state: InvoiceState
    customer: str
    number: str


async def load(claim: Claim, now: datetime) -> Loaded:
    """Read it all, and bring the stored state up to date; raises ClaimLostError."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_S)
        row = await sql.row(INVOICE, claim.account, claim.id)
        assert row is not None, "a claimed invoice exists"
        view = await view_of(row)
    state = project(view)
    if state != row["state"]:
        await _store_state(claim, known(InvoiceState, row["state"]), state, now)
    return Loaded(view, row["poked"], state, row["customer"], row["number"])


async def view_of(row: asyncpg.Record) -> InvoiceView:
    """The view of an invoice's row."""
    account, invoice_id, customer, currency = row["account"], row["id"], row["customer"], row["currency"]
    around = await sql.row(AROUND, account, customer, currency)
    assert around is not None
    invoice = _mirrored(row)
    session = await _session(account, invoice)
    subscription = await sql.row(
        "select status, ended_at, paused_at from tollbridge.subscription where account = $1 and id = $2",
        account,
        row["subscription"],
    )
    return InvoiceView(
        id=invoice_id,
        policy=msgspec.json.decode(around["policies"], type=Policy),
        invoice=invoice,
        read_at=row["read_at"],
        stale=row["stale"],
        hold=_hold(session, invoice_id),
        attempts=tuple(_attempt(a) for a in await sql.rows(ATTEMPTS, account, invoice_id)),
        receipts=tuple(ReceiptView(r["id"], r["amount"]) for r in await sql.rows(RECEIPTS, account, invoice_id)),
        recordings=tuple(
            RecordingView(r["id"], r["payment"], r["amount"], known(RecordingState, r["state"]), r["resolved_at"])
            for r in await sql.rows(RECORDINGS, account, invoice_id)
        ),
        held_money=int(await sql.value(HELD, account, invoice_id)),
        methods=tuple(_method(m, currency) for m in await sql.rows(METHODS, account, customer, currency)),
        subscription=None
        if subscription is None
        else SubscriptionView(subscription["status"], subscription["ended_at"] is not None, subscription["paused_at"]),
        connections=around["connections"],
        opted_out=around["opted_out"],
        customer_deleted=around["deleted"],
        asked=row["asked_at"] is not None,
        preferred_method=_preferred(session, invoice_id),
        older_first=bool(await sql.value(OLDER, account, row["subscription"], row["stripe_created_at"], invoice_id)),
        abandoned=_abandoned(session),
        not_before=row["next_attempt_at"] if row["status"] == "draft" else None,
        kept_in_pause=row["kept_in_pause"],
        open_cases=frozenset(r["kind"] for r in await sql.rows(CASES, account, invoice_id)),
    )


async def _session(account: str, invoice: BilledInvoice | None) -> asyncpg.Record | None:
    """The checkout session that began the invoice's subscription."""
    if invoice is None or not invoice.subscription:
        return None
    return await sql.row(SESSION, account, invoice.subscription, invoice.session, invoice.customer)


def _hold(session: asyncpg.Record | None, invoice: str) -> Hold:
    if session is None or session["state"] not in (SessionState.CREATING, SessionState.OPEN, SessionState.PROCESSING):
        return ""
    # Confirmed is not enough: until its payment method is stored, the customer's other ones must not be charged for it.
    if session["state"] != SessionState.PROCESSING or not session["told_stripe"]:
        return "held"
    # Only the first draft was held by us, and only that one is ours to finalize whatever its `auto_advance` says.
    return "released" if session["invoice"] == invoice else ""


def _abandoned(session: asyncpg.Record | None) -> bool:
    """Its checkout came to nothing, so its subscription is ended; one that was paid for all the same lives on."""
    return (
        session is not None and not session["paid"] and session["state"] in (SessionState.FAILED, SessionState.EXPIRED)
    )


def _preferred(session: asyncpg.Record | None, invoice: str) -> str:
    return session["payment_method"] or "" if session is not None and session["invoice"] == invoice else ""


def _mirrored(row: asyncpg.Record) -> BilledInvoice | None:
    if row["snapshot"] is None:
        return None
    invoice = billed(msgspec.json.decode(row["snapshot"], type=InvoiceShape))
    if row["status"] == "deleted":
        return msgspec.structs.replace(invoice, status="deleted", amount_remaining=0, amount_due=0)
    return invoice


def _attempt(row: asyncpg.Record) -> AttemptView:
    return AttemptView(
        id=row["id"],
        number=row["number"],
        connection=row["connection"],
        method=row["payment_method"],
        amount=row["amount"],
        captured=row["amount_captured"],
        state=known(AttemptState, row["state"]),
        sent_at=row["sent_at"],
        capabilities=capabilities_of(row["adapter"]),
        surplus=row["surplus"],
        advice=Advice(row["advice"]) if row["advice"] else None,
        resolved_at=row["resolved_at"],
        resolve_at=row["resolve_at"],
        retry_after=row["retry_after"],
        lookups=row["lookups"],
        withdrawn=row["withdrawn"],
        by_hand=row["reason"] == "operator",
        resent_at=row["resent_at"],
        looked_at=row["looked_at"],
    )


def _method(row: asyncpg.Record, currency: str) -> MethodView:
    amounts = capabilities_of(row["adapter"]).amounts
    return MethodView(
        id=row["id"],
        connection=row["connection"],
        status=known(MethodStatus, row["status"]),
        position=row["position"],
        created_at=row["created_at"],
        usable=row["usable"],
        minimum=amounts.minimum.get(currency),
        maximum=amounts.maximum.get(currency),
    )


async def _store_state(claim: Claim, was: InvoiceState, state: InvoiceState, now: datetime) -> None:
    """The one place that writes an invoice's state. Whoever waits for it is poked in the same transaction.

    Rows are locked in one order everywhere: sessions, then invoices by id.
    """
    async with DB.transaction():
        sessions = [r["id"] for r in await sql.rows(WATCHING, claim.account, claim.id)]
        younger: list[str] = []
        if was in WAITING_STATES and state not in WAITING_STATES:
            younger = [r["id"] for r in await sql.rows(YOUNGER, claim.account, claim.id)]
        await sql.rows(LOCK, claim.account, [claim.id, *younger])
        if await sql.row(STORE_STATE, claim.account, claim.id, claim.holder, state) is None:
            raise ClaimLostError(f"invoice {claim.id}")
        await poke.poke(Kind.CHECKOUT, claim.account, sessions, now)
        await poke.poke(Kind.INVOICE, claim.account, younger, now)
