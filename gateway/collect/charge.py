"""The charge: intent committed, bytes sent once, outcome stored."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import attempt_key, new_id
from db.poke import Claim
from gateway.billing.breakdown import breakdown
from gateway.clock import business_now
from gateway.collect import circuit
from gateway.collect.load import Loaded
from gateway.collect.lookup import OF_ATTEMPT, all_of, look_up, query_of, shown
from gateway.collect.outcomes import looked, store_outcome
from gateway.collect.references import method_reference
from gateway.collect.scrub import scrubbed, without_token
from gateway.collect.tries import TRIES_OF_CARD
from gateway.domain.actions import CancelPending, Charge, MarkUnknown, Resolve
from gateway.domain.budget import BUDGETS, next_within_budget
from gateway.domain.case_kinds import CaseKind
from gateway.domain.resending import visible_from
from gateway.domain.view import AttemptView
from gateway.runtime import Runtime
from gateway.turns.calls import ask, send, total_timeout_s
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.breakdown import Breakdown
from processors.errors import MoneyError
from processors.interface import ProcessorAdapter
from processors.money import Money
from processors.outcome import Found, LookupFailed, LookupOutcome, NotFound, NotSent, Unknown
from processors.values import ChargeRequest, PaymentMethodReference, PreparedCall, Usage

INSERT = """
    insert into tollbridge.attempt (id, account, invoice, number, connection, payment_method, amount, currency, state,
        reason, idempotency_key, reference, request, created_at, sent_at, fingerprint)
    select $1, $2, $3, $4, $5, p.id, $7, $8, 'sending', $9, $10, $11, $12, $13, $13, p.fingerprint
    from tollbridge.payment_method p where p.account = $2 and p.id = $6 returning id
"""
# One worker at a time counts the tries of a card: two invoices of it must not both take its last one.
CARD: Final = """
    select p.card ->> 'brand' as brand, pg_advisory_xact_lock(hashtextextended(p.account || p.fingerprint, 0)) is null
    from tollbridge.payment_method p where p.account = $1 and p.id = $2
"""
TRIES: Final = f"""
    select t.sent_at from tollbridge.payment_method p cross join lateral ({TRIES_OF_CARD}) t
    where p.account = $1 and p.id = $2
"""  # noqa: S608 (a constant of ours)
Step: TypeAlias = Charge | Resolve | MarkUnknown | CancelPending

SNAPSHOT: Final = "select snapshot from tollbridge.invoice where account = $1 and id = $2"


async def step(runtime: Runtime, claim: Claim, loaded: Loaded, action: Step, now: datetime) -> None:
    """Make an attempt, or go on with one whose end is not known."""
    match action:
        case Charge():
            await charge(runtime, claim, loaded, action, now)
        case Resolve():
            await resolve(runtime, claim, loaded, action, now)
        case MarkUnknown():
            await mark_unknown(claim, action, now)
        case CancelPending():
            await cancel(runtime, claim, loaded, action)


async def charge(runtime: Runtime, claim: Claim, loaded: Loaded, action: Charge, now: datetime) -> None:
    """Make an attempt. Whatever happens after the first transaction, its row stands, and names key and bytes."""
    account, invoice = claim.account, loaded.view.invoice
    assert invoice is not None
    adapter = await runtime.connections.adapter(account, action.connection)
    attempt, key = new_id("att"), attempt_key(account, claim.id, action.number)
    reference = reference_of(adapter, claim.id, action.number)
    method = await method_reference(runtime, account, action.method)
    amount, lines = Money(action.amount, invoice.currency), await lines_of(claim, adapter, action.amount)
    request = request_of(claim, reference, action.number, amount, method, invoice.usage, lines)
    try:
        call = adapter.prepare_charge(request)
    except MoneyError as error:
        # Nothing was sent and nothing can be: a human decides. No attempt is made of it.
        async with DB.transaction():
            await open_case(account, CaseKind.AMOUNT_INEXPRESSIBLE, claim.id, str(error), now, invoice=claim.id)
        return
    sealed = runtime.keyring.encrypt(msgspec.json.encode(call), table="attempt", column="request", row=attempt)
    timeout_s = total_timeout_s(runtime, adapter)
    began = time.monotonic()
    async with DB.transaction():
        if await poke.hold(claim, timeout_s + CLAIM_MARGIN_S) != loaded.poked:
            # Something about the invoice changed since it was looked at (its checkout ended, say): look again.
            return
        if not await _in_budget(account, action.method, now):
            # Another invoice of this card was quicker.
            return
        if action.connection in loaded.failing and not await circuit.take_probe(action.connection, now):
            # Another invoice asks whether the processor is there again: look again, and wait for what it hears.
            return
        inserted = await sql.row(
            INSERT,
            attempt,
            account,
            claim.id,
            action.number,
            action.connection,
            action.method,
            action.amount,
            invoice.currency,
            action.reason,
            key,
            reference,
            sealed,
            now,
        )
        assert inserted is not None, "nothing is charged without its row (law 2)"
        await sql.rows(
            "update tollbridge.invoice set state = 'charging', asked_at = null where account = $1 and id = $2",
            account,
            claim.id,
        )
    sent = await send(began, lambda: adapter.charge(call), timeout_s)
    outcome, at = scrubbed(sent.outcome, request.method), await business_now()
    await store_outcome(account, attempt, outcome, at, wake=sent.late)
    if sent.went_out:
        was_failing = action.connection in loaded.failing
        await circuit.heard(runtime, account, action.connection, outcome, at, was_failing=was_failing)


async def _in_budget(account: str, method: str, now: datetime) -> bool:
    """Whether the card scheme allows one more try of this card, counted while nobody else counts."""
    card = await sql.row(CARD, account, method)
    brand = (card["brand"] or "").lower() if card is not None else ""
    if brand not in BUDGETS:
        return True
    tries = [row["sent_at"] for row in await sql.rows(TRIES, account, method)]
    return next_within_budget(tries, brand, now) <= now


async def resolve(runtime: Runtime, claim: Claim, loaded: Loaded, action: Resolve, now: datetime) -> None:
    """Find out how an attempt ended, as law 4 allows."""
    attempt = _attempt(loaded, action.attempt)
    row = await sql.row(OF_ATTEMPT, claim.account, attempt.id)
    assert row is not None
    adapter = await runtime.connections.adapter(claim.account, attempt.connection)
    timeout_s = total_timeout_s(runtime, adapter)
    async with DB.transaction():
        # Attempts are locked before invoices, as by whoever stores an outcome meanwhile.
        if action.how == "replay":
            await sql.rows(
                "update tollbridge.attempt set resent_at = $3 where account = $1 and id = $2",
                claim.account,
                attempt.id,
                now,
            )
        await poke.hold(claim, timeout_s + CLAIM_MARGIN_S)
    if action.how == "replay":
        plain = runtime.keyring.decrypt(row["request"], table="attempt", column="request", row=attempt.id)
        call = msgspec.json.decode(plain, type=PreparedCall)
        sent = await send(time.monotonic(), lambda: adapter.charge(call), timeout_s)
        # A replay that was turned away (not sent, or refused as a request) says nothing of the first call.
        outcome = await without_token(runtime, claim.account, attempt.method, sent.outcome)
        at, was_failing = await business_now(), attempt.connection in loaded.failing
        await store_outcome(claim.account, attempt.id, outcome, at, wake=False)
        await circuit.heard(runtime, claim.account, attempt.connection, outcome, at, was_failing=was_failing)
        return
    await _store_lookup(claim, attempt, await look_up(runtime, row), await business_now())


async def cancel(runtime: Runtime, claim: Claim, loaded: Loaded, action: CancelPending) -> None:
    """Withdraw a pending attempt; what the processor answers is stored, whatever it is."""
    attempt = _attempt(loaded, action.attempt)
    row = await sql.row(OF_ATTEMPT, claim.account, attempt.id)
    assert row is not None
    adapter = await runtime.connections.adapter(claim.account, attempt.connection)
    timeout_s = total_timeout_s(runtime, adapter)
    async with DB.transaction():
        await sql.rows(
            "update tollbridge.attempt set withdrawn = true where account = $1 and id = $2", claim.account, attempt.id
        )
        await poke.hold(claim, timeout_s + CLAIM_MARGIN_S)
    query = await query_of(runtime, row)
    found = await ask(adapter.cancel_charge(query, f"cancel:{row['idempotency_key']}"), timeout_s)
    if isinstance(found, LookupFailed):
        await looked(claim.account, attempt.id, await business_now(), saw_nothing=False, withdrawing=True)
        return
    await _store_lookup(claim, attempt, await shown(runtime, row, found), await business_now())


async def mark_unknown(claim: Claim, action: MarkUnknown, now: datetime) -> None:
    """The sender's claim ran out with the attempt on the wire: unknown, never "nothing happened"."""
    await store_outcome(claim.account, action.attempt, Unknown("the sender stopped before its answer"), now, wake=False)


