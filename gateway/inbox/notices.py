"""A processor's notices: parsed by its adapter, matched to an attempt or a payment method of that connection alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias

import asyncpg
import msgspec

from db import sql
from db.cases import close_by_itself
from db.states import FAILED, UNRESOLVED, AttemptState
from gateway.accounts.connections import poke_waiting
from gateway.collect.lookup import all_of, look_up, shown
from gateway.collect.outcomes import store_outcome
from gateway.collect.reversals import NotTakenBackError, store_move
from gateway.collect.scrub import without_token
from gateway.collect.settled import store_settled
from gateway.domain.case_kinds import CaseKind
from gateway.domain.own_reference import is_anothers
from gateway.inbox import method_notices
from gateway.inbox.deliveries import DONE, ERASED, End, Stored, ignored, parked
from gateway.inbox.envelope import POLLED, polled_event
from gateway.returns.told_dispute import DisputeMismatchError, store_dispute
from gateway.returns.told_refund import MayBeOursError, store_told
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.cases import open_case
from processors.events import DisputeState, EventKind, MoneyMoved, Notice, ProcessorEvent, RefundState
from processors.outcome import ChargeOutcome, Decline, Declined, Found, NotFound, Succeeded

CHARGES: Final = frozenset({EventKind.CHARGE_SUCCEEDED, EventKind.CHARGE_FAILED, EventKind.CHARGE_PENDING})

REFUNDS: Final = frozenset(
    {EventKind.REFUND_CREATED, EventKind.REFUND_SUCCEEDED, EventKind.REFUND_FAILED, EventKind.REFUND_REVERSED}
)
MOVES: Final = frozenset({EventKind.CHARGE_REVERSED, EventKind.CHARGE_REINSTATED})
DISPUTES: Final = frozenset(kind for kind in EventKind if kind.startswith("dispute."))
ACCOUNTS: Final = frozenset({EventKind.ACCOUNT_LOCKED, EventKind.ACCOUNT_UNLOCKED})
METHODS: Final = frozenset(kind for kind in EventKind if kind.startswith("method."))

ATTEMPTS = """
    select account, id, invoice, connection, payment_method, reference, processor_id, state, sent_at
    from tollbridge.attempt
    where account = $1 and connection = $2
      and ((reference = $3 and $3 <> '') or (processor_id = $4 and $4 <> ''))
    order by number
"""
# A processor's notice names no object that people know: which it is about is known once it is matched.
ABOUT = "update tollbridge.delivery set object_id = $3 where account = $1 and id = $2 and object_id = ''"
# Two accounts may charge through one account at a processor, which tells each of them of both's charges.
ANOTHERS = """
    select exists (select 1 from tollbridge.attempt a join tollbridge.connection c on c.id = a.connection
        join tollbridge.connection own on own.id = $1
        where a.connection <> own.id and c.adapter = own.adapter and c.options ->> 'account' = own.options ->> 'account'
          and ((a.reference = $2 and $2 <> '') or (a.processor_id = $3 and $3 <> '')))
"""
# Until a charge's id at the processor is known, only its reference tells that a notice is about it.
WITHOUT_ID = """
    select exists (select 1 from tollbridge.attempt
        where connection = $1 and processor_id is null and state = any($2) and sent_at <= $3)
"""
OPTIONS = "select options from tollbridge.connection where account = $1 and id = $2"
OTHER_BUSINESS: Final = "of other business of the merchant's, which has references of its own"
"""A processor's webhook may tell of all that happens in an account, and of all accounts of a company."""

Step: TypeAlias = Callable[[], Awaitable[End]]
"""What one event comes to, in the transaction that finishes the delivery."""


class NotYetError(Exception):
    """An event that can't be stored now; the others of its notice can."""


class UnmatchedError(NotYetError):
    """No attempt of ours fits yet: the notice may be quicker than our own row."""


class LookupInconclusiveError(NotYetError):
    """The notice tells of a charge that its processor does not show."""


async def plan(runtime: Runtime, delivery: Stored, now: datetime) -> tuple[list[Step], NotYetError | None]:
    """Ask what must be asked, outside any transaction, for every event of a notice.

    Returns a step for each that can be stored, and why another can't, if so. Raises what adapters raise.
    """
    if not delivery.body:
        return [_ends(ignored(ERASED))], None
    adapter = await runtime.connections.adapter(delivery.account, delivery.source)
    if delivery.kind.startswith(POLLED):
        events: Sequence[ProcessorEvent] = (polled_event(delivery.body),)
    else:
        notice = Notice(delivery.key, delivery.kind, delivery.body)
        events = await within(adapter.parse(notice), total_timeout_s(runtime, adapter))
    own = await _own_account(delivery)
    steps: list[Step] = []
    not_yet: NotYetError | None = None
    for event in events:
        try:
            steps.append(await _event(runtime, delivery, event, own, now))
        except NotYetError as error:
            not_yet = error
    return steps, not_yet


