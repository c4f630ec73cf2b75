"""A processor's notices of stored payment methods: always by the exact token, always of that connection alone.

What was told stands at the method with the processor's own time: an older notice that comes later changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import sql
from db.states import MethodStatus
from gateway.collect.gone import mark_revoked
from gateway.customers import standing, vault
from gateway.customers.methods import replace_reference
from gateway.domain.case_kinds import CaseKind
from gateway.inbox.deliveries import DONE, End, Stored, ignored, parked
from gateway.runtime import Runtime
from processors.events import EventKind, ProcessorEvent, Replacement

# One that its payer had ended may come back, unless nothing of that customer is kept any more; the newest, where the
# same token was given several times.
STORED: Final = """
    select id, status, standing_at from tollbridge.payment_method p
    where account = $1 and connection = $2 and token_hash = $3
      and (status <> 'revoked' or ended_by_payer and not exists (
            select 1 from tollbridge.customer c where c.account = p.account and c.id = p.customer
              and (c.deleted_at is not null or c.erase_asked_at is not null)))
    order by status = 'revoked', created_at desc, id limit 1 for no key update
"""
TOLD: Final = "update tollbridge.payment_method set standing_at = $3 where account = $1 and id = $2"


async def apply(runtime: Runtime, delivery: Stored, event: ProcessorEvent, now: datetime) -> End:
    """What a notice of a payment method comes to, in the transaction that finishes its delivery."""
    replaced = event.kind is EventKind.METHOD_REPLACED
    if event.token is None or not event.token.reveal() or (replaced and event.replacement is None):
        return parked(f"the {event.kind} notice does not say which method" + (", or what by" if replaced else ""))
    token_hash = runtime.keyring.token_hash(delivery.source, event.token.reveal())
    if event.replacement is not None:
        # The token's lock comes before the method's.
        await vault.lock(await vault.vault_hash(runtime, delivery.source, event.replacement.method))
    method = await sql.row(STORED, delivery.account, delivery.source, token_hash)
    if method is None:
        return ignored("no payment method of ours, or revoked before")
    if not replaced and _is_old(event, method["standing_at"]):
        return ignored("the processor has told since how the method stands")
    end = await _stands(runtime, delivery, method, event, now)
    if not replaced:
        await sql.rows(TOLD, delivery.account, method["id"], event.occurred_at)
    return end


def _is_old(event: ProcessorEvent, told_at: datetime | None) -> bool:
    """Whether the processor has told since how the method stands. Of two things told of one second (most tell whole
    ones) the better is taken for the later: at worst the next charge says otherwise."""
    if told_at is None or event.kind is EventKind.METHOD_ACTIVATED:
        return told_at is not None and told_at > event.occurred_at
    return told_at >= event.occurred_at


async def _stands(
    runtime: Runtime, delivery: Stored, method: asyncpg.Record, event: ProcessorEvent, now: datetime
) -> End:
    account, is_gone = delivery.account, method["status"] == MethodStatus.REVOKED
    match event.kind:
        case EventKind.METHOD_REPLACED if event.replacement is not None:
            return await _replace(runtime, account, method["id"], event.replacement, now)
        case EventKind.METHOD_ACTIVATED if is_gone and event.replacement is not None:
            return await _replace(runtime, account, method["id"], event.replacement, now)
        case _ if is_gone:
            return ignored("no payment method of ours, or revoked before")
        case EventKind.METHOD_REVOKED:
            await mark_revoked(account, method["id"], now, by_payer=True)
            return DONE
        case EventKind.METHOD_SUSPENDED | EventKind.METHOD_EXPIRED:
            changed = await standing.stop(account, method["id"], event.kind, now)
        case _:
            changed = await standing.activate(account, method["id"], now)
    return DONE if changed else ignored(f"{event.kind}: it stands so already, or for another reason")


async def _replace(runtime: Runtime, account: str, method: str, new: Replacement, now: datetime) -> End:
    """The method stays the customer's, in its place, under what it has become; also one that had ended meanwhile."""
    if not await replace_reference(runtime, account, method, new.method, new.card, now):
        return parked("what the method was replaced by is stored already", CaseKind.NOTICE_MISMATCH)
    return DONE
