"""Loading: the view of an invoice under a worker's claim, and its stored state brought up to date."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind
from db.states import InvoiceState, RefundState, known
from gateway.clock import business_now, told_offset
from gateway.collect.view import failing_in, row_of, seen
from gateway.domain.project import project
from gateway.domain.view import InvoiceView
from gateway.turns.locks import lock_invoices

HELD_ENOUGH_S = 2.0
"""A claim that was taken or lengthened so recently covers the next call; its margin is far more."""
WAITING_STATES = frozenset({InvoiceState.DUE, InvoiceState.CHARGING})
"""While an older invoice is in one of these, the younger ones of its subscription wait for it."""


WATCHING = """
    select id from tollbridge.checkout_session where account = $1 and invoice = $2
      and (state in ('open', 'processing') or state in ('failed', 'expired') and not cleanup_done)
    order by id for no key update
"""
YOUNGER = """
    select i.id from tollbridge.invoice o
        join tollbridge.invoice i on i.account = o.account and i.subscription = o.subscription
    where o.account = $1 and o.id = $2 and o.subscription <> '' and i.status = 'open'
      and (i.stripe_created_at, i.id) > (o.stripe_created_at, o.id)
"""
STORE_STATE = """
    update tollbridge.invoice set state = $4, reason = '',
        next_attempt_at = case when status = 'draft' then next_attempt_at end
    where account = $1 and id = $2 and claimed_by = $3 returning id
"""
"""What was said in another state is not said in this one: whoever looks before the turn ends sees no try to come."""
STORE_UNWATCHED = STORE_STATE.replace("returning id", "and poked = $5")


class Loaded(msgspec.Struct, frozen=True):
    """A view, business time and the counter as they were then, and the rows that steps need."""

    view: InvoiceView
    now: datetime
    poked: int
    state: InvoiceState
    customer: str
    number: str
    reason: str
    waits_for: str | None
    next_attempt_at: datetime | None
    failing: frozenset[str] = frozenset()
    """Connections whose processor did not answer the last charge call."""


async def load(claim: Claim, for_s: float) -> Loaded:
    """Read everything under the claim, which lasts `for_s` or nearly, and bring the stored state up to date.

    The counter is of the same moment as the rest, so a poke since then makes the next round. Raises ClaimLostError.
    """
    if time.monotonic() - claim.held_at > HELD_ENOUGH_S:
        await poke.hold(claim, for_s)
    row = await row_of(claim.account, claim.id)
    if row["claimed_by"] != claim.holder or not row["claim_holds"]:
        raise ClaimLostError(f"{claim.kind} {claim.id}")
    told_offset(row["clock_offset_s"])
    poked, now = row["poked"], await business_now()
    view = await seen(row)
    state = project(view)
    reason, next_attempt_at = row["reason"], row["next_attempt_at"]
    if state != row["state"]:
        waiting = [
            refund.id for refund in view.refunds if refund.state in (RefundState.REQUESTED, RefundState.DEFERRED)
        ]
        opens = _opens(view, state)
        if row["watched"] or row["younger_open"] or waiting or opens:
            await _store_state(claim, known(InvoiceState, row["state"]), state, waiting, opens, now)
        else:
            # Who begins to wait for it meanwhile pokes it: then this stores nothing, and the next round does.
            await sql.rows(STORE_UNWATCHED, claim.account, claim.id, claim.holder, state, poked)
        reason, next_attempt_at = "", next_attempt_at if row["status"] == "draft" else None
    told = (row["customer"], row["number"], reason, row["waits_for"], next_attempt_at)
    return Loaded(view, now, poked, state, *told, failing_in(row))


def _opens(view: InvoiceView, state: InvoiceState) -> Sequence[str]:
    """The subscription to which the payment may open access: that waits for nothing else of this turn."""
    invoice, of = view.invoice, view.subscription
    if state is not InvoiceState.PAID or invoice is None or (of is not None and of.access.open):
        return ()
    return [invoice.subscription] if invoice.subscription else ()


async def _store_state(
    claim: Claim, was: InvoiceState, state: InvoiceState, refunds: Sequence[str], opens: Sequence[str], now: datetime
) -> None:
    """Write the state of an invoice that others wait for: they are poked in the same transaction.

    `refunds`: those that wait for its payment; `opens`: the subscription that does. Rows are locked in one order
    everywhere: sessions, subscriptions, then invoices by id, then refunds.
    """
    async with DB.transaction():
        sessions = [r["id"] for r in await sql.rows(WATCHING, claim.account, claim.id)]
        younger: list[str] = []
        if was in WAITING_STATES and state not in WAITING_STATES:
            younger = [r["id"] for r in await sql.rows(YOUNGER, claim.account, claim.id)]
        await poke.poke(Kind.SUBSCRIPTION, claim.account, opens, now, urgent=True)
        await lock_invoices(claim.account, [claim.id, *younger])
        if await sql.row(STORE_STATE, claim.account, claim.id, claim.holder, state) is None:
            raise ClaimLostError(f"invoice {claim.id}")
        await poke.poke(Kind.CHECKOUT, claim.account, sessions, now)
        await poke.poke(Kind.INVOICE, claim.account, younger, now)
        await poke.poke(Kind.REFUND, claim.account, refunds, now)
