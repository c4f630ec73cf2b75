"""`why in_…`: an invoice as Stripe shows it, and everything about it here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from db import sql
from db.states import Collector
from gateway.accounts.errors import NotThereError
from gateway.billing import invoices
from gateway.billing.client import from_unix
from gateway.billing.errors import StripeError
from gateway.billing.shapes import InvoiceShape
from gateway.collect.view import view_of
from gateway.doctor import events, why_collector, why_usage
from gateway.doctor.patient import Patient
from gateway.doctor.why_access import access_of
from gateway.domain import doctor_why_invoice
from gateway.domain.billed import StripePayment
from gateway.domain.doctor_why import Answer
from gateway.domain.doctor_why_access import access_in_words
from gateway.domain.doctor_why_invoice import HostedFacts, InvoiceFacts
from gateway.domain.late_usage import counts_until
from gateway.domain.plain_words import Pays, Shown, pays
from gateway.domain.policy import end_in_words
from gateway.domain.view import InvoiceView
from gateway.readers.invoices import InvoiceDetail, find_invoice
from gateway.runtime import UnknownAccountError

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


async def answer(known: Patient, id: str) -> Answer:
    detail = await find_invoice(known.id, id)
    view = await view_of(known.id, id)
    turn = await sql.row(TURN, known.id, id)
    assert turn is not None, "the invoice exists"
    since = max(known.now - HEARD_FOR, (view.known_since or known.now) - events.RETRIED_FOR)
    heard = await sql.row(HEARD, known.id, since, id)
    live, unasked = await _live(known, id)
    facts = _facts(detail, view, turn, heard, live, unasked)
    return doctor_why_invoice.explain(await _with_ours(known.id, facts, detail, view), known.now)


async def _with_ours(account: str, facts: InvoiceFacts, detail: InvoiceDetail, view: InvoiceView) -> InvoiceFacts:
    """The same with who collects it, how it is paid, and what may be missing on it."""
    collecting, invoice = await why_collector.of_invoice(account, detail), view.invoice
    draft = facts.live in ("", "draft") and facts.status == "draft"
    usage = facts.usage
    if detail.subscription is not None:
        usage = await why_usage.of_customer(account, detail.customer, detail.subscription)
    return msgspec.structs.replace(
        facts,
        collecting=collecting,
        hosted=_hosted(detail, view) if collecting.by is Collector.HOSTED else None,
        late_usage_until=counts_until(invoice, view.policy) if draft and invoice is not None else None,
        usage=usage,
        access=await _access(account, detail),
    )


def _hosted(detail: InvoiceDetail, view: InvoiceView) -> HostedFacts:
    """The link only where it leads to a payment."""
    shown = Shown(
        status=detail.status or "",
        state=detail.state,
        collector=detail.collected_by,
        paying=view.invoice is not None and view.invoice.stripe_payment is StripePayment.PROCESSING,
    )
    page = detail.links.hosted_invoice_url if pays(shown) is Pays.HOSTED_PAGE else None
    plan = detail.plan
    at_end = "" if plan is None else end_in_words(plan.at_end)
    return HostedFacts(page or "", from_unix(detail.due_date), from_unix(plan.ends_at) if plan else None, at_end)


async def _access(account: str, detail: InvoiceDetail) -> str:
    try:
        found = await access_of(account, detail.subscription or "")
    except NotThereError:
        return ""
    return access_in_words(found) if found.invoice == detail.id else ""


async def _live(known: Patient, id: str) -> tuple[InvoiceShape | None, str]:
    """The invoice at Stripe, or why it can't be said."""
    try:
        return (await invoices.read(await known.stripe(), id)).shape, ""
    except (StripeError, UnknownAccountError) as error:
        return None, str(error)


def _facts(
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
        waits=turn["waits"],
        failures=turn["failures"],
        turned_away_at=turn["turned_away_at"],
        next_at=_soonest(from_unix(detail.next_attempt), turn["due_at"]),
        **told,
    )


def _soonest(*times: datetime | None) -> datetime | None:
    return min((one for one in times if one is not None), default=None)
