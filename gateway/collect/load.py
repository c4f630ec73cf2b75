"""Loading the view: everything that is true of one invoice, with the counter of its pokes, in one statement."""

from __future__ import annotations

import time
from datetime import datetime

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind
from db.states import AttemptState, InvoiceState, MethodStatus, RecordingState, SessionState, known
from gateway.billing.shapes import InvoiceShape, billed
from gateway.clock import business_now, told_offset
from gateway.collect.standstill import downtime_in, pause_in
from gateway.connections import capabilities_of
from gateway.domain.billed import BilledInvoice
from gateway.domain.policy import Policy
from gateway.domain.project import project
from gateway.domain.view import AttemptView, Hold, InvoiceView, MethodView, ReceiptView, RecordingView, SubscriptionView
from processors.outcome import Advice

HELD_ENOUGH_S = 2.0
"""A claim that was taken or lengthened so recently covers the next call; its margin is far more."""
WAITING_STATES = frozenset({InvoiceState.DUE, InvoiceState.CHARGING})
"""While an older invoice is in one of these, the younger ones of its subscription wait for it."""

# Everything in one statement: one round trip, and one moment of the database for all of its parts. The session is the
# one that made the invoice's subscription.
VIEW = """
    select i.*, i.claim_until > clock_timestamp() as claim_holds,
        (select offset_s from tollbridge.business_clock) as clock_offset_s, a.policies,
        coalesce(c.opted_out, false) as opted_out, c.deleted_at is not null as customer_deleted,
        s.status as subscription_status, s.ended_at as subscription_ended_at, s.paused_at as subscription_paused_at,
        k.id as session, k.state as session_state, k.told_stripe as session_told_stripe,
        k.payment_method as session_method, k.invoice as session_invoice, k.paid as session_paid,
        (select jsonb_object_agg(n.id, jsonb_build_object('adapter', n.adapter,
                    'usable', n.enabled and (n.currencies = '{}' or i.currency = any(n.currencies)),
                    'failing', r.connection is not null, 'usable_from', r.probe_at))
         from tollbridge.connection n left join tollbridge.circuit r on r.connection = n.id
         where n.account = i.account) as connections,
        array(select t from tollbridge.attempt t
              where t.account = i.account and t.invoice = i.id order by t.number) as attempts,
        array(select m from tollbridge.movement m
              where m.account = i.account and m.invoice = i.id and m.kind = 'receipt'
              order by m.created_at, m.id) as receipts,
        array(select r from tollbridge.recording r
              where r.account = i.account and r.invoice = i.id order by r.created_at, r.id) as recordings,
        array(select p from tollbridge.payment_method p
              where p.account = i.account and p.customer = i.customer and p.status <> 'revoked'
              order by p.position, p.created_at) as methods,
        array(select d from tollbridge.downtime d
              where (d.until_at is null or d.until_at > coalesce(i.stripe_created_at, i.created_at))
                and (d.connection = '' or d.connection in (
                    select p.connection from tollbridge.payment_method p
                    where p.account = i.account and p.customer = i.customer and p.status <> 'revoked'))) as downtime,
        exists (select 1 from tollbridge.downtime d
                where d.connection = '' and d.until_at > coalesce(i.stripe_created_at, i.created_at)
                  and d.until_at > coalesce(i.looked_for_at, '-infinity')
                  and not exists (select 1 from tollbridge.attempt t where t.account = i.account and t.invoice = i.id
                                    and t.sent_at > d.until_at)) as look_first,
        array(select p from tollbridge.collection_pause p
              where p.account = i.account and p.object in (i.id, nullif(i.customer, ''))
              order by p.until_at nulls last) as pauses,
        coalesce((select sum(case m.kind when 'capture_reversed' then -m.amount else m.amount end)
                  from tollbridge.movement m left join tollbridge.attempt t on t.id = m.attempt
                  where m.account = i.account and m.invoice = i.id and not coalesce(t.surplus, false)
                    and m.kind in ('capture', 'receipt', 'capture_reversed', 'capture_reinstated')), 0)
      - coalesce((select sum(amount) from tollbridge.recording r
                  where r.account = i.account and r.invoice = i.id and r.state = 'recorded'), 0) as held_money,
        array(select r.kind from tollbridge.review_case r
              where r.account = i.account and r.invoice = i.id and r.invoice <> '' and r.state = 'open') as open_cases,
        array(select r.kind from tollbridge.review_case r
              where r.account = i.account and r.invoice = i.id and r.invoice <> '' and r.state = 'closed'
                and r.closed_by <> 'tollbridge' and r.closed_at >= all (select m.created_at from tollbridge.movement m
                                        where m.account = i.account and m.invoice = i.id)
                and r.closed_at >= all (select t.resolved_at from tollbridge.attempt t
                                        where t.account = i.account and t.invoice = i.id
                                          and t.resolved_at is not null)) as answered_cases,
        exists (select 1 from tollbridge.invoice o
                where o.account = i.account and o.subscription = i.subscription and o.subscription <> ''
                  and o.status = 'open' and (o.stripe_created_at, o.id) < (i.stripe_created_at, i.id)
                  and o.failures = 0 and (o.state in ('due', 'charging') or o.seen < o.poked)
                  and not exists (select 1 from tollbridge.collection_pause p
                                  where p.account = o.account and p.object = o.id
                                    and (p.until_at is null or p.until_at > tollbridge.business_now()))
                  and not exists (select 1 from tollbridge.review_case r
                                  where r.account = o.account and r.invoice = o.id and r.invoice <> ''
                                    and r.state = 'open')) as older_first,
        exists (select 1 from tollbridge.invoice o
                where o.account = i.account and o.subscription = i.subscription and o.subscription <> ''
                  and o.status = 'open' and (o.stripe_created_at, o.id) > (i.stripe_created_at, i.id)) as younger_open,
        exists (select 1 from tollbridge.checkout_session w where w.account = i.account and w.invoice = i.id) as watched
    from tollbridge.invoice i
    join tollbridge.account a on a.id = i.account
    left join tollbridge.customer c on c.account = i.account and c.id = i.customer
    left join tollbridge.subscription s on s.account = i.account and s.id = i.subscription
    left join lateral (
        select k.*, exists (select 1 from tollbridge.invoice p
                            where p.account = k.account and p.id = k.invoice and p.status = 'paid') as paid
        from tollbridge.checkout_session k
        where k.account = i.account and k.subscription = i.subscription and k.subscription <> ''
        order by k.created_at desc limit 1
    ) k on true
    where i.account = $1 and i.id = $2
"""
# The session that is about to make its subscription: what metadata say is a hint (law 11), so the session that they
# name must be waiting for just this customer's subscription.
COMING_SESSION = """
    select state, told_stripe, payment_method, invoice from tollbridge.checkout_session
    where account = $1 and id = $2 and customer = $3 and subscription = ''
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
STORE_UNWATCHED = """
    update tollbridge.invoice set state = $4 where account = $1 and id = $2 and claimed_by = $3 and poked = $5