async def apply(steps: Sequence[Step]) -> End:
    """Do the steps; a notice with several events ends as the gravest of them."""
    ends = [await step() for step in steps]
    for state in ("parked", "done", "ignored"):
        for end in ends:
            if end.state == state:
                return end
    return ignored("the notice holds no event")


async def _event(runtime: Runtime, delivery: Stored, event: ProcessorEvent, own: str, now: datetime) -> Step:
    if event.kind is EventKind.IGNORED:
        return _ends(ignored(event.detail or "of no meaning to us"))
    if event.account_ref and own and event.account_ref != own:
        if is_anothers(event.reference):
            return _ends(ignored(OTHER_BUSINESS))
        return _ends(parked("the notice is for another account at the processor", CaseKind.NOTICE_MISMATCH))
    if event.kind in CHARGES:
        return await _charge(runtime, delivery, event, now)
    if event.kind is EventKind.CHARGE_SETTLED:
        return await _settled(runtime, delivery, event, now)
    if event.kind in MOVES:
        return await _moved(runtime, delivery, event, now)
    if event.kind in REFUNDS:
        return await _refunded(delivery, event, now)
    if event.kind in DISPUTES:
        return await _disputed(delivery, event, now)
    if event.kind in METHODS:
        return partial(method_notices.apply, runtime, delivery, event, now)
    if event.kind in ACCOUNTS:
        locked = event.kind is EventKind.ACCOUNT_LOCKED
        return partial(_lock, delivery.account, delivery.source, event.detail, now, locked=locked)
    return _ends(parked(f"{event.kind} is not acted on yet: look in the processor's dashboard"))


async def _attempt(delivery: Stored, event: ProcessorEvent) -> asyncpg.Record | End:
    """The attempt that an event is about, by whose invoice the delivery is found from now on; raises UnmatchedError."""
    found = await sql.rows(ATTEMPTS, delivery.account, delivery.source, event.reference, event.processor_id)
    if not found:
        if await sql.value(ANOTHERS, delivery.source, event.reference, event.processor_id):
            return ignored("of another connection to the same account at the processor")
        if is_anothers(event.reference) and not await _may_be_known_by_id(delivery):
            return ignored(OTHER_BUSINESS)
        raise UnmatchedError(f"no attempt of this connection fits the {event.kind} notice")
    if len(found) > 1:
        reason = "its reference and its id belong to two attempts"
        return parked(reason, CaseKind.NOTICE_MISMATCH, found[0]["invoice"])
    await sql.rows(ABOUT, delivery.account, delivery.id, found[0]["invoice"])
    return found[0]


async def _may_be_known_by_id(delivery: Stored) -> bool:
    """Whether a charge that was sent before the notice came waits for its id: staff may have refunded it meanwhile,
    under a reference of their own."""
    return bool(await sql.value(WITHOUT_ID, delivery.source, list(UNRESOLVED), delivery.received_at))


async def _moved(runtime: Runtime, delivery: Stored, event: ProcessorEvent, now: datetime) -> Step:
    attempt = await _attempt(delivery, event)
    if isinstance(attempt, End):
        return _ends(attempt)
    if AttemptState(attempt["state"]) in UNRESOLVED | FAILED:
        # One that failed may have succeeded late, and the notice of that be slower.
        raise UnmatchedError(f"the {event.kind} notice is of a charge that is not known to have succeeded yet")
    if event.moved is None:
        reason = f"the {event.kind} notice does not say what moved"
        return _ends(parked(reason, CaseKind.NOTICE_MISMATCH, attempt["invoice"]))
    decline = event.decline
    if decline is not None:
        shown = await without_token(runtime, delivery.account, attempt["payment_method"], Declined(decline))
        decline = shown.decline if isinstance(shown, Declined) else None
    return partial(_store_move, delivery.account, attempt["id"], event.moved, decline, now)


async def _refunded(delivery: Stored, event: ProcessorEvent, now: datetime) -> Step:
    """A refund, ours or made there: matched by our reference first, then by the processor's id, then by its charge."""
    if event.refund is None:
        return _ends(parked(f"the {event.kind} notice does not say of which refund"))
    attempt = await _attempt(delivery, event)
    if isinstance(attempt, End):
        return _ends(attempt)
    if AttemptState(attempt["state"]) in UNRESOLVED | FAILED:
        raise UnmatchedError(f"the {event.kind} notice is of a charge that is not known to have succeeded yet")
    return partial(_store_refund, attempt, delivery.source, event.refund, now)


async def _store_refund(attempt: asyncpg.Record, connection: str, told: RefundState, now: datetime) -> End:
    try:
        of_meaning = await store_told(attempt, connection, told, now)
    except MayBeOursError as error:
        raise UnmatchedError("a refund of ours of this amount is on the wire, and this may be it") from error
    if not of_meaning:
        return ignored("a refund of which the payer has nothing, or of another account")
    return DONE


