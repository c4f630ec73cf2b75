"""Set-ups of a payment method, its state, and its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from processors.conformance import asks
from processors.conformance.scenarios.scenario import BROKEN, JSON_OF_NOTHING, UNREACHED, Scenario
from processors.conformance.subject import ADDRESS, Impossible, Says, Subject, key
from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.interface import ProcessorAdapter
from processors.values import SetupFailed, SetupPending, SetupReady, SetupSession

Act = Callable[[ProcessorAdapter], Awaitable[Any]]


def scenarios(subject: Subject) -> Iterator[Scenario]:
    yield from _setups(subject)
    yield from _methods(subject)
    yield from _addresses(subject)


def _setups(subject: Subject) -> Iterator[Scenario]:
    async def begin(adapter: ProcessorAdapter) -> Any:
        return await adapter.begin_setup(asks.setup(subject))

    async def complete(adapter: ProcessorAdapter) -> Any:
        return await adapter.complete_setup(asks.completion(subject))

    async def twice(adapter: ProcessorAdapter) -> Any:
        return [await complete(adapter), await complete(adapter)]

    shapes = subject.setups
    yield Scenario("set-up: begun", shapes.begun, begin, partial(_begun, subject))
    yield Scenario("set-up: pending", shapes.pending, complete, partial(_is, SetupPending))
    yield Scenario("set-up: ready", shapes.ready, complete, partial(_ready, subject))
    yield Scenario("set-up: ready, asked again", shapes.ready, twice, _same)
    yield Scenario("set-up: failed", shapes.failed, complete, _failed)
    yield from _failing("set-up begun", subject, begin)
    yield from _failing("set-up completed", subject, complete)


def _failing(what: str, subject: Subject, act: Act) -> Iterator[Scenario]:
    yield Scenario(f"{what}: the credentials are wrong", subject.charges.unauthorized, act, partial(_is, RefusedError))
    for name, said in UNREACHED.items():
        yield Scenario(f"{what}: {name}", said, act, partial(_is, NotSentError))
    for name, said in BROKEN.items():
        yield Scenario(f"{what}: {name}", said, act, partial(_is, OutcomeUnknownError))


def _methods(subject: Subject) -> Iterator[Scenario]:
    async def state(adapter: ProcessorAdapter) -> Any:
        return await adapter.method_state(subject.method)

    async def revoke(adapter: ProcessorAdapter) -> Any:
        return await adapter.revoke_method(subject.method, key("revoke"))

    shapes = subject.methods
    for wanted, shape in shapes.states.items():
        yield Scenario(f"method: {wanted}", shape, state, partial(_equals, wanted))
    yield Scenario("method: revoked by us", shapes.revoked, revoke, partial(_equals, None))
    yield Scenario("method: revoked by us, and gone already", shapes.gone, revoke, partial(_equals, None))
    refused = {"the credentials are wrong": subject.charges.unauthorized}
    broken = {name: said for name, said in BROKEN.items() if not name.startswith("200")}
    # A misrouted call: its 404 is not the processor's, and the method may be charged still.
    broken["404 of another machine"] = Says(b"<html>Not found</html>", 404)
    for name, said in {**UNREACHED, **broken, **refused}.items():
        # An adapter that can't ask for a method's state says UNKNOWN, and calls nobody.
        yield Scenario(f"method state: {name}", said, state, _unknown)
        yield Scenario(f"method revoked: {name}", said, revoke, partial(_is, CallError))


def _addresses(subject: Subject) -> Iterator[Scenario]:
    async def ask(adapter: ProcessorAdapter) -> Any:
        return await adapter.payer_address(subject.method)

    shapes = subject.methods.addresses
    if isinstance(shapes, Impossible):
        # Nobody is asked for what the processor does not keep.
        yield Scenario("address: the processor keeps none", (), ask, partial(_equals, None), sends=False)
        return
    yield Scenario("address: kept", shapes.kept, ask, partial(_equals, ADDRESS))
    yield Scenario("address: none is kept with the method", shapes.none, ask, partial(_equals, None))
    yield Scenario("address: of an unknown method", shapes.unknown, ask, partial(_equals, None))
    for name, said in {"the credentials are wrong": subject.charges.unauthorized, **UNREACHED, **BROKEN}.items():
        if name not in JSON_OF_NOTHING:  # a list of nothing is no failure
            yield Scenario(f"address: {name}", said, ask, partial(_is, CallError))


def _is(kind: Any, result: Any) -> None:
    assert isinstance(result, kind), f"{result!r} is no {getattr(kind, '__name__', kind)}"


def _equals(wanted: object, result: Any) -> None:
    assert result == wanted, f"{result!r} is not {wanted!r}"


def _unknown(result: Any) -> None:
    assert isinstance(result, CallError) or result == "unknown", f"{result!r} was never said"


def _begun(subject: Subject, result: Any) -> None:
    _is(SetupSession, result)
    assert result.processor_ref == subject.setups.processor_ref, f"it names {result.processor_ref}"
    assert result.redirect_url or result.client, "a frontend needs a page or something for the client code"


def _ready(subject: Subject, result: Any) -> None:
    _is(SetupReady, result)
    # The id of the first payment may come later, with a notification: it need not be here.
    assert result.method.token == subject.method.token, "it is another token"
    assert result.method.processor_customer == subject.method.processor_customer, "it is another payer"


def _same(result: Any) -> None:
    _is(list, result)
    assert result[0] == result[1], "asked again, the set-up gives another method"


def _failed(result: Any) -> None:
    _is(SetupFailed, result)
    assert result.code, "a set-up that failed has a code"
