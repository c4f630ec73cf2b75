"""What an invoice did not take becomes the customer's credit at Stripe, once (law 11); and whether a void one gave back
what it had taken of that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db import poke, sql
from db.engine import DB
from db.ids import derived_key, new_id
from db.poke import Claim
from gateway.billing import balances, lists
from gateway.billing.balances import RECORDING_KEY
from gateway.billing.errors import StripeNotSentError, StripeRefusedError, StripeUnknownError
from gateway.collect.load import Loaded
from gateway.collect.record import close
from gateway.collect.turn import CLAIM_MARGIN_S
from gateway.domain.actions import CreditBalance, FindBalance, ReadBalance
from gateway.returns.spreading import lock_captures
from gateway.runtime import Runtime

INSERT: Final = """
    insert into tollbridge.recording (id, account, invoice, attempt, receipt, target, amount, currency, state,
        idempotency_key, created_at)
    values ($1, $2, $3, $4, $5, 'balance', $6, $7, 'sending', $8, $9)
"""
HELD: Final = "select tollbridge.held_money($1, $2)"
LOST: Final = "select amount, created_at from tollbridge.recording where account = $1 and id = $2"
BACK: Final = "update tollbridge.invoice set balance_back = $3 where account = $1 and id = $2 and claimed_by = $4"
LOOK_BACK: Final = timedelta(days=1)
"""Stripe's clock and ours may differ."""


async def step(
    runtime: Runtime, claim: Claim, loaded: Loaded, action: CreditBalance | FindBalance | ReadBalance, now: datetime
) -> None:
    """Give the credit, look for it, or see what came back."""
    match action:
        case CreditBalance():
            await _credit(runtime, claim, loaded, action, now)
        case FindBalance():
            await _find(runtime, claim, loaded, action)
        case ReadBalance():
            await _read_back(runtime, claim, loaded)


async def _credit(runtime: Runtime, claim: Claim, loaded: Loaded, action: CreditBalance, now: datetime) -> None:
    """Give the customer the credit; the recording of it stands first."""
    invoice, recording = loaded.view.invoice, new_id("rec")
    assert invoice is not None, "it was read, and paid"
    key = derived_key("balance", claim.account, claim.id, str(len(loaded.view.recordings) + 1))
    payment = (None, action.payment) if action.receipt else (action.payment, None)
    async with DB.transaction():
        await lock_captures(claim.account, claim.id)
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        if int(await sql.value(HELD, claim.account, claim.id)) < action.amount:
            # Somebody has returned it meanwhile: look again.
            return
        asked = (action.amount, invoice.currency, key, now)
        await sql.rows(INSERT, recording, claim.account, claim.id, *payment, *asked)
    stripe, about = await runtime.stripe(claim.account), f"Paid too much on invoice {loaded.number or claim.id}"
    try:
        made = await balances.credit(stripe, invoice.customer, action.amount, invoice.currency, about, recording, key)
    except StripeRefusedError as error:
        await close(claim, recording, "refused", str(error), action.amount)
    except StripeNotSentError:
        await close(claim, recording, "not_sent", "", action.amount)
        raise
    except StripeUnknownError:
        await close(claim, recording, "unknown", "", action.amount)
    else:
        await close(claim, recording, "recorded", made.id, action.amount)


async def _find(runtime: Runtime, claim: Claim, loaded: Loaded, action: FindBalance) -> None:
    """Look whether the customer has the credit; where not, that call has given none, and another follows."""
    row, invoice = await sql.row(LOST, claim.account, action.recording), loaded.view.invoice
    assert row is not None
    assert invoice is not None
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    stripe = await runtime.stripe(claim.account)
    listed = await lists.balance_transactions(stripe, invoice.customer, since=row["created_at"] - LOOK_BACK)
    found = next((one for one in listed if (one.metadata or {}).get(RECORDING_KEY) == action.recording), None)
    state, how = ("recorded", found.id) if found is not None else ("not_sent", "")
    await close(claim, action.recording, state, how, row["amount"])


async def _read_back(runtime: Runtime, claim: Claim, loaded: Loaded) -> None:
    """See what came back of the balance that a void invoice had used."""
    invoice = loaded.view.invoice
    assert invoice is not None, "it was read, and void"
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    stripe = await runtime.stripe(claim.account)
    listed = await lists.balance_transactions(stripe, invoice.customer, since=invoice.created - LOOK_BACK)
    await sql.rows(BACK, claim.account, claim.id, balances.returned_by_void(listed, claim.id), claim.holder)
