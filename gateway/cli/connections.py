"""`tollbridge connections`: the configured processors of an account."""

from __future__ import annotations

from typing import TypeVar

import click
import msgspec

from gateway.accounts import connections as story
from gateway.accounts import declines as codes
from gateway.accounts.connections import Connection, ConnectionChange
from gateway.accounts.declines import DeclineCode
from gateway.accounts.validation import explain
from gateway.cli.context import ACCOUNT, WrongUseError, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, say, say_all, table
from gateway.cli.values import pairs, secrets
from gateway.domain.routing import Display, Routing
from gateway.inbox import connection_check as inbox
from gateway.inbox.connection_check import ConnectionCheck
from processors.checked import Wrong

T = TypeVar("T", bound=msgspec.Struct)

CREDENTIAL = click.option(
    "--credential", multiple=True, metavar="NAME=env:… | NAME=file:…", help="A secret field of the adapter's."
)
OPTION = click.option("--option", multiple=True, metavar="NAME=VALUE", help="Another field of the adapter's.")
CURRENCY = click.option("--currency", multiple=True, help="Take this currency; none: all that the adapter takes.")
PRIORITY = click.option("--priority", type=int, help="Lower is offered first.")
ROUTING = click.option(
    "--routing",
    metavar="JSON",
    help='For whom it is offered: {"countries": ["DE"], "amounts": {"eur": {"minimum": 100}}, "weight": 30}.',
)
DISPLAY = click.option(
    "--display",
    metavar="JSON",
    help='What a payer is shown: {"label": "Card", "methods": ["card"]}.',
)
DECLINE = click.option(
    "--decline",
    multiple=True,
    metavar="CODE=CLASS",
    help="What a decline code means; CODE= goes back to the adapter's.",
)
RECORD_ON = click.option("--record-on", type=click.Choice(["confirmed", "settled"]), help="When Stripe is told.")

ENABLED = click.option("--enable/--disable", "enabled", default=None, help="Use it, or not.")


@click.group()
def connections() -> None:
    """Configured processors."""


@connections.command()
@click.argument("name")
@click.option("--adapter", required=True, help="An installed adapter, such as practice.")
@ACCOUNT
@CREDENTIAL
@OPTION
@CURRENCY
@PRIORITY
@ROUTING
@DISPLAY
@RECORD_ON
@DECLINE
@ENABLED
@as_json
def add(
    name: str,
    adapter: str,
    account: str,
    credential: tuple[str, ...],
    option: tuple[str, ...],
    currency: tuple[str, ...],
    priority: int | None,
    routing: str | None,
    display: str | None,
    record_on: str | None,
    decline: tuple[str, ...],
    enabled: bool | None,
    json_: bool,
) -> None:
    """Add a connection."""

    async def work() -> Connection:
        async with opened() as runtime:
            change = _change(credential, option, currency, priority, routing, display, record_on, decline, enabled)
            return await story.add(runtime, author(), (await account_of(account)).id, name, adapter, change)

    added = run(work)
    say(added, json_, lambda: _print(added))


@connections.command()
@click.argument("name")
@ACCOUNT
@CREDENTIAL
@OPTION
@CURRENCY
@PRIORITY
@ROUTING
@DISPLAY
@RECORD_ON
@DECLINE
@ENABLED
@as_json
def update(
    name: str,
    account: str,
    credential: tuple[str, ...],
    option: tuple[str, ...],
    currency: tuple[str, ...],
    priority: int | None,
    routing: str | None,
    display: str | None,
    record_on: str | None,
    decline: tuple[str, ...],
    enabled: bool | None,
    json_: bool,
) -> None:
    """Change a connection: what is not given stays."""

    async def work() -> Connection:
        async with opened() as runtime:
            change = _change(credential, option, currency, priority, routing, display, record_on, decline, enabled)
            return await story.update(runtime, author(), (await account_of(account)).id, name, change)

    changed = run(work)
    say(changed, json_, lambda: _print(changed))


@connections.command(name="list")
@ACCOUNT
@as_json
def list_(account: str, json_: bool) -> None:
    """List an account's connections, the preferred first."""

    async def work() -> list[Connection]:
        async with opened():
            return await story.listed((await account_of(account)).id)

    found = run(work)
    rows = [(c.name, c.id, c.adapter, c.currencies or "all", c.priority, c.record_on, c.enabled) for c in found]
    columns = ("name", "id", "adapter", "currencies", "priority", "record on", "enabled")
    say_all(found, json_, lambda: table(columns, rows, "No connections."))


