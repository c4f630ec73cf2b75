"""`why sub_…`: a subscription as Stripe shows it, and what is known of it here."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.billing import configured, reasons
from gateway.billing.client import StripeClient, from_unix
from gateway.billing.errors import StripeError, StripeRefusedError
from gateway.billing.reasons import ReasonsShape
from gateway.billing.shapes import InvoiceShape, billed
from gateway.doctor import events, why_collector, why_usage
from gateway.doctor.patient import Patient
from gateway.doctor.why_access import access_of
from gateway.domain import doctor_why_subscription
from gateway.domain.doctor_why import Answer
from gateway.domain.doctor_why_subscription import DraftFacts, ExpectedFacts, SubscriptionFacts
from gateway.domain.late_usage import counts_until
from gateway.domain.policy import Policy
from gateway.readers.subscriptions import find_subscription
from gateway.readers.upcoming import find_upcoming
from gateway.runtime import UnknownAccountError
from gateway.subscriptions.errors import SubscriptionEndedError

ROW: Final = "select * from tollbridge.subscription where account = $1 and id = $2"
STATES: Final = "select id, state from tollbridge.invoice where account = $1 and id = any($2)"


async def answer(known: Patient, id: str, *, strangers: bool) -> Answer:
    """Raises NotThereError, StripeError; UnknownAccountError for a stranger's id to a disabled account."""
    row = await sql.row(ROW, known.id, id)
    if row is None and not strangers:
        raise NotThereError("subscription", id)
    try:
        facts = await _at_stripe(known, await known.stripe(), id, row)
    except UnknownAccountError:
        if row is None:
            raise
        facts = _seen_last(row)
    if row is not None:
        facts = await _with_ours(known, facts, row["customer"])
    return doctor_why_subscription.explain(facts, known.now)


async def _at_stripe(known: Patient, stripe: StripeClient, id: str, row: asyncpg.Record | None) -> SubscriptionFacts:
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
    policy = known.account.policy
    facts = _facts(shape, row, tuple(_draft(draft, unheard, states, policy) for draft in drafts), len(lost))
    if row is None or not shape.metered or shape.latest_invoice is not None or shape.ended_at is not None:
        return facts
    return msgspec.structs.replace(facts, expected=await _expected(known, id))


async def _with_ours(known: Patient, facts: SubscriptionFacts, customer: str) -> SubscriptionFacts:
    """The same with what is known here alone: who collects, access, and usage on its way."""
    return msgspec.structs.replace(
        facts,
        collecting=await why_collector.of_subscription(known.id, await find_subscription(known.id, facts.id)),
        access=await access_of(known.id, facts.id),
        usage=await why_usage.of_customer(known.id, customer, facts.id),
    )


async def _expected(known: Patient, id: str) -> ExpectedFacts | None:
    """None where no invoice comes."""
    try:
        found = await find_upcoming(known.runtime, known.id, id)
    except (NotThereError, SubscriptionEndedError):
        return None
    except StripeError as error:
        return ExpectedFacts(unasked=str(error))
    return ExpectedFacts(from_unix(found.comes), found.amount_due, found.currency)


def _seen_last(row: asyncpg.Record) -> SubscriptionFacts:
    return SubscriptionFacts(
        id=row["id"],
        status=row["status"],
        collection_method=row["collection_method"],
        known_since=row["created_at"],
        read_at=row["read_at"],
        trial_end=row["trial_end"],
        pause=row["pause_behavior"],
        cancel_at=row["cancel_at"],
        ended_at=row["ended_at"],
        schedule=row["schedule"],
        unasked="the account is disabled",
    )


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


def _draft(shape: InvoiceShape, unheard: set[str], states: dict[str, str], policy: Policy) -> DraftFacts:
    invoice = billed(shape)
    return DraftFacts(
        id=invoice.id,
        created=invoice.created,
        auto_advance=invoice.auto_advance,
        finalizes_at=invoice.finalizes_at,
        error=invoice.finalization_error,
        unheard=invoice.id in unheard,
        ours=states.get(invoice.id, ""),
        late_usage_until=counts_until(invoice, policy),
    )
