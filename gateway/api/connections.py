"""/v1/connections: the configured processors of the key's account."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from gateway.accounts import accounts, connections, declines
from gateway.accounts.audit import Author
from gateway.accounts.connections import Circuit, Connection, ConnectionChange, RecordOn
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.problems import Code
from gateway.domain.routing import Display, Routing
from gateway.inbox.connection_check import ConnectionCheck, check
from gateway.readers.about import about
from gateway.readers.pages import Page, unix
from gateway.runtime import Runtime
from processors.checked import About, Finding, Proved, Unseen, Wrong
from processors.outcome import DeclineClass
from processors.values import Secret, Unprinted

Callers: Final = requires(Scope.ADMIN)
Priority = Annotated[
    int, msgspec.Meta(ge=-1_000_000, le=1_000_000, description="The lowest is preferred; then the oldest.")
]
ROUTING: Final = "For whom it is offered to collect a new payment method. Taken whole."
DISPLAY: Final = "What a payer is shown of it. Taken whole."
DECLINES: Final = "What decline codes mean here, over the adapter's own table; counts from the next answer on."
RECORD_ON: Final = "Stripe is told when the processor confirms the charge, or only when its money is settled."


class CircuitBody(msgspec.Struct, frozen=True):
    """Whether its processor answers charges. While it is `open` they wait, and one asks again at `next_probe`."""

    state: Literal["closed", "open"]
    failures: Annotated[int, about("Charge calls in a row that had no answer.")]
    failing_since: int | None
    opened: int | None
    next_probe: int | None


class ConnectionBody(msgspec.Struct, frozen=True):
    """One configured processor. `credentials` names the fields that are set; `webhook_url` is for the processor.

    `declines` is what decline codes mean here, over the adapter's own table.
    """

    id: str
    name: str
    adapter: str
    credentials: list[str]
    options: dict[str, str]
    currencies: list[str]
    priority: int
    routing: Routing
    display: Display
    record_on: str
    declines: dict[str, DeclineClass]
    enabled: bool
    circuit: CircuitBody
    webhook_url: str
    created: int
    object: Literal["connection"] = "connection"


class DeclineCodeBody(msgspec.Struct, frozen=True):
    """A decline code. `decline_class` is what counts; null for a code of no table, about which `case` asks.

    `adapter_class` is what the adapter takes it for. A card scheme's "never" outranks them all.
    """

    code: str
    decline_class: DeclineClass | None
    advice: str | None
    overridden: bool
    adapter_class: DeclineClass | None
    case: str | None
    object: Literal["decline_code"] = "decline_code"


class FindingBody(msgspec.Struct, frozen=True):
    """One thing that a check found. `unseen` is no failure: `text` says why it can't be seen from here."""

    about: About
    state: Literal["proved", "unseen", "wrong"]
    text: str
    to_do: Annotated[str | None, about("What puts right what is wrong.")]


class CheckedConnection(msgspec.Struct, frozen=True):
    """The credentials work; what else was found."""

    id: Annotated[str, about("Of what was checked.")]
    reference: Annotated[str, about("What the other side calls the account that the credentials open.")]
    ok: Annotated[bool, about("Nothing is wrong; what can't be seen is no fault.")]
    findings: list[FindingBody]
    webhook_url: Annotated[str, about("The address to enter at the processor.")]
    last_notification: Annotated[int | None, about("When the latest came that is kept here, and was proved to be its.")]
    test_notification: Annotated[str, about("How somebody has the processor send one.")]


