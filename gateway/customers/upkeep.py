"""`advance` of a payment method: delete it at its processor when asked to, or when nothing needs it any more, tell
Stripe which one is charged, and the merchant what follows where its payer has ended it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim, WakeUp
from db.states import MethodStatus
from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.collect.gone import mark_revoked
from gateway.collect.references import method_reference
from gateway.customers import ended, erase, vault
from gateway.customers.methods import NO_METADATA, stripe_metadata, want_revoked
from gateway.domain.policy import Policy
from gateway.domain.session import Rest
from gateway.domain.upkeep import MethodUpkeep, UpkeepStep, decide_upkeep
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.turn import CLAIM_MARGIN_S, held, rest, take_turn

MOST_ROUNDS: Final = 8

# What has outlived the last subscription of ours that it served, by its end or since it is Stripe's to collect: one
# that was given since then is for what comes. A subscription that was always Stripe's is no reason to delete anything.
# Or another has taken its place with every subscription that it was given for alone.
VIEW: Final = f"""
    select p.*, a.policies, c.deleted_at is not null as orphaned,
        c.erase_asked_at is not null and c.erased_at is null as erasing, exists (
        select 1 from tollbridge.attempt t where t.account = p.account and t.payment_method = p.id
          and t.state in {sql.UNRESOLVED_STATES}) as in_use,
        exists (select 1 from tollbridge.subscription s
                cross join lateral (select case when s.collection_method <> 'charge_automatically' then s.ended_at
                                                else s.left_at end as at) o
                where s.account = p.account and s.customer = p.customer and tollbridge.serves(p.account, p.id, s.id)
                  -- Stripe tells whole seconds.
                  and o.at + interval '1 second' > p.created_at
                  and not exists (select 1 from tollbridge.payment_method_session w where w.account = p.account
                                    and w.payment_method = p.id and w.created_at >= o.at))
        or p.alone and not exists (select 1 from tollbridge.subscription s
                                   where s.account = p.account and s.payment_method = p.id) as outlived,
        exists (select 1 from tollbridge.subscription s
                where s.account = p.account and s.customer = p.customer and s.ended_at is null
                  and (s.collection_method <> 'charge_automatically' and tollbridge.serves(p.account, p.id, s.id)
                       or exists (select 1 from tollbridge.switch w where w.account = s.account
                                    and w.subscription = s.id and w.state = 'wanted' and w.collector = 'gateway')))
        or exists (select 1 from tollbridge.invoice i
                   where i.account = p.account and i.customer = p.customer
                     and i.status in ('', 'draft', 'open') and i.state <> 'closed'
                     and coalesce(i.collector, i.collection_method) not in ('stripe', 'charge_automatically')
                     and tollbridge.serves(p.account, p.id, i.subscription))
        -- What bills the rest of a payment in part is on its way.
        or exists (select 1 from tollbridge.remainder r
                   join tollbridge.invoice i on i.account = r.account and i.id = r.invoice
                   where r.account = p.account and i.customer = p.customer
                     and r.state in ('wanted', 'sending', 'unknown')
                     and tollbridge.serves(p.account, p.id, i.subscription)) as needed,
        exists (select 1 from tollbridge.payment_method_session w
                where w.account = p.account and w.customer = p.customer and w.state in ('open', 'processing'))
        or exists (select 1 from tollbridge.checkout_session k
                   where k.account = p.account and k.customer = p.customer
                     and k.state in ('creating', 'open', 'processing')) as in_session
    from tollbridge.payment_method p join tollbridge.account a on a.id = p.account
    join tollbridge.customer c on c.account = p.account and c.id = p.customer
    where p.account = $1 and p.id = $2
"""  # noqa: S608 (a constant of ours)
DELETION: Final = "update tollbridge.payment_method set deletions = deletions + 1 where account = $1 and id = $2"
FIRST: Final = """
    select p.id, c.name from tollbridge.payment_method p join tollbridge.connection c on c.id = p.connection
    where p.account = $1 and p.customer = $2 and p.status = 'active' order by p.position, p.created_at limit 1
"""
TOLD: Final = """
    update tollbridge.payment_method set told_stripe = true where account = $1 and id = $2 and claimed_by = $3
