"""Stripe's events: who is poked by what `table` reads, set-wise, always within the delivery's own account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import ECHO
from gateway.billing import invoices
from gateway.billing.errors import StripeRefusedError
from gateway.billing.meters import ReportShape, read_report
from gateway.billing.shapes import InvoiceShape, PaymentIntentShape, is_echo
from gateway.collect.unsettled import unsettled
from gateway.customers.customer import mark_deleted
from gateway.domain.case_kinds import CaseKind
from gateway.inbox import table
from gateway.inbox.deliveries import DONE, ERASED, End, Stored, ignored, parked
from gateway.inbox.envelope import UNREADABLE
from gateway.inbox.table import Fetch, Ignore, Named, Payment, Report, Touch, Unreadable
from gateway.runtime import Runtime
from gateway.turns.cases import open_case
from gateway.usage import meters, refused

DIGESTS = "select id, digest from tollbridge.{} where account = $1 and id = any($2)"
HOLD = "select id from tollbridge.{} where account = $1 and id = any($2) order by id for no key update"
# What still comes of somebody who was erased is heeded, and not kept.
ERASE = """
    update tollbridge.delivery d set body = ''
    from unnest($2::text[], $3::text[], $4::text[]) as t (delivery, named, id)
    where d.account = $1 and d.id = t.delivery and exists (
        select 1 from tollbridge.customer c
        where c.account = $1 and c.erase_asked_at is not null and c.id = case t.named
            when 'customer' then t.id
            when 'invoice' then (select i.customer from tollbridge.invoice i where i.account = $1 and i.id = t.id)
            else (select s.customer from tollbridge.subscription s where s.account = $1 and s.id = t.id) end)
"""
# Mailed to somebody who pays through us; whoever pays on Stripe's page is to be mailed.
SENT = """
    select i.id from tollbridge.invoice i where i.account = $1 and i.id = any($2) and exists (
        select 1 from tollbridge.payment_method p
        where p.account = i.account and p.customer = i.customer and p.status <> 'revoked')
      and i.collector is distinct from 'hosted'
      and tollbridge.collection(i.account, i.customer, i.subscription) <> 'hosted' order by i.id limit 1
"""
SHOWN = """
    select i.id, i.snapshot, p.intent from unnest($2::text[], $3::text[]) as p (customer, intent)
    join tollbridge.invoice i on i.account = $1 and i.customer = p.customer and i.snapshot is not null
        and position(convert_to(p.intent, 'UTF8') in i.snapshot) > 0
    order by i.id
"""
# Whoever reports no usage through us needs no meters.
STREAM = "select exists (select 1 from tollbridge.usage_stream where account = $1)"

Plan: TypeAlias = Touch | End | ReportShape
"""What is left to do once nothing must be asked any more."""


def plan(delivery: Stored) -> Plan | Payment | Fetch | Report:
    """What a delivery asks for. Pure."""
    if delivery.kind == UNREADABLE:
        return parked("the signed body is no event")
    if not delivery.body:
        return ignored(ERASED)
    reading = table.read(delivery.body, delivery.stripe_account)
    match reading:
        case Ignore(reason=reason):
            return ignored(reason)
        case Unreadable(reason=reason):
            return parked(reason)
        case _:
            return reading


async def resolve(runtime: Runtime, account: str, reading: Plan | Payment | Fetch | Report) -> Plan:
    """Ask Stripe what can't be known without, outside any transaction. Raises StripeError and UnknownAccountError."""
    if isinstance(reading, Report):
        return await _reported(runtime, account, reading.event)
    if isinstance(reading, Fetch):
        reading = await _fetched(runtime, account, reading)
    if isinstance(reading, Payment):
        return await _invoice_behind(runtime, account, reading)
    return reading


async def _reported(runtime: Runtime, account: str, event: str) -> Plan:
    try:
        report = await read_report(await runtime.stripe(account), event)
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        return parked("Stripe does not show this report of refused usage any more")
    if report.meter:
        await meters.learn(runtime, account, report.meter)
    return report


async def _fetched(runtime: Runtime, account: str, fetch: Fetch) -> Plan | Payment:
    try:
        subject = await (await runtime.stripe(account)).get(fetch.path, table.Subject)
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        return ignored("its object is gone at Stripe")
    match table.follow(subject, fetch.named):
        case Ignore(reason=reason):
            return ignored(reason)
        case Unreadable(reason=reason):
            return parked(reason)
        case Fetch() | Report():
            return parked("its object names nothing that we know")
        case Touch() | Payment() as found:
            return found


async def mirrored(account: str, payments: Mapping[str, Payment]) -> dict[str, Plan]:
    """The plans of those deliveries whose payment intent our mirror shows: its invoice, or an echo."""
    asked = list(payments.values())
    shown: dict[str, tuple[str, str]] = {}
    for row in await sql.rows(SHOWN, account, [p.customer for p in asked], [p.intent for p in asked]):
        status = _status_shown(bytes(row["snapshot"]), row["intent"])
        if status is not None:
            shown.setdefault(row["intent"], (row["id"], status))
    plans: dict[str, Plan] = {}
    for delivery, payment in payments.items():
        if payment.intent in shown:
            invoice, status = shown[payment.intent]
            plans[delivery] = ignored(ECHO) if status and status == payment.status else Touch(Named.INVOICE, invoice)
    return plans


