"""What an invoice did not take becomes the customer's credit at Stripe, once (law 11); and whether a void one gave back
what it had taken of that.

A database that was restored from a backup may have forgotten that it gave the credit, and the key of that call is dead
after a day: so what Stripe shows of this payment is taken up before anything is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from db import poke, sql
from db.engine import DB
from db.ids import derived_key, new_id
from db.poke import Claim
from gateway.billing import balances, lists
from gateway.billing.balances import INVOICE_KEY, PAYMENT_KEY, RECORDING_KEY, BalanceShape
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError, StripeUnknownError
from gateway.collect.load import Loaded
from gateway.collect.record import close
from gateway.domain.actions import CreditBalance, FindBalance, ReadBalance
from gateway.ledger import held_money
from gateway.returns.spreading import lock_captures
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

INSERT: Final = """
    insert into tollbridge.recording (id, account, invoice, attempt, receipt, target, amount, currency, state,
        idempotency_key, created_at)
    values ($1, $2, $3, $4, $5, 'balance', $6, $7, 'sending', $8, $9)
"""
FOUND: Final = """
    insert into tollbridge.recording (id, account, invoice, attempt, receipt, target, amount, currency, state,
        idempotency_key, how, created_at, resolved_at)
    values ($1, $2, $3, $4, $5, 'balance', $6, $7, 'recorded', $8, $10, $9, $9) on conflict do nothing
"""
REFERENCE: Final = "select reference from tollbridge.attempt where account = $1 and id = $2"
REFERENCE_OF_RECEIPT: Final = "select processor_id from tollbridge.movement where account = $1 and id = $2"
KNOWN: Final = "select how from tollbridge.recording where account = $1 and invoice = $2 and target = 'balance'"
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
    named = await _named(claim, action)
    if await _take_up(runtime, claim, loaded, action, named):
        return
    key = derived_key("balance", claim.account, claim.id, str(len(loaded.view.recordings) + 1))
    payment = (None, action.payment) if action.receipt else (action.payment, None)
    async with DB.transaction():
        await lock_captures(claim.account, claim.id)
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        if await held_money(claim.account, claim.id) < action.amount:
            # Somebody has returned it meanwhile: look again.
            return
        asked = (action.amount, invoice.currency, key, now)
        await sql.rows(INSERT, recording, claim.account, claim.id, *payment, *asked)
    stripe, about = await runtime.stripe(claim.account), f"Paid too much on invoice {loaded.number or claim.id}"
    try:
        told = {RECORDING_KEY: recording, **named}
        made = await balances.credit(stripe, invoice.customer, action.amount, invoice.currency, about, told, key)
    except StripeRefusedError as error:
        await close(claim, recording, "refused", str(error), action.amount)
    except StripeTurnedAwayError:
        await close(claim, recording, "not_sent", "", action.amount)
        raise
    except StripeUnknownError:
        await close(claim, recording, "unknown", "", action.amount)
    else:
        await close(claim, recording, "recorded", made.id, action.amount)


async def _named(claim: Claim, action: CreditBalance) -> dict[str, str]:
    """The metadata by which the credit for this payment is known, whatever our rows are called."""
    query = REFERENCE_OF_RECEIPT if action.receipt else REFERENCE
    reference = str(await sql.value(query, claim.account, action.payment))
    return {PAYMENT_KEY: reference[:500], INVOICE_KEY: claim.id}


async def _take_up(
    runtime: Runtime, claim: Claim, loaded: Loaded, action: CreditBalance, named: Mapping[str, str]
) -> bool:
    """Whether the customer has credit for this payment that no recording of ours explains: from now on one does."""
    invoice, now = loaded.view.invoice, loaded.now
    assert invoice is not None
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    stripe = await runtime.stripe(claim.account)
    listed = await lists.balance_transactions(stripe, invoice.customer, since=invoice.created - LOOK_BACK)
    known = {row["how"] for row in await sql.rows(KNOWN, claim.account, claim.id)}
    forgotten = [one for one in listed if one.id not in known and _is_named(one, named)]
    payment = (None, action.payment) if action.receipt else (action.payment, None)
    for one in forgotten:
        key = derived_key("balance", claim.account, claim.id, one.id)
        told = (-one.amount, invoice.currency, key, now, one.id)
        await sql.rows(FOUND, new_id("rec"), claim.account, claim.id, *payment, *told)
    return bool(forgotten)


def _is_named(one: BalanceShape, named: Mapping[str, str]) -> bool:
    told = one.metadata or {}
    return one.amount < 0 and all(told.get(key) == value for key, value in named.items())


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
