"""What an invoice was too small to be charged for: written to the customer's balance at Stripe as owed, once (law 11).

Its row was made together with the credit note's, and its turn comes when that stands (`domain/carrying.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.ids import derived_key
from db.poke import Claim
from gateway.billing import balances, lists
from gateway.billing.balances import CARRY_KEY, CARRY_OF_KEY, BalanceShape
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError, StripeUnknownError
from gateway.domain.actions import CarryOver, FindCarry
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

LOOK_BACK: Final = timedelta(days=1)
"""Stripe's clock and ours may differ."""
ROW: Final = """
    select c.*, i.customer, i.number, n.subject from tollbridge.carry c
    join tollbridge.invoice i on i.account = c.account and i.id = c.invoice
    join tollbridge.credit_note n on n.account = c.account and n.id = c.credit_note
    where c.account = $1 and c.id = $2
"""
SENDING: Final = """
    update tollbridge.carry set state = 'sending', tries = tries + 1, sent_at = $3
    where account = $1 and id = $2 and state = 'wanted' returning tries
"""
# What Stripe turned away at the first call was no call: the next one's refusal says that it is not made.
END: Final = """
    update tollbridge.carry set state = $3, error = $4, tries = case when $3 = 'wanted' then 0 else tries end
    where account = $1 and id = $2 and state = 'sending'
"""
BACK: Final = """
    update tollbridge.carry set state = 'wanted' where account = $1 and id = $2 and state in ('sending', 'unknown')
"""
CARRIED: Final = """
    update tollbridge.carry set state = 'carried', transaction = $3, error = ''
    where account = $1 and id = $2 and state <> 'carried'
"""


async def step(runtime: Runtime, claim: Claim, action: CarryOver | FindCarry, now: datetime) -> None:
    """Have the customer owe it, or look whether that was done."""
    row = await sql.row(ROW, claim.account, action.carry)
    assert row is not None, "what was to be carried over stands"
    if isinstance(action, CarryOver):
        await _carry_over(runtime, claim, row, now)
    else:
        await _find(runtime, claim, row)


async def _carry_over(runtime: Runtime, claim: Claim, row: asyncpg.Record, now: datetime) -> None:
    """Two calls share a key, then a new one is taken: a stored error answers for ever."""
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        tries = await sql.value(SENDING, claim.account, row["id"], now)
    if tries is None:
        return
    key = derived_key("carry", claim.account, row["id"], str((tries + 1) // 2))
    stripe, about = await runtime.stripe(claim.account), f"Carried over from invoice {row['number'] or row['invoice']}"
    metadata = {CARRY_KEY: row["id"], CARRY_OF_KEY: row["subject"]}
    try:
        # A database that was restored has forgotten what it wrote: it stands under the same subject.
        made = await _standing(stripe, row) if tries == 1 else None
        made = made or await balances.owe(stripe, row["customer"], row["amount"], row["currency"], about, metadata, key)
    except StripeRefusedError as error:
        # A repeat may be refused although the first try has done it: it is looked for then.
        await _end(claim, row, "refused" if tries == 1 else "unknown", str(error))
    except StripeTurnedAwayError:
        await _end(claim, row, "wanted" if tries == 1 else "unknown", "")
        raise
    except StripeUnknownError as error:
        await _end(claim, row, "unknown", str(error))
    else:
        await sql.rows(CARRIED, claim.account, row["id"], made.id)


async def _find(runtime: Runtime, claim: Claim, row: asyncpg.Record) -> None:
    """Look whether the customer owes it; where not, it may be tried again."""
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    found = await _standing(await runtime.stripe(claim.account), row)
    if found is not None:
        await sql.rows(CARRIED, claim.account, row["id"], found.id)
    else:
        await sql.rows(BACK, claim.account, row["id"])


async def _standing(stripe: StripeClient, row: asyncpg.Record) -> BalanceShape | None:
    """The balance transaction that is this row's."""
    listed = await lists.balance_transactions(stripe, row["customer"], since=row["created_at"] - LOOK_BACK)
    for one in listed:
        told = one.metadata or {}
        if told.get(CARRY_KEY) == row["id"] or told.get(CARRY_OF_KEY) == row["subject"]:
            return one
    return None


async def _end(claim: Claim, row: asyncpg.Record, state: str, error: str) -> None:
    await sql.rows(END, claim.account, row["id"], state, sql.storable(error, 500))