@connections.command()
@click.argument("name")
@ACCOUNT
@as_json
def show(name: str, account: str, json_: bool) -> None:
    """Show a connection, by name or id; of its credentials only the names."""

    async def work() -> Connection:
        async with opened():
            return await story.show((await account_of(account)).id, name)

    found = run(work)
    say(found, json_, lambda: _print(found))


@connections.command()
@click.argument("name")
@ACCOUNT
@as_json
def declines(name: str, account: str, json_: bool) -> None:
    """What each decline code means at a connection."""

    async def work() -> list[DeclineCode]:
        async with opened():
            known = await story.show((await account_of(account)).id, name)
            return await codes.listed(known.account, known.id, known.adapter, known.declines)

    found = run(work)
    rows = [(c.code, c.decline_class or "?", c.advice or "", _from(c), c.case or "") for c in found]
    say_all(found, json_, lambda: table(("code", "class", "advice", "from", "case"), rows, "No codes."))


def _from(code: DeclineCode) -> str:
    if code.overridden:
        return f"set here (the adapter's: {code.adapter_class or 'none'})"
    return "the adapter" if code.adapter_class else "no table"


@connections.command()
@click.argument("name")
@ACCOUNT
@as_json
def check(name: str, account: str, json_: bool) -> None:
    """Try a connection's credentials, and look where its notifications go. Ends with 1 where something is wrong."""

    async def work() -> ConnectionCheck:
        async with opened() as runtime:
            return await inbox.check(runtime, (await account_of(account)).id, name)

    checked = run(work)
    say(checked, json_, lambda: _print_check(checked))
    if not checked.ok:
        click.get_current_context().exit(1)


def _print_check(checked: ConnectionCheck) -> None:
    OUT.print(f"{checked.name}: account {checked.reference}", markup=False)
    rows = [(one.about, type(one).__name__.lower(), one.text) for one in checked.findings]
    table(("about", "", "found"), rows, "")
    for one in checked.findings:
        if isinstance(one, Wrong):
            OUT.print(f"To do: {one.to_do}", markup=False, soft_wrap=True)
    if checked.last_notification is None:
        OUT.print(f"The address to enter there: {checked.webhook_url}", markup=False, soft_wrap=True)
        OUT.print(f"To try a notification: {checked.test_notification}", markup=False, soft_wrap=True)


def _change(
    credential: tuple[str, ...],
    option: tuple[str, ...],
    currency: tuple[str, ...],
    priority: int | None,
    routing: str | None,
    display: str | None,
    record_on: str | None,
    decline: tuple[str, ...],
    enabled: bool | None = None,
) -> ConnectionChange:
    return ConnectionChange(
        credentials=secrets(credential, "--credential"),
        options=pairs(option, "--option"),
        currencies=currency or None,
        priority=priority,
        routing=_rules(routing, Routing, "--routing"),
        display=_rules(display, Display, "--display"),
        record_on=record_on,  # type: ignore[arg-type]  # click has checked it
        declines={code: wanted or None for code, wanted in pairs(decline, "--decline").items()} or None,
        enabled=enabled,
    )


def _rules(text: str | None, kind: type[T], option: str) -> T | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        wrong = explain(str(error), to=kind)
        where = ": ".join(part for part in (option, wrong.param) if part)
        there = ", ".join(kind.__struct_fields__)
        raise WrongUseError(f"{where}: {wrong.message} ({option} has {there})") from None
    except msgspec.DecodeError as error:
        raise WrongUseError(f"{option}: this is no JSON ({error})") from None


def _print(connection: Connection) -> None:
    fields(
        {
            "name": connection.name,
            "id": connection.id,
            "adapter": connection.adapter,
            "credentials": connection.credentials,
            "options": connection.options,
            "currencies": connection.currencies or "all",
            "priority": connection.priority,
            "routing": msgspec.to_builtins(connection.routing) or "for everybody",
            "display": msgspec.to_builtins(connection.display) or "its name",
            "record on": connection.record_on,
            "declines": connection.declines or "as the adapter has them",
            "enabled": connection.enabled,
        }
    )
