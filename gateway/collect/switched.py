"""An invoice that another collects since its subscription was switched: what Stripe was to charge by itself is ours, or
what was ours Stripe pays, or its payer on Stripe's page.

Nothing is charged for the first before Stripe's answer has confirmed that it lets go of it (`domain/switching.py`), and
Stripe pays the second only while no try of ours is unresolved and no money of it is held (`domain/handing_over.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from db import cases, poke, sql
from db.engine import DB
from db.ids import derived_key
from db.poke import Claim
from db.states import HandOverState
from gateway.billing import invoices
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError
from gateway.billing.invoices import StripeInvoice
from gateway.billing.shapes import billed
from gateway.clock import business_now
from gateway.collect import mirror
from gateway.collect.load import Loaded
from gateway.domain.actions import ChangeCollector, GiveDraft, PayAtStripe, TakeInvoice
from gateway.domain.billed import StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

LEAST: Final = timedelta(days=1)
"""A draft that waited for long is not due before this: Stripe takes no due date in the past."""

COLLECT_BY: Final = "select collect_by from tollbridge.invoice where account = $1 and id = $2"
TAKEN: Final = """
    update tollbridge.invoice set taken_at = $3 where account = $1 and id = $2 and collector = 'gateway'
"""
CHANGE: Final = """
    update tollbridge.invoice set collector = case when $3 then 'hosted' when taken_at is not null then 'gateway' end
    where account = $1 and id = $2 and collector is distinct from 'stripe'
"""
PAID_THERE_NOW: Final = "its payer pays it on Stripe's page now"
SENDING: Final = """
    update tollbridge.hand_over h set state = 'sending', sent_at = $2, tries = h.tries + 1
    from (select id, state from tollbridge.hand_over where id = $1) before
    where h.id = before.id and h.state in ('wanted', 'sending')
    returning h.stripe_payment_method, h.idempotency_key, h.tries,
        before.state = 'sending' as repeated
"""
NOT_SENT: Final = """
    update tollbridge.hand_over set state = case when $2 then 'withdrawn' else 'wanted' end, sent_at = null,
        resolved_at = case when $2 then $3::timestamptz end
    where id = $1 and state = 'sending'
"""
ANOTHER_KEY: Final = "update tollbridge.hand_over set idempotency_key = $2 where id = $1"
ANSWERED: Final = """
    update tollbridge.hand_over set state = $2, message = $3, resolved_at = $4 where id = $1 and resolved_at is null
"""

# It was switched back while nobody knew what would come of it.
BACK: Final = """
    update tollbridge.invoice i set collector = case when taken_at is not null then 'gateway' end
    where account = $1 and id = $2 and collector = 'stripe' and exists (
        select 1 from tollbridge.subscription s
        where s.account = i.account and s.id = i.subscription and s.collection_method = 'send_invoice'
          and s.ended_at is null)
    returning i.id