"""


class Loaded(msgspec.Struct, frozen=True):
    """A view, business time and the counter as they were then, and the rows that steps need."""

    view: InvoiceView
    now: datetime
    poked: int
    state: InvoiceState
    customer: str
    number: str
    reason: str
    next_attempt_at: datetime | None
    failing: frozenset[str] = frozenset()
    """Connections whose processor did not answer the last charge call."""


class Session(msgspec.Struct, frozen=True):
    """The checkout session that began the invoice's subscription."""

    state: str
    told_stripe: bool
    payment_method: str
    invoice: str
    paid: bool


class _Connection(msgspec.Struct, frozen=True):
    adapter: str
    usable: bool
    failing: bool = False
    usable_from: datetime | None = None


async def load(claim: Claim, for_s: float) -> Loaded:
    """Read everything under the claim, which lasts `for_s` or nearly, and bring the stored state up to date.

    The counter is of the same moment as the rest, so a poke since then makes the next round. Raises ClaimLostError.
    """
    if time.monotonic() - claim.held_at > HELD_ENOUGH_S:
        await poke.hold(claim, for_s)
    row = await _row(claim.account, claim.id)
    if row["claimed_by"] != claim.holder or not row["claim_holds"]:
        raise ClaimLostError(f"{claim.kind} {claim.id}")
    told_offset(row["clock_offset_s"])
    poked, now = row["poked"], await business_now()
    view = await _view(row)
    state = project(view)
    if state != row["state"]:
        if row["watched"] or row["younger_open"]:
            await _store_state(claim, known(InvoiceState, row["state"]), state, now)
        else:
            # Who begins to wait for it meanwhile pokes it: then this stores nothing, and the next round does.
            await sql.rows(STORE_UNWATCHED, claim.account, claim.id, claim.holder, state, poked)
    failing = frozenset(name for name, connection in _connections(row).items() if connection.failing)
    told = (row["customer"], row["number"], row["reason"], row["next_attempt_at"])
    return Loaded(view, now, poked, state, *told, failing)


async def view_of(account: str, invoice: str) -> InvoiceView:
    """The view of an invoice, which must exist."""
    return await _view(await _row(account, invoice))


async def _row(account: str, invoice: str) -> asyncpg.Record:
    row = await sql.row(VIEW, account, invoice)
    assert row is not None, "the invoice exists"
    return row


