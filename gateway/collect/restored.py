"""Tries that a restored database has forgotten: they are found at the processor before anything is charged again.

A backup is older than the moment at which it is restored, and whatever was tried between is not in it. What shows is
that no worker's beat stands there from that time, as after any downtime; so after each the processor is asked for the
next tries of an invoice, by the references that they would have. Where it can't be asked by reference the key still
protects, since it is derived from the invoice and the number (law 2), within the processor's own window.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
import structlog

from db import poke, sql
from db.engine import DB
from db.ids import attempt_key, derived_key, new_id
from db.poke import Claim
from gateway.collect.charge import INSERT, lines_of, reference_of, request_of
from gateway.collect.load import Loaded
from gateway.collect.lookup import all_of
from gateway.collect.outcomes import store_outcome
from gateway.collect.references import method_reference
from gateway.collect.scrub import scrubbed
from gateway.domain.actions import FindLost
from gateway.domain.billed import ATTEMPT_KEY
from gateway.domain.forgotten import askable
from gateway.runtime import Runtime
from gateway.turns.calls import ask, total_timeout_s
from gateway.turns.turn import CLAIM_MARGIN_S, NotYetError
from processors.capabilities import Lookup
from processors.interface import ProcessorAdapter
from processors.money import Money
from processors.outcome import ChargeOutcome, Found, LookupFailed, Pending, RequiresAction, Succeeded
from processors.values import ChargeQuery, PaymentMethodReference

log = structlog.get_logger()

MOST_LOST: Final = 25
"""Tries of one invoice; no ladder has more."""
MOST_MISSED: Final = 2
"""Numbers in a row that nobody knows: one may be a request that was turned away unread."""
BY_REFERENCE: Final = frozenset({Lookup.BY_REFERENCE, Lookup.SCAN})
REASON: Final = "restored"
RECORDED: Final = """
    insert into tollbridge.recording (id, account, attempt, invoice, amount, currency, state, idempotency_key, how,
        created_at, resolved_at)
    values ($1, $2, $3, $4, $5, $6, 'recorded', $7, $8, $9, $9) on conflict do nothing
"""
METHOD: Final = "select id from tollbridge.payment_method where account = $1 and id = $2 for no key update"
LOOKED: Final = "update tollbridge.invoice set looked_for_at = $3 where account = $1 and id = $2"


async def find_lost(runtime: Runtime, claim: Claim, loaded: Loaded, action: FindLost, now: datetime) -> None:
    """Take up every try that a processor of the customer's knows from this number on, as far as they go.

    Raises NotYetError where one can't be asked now: nothing is charged before it was.
    """
    asked, missed = _ways(loaded, action), 0
    for number in range(action.number, action.number + MOST_LOST):
        pending = None
        for way in asked:
            adapter = await runtime.connections.adapter(claim.account, way.connection)
            if adapter.capabilities.lookup not in BY_REFERENCE:
                continue
            method = await method_reference(runtime, claim.account, way.method)
            if found := await _ask(runtime, claim, loaded, adapter, method, number):
                await _take_up(runtime, claim, loaded, way, adapter, method, number, found)
                pending = isinstance(found.outcome, Pending | RequiresAction)
                break
        # One that never reached a processor leaves a gap, behind which there may be others.
        missed = missed + 1 if pending is None else 0
        if pending or missed == MOST_MISSED:
            break
    await sql.rows(LOOKED, claim.account, claim.id, now)


def _ways(loaded: Loaded, action: FindLost) -> list[FindLost]:
    """One method of the customer's at each processor, that of the wish first: a try may have fallen over to any."""
    ways = {action.connection: action}
    for method in askable(loaded.view):
        ways.setdefault(method.connection, FindLost(method.id, method.connection, action.number))
    return list(ways.values())


async def _ask(
    runtime: Runtime,
    claim: Claim,
    loaded: Loaded,
    adapter: ProcessorAdapter,
    method: PaymentMethodReference,
    number: int,
) -> Found | None:
    timeout_s = total_timeout_s(runtime, adapter)
    await poke.hold(claim, timeout_s + CLAIM_MARGIN_S)
    invoice = loaded.view.invoice
    assert invoice is not None
    query = ChargeQuery(reference_of(adapter, claim.id, number), method=method, since=invoice.created)
    found = await ask(adapter.lookup_charge(query), timeout_s)
    if isinstance(found, LookupFailed):
        raise NotYetError(f"whether try {number} was made before can't be asked: {found.reason}")
    return found if isinstance(found, Found) else None


async def _take_up(
    runtime: Runtime,
    claim: Claim,
    loaded: Loaded,
    action: FindLost,
    adapter: ProcessorAdapter,
    method: PaymentMethodReference,
    number: int,
    found: Found,
) -> None:
    """The attempt as it would stand there, with its end and what Stripe was told of it: all of it, or nothing.

    Without them it would be one more try whose end is not known, and its invoice paid by somebody else.
    """
    account, invoice, now = claim.account, loaded.view.invoice, loaded.now
    assert invoice is not None
    outcomes = [scrubbed(outcome, method) for outcome in all_of(found)]
    amount = _amount(outcomes[0], Money(loaded.view.wanted, invoice.currency))
    attempt, reference = new_id("att"), reference_of(adapter, claim.id, number)
    lines = await lines_of(claim, adapter, amount.amount)
    request = request_of(claim, reference, number, amount, method, invoice.usage, lines)
    call = adapter.prepare_charge(request)
    sealed = runtime.keyring.encrypt(msgspec.json.encode(call), table="attempt", column="request", row=attempt)
    key = attempt_key(account, claim.id, number)
    of = (action.connection, action.method, amount.amount, amount.currency)
    async with DB.transaction():
        # An outcome may stop it, and payment methods are locked before invoices.
        await sql.rows(METHOD, account, action.method)
        await poke.hold(claim, CLAIM_MARGIN_S)
        inserted = await sql.row(INSERT, attempt, account, claim.id, number, *of, REASON, key, reference, sealed, now)
        assert inserted is not None, "its payment method is in the view"
        for outcome in outcomes:
            await store_outcome(account, attempt, outcome, now, wake=False, proven=True)
        if invoice.status == "paid" and isinstance(outcomes[0], Succeeded) and ATTEMPT_KEY in invoice.metadata:
            # Stripe was told of it then: it names a try of ours, and this is the one that has the money.
            took = min(invoice.amount_paid, amount.amount)
            told = derived_key("record", account, claim.id, REASON)
            of_what = (account, attempt, claim.id, took, amount.currency)
            await sql.rows(RECORDED, new_id("rec"), *of_what, told, REASON, now)
    log.warning("lost_attempt_found", invoice=claim.id, number=number, outcome=type(outcomes[0]).__name__)


def _amount(outcome: ChargeOutcome, wanted: Money) -> Money:
    """What was asked for then: what was taken, where something was."""
    same = isinstance(outcome, Succeeded) and outcome.captured.currency == wanted.currency
    return outcome.captured if same and isinstance(outcome, Succeeded) else wanted