async def _invoice_behind(runtime: Runtime, account: str, payment: Payment) -> Plan:
    """The invoice of a payment intent: from our mirror where it shows it, else from Stripe."""
    for plan in (await mirrored(account, {"": payment})).values():
        return plan
    invoice = await invoices.behind_payment_intent(await runtime.stripe(account), payment.intent)
    return Touch(Named.INVOICE, invoice) if invoice else ignored("no invoice behind the payment")


def _status_shown(snapshot: bytes, intent: str) -> str | None:
    """The status of the intent as the mirror shows it; empty where only its id is there, None where not even that."""
    shape = msgspec.json.decode(snapshot, type=InvoiceShape)
    for payment in shape.payments.data if shape.payments else []:
        match payment.payment.payment_intent:
            case PaymentIntentShape(id=found, status=status) if found == intent:
                return status
            case str(found) if found == intent:
                return ""
    return None


async def apply(account: str, plans: Mapping[str, Plan], now: datetime) -> dict[str, End]:
    """Poke what these deliveries of one account name, in the caller's transaction; returns how each ends.

    Locks are taken in one order everywhere: subscriptions, then invoices, each by id.
    """
    DB.current("applying events")
    ends = {delivery: p for delivery, p in plans.items() if isinstance(p, End)}
    touches = {delivery: p for delivery, p in plans.items() if isinstance(p, Touch)}
    reports = {delivery: p for delivery, p in plans.items() if isinstance(p, ReportShape)}
    echoes = await _echoes(account, touches)
    ends |= dict.fromkeys(echoes, ignored(ECHO))
    todo = [touch for delivery, touch in touches.items() if delivery not in echoes]
    await _poke(account, todo, now)
    for delivery, report in reports.items():
        ends[delivery] = await _take_in(account, report, now)
    about = [(delivery, touch.named.value, touch.id) for delivery, touch in touches.items()]
    if about:
        await sql.rows(ERASE, account, *(list(column) for column in zip(*about, strict=True)))
    return ends | {delivery: DONE for delivery in touches if delivery not in echoes}


async def _take_in(account: str, report: ReportShape, now: datetime) -> End:
    if not report.readable:
        return parked("a report of refused usage that does not say what was refused: compare the meters at Stripe")
    nothing = await refused.by_report(account, report, now)
    return ignored(nothing) if nothing else DONE


async def _echoes(account: str, touches: Mapping[str, Touch]) -> set[str]:
    """The deliveries that tell our rows nothing new."""
    found: set[str] = set()
    for named in (Named.INVOICE, Named.SUBSCRIPTION):
        asked = {d: t for d, t in touches.items() if t.named is named and t.digest}
        if not asked:
            continue
        ids = sorted({touch.id for touch in asked.values()})
        rows = await sql.rows(DIGESTS.format(named), account, ids)
        mirror = {row["id"]: row["digest"] for row in rows}
        for delivery, touch in asked.items():
            ours = mirror.get(touch.id, "")
            if is_echo(touch.digest, ours) if named is Named.INVOICE else touch.digest == ours:
                found.add(delivery)
    return found


async def _poke(account: str, touches: Sequence[Touch], now: datetime) -> None:
    named: dict[Named, set[str]] = defaultdict(set)
    for touch in touches:
        named[touch.named].add(touch.id)
    anew = {t.id for t in touches if t.named is Named.CUSTOMER and t.stale}
    if deleted := sorted(t.id for t in touches if t.deleted):
        await mark_deleted(account, deleted, now)
    if subscriptions := sorted(named[Named.SUBSCRIPTION]):
        await poke.poke(Kind.SUBSCRIPTION, account, subscriptions, now, stale=True)
    if named[Named.METER] and await sql.value(STREAM, account):
        await poke.poke(Kind.USAGE, account, [account], now, stale=True)
    stale = named[Named.INVOICE] | set(await unsettled(account, "customer", anew))
    known = set(await unsettled(account, "subscription", named[Named.SUBSCRIPTION]))
    known |= set(await unsettled(account, "customer", named[Named.CUSTOMER] - anew))
    known -= stale
    if known and stale:
        await sql.rows(HOLD.format(Kind.INVOICE), account, sorted(known | stale))
    await poke.poke(Kind.INVOICE, account, sorted(stale), now, stale=True)
    await poke.poke(Kind.INVOICE, account, sorted(known), now)
    mailed = sorted(touch.id for touch in touches if touch.sent)
    if mailed and (sent := await sql.value(SENT, account, mailed)):
        # One for the account, whose setting it is; not one for each of a month's invoices.
        reason = f"Stripe has mailed invoice {sent} to a customer who pays through us"
        await open_case(account, CaseKind.INVOICE_SENT_BY_STRIPE, account, reason, now)