async def _store_lookup(claim: Claim, attempt: AttemptView, found: LookupOutcome, now: datetime) -> None:
    """A look-up's answer. "Not found" ends an unknown attempt only if it is conclusive, and only after its lag."""
    match found:
        case Found():
            for outcome in all_of(found):
                await store_outcome(claim.account, attempt.id, outcome, now, wake=False, proven=True)
        case NotFound(conclusive=True) if now > visible_from(attempt.capabilities, attempt.last_sent_at):
            gone = NotSent("the processor has no such charge")
            await store_outcome(claim.account, attempt.id, gone, now, wake=False, proven=True)
        case _:
            await looked(claim.account, attempt.id, now, saw_nothing=isinstance(found, NotFound))


async def lines_of(claim: Claim, adapter: ProcessorAdapter, amount: int) -> Breakdown | None:
    """What a charge is for, where the processor takes that. A finalized invoice's lines never change, so a restored
    database says the same of the same amount (law 2)."""
    if not adapter.capabilities.takes_lines:
        return None
    snapshot = await sql.value(SNAPSHOT, claim.account, claim.id)
    return None if snapshot is None else breakdown(snapshot, amount)


def request_of(
    claim: Claim,
    reference: str,
    number: int,
    amount: Money,
    method: PaymentMethodReference,
    usage: Usage,
    lines: Breakdown | None,
) -> ChargeRequest:
    """The request of an attempt. Nothing of a row's own stands in it: a restored database must send the same bytes
    under the same key (law 2)."""
    return ChargeRequest(
        reference=reference,
        idempotency_key=str(attempt_key(claim.account, claim.id, number)),
        amount=amount,
        method=method,
        description=f"Invoice {claim.id}",
        metadata={"stripe_invoice": claim.id, "attempt_number": str(number)},
        usage=usage,
        breakdown=lines,
    )


def reference_of(adapter: ProcessorAdapter, invoice: str, number: int) -> str:
    """Our reference of an attempt, `{invoice}.{n}`, within what the processor takes; raises ValueError."""
    reference, rules = f"{invoice}.{number}", adapter.capabilities.reference
    if len(reference) > rules.max_length or not re.fullmatch(f"[{rules.alphabet}]+", reference):
        raise ValueError(f"{adapter.name} takes {rules.max_length} of {rules.alphabet}, and {reference} is none")
    return reference


def _attempt(loaded: Loaded, attempt: str) -> AttemptView:
    return next(a for a in loaded.view.attempts if a.id == attempt)
