"""`tollbridge events`: what the merchant was told."""

from __future__ import annotations

from typing import Any, Final

import click
import msgspec

from db.states import EventDeliveryState
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, money, say, say_all, table, when
from gateway.domain.news_types import NewsType
from gateway.outbound import events as story
from gateway.outbound.body import Event
from gateway.readers.events import find_event, find_events
from gateway.readers.pages import Page

AMOUNTS: Final = frozenset({"amount", "amount_due", "amount_remaining"})
"""What is money in the data of an event (README, "Events")."""


@click.group()
def events() -> None:
    """What the merchant was told, and telling it again."""


@events.command(name="list")
@ACCOUNT
@click.option("--type", "of_type", type=click.Choice([one.value for one in NewsType]), help="Only of this type.")
@click.option("--object", "of_object", default="", metavar="ID", help="Only about this object.")
@click.option("--endpoint", default="", metavar="ID", help="Only those that go to this endpoint, or went there.")
@click.option(
    "--delivery",
    type=click.Choice([one.value for one in EventDeliveryState]),
    help="Only those of which a delivery, to that endpoint or any, stands so.",
)
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this event.")
@as_json
def list_(
    account: str,
    of_type: str | None,
    of_object: str,
    endpoint: str,
    delivery: str | None,
    limit: int,
    starting_after: str,
    json_: bool,
) -> None:
    """List events, the newest first."""

    async def work() -> Page[Event]:
        async with opened():
            return await find_events(
                (await account_of(account)).id,
                NewsType(of_type) if of_type else None,
                of_object=of_object,
                endpoint=endpoint,
                state=EventDeliveryState(delivery) if delivery else None,
                limit=limit,
                starting_after=starting_after,
            )

    found = run(work)
    rows = [(one.id, when(one.created), one.type, one.sequence, _told(one)) for one in found.data]

    def text() -> None:
        table(("event", "created", "type", "n", "data"), rows, "No events.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@events.command()
@click.argument("event", nargs=-1, required=True)
@ACCOUNT
@click.option("--endpoint", default="", metavar="ID", help="Only to this endpoint, whatever types it wants.")
@as_json
def replay(event: tuple[str, ...], account: str, endpoint: str, json_: bool) -> None:
    """Deliver events again, with the same id and body."""

    async def work() -> list[Event]:
        async with opened(needs_worker=True):
            owner, by = (await account_of(account)).id, author("events replay")
            for one in event:
                await story.replay(by, owner, one, endpoint)
            return [await find_event(owner, one) for one in event]

    done = run(work)
    say_all(done, json_, lambda: OUT.print("\n".join(f"{one.id} will be delivered again." for one in done)))


def _told(event: Event) -> dict[str, Any]:
    """The event's data, its amounts as people read them; `--json` has them as they were sent."""
    data = msgspec.json.decode(event.data, type=dict[str, Any])
    currency = data.get("currency")
    amounts = {name: money(data[name], currency) for name in AMOUNTS & data.keys()} if currency else {}
    return {name: one for name, one in (data | amounts).items() if one is not None}
