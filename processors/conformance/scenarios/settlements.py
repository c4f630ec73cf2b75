"""Settlement files: read whole, with exact amounts, and the same each time; or refused whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from processors.conformance import asks
from processors.conformance.scenarios.scenario import BROKEN, UNREACHED, Scenario, aware
from processors.conformance.subject import Impossible, Says, Script, Settlements, Subject
from processors.errors import CallError, MoneyError, OutcomeUnknownError, RefusedError
from processors.interface import ProcessorAdapter
from processors.settlements import Settlement

Act = Callable[[ProcessorAdapter], Awaitable[Any]]


def scenarios(subject: Subject) -> Iterator[Scenario]:
    shapes = subject.settlements
    if isinstance(shapes, Impossible):
        yield Scenario("settlements: there are none", Says({}, 599), _list, partial(_equals, ()), sends=False)
        none = partial(_is, RefusedError)
        yield Scenario("settlement: there is none", Says({}, 599), _read("kit"), none, sends=False)
        return
    yield from _listed(shapes)
    yield from _files(shapes, _read(shapes.settlement.processor_id))


async def _list(adapter: ProcessorAdapter) -> Any:
    return await adapter.settlements(asks.SINCE.date())


def _read(processor_id: str) -> Act:
    async def act(adapter: ProcessorAdapter) -> Any:
        return await adapter.settlement(processor_id)

    return act


def _listed(shapes: Settlements) -> Iterator[Scenario]:
    wanted = shapes.settlement.processor_id
    yield Scenario("settlements: listed", shapes.listed, _list, partial(_names, wanted))
    for name, said in {**UNREACHED, **BROKEN}.items():
        yield Scenario(f"settlements: {name}", said, _list, partial(_is, CallError))


def _files(shapes: Settlements, read: Act) -> Iterator[Scenario]:
    async def twice(adapter: ProcessorAdapter) -> Any:
        return [await read(adapter), await read(adapter)]

    yield Scenario("settlement: its rows", shapes.file, read, partial(_holds, shapes.settlement))
    again = (*_script(shapes.file), *_script(shapes.file))
    yield Scenario("settlement: read again", again, twice, partial(_equals, [shapes.settlement] * 2))
    for name, said in {**shapes.broken, **_cut(shapes.file)}.items():
        yield Scenario(f"settlement: refused whole, {name}", said, read, partial(_is, CallError | MoneyError))
    another = partial(_is, OutcomeUnknownError)
    yield Scenario("settlement: an answer about another file", shapes.another, read, another)
    yield Scenario("settlement: there is no such file", shapes.missing, read, partial(_is, RefusedError))
    for name, said in {**UNREACHED, **BROKEN}.items():
        yield Scenario(f"settlement: {name}", said, read, partial(_is, CallError))


def _script(said: Script) -> tuple[Says, ...]:
    return (said,) if isinstance(said, Says) else said


def _cut(file: Script) -> dict[str, Script]:
    """The file's own bytes, ending early: in the middle of a row, and behind the last but one."""
    *before, last = _script(file)
    if not isinstance(last.body, bytes):
        return {}
    lines = last.body.splitlines(keepends=True)
    ends = {"cut in a row": last.body[: -len(lines[-1]) // 2 - 1], "its last row is missing": b"".join(lines[:-1])}
    return {name: (*before, Says(body, last.status, last.on, last.headers)) for name, body in ends.items()}


def _is(kind: Any, result: Any) -> None:
    assert isinstance(result, kind), f"{result!r:.200} is no {getattr(kind, '__name__', kind)}"


def _equals(wanted: object, result: Any) -> None:
    assert result == wanted, f"{result!r:.200} is not {wanted!r:.200}"


def _names(wanted: str, result: Any) -> None:
    _is(tuple, result)
    assert wanted in result, f"{result} leaves out {wanted}"
    assert len(set(result)) == len(result), f"{result} names a file twice"
    assert len(result) <= 100, f"{len(result)} files at once are more than are read in one call's time"


def _holds(wanted: Settlement, result: Any) -> None:
    _is(Settlement, result)
    for read, row in zip(result.rows, wanted.rows, strict=False):
        assert read == row, f"{read} was read, and {row} is right"
    assert result == wanted, f"{len(result.rows)} rows of {result.processor_id} of {result.day}"
    assert len({row.row_id for row in result.rows}) == len(result.rows), "two rows have one id"
    assert all(aware(row.occurred_at) for row in result.rows), "a time without its zone"
    left: Counter[str] = Counter()
    for row in result.rows:
        assert row.net.amount == row.settled.amount - row.fee.amount, f"{row.row_id} is not settled less fee"
        left[row.net.currency] += row.net.amount
    assert not any(left.values()), "with the payouts it does not sum to zero"
