"""The steps that end at Stripe or in our own notes: read, finalize, tag, record what was captured as paid out of band;
mark it as surplus, ask a human, write down why nothing happens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from db import poke, sql
from db.engine import DB
from db.ids import derived_key, new_id
from db.poke import Claim
from db.states import WaitsFor
from gateway.billing import invoices
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError, StripeUnknownError
from gateway.billing.invoices import StripeInvoice
from gateway.billing.shapes import billed
from gateway.clock import business_now
from gateway.collect import mirror
from gateway.collect.load import HELD_ENOUGH_S, Loaded
from gateway.domain.actions import ConfirmRecording, MarkSurplus, OpenCase, Record, Tag
from gateway.domain.billed import ATTEMPT_KEY, RECEIPT_KEY
from gateway.domain.case_kinds import CaseKind
from gateway.runtime import Runtime
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S

FINALIZE_AGAIN = timedelta(hours=1)
"""After Stripe could not finalize a draft (for lack of a tax location, mostly), the next try."""

CAPTURE = """
    select a.processor_id, c.name from tollbridge.attempt a
    join tollbridge.connection c on c.id = a.connection where a.account = $1 and a.id = $2
"""
RECEIPT = """
    select processor_id, evidence::jsonb ->> 'source' as name from tollbridge.movement where account = $1 and id = $2
"""
INSERT_RECORDING = """
    insert into tollbridge.recording (id, account, invoice, attempt, amount, currency, state, idempotency_key,
        created_at)
    select $1, account, $7, id, $4, currency, 'sending', $5, $6 from tollbridge.attempt
    where account = $2 and id = $3
"""
INSERT_RECORDING_OF_RECEIPT = """
    insert into tollbridge.recording (id, account, invoice, receipt, amount, currency, state, idempotency_key,
        created_at)
    select $1, account, $7, id, $4, currency, 'sending', $5, $6 from tollbridge.movement
    where account = $2 and id = $3
"""
CLOSE_RECORDING = """
    update tollbridge.recording set state = $3, how = $4, resolved_at = $5, amount = $6
    where account = $1 and id = $2 and state in ('sending', 'unknown')
"""


async def read(runtime: Runtime, claim: Claim, loaded: Loaded) -> None:
    """Read the live invoice. One that was final can't be deleted: a 404 for it is a fault (of the key, say)."""
    known = loaded.view.invoice
    final = known is not None and known.status not in ("draft", "deleted")

    async def look(stripe: StripeClient) -> StripeInvoice:
        answer = await invoices.read(stripe, claim.id)
        if answer.shape.deleted and final:
            raise StripeRefusedError(f"GET /v1/invoices/{claim.id}: Stripe does not know it any more", status=404)
        return answer

    await call(runtime, claim, loaded, look)


async def finalize(runtime: Runtime, claim: Claim, loaded: Loaded, now: datetime) -> None:
    """Finalize a draft. After a refusal the invoice is read: somebody finalized it, or Stripe can't."""
    try:
        await call(runtime, claim, loaded, lambda stripe: invoices.finalize(stripe, claim.id))
    except StripeRefusedError as error:
        answer = await call(runtime, claim, loaded, lambda stripe: invoices.read(stripe, claim.id))
        seen = billed(answer.shape)
        if seen.status != "draft":
            return
        if seen.location_filled:
            # Stripe contradicts itself: only a failed turn keeps this from being asked at once again.
            raise
        said = seen.finalization_error or str(error)
        async with DB.transaction():
            await open_case(claim.account, CaseKind.FINALIZATION_FAILED, claim.id, said, now, invoice=claim.id)
            await sql.rows(
                "update tollbridge.invoice set next_attempt_at = $3 where account = $1 and id = $2",
                claim.account,
                claim.id,
                now + FINALIZE_AGAIN,
            )


async def tag(runtime: Runtime, claim: Claim, loaded: Loaded, action: Tag) -> None:
    """Name the processor's payment on the invoice, before it is marked paid."""
    row = await sql.row(RECEIPT if action.receipt else CAPTURE, claim.account, action.attempt)
    assert row is not None
    metadata = {
        RECEIPT_KEY if action.receipt else ATTEMPT_KEY: action.attempt,
        "third_party_processor": row["name"],
        "third_party_payment_id": row["processor_id"][:500],
    }
    await call(runtime, claim, loaded, lambda stripe: invoices.tag(stripe, claim.id, metadata))