"""


async def advance_method(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a payment method as far as it goes now."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S

    async def go_round(claim: Claim) -> bool:
        row, now = await held(claim, hold_s, VIEW), await business_now()
        fated = None if row["end_answered"] else await ended.fates_of(row)
        match decide_upkeep(_seen(row, settled=fated is not None), now):
            case UpkeepStep.ANSWER:
                await ended.answer(claim, row, fated or {}, hold_s, now)
            case Rest(at=at):
                if row["erasing"] and row["status"] == MethodStatus.REVOKED:
                    await erase.go_on(runtime, claim.account, row["customer"])
                return await rest(claim, seen=row["poked"], due_at=at, failures=row["failures"], now=now)
            case UpkeepStep.LET_GO:
                await _let_go(claim, now)
            case UpkeepStep.REVOKE:
                await _revoke(runtime, claim, row, now)
            case UpkeepStep.TELL_STRIPE:
                with in_lane(Lane.MIRROR):
                    await _tell(runtime, claim, row)
        return False

    await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round)


def _seen(row: asyncpg.Record, *, settled: bool = False) -> MethodUpkeep:
    stored, policy = row["status"] != "revoked", msgspec.json.decode(row["policies"], type=Policy)
    gone = row["outlived"] and policy.unused_methods == "delete"
    return MethodUpkeep(
        wanted_gone=stored and row["revoke_asked_at"] is not None,
        in_use=row["in_use"],
        told_stripe=row["told_stripe"],
        # Of a customer who was deleted nothing is needed any more, and no method will be.
        outlived=stored and (row["orphaned"] or (not row["needed"] and (row["retiring"] or gone))),
        in_session=row["in_session"] and not row["orphaned"],
        unanswered=not row["end_answered"],
        settled=settled,
    )


async def _let_go(claim: Claim, now: datetime) -> None:
    """Whoever has a subscription charged to it holds its row (`subscriptions/switch.py`): look again under that."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        row = await sql.row(VIEW, claim.account, claim.id)
        assert row is not None, "a claimed object exists"
        if decide_upkeep(_seen(row), now) is UpkeepStep.LET_GO:
            await want_revoked(claim.account, claim.id, now)


async def _revoke(runtime: Runtime, claim: Claim, row: asyncpg.Record, now: datetime) -> None:
    """Delete it at its processor, then erase it here; once more is harmless. Raises CallError.

    That it was asked for stands on the row, and no charge begins on it since: the turn that would have charged it sees
    that its invoice was poked. Where another connection keeps the same token, it is only erased here.
    """
    adapter = await runtime.connections.adapter(claim.account, row["connection"])
    reference = await method_reference(runtime, claim.account, claim.id)
    if not await _begin_deletion(runtime, claim, row["vault_hash"], now):
        return
    await within(adapter.revoke_method(reference, f"revoke:{claim.id}"), total_timeout_s(runtime, adapter))
    async with DB.transaction():
        await mark_revoked(claim.account, claim.id, now, by_payer=False)


async def _begin_deletion(runtime: Runtime, claim: Claim, token: str, now: datetime) -> bool:
    """Whether it is still to be deleted, and by us. If others keep the token, the method ends here."""
    async with DB.transaction():
        await vault.lock(token)
        await poke.hold(claim, runtime.settings.processor_timeout_s + CLAIM_MARGIN_S)
        row = await sql.row(VIEW, claim.account, claim.id)
        assert row is not None, "a claimed object exists"
        if row["vault_hash"] != token or decide_upkeep(_seen(row), now) is not UpkeepStep.REVOKE:
            return False
        if await vault.is_wanted_beside(token, claim.id):
            await mark_revoked(claim.account, claim.id, now, by_payer=False)
            return False
        await sql.rows(DELETION, claim.account, claim.id)
    return True


async def _tell(runtime: Runtime, claim: Claim, row: asyncpg.Record) -> None:
    """Write the reference of the method that is charged first to the Stripe customer, or take the last one out."""
    policy = msgspec.json.decode(row["policies"], type=Policy)
    first = await sql.row(FIRST, claim.account, row["customer"])
    if policy.token_metadata == "reference" and not row["orphaned"]:  # noqa: S105 (a choice, not a secret)
        metadata: Mapping[str, str] = NO_METADATA
        if first is not None:
            metadata = stripe_metadata(first["name"], await method_reference(runtime, claim.account, first["id"]))
        try:
            stripe = await runtime.stripe(claim.account)
            await subscriptions.update_customer(stripe, row["customer"], {"metadata": metadata})
        except StripeRefusedError as error:
            if error.status not in (400, 404):
                raise
            # The customer is gone there: there is nobody to tell.
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        now_first = await sql.row(FIRST, claim.account, row["customer"])
        if (now_first and now_first["id"]) == (first and first["id"]):
            # Else it changed meanwhile, and whoever told of that may have been quicker: the next round tells again.
            await sql.rows(TOLD, claim.account, claim.id, claim.holder)
