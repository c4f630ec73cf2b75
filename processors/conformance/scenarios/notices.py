"""Notifications that are read, and what a poll finds: each kind of event as the processor tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from processors.conformance import asks
from processors.conformance.scenarios.scenario import BROKEN, UNREACHED, Scenario, aware
from processors.conformance.subject import Impossible, Key, Subject, Told
from processors.errors import CallError
from processors.events import DisputeState, EventKind, ProcessorEvent
from processors.interface import ProcessorAdapter
from processors.outcome import Declined, RefundFailed, RefundOutcome, RefundSucceeded, Succeeded

MAX_PAGES = 20

Act = Callable[[ProcessorAdapter], Awaitable[Any]]


def scenarios(subject: Subject) -> Iterator[Scenario]:
    for kind in EventKind:
        told = subject.webhooks.told.get(kind)
        if isinstance(told, Told):
            yield Scenario(f"notice: {kind}", told.fetched, read(subject, told), partial(_tells, subject, kind))
    yield from _disputed(subject)
    fetching = next((told for told in subject.recorded if told.fetched != ()), None)
    if fetching is not None:
        for name, said in {**UNREACHED, **BROKEN}.items():
            yield Scenario(f"notice: what it's about can't be fetched, {name}", said, read(subject, fetching), _failed)
    if not isinstance(subject.polled, Impossible):
        poll = partial(_poll)
        yield Scenario("poll: what changed", subject.polled, poll, partial(_polled, subject))
        for name, said in {**UNREACHED, **BROKEN}.items():
            yield Scenario(f"poll: {name}", said, poll, _failed)


def _disputed(subject: Subject) -> Iterator[Scenario]:
    """Money that goes for a dispute, and comes back: two notices, whose moves the ledger must tell apart."""
    told = [subject.webhooks.told.get(kind) for kind in (EventKind.DISPUTE_FUNDS_WITHDRAWN, EventKind.DISPUTE_WON)]
    recorded = [one for one in told if isinstance(one, Told) and one.fetched == ()]
    if len(recorded) == len(told):
        yield Scenario("notice: a dispute's moves", (), partial(_read_all, subject, recorded), _told_apart)


async def _read_all(subject: Subject, recorded: list[Told], adapter: ProcessorAdapter) -> Any:
    return tuple([event for told in recorded for event in await read(subject, told)(adapter)])


def _told_apart(result: Any) -> None:
    moves = [move for event in result if event.dispute for move in event.dispute.moves]
    for one in moves:
        same = {other.amount for other in moves if other.occurrence == one.occurrence}
        assert len(same) == 1, f"{one.occurrence} is one move, and moves {', '.join(map(str, sorted(same)))}"


def read(subject: Subject, told: Told) -> Act:
    """Its delivery, verified, and every notice in it, parsed."""

    async def act(adapter: ProcessorAdapter) -> Any:
        notices = await adapter.verify(subject.webhooks.deliver((told.item,), Key.CURRENT))
        return tuple([event for notice in notices for event in await adapter.parse(notice)])

    return act


async def _poll(adapter: ProcessorAdapter) -> Any:
    events: list[ProcessorEvent] = []
    cursor = ""
    for _ in range(MAX_PAGES):
        page = await adapter.poll(asks.SINCE, cursor)
        events += page.events
        cursor = page.cursor
        if not cursor:
            return tuple(events)
    raise AssertionError(f"the poll goes on after {MAX_PAGES} pages of the same answer")


def _tells(subject: Subject, kind: EventKind, result: Any) -> None:
    assert isinstance(result, tuple), f"{result!r} instead of events"
    told = [event for event in result if event.kind is kind]
    assert told, f"it tells {[event.kind.value for event in result]}"
    for event in told:
        shown(subject, event)


def shown(subject: Subject, event: ProcessorEvent) -> None:
    """What an event of its kind can't be without."""
    assert aware(event.occurred_at), "a time without its zone"
    if subject.account_ref and event.kind is not EventKind.IGNORED:
        assert event.account_ref == subject.account_ref, f"it's for {event.account_ref!r}"
    family = event.kind.partition(".")[0]
    if family == "charge":
        assert event.reference or event.processor_id, "it names no charge"
        _fits(event)
    if family == "refund":
        assert event.refund is not None, "it says nothing of the refund"
        _fits_refund(event.kind, event.refund.outcome)
    if family == "dispute":
        assert event.dispute is not None, "it says nothing of the dispute"
        _fits_dispute(event.kind, event.dispute)
    other = _currencies(event) - {subject.currency}
    assert not other, f"it tells of {', '.join(sorted(other))}, and the charge is in {subject.currency}"
    assert family != "method" or event.token is not None, "it names no payment method"
    assert event.kind is not EventKind.METHOD_REPLACED or event.replacement is not None, "replaced by what?"
    assert event.kind is not EventKind.IGNORED or event.detail, "what is ignored is named"


