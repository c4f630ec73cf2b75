"""Every order of a life cycle's events, each with one of them twice, leads to the same end.

    scripts/test orders [--cycles renewal,void] [--limit N] [--seed N] [--json]
    scripts/test orders --replay 'renewal:2,0,1,3:1@3'

A cycle is played at Stripe alone, while the gateway hears nothing: its events are those that Stripe wrote meanwhile.
For each order the same state is put back, the events arrive one by one over the webhook address, the one that comes
twice among them, and the worker takes a turn after about every second one. What the gateway causes by that is
delivered in the end. To add a cycle, write a function over a world and what it begins with, and name it in `CYCLES`.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
import msgspec

from db import sql
from tests.crash.beginnings import subscribed
from tests.crash.paths import Path
from tests.crash.play import Stage
from tests.crash.world import CrashWorld
from tests.support.people import Signup

MOST_EVENTS: Final = 6
"""Of a longer cycle the first ones come before, in their order."""


class Order(msgspec.Struct, frozen=True, tag=True):
    """An order of a cycle's events. Event `twice` comes again at place `again`. Written as `renewal:2,0,1:1@3`."""

    cycle: str
    order: tuple[int, ...] = ()
    twice: int = 0
    again: int = 0

    def __str__(self) -> str:
        return f"{self.cycle}:{','.join(map(str, self.order))}:{self.twice}@{self.again}"


class Delivered(msgspec.Struct, tag=True):
    """What came of an order: the events' types, and the end."""

    order: Order
    events: list[str] = []
    end: str = ""
    wrong: str = ""


async def renewal(world: CrashWorld, begun: Signup) -> None:
    """A month later Stripe has made the draft, and finalized it after its hour."""
    await world.move(days=31, hours=80)