async def _disputed(delivery: Stored, event: ProcessorEvent, now: datetime) -> Step:
    """By the charge alone: whether its customer has a subscription, or still exists, does not matter."""
    if event.dispute is None or not event.dispute.processor_id:
        return _ends(parked(f"the {event.kind} notice does not say which dispute"))
    attempt = await _attempt(delivery, event)
    if isinstance(attempt, End):
        return _ends(attempt)
    if AttemptState(attempt["state"]) in UNRESOLVED | FAILED:
        raise UnmatchedError(f"the {event.kind} notice is of a charge that is not known to have succeeded yet")
    return partial(_store_dispute, attempt, delivery.source, event.dispute, event.occurred_at, now)


async def _store_dispute(
    attempt: asyncpg.Record, connection: str, told: DisputeState, said_at: datetime, now: datetime
) -> End:
    try:
        is_new = await store_dispute(attempt, connection, told, said_at, now)
    except DisputeMismatchError as error:
        return parked(str(error), CaseKind.NOTICE_MISMATCH, attempt["invoice"])
    return DONE if is_new else ignored("the dispute is known to stand so, or has gone on since")


async def _store_move(account: str, attempt: str, moved: MoneyMoved, decline: Decline | None, now: datetime) -> End:
    try:
        await store_move(account, attempt, moved, decline, now)
    except NotTakenBackError as error:
        raise UnmatchedError("money is given again that is not known to have been taken back yet") from error
    return DONE


async def _charge(runtime: Runtime, delivery: Stored, event: ProcessorEvent, now: datetime) -> Step:
    attempt = await _attempt(delivery, event)
    if isinstance(attempt, End):
        return _ends(attempt)
    outcomes = await _outcomes(runtime, attempt, event)
    return partial(_store, delivery.account, attempt["id"], outcomes, now)


async def _settled(runtime: Runtime, delivery: Stored, event: ProcessorEvent, now: datetime) -> Step:
    """It may be quicker than the notice of the success, which it proves then."""
    attempt = await _attempt(delivery, event)
    if isinstance(attempt, End):
        return _ends(attempt)
    outcomes: Sequence[ChargeOutcome] = ()
    if AttemptState(attempt["state"]) in UNRESOLVED | FAILED:
        outcomes = await _outcomes(runtime, attempt, event)
        if not isinstance(outcomes[0], Succeeded):
            raise LookupInconclusiveError("the processor calls a charge settled that it does not show as a success")
    return partial(_store_settled, delivery.account, attempt["id"], outcomes, event.occurred_at, now)


async def _store_settled(
    account: str, attempt: str, outcomes: Sequence[ChargeOutcome], at: datetime, now: datetime
) -> End:
    await _store(account, attempt, outcomes, now)
    is_new = await store_settled(account, attempt, at, now)
    return DONE if is_new or outcomes else ignored("its money is known to be settled, or was taken back since")


async def _outcomes(runtime: Runtime, attempt: asyncpg.Record, event: ProcessorEvent) -> Sequence[ChargeOutcome]:
    """How the charge stands: as the event says, or else as the processor does when asked."""
    told = await shown(runtime, attempt, Found(event.outcome)) if event.outcome else None
    match told or await look_up(runtime, attempt, event.processor_id):
        case Found() as found:
            return all_of(found)
        case NotFound():
            raise LookupInconclusiveError("the processor does not show the charge that it tells of")
        case failed:
            raise LookupInconclusiveError(f"the look-up failed: {failed.reason}"[:300])


async def _store(account: str, attempt: str, outcomes: Sequence[ChargeOutcome], now: datetime) -> End:
    for outcome in outcomes:
        await store_outcome(account, attempt, outcome, now, wake=True, proven=True)
    return DONE


async def _lock(account: str, connection: str, detail: str, now: datetime, *, locked: bool) -> End:
    """While its case is open nothing is charged at the connection: a notice of the processor's, or a human, closes it.

    Invoices before cases, as everywhere.
    """
    await poke_waiting(account, connection, now)
    if locked:
        reason = f"the processor has locked the account ({detail})"
        await open_case(account, CaseKind.CONNECTION_LOCKED, connection, reason, now)
    else:
        await close_by_itself(account, connection, [CaseKind.CONNECTION_LOCKED], now)
    return DONE


async def _own_account(delivery: Stored) -> str:
    """The account at the processor that the connection is for; empty where its adapter has no such option."""
    options = await sql.value(OPTIONS, delivery.account, delivery.source)
    return str(msgspec.json.decode(options or "{}", type=dict[str, str]).get("account", ""))


def _ends(end: End) -> Step:
    async def step() -> End:
        return end

    return step
