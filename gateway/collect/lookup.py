"""How the charge of an attempt stands at its processor: asked in one way, whoever wants to know.

What is answered is stored and shown, so it carries no token of the payer's (law 12).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import asyncpg

from gateway.collect.references import MethodErasedError, method_reference
from gateway.collect.scrub import without_token
from gateway.runtime import Runtime
from gateway.turns.calls import ask, total_timeout_s
from processors.outcome import ChargeOutcome, Found, LookupOutcome, Succeeded
from processors.values import ChargeQuery, PaymentMethodReference

OF_ATTEMPT: Final = "select * from tollbridge.attempt where account = $1 and id = $2"


async def look_up(runtime: Runtime, attempt: asyncpg.Record, processor_id: str = "") -> LookupOutcome:
    """Ask for an attempt. `processor_id` is what a notice calls it, where our row does not know it yet."""
    adapter = await runtime.connections.adapter(attempt["account"], attempt["connection"])
    query = await query_of(runtime, attempt, processor_id)
    found = await ask(adapter.lookup_charge(query), total_timeout_s(runtime, adapter))
    return await shown(runtime, attempt, found)


async def query_of(runtime: Runtime, attempt: asyncpg.Record, processor_id: str = "") -> ChargeQuery:
    """How to ask for an attempt: by reference and id, and where the processor can only be scanned, by method and
    time."""
    method: PaymentMethodReference | None = None
    with suppress(MethodErasedError):
        method = await method_reference(runtime, attempt["account"], attempt["payment_method"])
    known = attempt["processor_id"] or processor_id
    return ChargeQuery(attempt["reference"], known, method, since=attempt["sent_at"])


async def shown(runtime: Runtime, attempt: asyncpg.Record, found: LookupOutcome) -> LookupOutcome:
    """What is said of an attempt, in the order in which it is stored, without the token."""
    if not isinstance(found, Found):
        return found
    account, method = attempt["account"], attempt["payment_method"]
    first, *others = [await without_token(runtime, account, method, outcome) for outcome in all_of(found)]
    return Found(first, tuple(others))


def all_of(found: Found) -> tuple[ChargeOutcome, ...]:
    """What a look-up says of one attempt, in the order in which it is stored.

    A success goes first: it settles the attempt. Each further one under the same reference is money of its own.
    """
    taken = [outcome for outcome in (found.outcome, *found.also) if isinstance(outcome, Succeeded)]
    return tuple(taken) or (found.outcome,)
