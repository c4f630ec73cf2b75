"""Look-ups of a charge, as the processor can be asked, and the withdrawal of a pending one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from processors.capabilities import Lookup
from processors.conformance import asks
from processors.conformance.scenarios.scenario import BROKEN, UNREACHED, Scenario
from processors.conformance.subject import ANOTHER, Impossible, Says, Subject, key
from processors.interface import ProcessorAdapter
from processors.outcome import Canceled, Found, LookupFailed, NotFound, Pending, Succeeded
from processors.values import ChargeQuery

Act = Callable[[ProcessorAdapter], Awaitable[Any]]


def scenarios(subject: Subject) -> Iterator[Scenario]:
    if subject.adapter.capabilities.lookup is not Lookup.NONE:
        yield from _found(subject)
        yield from _failures(subject)
    yield from _unsupported(subject)
    yield from _cancels(subject)


def _look(query: ChargeQuery) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.lookup_charge(query)

    return act


def _found(subject: Subject) -> Iterator[Scenario]:
    shapes, act = subject.lookups, _look(asks.charge_query(subject))
    yield Scenario("look-up: found, succeeded", shapes.found, act, partial(_succeeded, subject))
    yield Scenario("look-up: found, pending", shapes.pending, act, partial(_holds, subject, Pending))
    yield Scenario("look-up: not found", shapes.missing, act, partial(_missing, subject))
    yield Scenario("look-up: an answer about another charge", shapes.of_another, act, _not_found)
    other = _look(replace(asks.charge_query(subject), reference=ANOTHER))
    name = "look-up: found, of another reference"
    yield Scenario(name, shapes.found, other, _not_found, asks_for_another=True)
    yield Scenario("look-up: several under one reference", shapes.several, act, partial(_several, subject))


def _failures(subject: Subject) -> Iterator[Scenario]:
    act = _look(asks.charge_query(subject))
    answers = {**UNREACHED, **BROKEN, "401": subject.charges.unauthorized, "429": subject.charges.turned_away}
    for name, said in answers.items():
        yield Scenario(f"look-up: {name}", said, act, _failed)


def _unsupported(subject: Subject) -> Iterator[Scenario]:
    """Without an id, where the processor knows charges by their id alone, or not at all."""
    if subject.adapter.capabilities.lookup in (Lookup.NONE, Lookup.BY_ID):
        act = _look(asks.charge_query(subject, by_id=False))
        yield Scenario("look-up: by a reference that can't be asked for", Says({}, 599), act, _failed, sends=False)


def _cancels(subject: Subject) -> Iterator[Scenario]:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.cancel_charge(asks.charge_query(subject), key("cancel"))

    shapes = subject.cancels
    if isinstance(shapes, Impossible) or not subject.adapter.capabilities.cancel:
        return
    yield Scenario("cancel: in time", shapes.done, act, partial(_holds, subject, Canceled))
    yield Scenario("cancel: too late", shapes.too_late, act, partial(_holds, subject, Succeeded | Pending))
    for name, said in {**UNREACHED, **BROKEN}.items():
        yield Scenario(f"cancel: {name}", said, act, _failed)


def _holds(subject: Subject, kind: Any, result: Any) -> None:
    assert isinstance(result, Found), f"{result!r} is no find"
    assert isinstance(result.outcome, kind), f"{result.outcome!r} is no {getattr(kind, '__name__', kind)}"
    assert getattr(result.outcome, "processor_id", "") == subject.charge_id, f"{result.outcome!r} names another charge"


def _succeeded(subject: Subject, result: Any) -> None:
    _holds(subject, Succeeded, result)
    assert result.outcome.captured == asks.total(subject), f"{result.outcome.captured} is not what was asked for"


def _missing(subject: Subject, result: Any) -> None:
    declared = subject.adapter.capabilities.not_found_is_conclusive
    assert result == NotFound(conclusive=declared), f"{result!r}, and not_found_is_conclusive is {declared}"


def _not_found(result: Any) -> None:
    assert not isinstance(result, Found), "a charge that is not ours was taken for ours"


def _several(subject: Subject, result: Any) -> None:
    _holds(subject, Succeeded, result)
    assert result.also, "the other charge under the reference is money of its own, and was left out"


def _failed(result: Any) -> None:
    assert isinstance(result, LookupFailed), f"{result!r}: a look-up that failed proves nothing"