async def record(runtime: Runtime, claim: Claim, loaded: Loaded, action: Record, now: datetime) -> None:
    """Mark the invoice paid out of band (law 5).

    The intent stands before the call. An answer that never came leaves it `unknown` and the invoice is read next: if
    that is still open, a further call goes out under a further key, since a stored 500 would answer for ever.
    """
    recording, key, repeated = await _intend(runtime, claim, loaded, action, now)
    stripe = await runtime.stripe(claim.account)
    asked_at = await business_now()
    try:
        answer = await invoices.pay_out_of_band(stripe, claim.id, key)
    except StripeRefusedError as error:
        # A repeat of a call whose answer was lost: "already paid" may be its own doing.
        await close(claim, recording, "unknown" if repeated else "refused", str(error), action.amount)
        await read(runtime, claim, loaded)
    except StripeTurnedAwayError:
        # Turned away unread: this call has paid nothing.
        await close(claim, recording, "unknown" if repeated else "not_sent", "", action.amount)
        raise
    except StripeUnknownError:
        await close(claim, recording, "unknown", "", action.amount)
        await read(runtime, claim, loaded)
    else:
        at = await business_now()
        async with DB.transaction():
            # What Stripe took is what its answer shows: a credit note may have come between the look and the call.
            before = loaded.view.invoice.amount_paid if loaded.view.invoice else 0
            took = max(answer.shape.amount_paid - before, 0) or action.amount
            await sql.rows(CLOSE_RECORDING, claim.account, recording, "recorded", "ours", at, took)
            await mirror.store(claim.account, answer, read_at=asked_at, poked=loaded.poked)


async def confirm(claim: Claim, loaded: Loaded, action: ConfirmRecording, now: datetime) -> None:
    """The invoice is paid, by the recording whose answer was lost."""
    invoice = loaded.view.invoice
    assert invoice is not None
    intended = next(r.amount for r in loaded.view.recordings if r.id == action.recording)
    took = min(intended, invoice.amount_paid) or intended
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(CLOSE_RECORDING, claim.account, action.recording, "recorded", "ours", now, took)


async def mark_surplus(claim: Claim, action: MarkSurplus) -> None:
    """The capture is the payer's money: it goes back, or a case names it, in the next round of the same turn."""
    await sql.rows(
        """update tollbridge.attempt set surplus = true, surplus_at = coalesce(surplus_at, tollbridge.business_now()),
               surplus_reason = $3
           where account = $1 and id = $2""",
        claim.account,
        action.attempt,
        action.reason,
    )


async def put_before_a_human(claim: Claim, action: OpenCase, now: datetime) -> None:
    async with DB.transaction():
        await open_case(claim.account, action.kind, claim.id, action.reason, now, invoice=claim.id)


async def note(claim: Claim, reason: str, waits_for: WaitsFor | None, next_at: datetime | None) -> None:
    """Write down why nothing happens now, and when something will; in the transaction that lets go.

    Who asked for a try was heard in this turn: whatever is to come of it has come. Who wants it void may have to wait.
    """
    await sql.rows(
        """update tollbridge.invoice set reason = $3, waits_for = $5, asked_at = null,
               kept_in_pause = kept_in_pause or (status = 'draft' and $5 is not distinct from 'pause'),
               next_attempt_at = case when status = 'draft' then next_attempt_at else $4 end
           where account = $1 and id = $2""",
        claim.account,
        claim.id,
        reason,
        next_at,
        waits_for,
    )


async def _intend(
    runtime: Runtime, claim: Claim, loaded: Loaded, action: Record, now: datetime
) -> tuple[str, str, bool]:
    """The open recording, or a new one; its id and key, and whether it was sent before."""
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        sending = await sql.row(
            """select id, idempotency_key from tollbridge.recording
               where account = $1 and invoice = $2 and state = 'sending' and target = 'invoice'""",
            claim.account,
            claim.id,
        )
        if sending is not None:
            return sending["id"], sending["idempotency_key"], True
        recording = new_id("rec")
        key = derived_key("record", claim.account, claim.id, str(len(loaded.view.recordings) + 1))
        insert = INSERT_RECORDING_OF_RECEIPT if action.receipt else INSERT_RECORDING
        await sql.rows(insert, recording, claim.account, action.attempt, action.amount, key, now, claim.id)
    return recording, key, False


async def close(claim: Claim, recording: str, state: str, how: str, amount: int) -> None:
    """Store what came of telling Stripe; also of a claim that is gone meanwhile."""
    at = await business_now()
    async with DB.transaction():
        await sql.rows(CLOSE_RECORDING, claim.account, recording, state, sql.storable(how, 500), at, amount)


async def call(
    runtime: Runtime,
    claim: Claim,
    loaded: Loaded,
    ask: Callable[[StripeClient], Awaitable[StripeInvoice]],
) -> StripeInvoice:
    """Make one call under the claim, and keep its answer as the mirror."""
    if time.monotonic() - claim.held_at > HELD_ENOUGH_S:
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    stripe = await runtime.stripe(claim.account)
    at = await business_now()
    answer = await ask(stripe)
    async with DB.transaction():
        await mirror.store(claim.account, answer, read_at=at, poked=loaded.poked)
    return answer