async def signup(world: CrashWorld, begun: Signup) -> None:
    """A known customer buys a second time, in the shop's own backend."""
    await world.shop.client.v1.subscriptions.create_async(
        {
            "customer": begun.customer,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    await world.move(hours=80)


async def cancellation(world: CrashWorld, begun: Signup) -> None:
    """Set to end, then ended at once, with the draft of the period."""
    stripe = world.shop.client.v1
    await stripe.subscriptions.update_async(begun.subscription, {"cancel_at_period_end": True})
    await stripe.subscriptions.update_async(begun.subscription, {"metadata": {"why": "moved away"}})
    await stripe.customers.update_async(begun.customer, {"name": "B. Payer"})
    await stripe.subscriptions.cancel_async(begun.subscription)


async def void(world: CrashWorld, begun: Signup) -> None:
    """The renewal is voided before anybody hears of it."""
    await world.move(days=31, hours=80)
    await world.shop.client.v1.invoices.void_invoice_async(_last(world, begun))


async def uncollectible(world: CrashWorld, begun: Signup) -> None:
    """The renewal is given up by staff, in the dashboard."""
    await world.move(days=31, hours=80)
    await world.shop.client.v1.invoices.mark_uncollectible_async(_last(world, begun))


CYCLES: Final = {
    cycle.__name__: Path(subscribed, cycle) for cycle in (signup, renewal, cancellation, void, uncollectible)
}


def _last(world: CrashWorld, begun: Signup) -> str:
    return str(world.invoices_of(begun.subscription)[-1]["id"])


async def deliver(stage: Stage, order: Order) -> Delivered:
    """Let the events of a cycle arrive in this order; all at once in their own order where none is given."""
    delivered = Delivered(order)
    try:
        world, _ = await stage.at(CYCLES[order.cycle], f"unheard_{order.cycle}")
        await _arrive(world, order, delivered)
        delivered.end = msgspec.json.encode(await end_of(world)).decode()
    except Exception:
        delivered.wrong = traceback.format_exc()
    return delivered


async def _arrive(world: CrashWorld, order: Order, delivered: Delivered) -> None:
    waiting = world.stripe.delivery
    letters = list(waiting.queue)
    waiting.queue.clear()
    first, permuted = letters[:-MOST_EVENTS], letters[-MOST_EVENTS:]
    delivered.events = [letter.event.type for letter in permuted]
    wanted = [permuted[number] for number in order.order or range(len(permuted))]
    if order.order:
        wanted.insert(order.again, permuted[order.twice])
    caused: list[Any] = []
    dice = random.Random(str(order))
    for letter in (*first, *wanted):
        waiting.queue = deque([letter])
        flushed = await world.stripe.flush()
        assert flushed.sent == 1, flushed
        if dice.random() < 0.5:
            await world.work()
        caused += waiting.queue
    waiting.queue = deque(caused)
    await world.rest()


async def end_of(world: CrashWorld) -> dict[str, Any]:
    """What must be the same whichever way it was reached."""
    return {
        name: [list(row) for row in await sql.rows(f"select {columns} order by 1, 2")]
        for name, columns in {
            "invoices": "id, state, status, snapshot is null from tollbridge.invoice",
            "subscriptions": "id, status, ended_at is null from tollbridge.subscription",
            "attempts": "invoice, number, state, surplus, amount_captured from tollbridge.attempt",
            "captures": "invoice, amount, kind from tollbridge.movement",
            "recordings": "a.invoice, r.state, r.amount from tollbridge.recording r "
            "join tollbridge.attempt a on a.id = r.attempt",
            "cases": "kind, state from tollbridge.review_case",
            "methods": "customer, status from tollbridge.payment_method",
            "unrouted": "id, state from tollbridge.delivery where state in ('stored', 'parked')",
        }.items()
    } | {
        "stripe": sorted(
            [one["id"], one["status"], one["amount_paid"]] for one in world.stripe_account().invoices.values()
        ),
        "taken": sorted([charge.reference, charge.captured] for charge in world.captures()),
    }


def orders(cycle: str, events: int) -> Iterator[Order]:
    """Every order, with one event twice: another event, at another place, from order to order."""
    for number, order in enumerate(itertools.permutations(range(events))):
        yield Order(cycle, order, number % events, (number // events) % (events + 1))


class Report(msgspec.Struct):
    """What the orders came to."""

    orders: int
    bad: int
    cycles: dict[str, int]
    events: dict[str, list[str]]
    seed: int
    seconds: float
    replay: list[str] = []


def check(cycles: Sequence[str], limit: int | None, seed: int, *, count: int = 2) -> Report:
    """Deliver each cycle in its own order, then in every other."""
    from tests.crash.sweep import play_all, players  # the players know both

    began = time.monotonic()
    with players(count) as made:
        whole = {one.order.cycle: one for one in play_all(made, [Order(cycle) for cycle in cycles])}
        every = [order for cycle in cycles for order in orders(cycle, len(whole[cycle].events))]
        dice = random.Random(seed)
        wanted = dice.sample(every, min(len(every), limit if limit is not None else len(every)))
        # What stands at the end is the same, whoever played it first: each player has its own ids.
        delivered = play_all(made, wanted, said=limit is None)
    bad = [one for one in (*whole.values(), *delivered) if one.wrong]
    return Report(
        orders=len(delivered),
        bad=len(bad),
        cycles=dict(sorted(Counter(one.order.cycle for one in delivered).items())),
        events={cycle: one.events for cycle, one in whole.items()},
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        replay=[f"scripts/test orders --replay '{one.order}'" for one in bad],
    )


def replay(text: str) -> int:
    """Deliver one order alone."""
    from tests.crash.sweep import players

    cycle, order, again = text.split(":")
    twice, _, place = again.partition("@")
    with players(1) as [player]:
        one = player.play(Order(cycle, tuple(map(int, order.split(","))), int(twice), int(place)))
    print(*[one.events[number] for number in one.order.order], sep="\n")
    print(one.wrong or "its end is that of the order in which they happened")
    return 1 if one.wrong else 0


@click.command(help="Deliver the events of each life cycle in every order, and look whether the end is the same.")
@click.option("--cycles", default=",".join(CYCLES), help="Which cycles, by name.")
@click.option("--limit", type=int, help="How many orders at most; all without it.")
@click.option("--seed", type=int, default=1, show_default=True, help="Draws what a limit leaves.")
@click.option("--replay", "line", help="Deliver this one order: cycle:0,1,2:twice@place.")
@click.option("--players", "count", type=int, default=2, show_default=True, help="Processes that play.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def main(cycles: str, limit: int | None, seed: int, line: str | None, count: int, as_json: bool) -> None:
    if line:
        sys.exit(replay(line))
    made = check(cycles.split(","), limit, seed, count=count)
    print(msgspec.json.encode(made).decode() if as_json else shown(made))
    sys.exit(1 if made.bad else 0)


def shown(made: Report) -> str:
    lines = [f"{name:16}{count:6} orders of {len(made.events[name])} events" for name, count in made.cycles.items()]
    lines.append(f"{made.orders} orders, each with one event twice: {made.bad} with another end; {made.seconds:g} s")
    return "\n".join([*lines, *made.replay])


if __name__ == "__main__":
    main()
