"""Charges: each answer that a processor has, and each way in which a call can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from processors.conformance import asks
from processors.conformance.scenarios.notices import read
from processors.conformance.scenarios.scenario import BROKEN, UNREACHED, Scenario, aware
from processors.conformance.subject import ANOTHER, WAIT_S, Impossible, LookedUp, Says, Shape, Subject, Told
from processors.declines import UNMAPPED
from processors.errors import MoneyError
from processors.interface import ProcessorAdapter
from processors.money import Money
from processors.outcome import (
    DeclineClass,
    Declined,
    Found,
    NotSent,
    Pending,
    Rejected,
    RequiresAction,
    Succeeded,
    Unknown,
)
from processors.values import Usage

UNLISTED = "kit_unlisted_code"
"""A decline code that is in nobody's table."""

Act = Callable[[ProcessorAdapter], Awaitable[Any]]


def scenarios(subject: Subject) -> Iterator[Scenario]:
    yield from _answers(subject)
    yield from _declines(subject)
    yield from _failures(subject)
    yield from _others(subject)
    yield from _amounts(subject)
    yield from _replays(subject)


def _charge(subject: Subject, **changed: Any) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.charge(adapter.prepare_charge(asks.charge(subject, **changed)))

    return act


def _lined(subject: Subject) -> Act:
    """A charge that says what it is for; with its outcome comes whether that stands in the request."""

    async def act(adapter: ProcessorAdapter) -> Any:
        request = asks.charge(subject)
        call = adapter.prepare_charge(replace(request, breakdown=asks.breakdown()))
        return await adapter.charge(call), call.body != adapter.prepare_charge(request).body

    return act


def _answers(subject: Subject) -> Iterator[Scenario]:
    shapes, done = subject.charges, partial(_succeeded, subject, asks.total(subject))
    yield Scenario("charge: success", shapes.succeeded, _charge(subject), done)
    unscheduled = _charge(subject, usage=Usage.UNSCHEDULED)
    either = shapes.pending if isinstance(shapes.succeeded, Impossible) else shapes.succeeded
    yield Scenario("charge: by use, unscheduled", either, unscheduled, partial(_is, Succeeded | Pending))
    if subject.adapter.capabilities.takes_lines:
        yield Scenario("charge: line by line", either, _lined(subject), _said_by_line)
    yield Scenario("charge: pending", shapes.pending, _charge(subject), partial(_named, subject, Pending))
    yield Scenario("charge: requires action", shapes.requires_action, _charge(subject), _held)
    yield Scenario("charge: our fault", shapes.rejected, _charge(subject), partial(_is, Rejected))


def _declines(subject: Subject) -> Iterator[Scenario]:
    table = subject.adapter.declines.classes
    for code, decline_class in table.items():
        yield _decline(subject, code, f"charge: declined, {decline_class} ({code})", decline_class, mapped=True)
    yield _decline(subject, UNLISTED, "charge: declined, a code in no table", UNMAPPED, mapped=False)


def _decline(subject: Subject, code: str, name: str, decline_class: DeclineClass, *, mapped: bool) -> Scenario:
    shape = subject.charges.declined(code)

    def expect(result: Any) -> None:
        outcome = result[0] if isinstance(result, tuple) and result else result
        outcome = outcome.outcome if isinstance(outcome, Found) else outcome
        decline = getattr(outcome, "decline", None)  # of an outcome, or of an event
        assert isinstance(outcome, Declined) or isinstance(shape, Told), f"{outcome!r} is no decline"
        assert decline is not None, f"{outcome!r} says nothing of the decline"
        assert (decline.decline_class, decline.mapped) == (decline_class, mapped), repr(decline)
        assert decline.processor_code == code, "the processor's own code is kept"

    if isinstance(shape, Told):
        return Scenario(name, shape.fetched, read(subject, shape), expect)
    if isinstance(shape, LookedUp):
        return Scenario(name, shape.script, _look(subject), expect)
    return Scenario(name, shape, _charge(subject), expect)


def _look(subject: Subject) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.lookup_charge(asks.charge_query(subject))

    return act