class NewConnection(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A processor to collect with. Which credentials and options there are, the adapter says."""

    name: Annotated[str, about("1 to 63 of a-z, 0-9, - and _; part of its webhook address.")]
    adapter: Annotated[str, about("An adapter that is installed, such as practice.")]
    credentials: Annotated[dict[str, str], about("By name; every one that the adapter has. Never shown again.")]
    options: Annotated[dict[str, str], about("By name.")] = {}
    currencies: Annotated[list[str], about("Lower case; none: all that the adapter takes.")] = []
    priority: Priority = 0
    routing: Annotated[Routing | None, about(ROUTING)] = None
    display: Annotated[Display | None, about(DISPLAY)] = None
    record_on: Annotated[RecordOn, about(RECORD_ON)] = "confirmed"
    declines: Annotated[dict[str, DeclineClass], about(DECLINES)] = {}
    enabled: Annotated[bool, about("Nothing new is charged at a disabled connection.")] = True


class ConnectionUpdate(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    credentials: Annotated[dict[str, str] | None, about("Merged by name.")] = None
    options: Annotated[
        dict[str, str] | None,
        about("Merged by name. With another value of one that chooses the host, every credential is given anew."),
    ] = None
    currencies: Annotated[list[str] | None, about("Lower case; none: all that the adapter takes.")] = None
    priority: Priority | None = None
    routing: Annotated[Routing | None, about(ROUTING)] = None
    display: Annotated[Display | None, about(DISPLAY)] = None
    record_on: Annotated[RecordOn | None, about(RECORD_ON)] = None
    declines: Annotated[dict[str, DeclineClass | None] | None, about(f"{DECLINES} Merged; null takes one away.")] = None
    enabled: Annotated[bool | None, about("Nothing new is charged at a disabled connection.")] = None


UPDATE: Final = example("Prefer it, and rotate a key", {"priority": -1, "credentials": {"api_key": "…"}})
ConnectionId = Annotated[str, PathParameter(description="The connection's id (con_…) or its name.")]
EXAMPLE: Final = example(
    "A practice processor",
    {
        "name": "practice",
        "adapter": "practice",
        "credentials": {"api_key": "…", "webhook_secret": "…"},
        "options": {"base_url": "http://127.0.0.1:8252", "account": "pa_…"},
        "currencies": ["eur"],
    },
)


@post("/connections", status_code=200, guards=[Callers], **changing(Code.ALREADY_EXISTS))
async def add_connection(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], data: Annotated[NewConnection, EXAMPLE]
) -> ConnectionBody:
    """Add a connection."""
    change = ConnectionChange(
        credentials=_secrets(data.credentials),
        options=data.options,
        currencies=data.currencies,
        priority=data.priority,
        routing=data.routing,
        display=data.display,
        record_on=data.record_on,
        declines=data.declines,
        enabled=data.enabled,
    )
    author = Author(principal.actor)
    added = await connections.add(runtime, author, principal.account, data.name, data.adapter, change)
    return await _shown(runtime, added)


@get("/connections", guards=[Callers], responses=problems())
async def list_connections(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal]
) -> Page[ConnectionBody]:
    """The connections in the order in which they are preferred."""
    found = await connections.listed(principal.account)
    return Page([await _shown(runtime, one) for one in found], has_more=False)


@get("/connections/{connection_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_connection(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], connection_id: ConnectionId
) -> ConnectionBody:
    """One connection, by id or name."""
    return await _shown(runtime, await connections.show(principal.account, connection_id))


@post("/connections/{connection_id:str}", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def update_connection(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    connection_id: ConnectionId,
    data: Annotated[ConnectionUpdate, UPDATE],
) -> ConnectionBody:
    """Change a connection."""
    change = ConnectionChange(
        credentials=None if data.credentials is None else _secrets(data.credentials),
        options=data.options,
        currencies=data.currencies,
        priority=data.priority,
        routing=data.routing,
        display=data.display,
        record_on=data.record_on,
        declines=data.declines,
        enabled=data.enabled,
    )
    author = Author(principal.actor)
    return await _shown(runtime, await connections.update(runtime, author, principal.account, connection_id, change))


@get("/connections/{connection_id:str}/declines", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_declines(principal: NamedDependency[Principal], connection_id: ConnectionId) -> Page[DeclineCodeBody]:
    """What each decline code means at a connection: the adapter's table, and what was set over it."""
    known = await connections.show(principal.account, connection_id)
    codes = await declines.listed(known.account, known.id, known.adapter, known.declines)
    return Page([DeclineCodeBody(**msgspec.structs.asdict(code)) for code in codes], has_more=False)


@post(
    "/connections/{connection_id:str}/check",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.CHECK_FAILED, Code.PROCESSOR_UNAVAILABLE),
)
async def check_connection(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], connection_id: ConnectionId
) -> CheckedConnection:
    """Try the credentials, and look where the processor's notifications go.

    Wrong credentials are an error; all else is a finding.
    """
    return _found(await check(runtime, principal.account, connection_id))


def _found(checked: ConnectionCheck) -> CheckedConnection:
    return CheckedConnection(
        id=checked.id,
        reference=checked.reference,
        ok=checked.ok,
        findings=[_finding(one) for one in checked.findings],
        webhook_url=checked.webhook_url,
        last_notification=unix(checked.last_notification),
        test_notification=checked.test_notification,
    )


def _finding(one: Finding) -> FindingBody:
    match one:
        case Proved(about=of, text=text):
            return FindingBody(of, "proved", text, None)
        case Unseen(about=of, text=text):
            return FindingBody(of, "unseen", text, None)
        case Wrong(about=of, text=text, to_do=to_do):
            return FindingBody(of, "wrong", text, to_do)


def _secrets(credentials: dict[str, str]) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in credentials.items()}


async def _shown(runtime: Runtime, connection: Connection) -> ConnectionBody:
    account = await accounts.show(connection.account)
    return ConnectionBody(
        id=connection.id,
        name=connection.name,
        adapter=connection.adapter,
        credentials=list(connection.credentials),
        options=connection.options,
        currencies=list(connection.currencies),
        priority=connection.priority,
        routing=connection.routing,
        display=connection.display,
        record_on=connection.record_on,
        declines=connection.declines,
        enabled=connection.enabled,
        circuit=_circuit(connection.circuit),
        webhook_url=connections.webhook_url(runtime.settings.base_url, account.name, connection.name),
        created=unix(connection.created_at),
    )


def _circuit(circuit: Circuit) -> CircuitBody:
    return CircuitBody(
        state="closed" if circuit.opened_at is None else "open",
        failures=circuit.failures,
        failing_since=unix(circuit.failing_since),
        opened=unix(circuit.opened_at),
        next_probe=unix(circuit.probe_at),
    )


connection_routes: Final[list[Any]] = [
    add_connection,
    list_connections,
    show_connection,
    update_connection,
    list_declines,
    check_connection,
]
