"""`tollbridge usage`: what customers have used: reporting it by hand, and how it stands."""

from __future__ import annotations

import click

from db.states import UsageState
from gateway.cli.context import ACCOUNT, account_of, opened, run
from gateway.cli.output import OUT, as_json, fields, say, table, when
from gateway.domain.usage import Reported
from gateway.readers.pages import Page
from gateway.readers.usage import UsageBody, find_usage, list_usage
from gateway.usage.intake import UsageIntake


@click.group()
def usage() -> None:
    """What customers have used, on its way to Stripe's meters."""


@usage.command()
@click.argument("identifier")
@click.option("--event-name", required=True, metavar="NAME", help="The meter's, in Stripe.")
@click.option("--customer", default="", metavar="CUSTOMER", help="Who used it.")
@click.option("--subscription", default="", metavar="SUBSCRIPTION", help="Instead: whose customer used it.")
@click.option("--value", metavar="NUMBER", help="How much; not needed where the meter counts events.")
@click.option("--timestamp", type=int, metavar="SECONDS", help="When, in Unix seconds; else now.")
@ACCOUNT
@as_json
def send(
    identifier: str,
    event_name: str,
    customer: str,
    subscription: str,
    value: str | None,
    timestamp: int | None,
    account: str,
    json_: bool,
) -> None:
    """Report usage under an identifier of yours; a worker sends it. The same again counts nothing twice."""
    told = Reported(identifier, event_name, customer, subscription, value, timestamp)

    async def work() -> tuple[str, UsageBody]:
        async with opened(needs_worker=True) as runtime, UsageIntake(runtime) as intake:
            owner = (await account_of(account)).id
            result = await intake.accept_one(owner, told)
            return result.status, await find_usage(owner, result.id)

    status, found = run(work)

    def text() -> None:
        _print(found)
        if status == "duplicate":
            OUT.print("It had been reported before: nothing is counted twice.")

    say(found, json_, text)


@usage.command(name="list")
@click.option("--customer", default="", metavar="CUSTOMER", help="Only of this customer.")
@click.option("--state", type=click.Choice([one.value for one in UsageState]), help="Only in this state.")
@click.option("--event-name", default="", metavar="NAME", help="Only of the meter of this event name.")
@click.option("--since", type=int, metavar="SECONDS", help="Accepted then or later, in Unix seconds.")
@ACCOUNT
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this event.")
@as_json
def list_(
    customer: str,
    state: str | None,
    event_name: str,
    since: int | None,
    account: str,
    limit: int,
    starting_after: str,
    json_: bool,
) -> None:
    """List what was reported, the newest first."""

    async def work() -> Page[UsageBody]:
        async with opened():
            return await list_usage(
                (await account_of(account)).id,
                customer=customer,
                state=UsageState(state) if state else None,
                event_name=event_name,
                since=since,
                limit=limit,
                starting_after=starting_after,
            )

    found = run(work)
    rows = [
        (one.id, one.identifier, one.customer, one.event_name, one.value, when(one.timestamp), one.state, one.code)
        for one in found.data
    ]

    def text() -> None:
        columns = ("usage", "identifier", "customer", "meter", "value", "used at", "state", "why refused")
        table(columns, rows, "No usage.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


def _print(found: UsageBody) -> None:
    shown: dict[str, object] = {
        "usage": found.id,
        "identifier": found.identifier,
        "customer": found.customer,
        "meter": found.event_name,
        "value": found.value,
        "used at": when(found.timestamp),
        "state": found.state,
    }
    fields(shown)
