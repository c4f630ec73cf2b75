"""Collect an invoice now, before its ladder's next step: the wish is stored, and `advance` heeds it.

It charges nothing itself, so a button that is pressed while the scheduler is at it makes no second attempt.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Collector
from gateway.accounts.audit import Author
from gateway.clock import business_now
from gateway.domain.decide import not_ours
from gateway.domain.obstacles import NOT_ANSWERING, PAYS_THERE, out_of_bounds, standstill, waits_until
from gateway.domain.recovery import Exhausted, Held, NeedsMethod, TryAt, TryNow, by_hand_from, next_try
from gateway.domain.times import moment
from gateway.domain.view import InvoiceView
from gateway.finance.errors import AlreadyRunningError, NoMethodError, NotNowError
from gateway.finance.invoice import hold_invoice
from gateway.waiting import until

ASK: Final = "update tollbridge.invoice set asked_at = $3 where account = $1 and id = $2"
BUSY: Final = """
    select i.seen < i.poked or i.asked_at is not null or exists (
        select 1 from tollbridge.attempt a where a.account = i.account and a.invoice = i.id and a.state = 'sending')
    from tollbridge.invoice i where i.account = $1 and i.id = $2
"""


async def collect_now(by: Author, account: str, invoice: str) -> None:
    """Ask for a try now. Raises NotThereError, AlreadyRunningError, NoMethodError, NotNowError."""
    now = await business_now()
    async with DB.transaction():
        view = await hold_invoice(account, invoice)
        refuse(view, now)
        await sql.rows(ASK, account, invoice, now)
        await poke.poke(Kind.INVOICE, account, [invoice], now, stale=True)
        await by.note(account, "invoice.collect", invoice)


def refuse(view: InvoiceView, now: datetime) -> None:
    """Raise what stands in the way of a try by hand. Pure."""
    invoice = view.invoice
    if view.asked or view.unresolved is not None:
        raise AlreadyRunningError("a charge of this invoice is under way already")
    if view.void_asked:
        raise AlreadyRunningError("it is about to be voided")
    if invoice is None:
        raise AlreadyRunningError("the invoice is about to be read, and collected where it is due")
    if view.held_money > 0:
        raise NotNowError("its money is captured: Stripe is told of it, or a case says why not")
    if invoice.status != "open":
        raise NotNowError(f"the invoice is {invoice.status} in Stripe")
    if reason := not_ours(view):
        raise NotNowError(f"it is not collected here: {reason}")
    if view.collector is Collector.STRIPE:
        raise NotNowError("Stripe is to pay it: switch its subscription back to us first")
    if view.collector is Collector.HOSTED or view.hosted:
        raise NotNowError(f"{PAYS_THERE}: nothing is charged for it unless its customer or subscription is moved to us")
    if view.abandoned or view.hold == "held":
        raise NotNowError("it belongs to a checkout that is not confirmed")
    if (wait := standstill(view, invoice, now)) is not None:
        raise NotNowError(wait.reason)
    match next_try(msgspec.structs.replace(view, asked=True), now):
        case NeedsMethod(reason=reason):
            raise NoMethodError(f"{reason}; have the payer give one (POST /v1/payment_method_sessions)")
        case Exhausted(reason=reason):
            raise NotNowError(f"{reason}; a newly stored payment method is tried, and a payment can be recorded")
        case Held(reason=reason):
            raise NotNowError(f"{reason}; see its case")
        case TryAt(at=at, reason=reason):
            raise NotNowError(_too_soon(view, at, reason, now))
        case TryNow(method=method):
            if (bound := out_of_bounds(method, view.wanted, invoice.currency)) is not None:
                raise NotNowError(bound.reason)
            if waits_until(method, now) is not None:
                raise NotNowError(NOT_ANSWERING)


def _too_soon(view: InvoiceView, at: datetime, reason: str, now: datetime) -> str:
    """When it is tried by itself, and when somebody may ask for it before."""
    tried = [one for one in view.attempts if not one.surplus]
    by_hand = by_hand_from(tried) if tried else now
    by_itself = f"it is tried by itself on {moment(at)} ({reason})"
    return by_itself if by_hand <= now else f"{by_itself}, by hand not before {moment(by_hand)}"


async def wait_for(account: str, invoice: str, wait_s: float) -> bool:
    """Wait until what was asked for has been heeded, at most `wait_s` seconds of machine time; whether it has."""

    async def heeded() -> bool:
        return not await sql.value(BUSY, account, invoice)

    async def rests(done: bool) -> bool:
        return done

    return await until(rests, heeded, wait_s)
