"""`tollbridge inbox`: the webhooks that were accepted from Stripe and processors."""

from __future__ import annotations

import click

from db.states import DeliveryState
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, say, say_all, table, when
from gateway.inbox.by_hand import replay as replay_delivery
from gateway.readers.deliveries import DeliveryBody, find_deliveries, find_delivery
from gateway.readers.pages import Page


@click.group()
def inbox() -> None:
    """Accepted webhooks, and how each ended."""


@inbox.command(name="list")
@ACCOUNT
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]), help="Only in this state.")
@click.option("--object", "object_id", default="", metavar="ID", help="Only about this object.")
@click.option("--kind", default="", help="Only of this kind.")
@click.option("--source", default="", metavar="NAME", help="Only from there: stripe, or a connection's name.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this delivery.")
@as_json
def list_(
    account: str,
    state: str | None,
    object_id: str,
    kind: str,
    source: str,
    limit: int,
    starting_after: str,
    json_: bool,
) -> None:
    """List deliveries, the newest first."""

    async def work() -> Page[DeliveryBody]:
        async with opened():
            return await find_deliveries(
                (await account_of(account)).id,
                DeliveryState(state) if state else None,
                object_id=object_id,
                kind=kind,
                source=source,
                limit=limit,
                starting_after=starting_after,
            )

    found = run(work)
    rows = [(e.id, when(e.created), e.source, e.kind, e.object_id, e.state, e.reason) for e in found.data]

    def text() -> None:
        table(("delivery", "received", "source", "kind", "object", "state", "reason"), rows, "No deliveries.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@inbox.command()
@click.argument("delivery", nargs=-1, required=True)
@ACCOUNT
@as_json
def replay(delivery: tuple[str, ...], account: str, json_: bool) -> None:
    """Route deliveries again. Harmless at any time: it only makes the worker look at what is true now."""

    async def work() -> list[DeliveryBody]:
        async with opened(needs_worker=True):
            owner, by = (await account_of(account)).id, author("inbox replay")
            for one in delivery:
                await replay_delivery(by, owner, one)
            return [await find_delivery(owner, one) for one in delivery]

    done = run(work)
    say_all(done, json_, lambda: OUT.print("\n".join(f"{one.id} will be routed again." for one in done)))
