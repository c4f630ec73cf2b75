"""An adapter over a processor that speaks from a script: no network, and every request kept.

httpx's own mock transport is all that it takes; thousands of stages are set up in one run.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast

import httpx
import msgspec

from processors.conformance.subject import Says, Script, Subject
from processors.interface import ProcessorAdapter
from processors.values import Secret

MAX_CALLS = 60
"""An adapter that asks more often for one thing goes in a circle."""


def script(of: Script) -> tuple[Says, ...]:
    return (of,) if isinstance(of, Says) else of


class Stage:
    """The adapter, and what it has sent. `asked` leaves out the calls that `Subject.always` answered."""

    def __init__(self, subject: Subject, said: Script) -> None:
        self._always = subject.always
        self._said = script(said)
        self._given: set[int] = set()
        self.sent: list[httpx.Request] = []
        self.asked: list[httpx.Request] = []
        self.adapter = cast(ProcessorAdapter, None)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        assert len(self.sent) <= MAX_CALLS, f"the adapter made {MAX_CALLS} calls and wants more"
        line = f"{request.method} {request.url.raw_path.decode()}\n{request.content.decode(errors='replace')}"
        for one in self._always:
            if re.search(one.on, line):
                return _response(one, request)
        self.asked.append(request)
        return _response(self._next(line), request)

    def _next(self, line: str) -> Says:
        fitting = [index for index, one in enumerate(self._said) if re.search(one.on, line)]
        assert fitting, f"the adapter calls `{line.splitlines()[0]}`, to which this scenario has no answer"
        index = next((index for index in fitting if index not in self._given), fitting[-1])
        self._given.add(index)
        return self._said[index]


def _response(said: Says, request: httpx.Request) -> httpx.Response:
    body = said.body(request) if callable(said.body) else said.body
    if isinstance(body, Exception):
        raise body
    if isinstance(body, httpx.AsyncByteStream):
        return httpx.Response(said.status, headers=dict(said.headers), stream=body)
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    kind = {} if isinstance(body, bytes) else {"content-type": "application/json"}
    return httpx.Response(said.status, headers={**kind, **said.headers}, content=content)


@asynccontextmanager
async def stage(
    subject: Subject,
    said: Script = (),
    *,
    credentials: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """The adapter on its stage; raises ConfigurationError where `from_config` does."""
    set_up = Stage(subject, said)
    async with httpx.AsyncClient(transport=httpx.MockTransport(set_up.answer), trust_env=False) as http:
        given = subject.credentials if credentials is None else credentials
        set_up.adapter = subject.adapter.from_config(
            {name: Secret(value) for name, value in given.items()},
            subject.options if options is None else options,
            http,
            system_now,
        )
        yield set_up


def system_now() -> datetime:
    """Deliveries are signed when they are tried, so the adapter's clock is the machine's."""
    return datetime.now(UTC)  # noqa: TID251 (an adapter's clock, for the time of signatures)