async def _view(row: asyncpg.Record) -> InvoiceView:
    currency, invoice = row["currency"], _mirrored(row)
    session = await _session(row, invoice)
    connections = _connections(row)
    return InvoiceView(
        id=row["id"],
        policy=msgspec.json.decode(row["policies"], type=Policy),
        invoice=invoice,
        read_at=row["read_at"],
        stale=row["stale"],
        hold=_hold(session, row["id"]),
        attempts=tuple(_attempt(a, connections[a["connection"]].adapter) for a in row["attempts"]),
        receipts=tuple(ReceiptView(r["id"], r["amount"]) for r in row["receipts"]),
        recordings=tuple(_recording(r) for r in row["recordings"]),
        held_money=int(row["held_money"]),
        methods=tuple(_method(m, connections[m["connection"]], currency) for m in row["methods"]),
        subscription=_subscription(row),
        connections=any(connection.usable for connection in connections.values()),
        opted_out=row["opted_out"],
        customer_deleted=row["customer_deleted"],
        asked=row["asked_at"] is not None,
        preferred_method=_preferred(session, row["id"]),
        older_first=row["older_first"],
        abandoned=_abandoned(session),
        not_before=row["next_attempt_at"] if row["status"] == "draft" else None,
        kept_in_pause=row["kept_in_pause"],
        look_first=row["look_first"],
        pause=pause_in(row["pauses"]),
        downtime=downtime_in(row["downtime"], invoice),
        open_cases=frozenset(row["open_cases"]),
        answered_cases=frozenset(row["answered_cases"]),
    )


def _connections(row: asyncpg.Record) -> dict[str, _Connection]:
    return msgspec.json.decode(row["connections"] or "{}", type=dict[str, _Connection])


async def _session(row: asyncpg.Record, invoice: BilledInvoice | None) -> Session | None:
    if row["session"] is not None:
        names = ("state", "told_stripe", "method", "invoice", "paid")
        state, told, method, first, paid = (row[f"session_{name}"] for name in names)
        return Session(state, told, method or "", first, paid)
    if invoice is None or not invoice.subscription or not invoice.session:
        return None
    coming = await sql.row(COMING_SESSION, row["account"], invoice.session, invoice.customer)
    if coming is None:
        return None
    return Session(coming["state"], coming["told_stripe"], coming["payment_method"] or "", coming["invoice"], False)


def _subscription(row: asyncpg.Record) -> SubscriptionView | None:
    if row["subscription_status"] is None:
        return None
    ended, paused = row["subscription_ended_at"] is not None, row["subscription_paused_at"]
    return SubscriptionView(row["subscription_status"], ended, paused)


def _hold(session: Session | None, invoice: str) -> Hold:
    if session is None or session.state not in (SessionState.CREATING, SessionState.OPEN, SessionState.PROCESSING):
        return ""
    # Confirmed is not enough: until its payment method is stored, the customer's other ones must not be charged for it.
    if session.state != SessionState.PROCESSING or not session.told_stripe:
        return "held"
    # Only the first draft was held by us, and only that one is ours to finalize whatever its `auto_advance` says.
    return "released" if session.invoice == invoice else ""


def _abandoned(session: Session | None) -> bool:
    """Its checkout came to nothing, so its subscription is ended; one that was paid for all the same lives on."""
    return session is not None and not session.paid and session.state in (SessionState.FAILED, SessionState.EXPIRED)


def _preferred(session: Session | None, invoice: str) -> str:
    return session.payment_method if session is not None and session.invoice == invoice else ""


def _mirrored(row: asyncpg.Record) -> BilledInvoice | None:
    if row["snapshot"] is None:
        return None
    invoice = billed(msgspec.json.decode(row["snapshot"], type=InvoiceShape))
    if row["status"] == "deleted":
        return msgspec.structs.replace(invoice, status="deleted", amount_remaining=0, amount_due=0)
    return invoice


def _attempt(row: asyncpg.Record, adapter: str) -> AttemptView:
    return AttemptView(
        id=row["id"],
        number=row["number"],
        connection=row["connection"],
        method=row["payment_method"],
        amount=row["amount"],
        captured=row["amount_captured"],
        state=known(AttemptState, row["state"]),
        sent_at=row["sent_at"],
        capabilities=capabilities_of(adapter),
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


def _recording(row: asyncpg.Record) -> RecordingView:
    payment = row["attempt"] or row["receipt"]
    return RecordingView(row["id"], payment, row["amount"], known(RecordingState, row["state"]), row["resolved_at"])


def _method(row: asyncpg.Record, connection: _Connection, currency: str) -> MethodView:
    amounts = capabilities_of(connection.adapter).amounts
    return MethodView(
        id=row["id"],
        connection=row["connection"],
        status=known(MethodStatus, row["status"]),
        position=row["position"],
        created_at=row["created_at"],
        usable=connection.usable,
        minimum=amounts.minimum.get(currency),
        maximum=amounts.maximum.get(currency),
        usable_from=connection.usable_from,
    )


async def _store_state(claim: Claim, was: InvoiceState, state: InvoiceState, now: datetime) -> None:
    """Write the state of an invoice that others wait for: they are poked in the same transaction.

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