def _failures(subject: Subject) -> Iterator[Scenario]:
    shapes, act = subject.charges, _charge(subject)
    yield Scenario("charge: the credentials are wrong", shapes.unauthorized, act, partial(_is, Rejected))
    yield Scenario("charge: turned away, with a time", shapes.turned_away, act, _turned_away)
    for name, said in UNREACHED.items():
        yield Scenario(f"charge: {name}", said, act, _unreached)
    for name, said in shapes.unread.items():
        yield Scenario(f"charge: {name}", said, act, partial(_is, NotSent))
    for name, said in {**BROKEN, **shapes.unclear}.items():
        yield Scenario(f"charge: {name}", said, act, partial(_is, Unknown))
    yield Scenario("charge: an answer of another amount", shapes.another_amount, act, partial(_is, Unknown))
    yield Scenario("charge: an answer about another charge", shapes.another_reference, act, partial(_is, Unknown))


def _others(subject: Subject) -> Iterator[Scenario]:
    """The recorded answers to a charge that differs in one thing: whatever they say is not about this one."""
    shapes, unknown = subject.charges, partial(_is, Unknown)
    either = shapes.pending if isinstance(shapes.succeeded, Impossible) else shapes.succeeded
    asked: dict[str, tuple[Shape, dict[str, Any]]] = {
        "pending, of another amount": (shapes.pending, {"amount": asks.part(subject)}),
        "pending, of another reference": (shapes.pending, {"reference": ANOTHER}),
    }
    for money in asks.in_another_currency(subject):
        asked["an answer of another currency"] = (either, {"amount": money})
    for name, (shape, changed) in asked.items():
        yield Scenario(f"charge: {name}", shape, _charge(subject, **changed), unknown, asks_for_another=True)


def _amounts(subject: Subject) -> Iterator[Scenario]:
    for money in subject.wire:
        expect = partial(_succeeded, subject, money)
        name = f"money: {money.amount} {money.currency} there and back"
        yield Scenario(name, subject.charges.echo, _charge(subject, amount=money), expect)
    nothing = replace(asks.total(subject), amount=0)
    less = replace(nothing, amount=-asks.total(subject).amount)
    for money in (*subject.inexpressible, nothing, less, Money(asks.total(subject).amount, "zzz")):
        name = f"money: {money.amount} {money.currency} can't be charged"
        yield Scenario(name, Says({}, 599), _charge(subject, amount=money), partial(_is, MoneyError), sends=False)


def _replays(subject: Subject) -> Iterator[Scenario]:
    shapes = subject.charges
    again = partial(_named, subject, Succeeded | Pending)
    yield Scenario("charge: the same bytes again", shapes.again, _charge(subject), again)
    yield Scenario("charge: the key or reference is in use", shapes.in_use, _charge(subject), partial(_is, Unknown))


def _is(kind: Any, result: Any) -> None:
    assert isinstance(result, kind), f"{result!r} is no {getattr(kind, '__name__', kind)}"


def _named(subject: Subject, kind: Any, result: Any) -> None:
    _is(kind, result)
    assert result.processor_id == subject.charge_id, f"it names {result.processor_id}"


def _said_by_line(result: Any) -> None:
    outcome, said = result
    _is(Succeeded | Pending, outcome)
    assert said, "its lines are taken, as declared, and left out"


def _held(result: Any) -> None:
    """What waits for the payer may have an id of its own, such as an order's, until there is a charge."""
    _is(RequiresAction, result)
    assert result.processor_id, "it names nothing"


def _succeeded(subject: Subject, money: Money, result: Any) -> None:
    _named(subject, Succeeded, result)
    assert result.captured == money, f"{result.captured} was captured, and {money} asked for"
    assert aware(result.occurred_at), "a time without its zone"


def _turned_away(result: Any) -> None:
    _is(NotSent, result)
    assert result.answered, "it was the processor that turned it away"
    assert result.retry_after == timedelta(seconds=WAIT_S), f"it is to wait {WAIT_S} s, not {result.retry_after}"


def _unreached(result: Any) -> None:
    _is(NotSent, result)
    assert not result.answered, "nobody answered"
