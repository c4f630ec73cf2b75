"""What is sent, held against the processor's description."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from processors.conformance.checks.check import check
from processors.conformance.scenarios import scenarios
from processors.conformance.scenarios.scenario import play
from processors.conformance.subject import Impossible, Subject


def played(subject: Subject) -> Iterable[str]:
    """The scenarios that can be played."""
    return [name for name, one in scenarios(subject).items() if not isinstance(one.said, Impossible)]


def _sending(subject: Subject) -> Iterable[str]:
    every = scenarios(subject)
    return [name for name in played(subject) if every[name].sends and every[name].said != ()]


@check(_sending)
async def what_is_sent_is_described(subject: Subject, case: str) -> None:
    """Every path, header, query and body is what the processor's description takes."""
    sent = (await play(subject, scenarios(subject)[case])).sent
    found = [line for request in sent for line in violations(subject, request)]
    assert not found, "\n".join(found)


def violations(subject: Subject, request: httpx.Request) -> list[str]:
    """What the nearest description has against a request; one that none of them knows is itself a violation."""
    told = [one.violations(request) for one in subject.descriptions]
    known = [found for found in told if found is not None]
    line = f"{request.method} {request.url.path}"
    if not known:
        return [f"{line}: no description knows it"]
    return [f"{line}: {found}" for found in min(known, key=len)]


@check()
async def the_descriptions_refuse(subject: Subject, _case: str) -> None:
    """Each operation's description refuses a request that is wrong: it does validate."""
    sent = []
    for name in _sending(subject):
        sent += (await play(subject, scenarios(subject)[name])).sent
    canaries = [one for description in subject.descriptions for one in description.canaries(sent)]
    assert canaries, "no description describes an operation"
    alive = [name for name, found in canaries if not found]
    assert not alive, f"a wrong request was let pass: {'; '.join(alive)}"
