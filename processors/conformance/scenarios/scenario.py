"""One scenario, and how it's played."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import httpx
import structlog

from processors.conformance.stage import Stage, stage
from processors.conformance.subject import Impossible, Says, Script, Shape, Subject
from processors.errors import ProcessorError
from processors.interface import ProcessorAdapter


class InapplicableError(Exception):
    """The check has nothing to try on this subject; the text says why."""


@dataclass(frozen=True)
class Scenario:
    """`act` does it and gives what came back; an error of the adapter's tree is given too. `expect` asserts.

    `sends`: whether anything may be sent at all. `asks_for_another`: the answer is as recorded, and the question isn't.
    """

    name: str
    said: Shape
    act: Callable[[ProcessorAdapter], Awaitable[Any]]
    expect: Callable[[Any], None]
    sends: bool = True
    asks_for_another: bool = False
    family: str = ""


@dataclass
class Played:
    """What came of it, the requests, and every text that it left in logs."""

    result: Any
    sent: list[httpx.Request] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)


async def play(subject: Subject, scenario: Scenario) -> Played:
    """Raises InapplicableError for what the processor can't do."""
    if isinstance(scenario.said, Impossible):
        raise InapplicableError(scenario.said.why)
    with listening() as logged:
        async with stage(subject, scenario.said) as staged:
            return Played(await _act(scenario, staged), staged.sent, staged.asked, logged)


async def _act(scenario: Scenario, staged: Stage) -> Any:
    try:
        return await scenario.act(staged.adapter)
    except ProcessorError as error:
        return error


@contextmanager
def listening() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, by structlog or by the standard library, at any level."""
    texts: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(logging.Formatter().format(record))

    root, listener = logging.getLogger(), Listener(logging.DEBUG)
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        with structlog.testing.capture_logs() as captured:
            yield texts
            texts += [repr(one) for one in captured]
    finally:
        root.setLevel(level)
        root.removeHandler(listener)


BROKEN: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "500": Says({}, 500),
        "502 of a balancer": Says(b"<html>Bad gateway</html>", 502),
        "503": Says({}, 503),
        "408": Says({}, 408),
        "a redirect": Says(b"", 302, headers={"location": "https://elsewhere.example/"}),
        "no answer in time": Says(httpx.ReadTimeout("too late")),
        "a connection that breaks": Says(httpx.ReadError("broken")),
        "a request that can't be written": Says(httpx.WriteError("broken")),
        "200 and a page": Says(b"<html>Welcome</html>"),
        "200 and nothing": Says(b""),
        "200 and an empty object": Says({}),
        "200 and a list": Says([]),
        "200 and lists in lists": Says(b'{"x":' + b"[" * 9999 + b"]" * 9999 + b"}"),
        "200 cut short": Says(lambda _request: _Cut()),
    }
)
"""Answers after which nobody knows what was done."""

JSON_OF_NOTHING: Final = frozenset({"200 and an empty object", "200 and a list"})


class _Cut(httpx.AsyncByteStream):
    """A body that ends before its end."""

    async def __aiter__(self) -> Any:
        yield b'{"id": "'
        raise httpx.RemoteProtocolError("the peer closed the connection without sending all of the body")


UNREACHED: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "no connection": Says(httpx.ConnectError("refused")),
        "no connection in time": Says(httpx.ConnectTimeout("too late")),
        "no place in the pool": Says(httpx.PoolTimeout("full")),
    }
)
"""Answers after which it's certain that nothing was sent."""


def on(answer: Script, expression: str) -> Script:
    """The same answers, to some calls only."""
    many = (answer,) if isinstance(answer, Says) else answer
    return tuple(Says(one.body, one.status, expression, one.headers) for one in many)


def aware(moment: Any) -> bool:
    return moment.tzinfo is not None