"""


async def step(
    runtime: Runtime,
    claim: Claim,
    loaded: Loaded,
    action: TakeInvoice | ChangeCollector | GiveDraft | PayAtStripe,
    now: datetime,
) -> None:
    """Do one. Raises StripeError where Stripe may not have heard it."""
    match action:
        case ChangeCollector(hosted=hosted):
            await _change(claim, loaded, hosted, now)
        case TakeInvoice():
            await _take(runtime, claim, loaded, now)
        case GiveDraft():
            params = {"collection_method": "charge_automatically"}
            await _store(claim, loaded, *await _update(runtime, claim, loaded, params))
        case PayAtStripe():
            await _pay(runtime, claim, loaded, action, now)


async def _change(claim: Claim, loaded: Loaded, hosted: bool, now: datetime) -> None:
    """Under the same counter by which nothing was seen to be under way."""
    async with DB.transaction():
        if await poke.hold(claim, CLAIM_MARGIN_S) != loaded.poked:
            return
        await sql.rows(CHANGE, claim.account, claim.id, hosted)
        if hosted:
            # What the ladder came to is not the payer's answer there.
            await cases.close_by_itself(claim.account, claim.id, [CaseKind.COLLECTION_EXHAUSTED], now, PAID_THERE_NOW)


async def _take(runtime: Runtime, claim: Claim, loaded: Loaded, now: datetime) -> None:
    """Have Stripe leave it to us."""
    invoice = loaded.view.invoice
    assert invoice is not None, "what is taken was read"
    params: Mapping[str, Any] = {"auto_advance": False}
    if invoice.status == "draft":
        due = max(await sql.value(COLLECT_BY, claim.account, claim.id), now + LEAST)
        params = {"collection_method": "send_invoice", "due_date": int(due.timestamp())}
    answer, asked_at = await _update(runtime, claim, loaded, params)
    async with DB.transaction():
        await _store(claim, loaded, answer, asked_at)
        if _lets_go(answer):
            await sql.rows(TAKEN, claim.account, claim.id, await business_now())


async def _pay(runtime: Runtime, claim: Claim, loaded: Loaded, action: PayAtStripe, now: datetime) -> None:
    """Under a key that was committed before. After a refusal the invoice is read: it was declined, or somebody was
    quicker (law 6)."""
    async with DB.transaction():
        if await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S) != loaded.poked:
            # Something about the invoice changed since it was looked at (its subscription was switched back, say).
            return
        sending = await sql.row(SENDING, action.hand_over, now)
        if sending is None:
            return
        key = await _key(action.hand_over, sending)
    stripe, asked_at, refusal = await runtime.stripe(claim.account), await business_now(), ""
    try:
        answer = await invoices.pay_with(stripe, claim.id, sending["stripe_payment_method"], key)
    except StripeTurnedAwayError:
        if not sending["repeated"]:
            await _not_sent(claim, action.hand_over)
        raise
    except StripeRefusedError as error:
        answer, refusal = await invoices.read(stripe, claim.id), str(error)
    invoice = billed(answer.shape)
    declined = refusal and invoice.status == "open" and invoice.stripe_payment is StripePayment.NONE
    state = HandOverState.DECLINED if declined else HandOverState.DONE
    async with DB.transaction():
        await _store(claim, loaded, answer, asked_at)
        await sql.rows(ANSWERED, action.hand_over, state, sql.storable(refusal, 500), await business_now())
        if declined:
            await sql.rows(BACK, claim.account, claim.id)


async def _key(hand_over: str, sending: asyncpg.Record) -> str:
    """Two calls share a key, then a new one is taken: a stored error answers for ever. Another key is safe, since the
    invoice was read just before and is open without a payment, and Stripe pays none twice."""
    key, tries = str(sending["idempotency_key"]), sending["tries"]
    if tries > 1 and tries % 2:
        # Of the one before, so that a restored database comes to the same ones (law 2).
        key = derived_key("hand_over", key)
        await sql.rows(ANOTHER_KEY, hand_over, key)
    return key


async def _not_sent(claim: Claim, hand_over: str) -> None:
    """Stripe has not begun with it: it is wanted as before, or withdrawn, where it was switched back meanwhile."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        back = bool(await sql.rows(BACK, claim.account, claim.id))
        await sql.rows(NOT_SENT, hand_over, back, await business_now())


async def _update(
    runtime: Runtime, claim: Claim, loaded: Loaded, params: Mapping[str, Any]
) -> tuple[StripeInvoice, datetime]:
    """Change it, and when that was asked. After a refusal it is read: it was finalized, paid or closed (law 6)."""
    stripe, asked_at = await runtime.stripe(claim.account), await business_now()
    try:
        return await invoices.update(stripe, claim.id, params), asked_at
    except StripeRefusedError:
        answer, before = await invoices.read(stripe, claim.id), loaded.view.invoice
        if before is not None and answer.shape.status == before.status:
            raise
        return answer, asked_at


async def _store(claim: Claim, loaded: Loaded, answer: StripeInvoice, asked_at: datetime) -> None:
    await mirror.store(claim.account, answer, read_at=asked_at, poked=loaded.poked)


def _lets_go(answer: StripeInvoice) -> bool:
    shape = answer.shape
    return shape.status == "open" and not shape.auto_advance and shape.collection_method == "charge_automatically"
