"""Keys and bytes: what is stored before a call is what is sent, each time."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
from msgspec.structs import replace

from processors.capabilities import KeyPlace
from processors.conformance import asks
from processors.conformance.checks.check import check
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.secrets import credentials_of
from processors.conformance.stage import stage
from processors.conformance.subject import REFERENCE, REFUND_REFERENCE, Impossible, Says, Subject, key
from processors.interface import ProcessorAdapter
from processors.values import PreparedCall


def _calls(subject: Subject) -> Iterable[str]:
    return ("charge",) if isinstance(subject.refunds, Impossible) else ("charge", "refund")


def _prepare(adapter: ProcessorAdapter, subject: Subject, what: str, **changed: str) -> PreparedCall:
    if what == "charge":
        return adapter.prepare_charge(asks.charge(subject, **changed))
    return adapter.prepare_refund(asks.refund(subject, **changed))


@check(_calls)
async def same_attempt_same_bytes(subject: Subject, case: str) -> None:
    """The same request gives the same bytes, by another adapter too, whatever the order of its metadata."""
    async with stage(subject) as one, stage(subject) as other:
        first = _prepare(one.adapter, subject, case)
        assert _prepare(one.adapter, subject, case) == first, "the second time other bytes"
        assert _prepare(other.adapter, subject, case) == first, "another adapter of the connection makes other bytes"
        if case == "charge":
            request = asks.charge(subject)
            turned = replace(request, metadata=dict(reversed(list(request.metadata.items()))))
            assert one.adapter.prepare_charge(turned) == first, "the order of the metadata changes the bytes"
        assert not one.sent, "preparing sends nothing"


@check(_calls)
async def another_attempt_other_bytes(subject: Subject, case: str) -> None:
    """Another attempt has another key and another reference, and both are sent: it's not taken for the first."""
    own = REFERENCE if case == "charge" else REFUND_REFERENCE
    async with stage(subject) as staged:
        first = _prepare(staged.adapter, subject, case)
        for what, other in {"idempotency_key": key(f"{case} 2"), "reference": f"{own[:-1]}2"}.items():
            assert _prepare(staged.adapter, subject, case, **{what: other}) != first, f"another {what}, the same bytes"


@check(_calls)
async def the_key_stands_in_its_place(subject: Subject, case: str) -> None:
    """The key stands where the capabilities say, once and whole."""
    async with stage(subject) as staged:
        call = _prepare(staged.adapter, subject, case)
    headers = [value for _, value in call.headers].count(key(case))
    bodies = call.body.count(key(case).encode())
    place = subject.adapter.capabilities.idempotency.place
    found = headers if place is KeyPlace.HEADER else bodies
    assert found == 1, (
        f"the key stands {headers} times in a header and {bodies} times in the body, and {place} is declared"
    )


@check(_calls)
async def no_credential_is_stored(subject: Subject, case: str) -> None:
    """Prepared bytes are stored, so they hold no credential."""
    async with stage(subject) as staged:
        call = _prepare(staged.adapter, subject, case)
    text = f"{call.method} {call.path} {call.headers} ".encode() + call.body
    held = [name for name, value in credentials_of(subject).items() if value.encode() in text]
    assert not held, f"the bytes of a {case} hold {', '.join(held)}"
    assert not any(name.lower() == "authorization" for name, _ in call.headers), "an authorization header is stored"


@check(_calls)
async def sent_once_as_prepared(subject: Subject, case: str) -> None:
    """What was prepared is sent unchanged, once, also when the answer is an error: only the gateway tries again."""
    async with stage(subject, Says({}, 503)) as staged:
        call = _prepare(staged.adapter, subject, case)
        await (staged.adapter.charge(call) if case == "charge" else staged.adapter.refund(call))
    moved = [one for one in staged.asked if one.method == call.method]
    assert len(moved) == 1, f"it was sent {len(moved)} times"
    request = moved[0]
    assert request.content == call.body, "other bytes were sent than prepared"
    assert request.url.raw_path.decode().endswith(call.path), f"it went to {request.url.raw_path.decode()}"
    for name, value in call.headers:
        assert request.headers.get(name) == value, f"the prepared header {name} was not sent"


@check()
async def a_set_up_is_opened_once(subject: Subject, _case: str) -> None:
    """Opening a set-up again is the same call, so that a lost answer makes no second one."""
    async with stage(subject, subject.setups.begun) as staged:
        await staged.adapter.begin_setup(asks.setup(subject))
        first = [_bytes(one) for one in staged.asked]
        await staged.adapter.begin_setup(asks.setup(subject))
    again = [_bytes(one) for one in staged.asked[len(first) :]]
    writes = [one for one in staged.asked[: len(first)] if one.method == "POST"]
    if not writes:
        raise InapplicableError("nothing is written")
    assert again == first, "the second time it asks otherwise"


def _bytes(request: httpx.Request) -> tuple[object, ...]:
    """All that leaves, the key's header too."""
    return request.method, str(request.url), request.headers.multi_items(), request.content
