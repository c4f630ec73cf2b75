"""Refunds: whole and in part, at once or accepted, refused, asked for again, listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from processors.conformance import asks
from processors.conformance.scenarios.scenario import BROKEN, UNREACHED, Scenario
from processors.conformance.subject import ANOTHER_REFUND, REFUND_REFERENCE, WAIT_S, Impossible, Says, Subject
from processors.errors import CallError, MoneyError
from processors.interface import ProcessorAdapter
from processors.money import Money
from processors.outcome import (
    LookupFailed,
    NotFound,
    NotSent,
    RefundFound,
    RefundPending,
    RefundRefusal,
    RefundRefused,
    RefundSucceeded,
    Unknown,
)
from processors.values import RefundQuery

Act = Callable[[ProcessorAdapter], Awaitable[Any]]


def scenarios(subject: Subject) -> Iterator[Scenario]:
    if isinstance(subject.refunds, Impossible):
        return
    yield from _answers(subject)
    yield from _failures(subject)
    yield from _lookups(subject)
    yield from _lists(subject)


def _refund(subject: Subject, **changed: Any) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.refund(adapter.prepare_refund(asks.refund(subject, **changed)))

    return act


def _answers(subject: Subject) -> Iterator[Scenario]:
    shapes = subject.refunds
    assert not isinstance(shapes, Impossible)
    whole, part = asks.total(subject), asks.part(subject)
    yield Scenario("refund: full", shapes.full, _refund(subject), partial(_made, subject, whole))
    yield Scenario("refund: in part", shapes.part, _refund(subject, amount=part), partial(_made, subject, part))
    yield Scenario("refund: the same bytes again", shapes.again, _refund(subject), partial(_made, subject, whole))
    for reason, said in shapes.refused.items():
        yield Scenario(f"refund: refused, {reason}", said, _refund(subject), partial(_refused, reason))
    unknown = partial(_is, Unknown)
    yield Scenario("refund: an answer of another amount", shapes.another_amount, _refund(subject), unknown)
    yield Scenario("refund: an answer about another refund", shapes.another_reference, _refund(subject), unknown)
    yield Scenario("refund: the key or reference is in use", subject.charges.in_use, _refund(subject), unknown)
    other = _refund(subject, charge_id=_another(subject.charge_id))
    name = "refund: an answer about another charge"
    yield Scenario(name, shapes.full, other, unknown, asks_for_another=True)
    for money in (replace(whole, amount=0), replace(whole, amount=-whole.amount), *subject.inexpressible):
        name = f"refund: {money.amount} {money.currency} can't be given back"
        yield Scenario(name, Says({}, 599), _refund(subject, amount=money), partial(_is, MoneyError), sends=False)
    yield Scenario(
        "refund: of an id that leads elsewhere", Says({}, 599), _prepare_elsewhere(subject), _led, sends=False
    )


def _another(charge_id: str) -> str:
    """Another id of the same form."""
    last = next(place for place in reversed(range(len(charge_id))) if charge_id[place].isalnum())
    other = "A" if charge_id[last] == "B" else "B"
    return charge_id[:last] + other + charge_id[last + 1 :]


def _prepare_elsewhere(subject: Subject) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return adapter.prepare_refund(asks.refund(subject, charge_id=f"{subject.charge_id}/../elsewhere?x=1"))

    return act


def _led(result: Any) -> None:
    """In a body it is but an id that nobody has."""
    assert isinstance(result, CallError) or "elsewhere" not in result.path, f"it goes to {result.path}"


def _failures(subject: Subject) -> Iterator[Scenario]:
    shapes, act = subject.charges, _refund(subject)
    yield Scenario(
        "refund: the credentials are wrong", shapes.unauthorized, act, partial(_refused, RefundRefusal.OTHER)
    )
    yield Scenario("refund: turned away, with a time", shapes.turned_away, act, _turned_away)
    for name, said in {**UNREACHED, **shapes.unread}.items():
        yield Scenario(f"refund: {name}", said, act, partial(_is, NotSent))
    for name, said in {**BROKEN, **shapes.unclear}.items():
        yield Scenario(f"refund: {name}", said, act, partial(_is, Unknown))


def _lookups(subject: Subject) -> Iterator[Scenario]:
    shapes = subject.refunds
    assert not isinstance(shapes, Impossible)

    act, other = _look(asks.refund_query(subject)), _look(replace(asks.refund_query(subject), reference=ANOTHER_REFUND))
    yield Scenario("refund look-up: found", shapes.found, act, partial(_found, subject))
    name = "refund look-up: found, of another reference"
    yield Scenario(name, shapes.found, other, _not_found, asks_for_another=True)
    yield Scenario("refund look-up: not found", shapes.missing, act, partial(_missing, subject))
    if not isinstance(shapes.found, Impossible):
        for name, said in {**UNREACHED, **BROKEN, "401": subject.charges.unauthorized}.items():
            yield Scenario(f"refund look-up: {name}", said, act, partial(_is, LookupFailed))


def _look(query: RefundQuery) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.lookup_refund(query)

    return act


def _lists(subject: Subject) -> Iterator[Scenario]:
    shapes = subject.refunds
    assert not isinstance(shapes, Impossible)
    if not subject.adapter.capabilities.lists_refunds:
        return

    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.list_refunds(subject.charge_id)

    yield Scenario("refund list: ours and another", shapes.listed, act, partial(_listed, subject))
    for name, said in {**UNREACHED, **BROKEN}.items():
        yield Scenario(f"refund list: {name}", said, act, partial(_is, CallError))


def _is(kind: Any, result: Any) -> None:
    assert isinstance(result, kind), f"{result!r} is no {getattr(kind, '__name__', kind)}"


def _made(subject: Subject, money: Money, result: Any) -> None:
    _is(RefundSucceeded if asks.refunds_at_once(subject) else RefundPending, result)
    assert (result.processor_id, result.amount) == (subject.refund_id, money), repr(result)


def _refused(reason: RefundRefusal, result: Any) -> None:
    _is(RefundRefused, result)
    assert result.reason is reason, f"{result.code} is taken for {result.reason}"


def _turned_away(result: Any) -> None:
    _is(NotSent, result)
    assert result.retry_after == timedelta(seconds=WAIT_S), f"it is to wait {WAIT_S} s, not {result.retry_after}"


def _found(subject: Subject, result: Any) -> None:
    _is(RefundFound, result)
    assert getattr(result.outcome, "processor_id", "") == subject.refund_id, repr(result)


def _not_found(result: Any) -> None:
    assert not isinstance(result, RefundFound), f"{result!r}: a refund that is not ours was taken for ours"


def _missing(subject: Subject, result: Any) -> None:
    _is(NotFound, result)
    declared = subject.adapter.capabilities.not_found_is_conclusive
    assert declared or not result.conclusive, "not_found_is_conclusive is not declared"


def _listed(subject: Subject, result: Any) -> None:
    _is(tuple, result)
    by_id = {one.processor_id: one for one in result}
    assert len(by_id) == len(result) == 2, f"two refunds were shown, and {len(result)} came back"
    ours = by_id[subject.refund_id]
    assert (ours.reference, ours.external) == (REFUND_REFERENCE, False), repr(ours)
    others = [one for one in result if one.processor_id != subject.refund_id]
    assert others[0].external, "the refund that was made at the processor is not told apart"
    assert {one.charge_id for one in result} == {subject.charge_id}