def _fits(event: ProcessorEvent) -> None:
    """A charge event either proves an outcome that is its own, or leaves it to be asked for."""
    match event.kind:
        case EventKind.CHARGE_SUCCEEDED | EventKind.CHARGE_SETTLED:
            assert event.outcome is None or isinstance(event.outcome, Succeeded), repr(event.outcome)
        case EventKind.CHARGE_FAILED:
            assert not isinstance(event.outcome, Succeeded), repr(event.outcome)
        case EventKind.CHARGE_PENDING:
            assert not isinstance(event.outcome, Succeeded | Declined), repr(event.outcome)
        case EventKind.CHARGE_REVERSED:
            assert event.moved and event.moved.amount.amount < 0, "it says how much went, as a negative amount"
        case EventKind.CHARGE_REINSTATED:
            assert event.moved and event.moved.amount.amount > 0, "it says how much came back"
        case _:
            pass


def _currencies(event: ProcessorEvent) -> set[str]:
    """Of everything that it says to have moved."""
    amounts = [event.moved.amount] if event.moved else []
    if isinstance(event.outcome, Succeeded):
        amounts.append(event.outcome.captured)
    if event.refund is not None:
        amounts.append(event.refund.amount)
    if event.dispute is not None:
        amounts += [event.dispute.amount, event.dispute.withdrawn, *[move.amount for move in event.dispute.moves]]
    return {one.currency for one in amounts}


def _fits_refund(kind: EventKind, outcome: RefundOutcome) -> None:
    match kind:
        case EventKind.REFUND_SUCCEEDED:
            assert isinstance(outcome, RefundSucceeded), repr(outcome)
        case EventKind.REFUND_FAILED | EventKind.REFUND_REVERSED:
            assert isinstance(outcome, RefundFailed), repr(outcome)
        case _:
            pass


def _fits_dispute(kind: EventKind, dispute: DisputeState) -> None:
    """The ledger is kept by the moves, each once: one that is missing, or has the wrong sign, is money."""
    occurrences = [move.occurrence for move in dispute.moves]
    assert all(occurrences) and len(set(occurrences)) == len(occurrences), f"moves are told apart by {occurrences}"
    assert dispute.amount.amount >= 0 and dispute.withdrawn.amount >= 0, (
        "what is disputed and what is gone have no sign"
    )
    if kind is EventKind.DISPUTE_FUNDS_WITHDRAWN:
        assert dispute.withdrawn.amount > 0, "money was withdrawn, and nothing is gone"
        assert any(move.amount.amount < 0 for move in dispute.moves), "money was withdrawn, and no move takes any"


def _polled(subject: Subject, result: Any) -> None:
    assert isinstance(result, tuple), f"{result!r} instead of events"
    missing = subject.adapter.capabilities.polled_events - {event.kind for event in result}
    assert not missing, f"declared as polled, and not found: {', '.join(sorted(missing))}"
    named: dict[str, ProcessorEvent] = {}
    for event in result:
        shown(subject, event)
        assert not event.event_id or named.setdefault(event.event_id, event) == event, "two events have one id"


def _failed(result: Any) -> None:
    assert isinstance(result, CallError), f"{result!r}: what could not be asked for is not known"
