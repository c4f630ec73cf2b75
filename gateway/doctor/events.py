"""The flow of events: what Stripe has that did not come, what waits for an endpoint, and what was refused at our door.

Also Stripe's own mails, which only their events show.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from db import sql
from gateway.billing import configured
from gateway.billing.client import from_unix
from gateway.billing.configured import EventShape
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, ok
from gateway.domain.doctor_house import Refused, judge_refused
from gateway.domain.doctor_stripe import MAILS, SILENCE, Told, judge_flow, judge_mails, judge_pending
from gateway.inbox.envelope import STRIPE
from gateway.inbox.table import depended_on
from gateway.readers.deliveries import refused_lately

MAILS_FOR: Final = timedelta(days=30)
"""Stripe keeps events for so long (API description, GET /v1/events)."""
RETRIED_FOR: Final = timedelta(days=3)
"""What could not be delivered for longer is tried no more (docs: webhooks)."""
EARLY: Final = timedelta(minutes=5)
"""Stripe's clock and ours may be so far apart."""
EVER: Final = datetime.min.replace(tzinfo=UTC)

LAST: Final = "select max(received_at) from tollbridge.delivery where account = $1 and source = 'stripe'"
KEYS: Final = """
    select delivery_key from tollbridge.delivery where account = $1 and source = 'stripe' and delivery_key = any($2)
"""
# A thin event has an id of its own, so that it is known by what it tells of.
THIN: Final = """
    select kind, object_id, max(received_at) as received_at from tollbridge.delivery
    where account = $1 and received_at >= $2 and source = 'stripe' and starts_with(kind, 'v1.') and object_id = any($3)
    group by kind, object_id
"""
BILLED: Final = """
    select count(*) from tollbridge.invoice
    where account = $1 and collection_method = 'send_invoice' and status not in ('', 'draft', 'deleted')
      and stripe_created_at >= $2
"""


async def look(patient: Patient) -> list[Finding]:
    """Stripe's events against ours. Raises StripeError."""
    stripe, now = await patient.stripe(), patient.now
    newest = await configured.newest_events(stripe, since=now - SILENCE)
    pending = await configured.newest_events(stripe, since=now - RETRIED_FOR, undelivered=True)
    flow = judge_flow(await told(patient, newest), await last_heard(patient.id), now)
    refused = (await _refused(patient)).get(STRIPE)
    return [*flow, *judge_pending(await told(patient, pending), refused, now), await _mails(patient)]


async def last_heard(account: str) -> datetime | None:
    """When Stripe's last webhook came in."""
    last: datetime | None = await sql.value(LAST, account)
    return last


async def look_at_door(patient: Patient) -> list[Finding]:
    """Deliveries whose signature did not hold, in the last hour of machine time."""
    told = [judge_refused(one) for one in (await _refused(patient)).values()]
    return told or [ok("signatures", "no delivery was refused in the last hour")]


async def _refused(patient: Patient) -> dict[str, Refused]:
    """By where they came from: Stripe, or a connection's id."""
    rows = await refused_lately(patient.id)
    return {row["source"]: Refused(row["door"], row["refused"], row["reason"]) for row in rows}


async def _mails(patient: Patient) -> Finding:
    """Stripe lists them whether or not an endpoint wants them."""
    if not await patient.charges():
        return ok(MAILS, "payers pay on Stripe's page, so that its mails do no harm")
    since = patient.now - MAILS_FOR
    sent = await configured.newest_events(await patient.stripe(), since=since, kind="invoice.sent")
    billed = int(await sql.value(BILLED, patient.id, since))
    return judge_mails(len(sent), billed, mails_off=patient.account.policy.stripe_mails_off)


async def told(patient: Patient, events: Sequence[EventShape]) -> list[Told]:
    """Those that must not be missing, and whether each is here."""
    wanted = [(event, from_unix(event.created) or patient.now) for event in events if event.type in depended_on()]
    keys = {row["delivery_key"] for row in await sql.rows(KEYS, patient.id, [event.id for event, _ in wanted])}
    others = [(event, at) for event, at in wanted if event.id not in keys]
    thin: dict[tuple[str, str], datetime] = {}
    if others:
        since = min(at for _, at in others) - EARLY
        rows = await sql.rows(THIN, patient.id, since, [event.object_id for event, _ in others])
        thin = {(row["kind"].removeprefix("v1."), row["object_id"]): row["received_at"] for row in rows}
    return [
        Told(event.id, event.type, at, event.id in keys or thin.get((event.type, event.object_id), EVER) >= at - EARLY)
        for event, at in wanted
    ]
