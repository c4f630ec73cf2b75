"""`why ID`: everything about one invoice or subscription, read on both sides, and told in order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.billing import configured, invoices, reasons
from gateway.billing.client import from_unix
from gateway.billing.errors import StripeError, StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.billing.reasons import ReasonsShape
from gateway.billing.shapes import InvoiceShape, billed
from gateway.collect.view import view_of
from gateway.doctor import events
from gateway.doctor.patient import Patient, patient
from gateway.domain import doctor_why_invoice, doctor_why_subscription
from gateway.domain.doctor_why import Answer
from gateway.domain.doctor_why_invoice import InvoiceFacts
from gateway.domain.doctor_why_subscription import DraftFacts, SubscriptionFacts
from gateway.domain.view import InvoiceView
from gateway.readers.invoices import InvoiceDetail, find_invoice
from gateway.runtime import Runtime, UnknownAccountError

INVOICE: Final = "in_"
SUBSCRIPTION: Final = "sub_"

SUBSCRIPTION_ROW: Final = "select created_at, read_at from tollbridge.subscription where account = $1 and id = $2"
STATES: Final = "select id, state from tollbridge.invoice where account = $1 and id = any($2)"
TURN: Final = """
    select stale, seen < poked as waits, due_at, failures, turned_away_at, status, currency
    from tollbridge.invoice where account = $1 and id = $2
"""
HEARD: Final = """
    select kind, received_at, state from tollbridge.delivery
    where account = $1 and received_at >= $2 and source = 'stripe' and object_id = $3
    order by received_at desc, id desc limit 1
"""
HEARD_FOR: Final = timedelta(days=35)


async def why(runtime: Runtime, account: str, id: str, *, strangers: bool = False) -> Answer:
    """`strangers`: what is not known here is asked for at Stripe. Raises NotThereError.

    A StripeError where a subscription can't be read: what Stripe will do, Stripe alone says.
    """
    known = await patient(runtime, account)
    with in_lane(Lane.CHECKOUT):
        if id.startswith(INVOICE):
            return await _invoice(known, id)
        if id.startswith(SUBSCRIPTION):
            return await _subscription(known, id, strangers=strangers)
    raise NotThereError("invoice or subscription", id)


async def _subscription(known: Patient, id: str, *, strangers: bool) -> Answer:
    row = await sql.row(SUBSCRIPTION_ROW, known.id, id)
    if row is None and not strangers:
        raise NotThereError("subscription", id)
    stripe = await known.stripe()
    try:
        shape = await reasons.read(stripe, id)
    except StripeRefusedError as error:
        if error.status == 404 and row is None:
            raise NotThereError("subscription", id) from None
        raise
    drafts = await reasons.drafts(stripe, id)
    since = known.now - events.RETRIED_FOR
    pending = await configured.newest_events(stripe, since=since, undelivered=True)
    unheard = {event.object_id for event in pending if event.type == "invoice.created"}
    lost = [
        one
        for one in await events.told(known, pending)
        if not one.here and known.now - one.created > timedelta(minutes=2)
    ]
    states = {one["id"]: one["state"] for one in await sql.rows(STATES, known.id, [draft.id for draft in drafts])}
    facts = _facts(shape, row, tuple(_draft(draft, unheard, states) for draft in drafts), len(lost))
    return doctor_why_subscription.explain(facts, known.now)


def _facts(
    shape: ReasonsShape, row: asyncpg.Record | None, drafts: tuple[DraftFacts, ...], undelivered: int
) -> SubscriptionFacts:
    latest, pause, period_end = shape.latest_invoice, shape.pause_collection, from_unix(shape.period_end)
    return SubscriptionFacts(
        id=shape.id,
        status=shape.status,
        collection_method=shape.collection_method,
        known_since=None if row is None else row["created_at"],
        read_at=None if row is None else row["read_at"],
        trial_end=from_unix(shape.trial_end),
        pause=pause.behavior if pause is not None else "",
        resumes_at=from_unix(pause.resumes_at) if pause is not None else None,
        cancel_at=from_unix(shape.cancel_at) or (period_end if shape.cancel_at_period_end else None),
        ended_at=from_unix(shape.ended_at),
        schedule=shape.schedule_id,
        metered_only=shape.metered_only,
        billing_mode=shape.billing_mode.type if shape.billing_mode is not None else "",
        period_end=period_end,
        latest_invoice=latest.id if isinstance(latest, InvoiceShape) else latest or "",
        latest_status=(latest.status or "") if isinstance(latest, InvoiceShape) else "",
        drafts=drafts,
        undelivered=undelivered,
    )


def _draft(shape: InvoiceShape, unheard: set[str], states: dict[str, str]) -> DraftFacts:
    invoice = billed(shape)
    return DraftFacts(
        id=invoice.id,
        created=invoice.created,
        auto_advance=invoice.auto_advance,
        finalizes_at=invoice.finalizes_at,
        error=invoice.finalization_error,
        unheard=invoice.id in unheard,
        ours=states.get(invoice.id, ""),
    )


async def _invoice(known: Patient, id: str) -> Answer:
    detail = await find_invoice(known.id, id)
    view = await view_of(known.id, id)
    turn = await sql.row(TURN, known.id, id)
    assert turn is not None, "the invoice exists"
    since = max(known.now - HEARD_FOR, (view.known_since or known.now) - events.RETRIED_FOR)
    heard = await sql.row(HEARD, known.id, since, id)
    live, unasked = await _live(known, id)
    return doctor_why_invoice.explain(_invoice_facts(detail, view, turn, heard, live, unasked), known.now)


async def _live(known: Patient, id: str) -> tuple[InvoiceShape | None, str]:
    """The invoice at Stripe, or why it can't be said."""
    try:
        return (await invoices.read(await known.stripe(), id)).shape, ""
    except (StripeError, UnknownAccountError) as error:
        return None, str(error)


def _invoice_facts(
    detail: InvoiceDetail,
    view: InvoiceView,
    turn: asyncpg.Record,
    heard: asyncpg.Record | None,
    live: InvoiceShape | None,
    unasked: str,
) -> InvoiceFacts:
    now_there = "" if live is None else "deleted" if live.deleted else live.status or "draft"
    unresolved = next((one for one in detail.attempts if one.resolved is None), None)
    told: dict[str, Any] = {}
    if heard is not None:
        told = {"last_event": heard["kind"], "last_event_at": heard["received_at"], "last_event_state": heard["state"]}
    return InvoiceFacts(
        id=detail.id,
        live=now_there,
        unasked=unasked,
        status=turn["status"],
        state=detail.state.value,
        reason=detail.reason,
        currency=turn["currency"] or (live.currency if live is not None else ""),
        live_remaining=0 if live is None else live.amount_remaining,
        read_at=view.read_at,
        stale=turn["stale"],
        held=view.held_money,
        attempts=tuple(one.state.value for one in detail.attempts),
        unresolved_until=from_unix(unresolved.next_lookup) if unresolved is not None else None,
        movements=len(detail.movements),
        recordings=tuple(one.state.value for one in detail.recordings),
        recorded_how=detail.recordings[-1].how if detail.recordings else "",
        cases=tuple((one.kind, one.action) for one in detail.cases if one.state.value == "open"),
        pause=detail.pause.reason if detail.pause is not None else "",
        waits=turn["waits"],
        failures=turn["failures"],
        turned_away_at=turn["turned_away_at"],
        next_at=_soonest(from_unix(detail.next_attempt), turn["due_at"]),
        **told,
    )


def _soonest(*times: datetime | None) -> datetime | None:
    return min((one for one in times if one is not None), default=None)
