"""`tollbridge webhooks`: the endpoints of the merchant's that events are sent to."""

from __future__ import annotations

from datetime import timedelta

import click

from db.states import EventDeliveryState
from gateway.accounts import webhook_endpoints as story
from gateway.accounts.webhook_endpoints import Endpoint, EndpointChange
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import ERR, OUT, as_json, say, say_all, table, when
from gateway.domain.news_types import NewsType
from gateway.outbound import events
from gateway.outbound.body import Event
from gateway.readers.events import find_event
from gateway.readers.pages import Page, unix
from gateway.readers.webhook_endpoints import EventDeliveryBody, RemovedEndpoint, find_deliveries, shown
from processors.values import Secret

TYPES = click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([one.value for one in NewsType]),
    help="Only events of this type; may be repeated. Without it, all.",
)
DESCRIPTION = click.option("--description", help="For people.")


@click.group()
def webhooks() -> None:
    """Endpoints of the merchant's, which are told what happens. What others tell us: `tollbridge inbox`."""


@webhooks.command(name="list")
@ACCOUNT
@as_json
def list_(account: str, json_: bool) -> None:
    """List the endpoints."""

    async def work() -> list[Endpoint]:
        async with opened():
            return await story.listed((await account_of(account)).id)

    found = run(work)
    rows = [
        (e.id, e.url, ", ".join(e.types) or "all", e.enabled, when(unix(e.failing_since)), e.description) for e in found
    ]
    columns = ("endpoint", "url", "types", "enabled", "failing since", "description")
    say_all([shown(one) for one in found], json_, lambda: table(columns, rows, "No webhook endpoints."))


@webhooks.command()
@click.argument("url")
@TYPES
@DESCRIPTION
@ACCOUNT
@as_json
def add(url: str, types: tuple[str, ...], description: str | None, account: str, json_: bool) -> None:
    """Add an endpoint, and print its signing secret: it is never shown again."""

    async def work() -> tuple[Endpoint, Secret]:
        async with opened() as runtime:
            change = EndpointChange(url=url, types=types, description=description)
            return await story.add(runtime, author(), (await account_of(account)).id, change)

    _say_secret(*run(work), json_)


@webhooks.command()
@click.argument("endpoint")
@click.option("--url", help="Another address.")
@TYPES
@click.option("--all-types", is_flag=True, help="Events of all types.")
@DESCRIPTION
@click.option("--enable/--disable", "enabled", default=None, help="Whether anything is sent there.")
@ACCOUNT
@as_json
def update(
    endpoint: str,
    url: str | None,
    types: tuple[str, ...],
    all_types: bool,
    description: str | None,
    enabled: bool | None,
    account: str,
    json_: bool,
) -> None:
    """Change an endpoint; what is not given stays."""
    if types and all_types:
        raise click.UsageError("give --type or --all-types")

    async def work() -> Endpoint:
        async with opened() as runtime:
            wanted = types if types or all_types else None
            change = EndpointChange(url=url, types=wanted, description=description, enabled=enabled)
            return await story.update(runtime, author(), (await account_of(account)).id, endpoint, change)

    done = run(work)
    say(shown(done), json_, lambda: OUT.print(f"{done.id} is {'enabled' if done.enabled else 'disabled'}."))


@webhooks.command()
@click.argument("endpoint")
@ACCOUNT
@as_json
def remove(endpoint: str, account: str, json_: bool) -> None:
    """Remove an endpoint, and what was on its way to it."""

    async def work() -> RemovedEndpoint:
        async with opened():
            await story.remove(author(), (await account_of(account)).id, endpoint)
            return RemovedEndpoint(endpoint)

    say(run(work), json_, lambda: OUT.print(f"{endpoint} is removed."))


@webhooks.command(name="roll-secret")
@click.argument("endpoint")
@click.option("--expires-in", type=click.IntRange(0, 604_800), default=86_400, show_default=True, metavar="SECONDS")
@ACCOUNT
@as_json
def roll_secret(endpoint: str, expires_in: int, account: str, json_: bool) -> None:
    """Make another secret and print it; the old one signs beside it for so many seconds."""

    async def work() -> tuple[Endpoint, Secret]:
        async with opened() as runtime:
            keep = timedelta(seconds=expires_in)
            return await story.roll_secret(runtime, author(), (await account_of(account)).id, endpoint, keep)

    _say_secret(*run(work), json_)


@webhooks.command()
@click.argument("endpoint")
@ACCOUNT
@as_json
def ping(endpoint: str, account: str, json_: bool) -> None:
    """Send an endpoint an event of its own; `tollbridge webhooks deliveries` shows what came of it."""

    async def work() -> Event:
        async with opened(needs_worker=True):
            owner = (await account_of(account)).id
            return await find_event(owner, await events.ping(author(), owner, endpoint))

    told = run(work)
    say(told, json_, lambda: OUT.print(f"{told.id} is on its way."))


@webhooks.command()
@click.argument("endpoint")
@click.option("--state", type=click.Choice([state.value for state in EventDeliveryState]), help="Only in this state.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this delivery.")
@ACCOUNT
@as_json
def deliveries(endpoint: str, state: str | None, limit: int, starting_after: str, account: str, json_: bool) -> None:
    """List what was sent to an endpoint, and what came of it."""

    async def work() -> Page[EventDeliveryBody]:
        async with opened():
            wanted = EventDeliveryState(state) if state else None
            owner = (await account_of(account)).id
            return await find_deliveries(owner, endpoint, wanted, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [(d.id, d.event, d.type, d.state, d.tries, d.status, d.error, when(d.next_try)) for d in found.data]

    def text() -> None:
        table(("delivery", "event", "type", "state", "tries", "status", "error", "next try"), rows, "No deliveries.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


def _say_secret(endpoint: Endpoint, secret: Secret, json_: bool) -> None:
    def text() -> None:
        OUT.print(secret.reveal(), markup=False)
        ERR.print(f"{endpoint.id}: keep it now, it is not shown again.")

    say(shown(endpoint, secret), json_, text)
