"""Refunds from every side at once, with what goes wrong on the way: at rest the books agree, or a case says why not.

A history is a list of moves: staff and payers act, answers and webhooks are lost, doubled and shuffled, time goes by,
and two workers race. Hypothesis draws it, and shortens one that ends badly.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import Any, Final

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import sql
from gateway.sandbox.practice.refunding import RefundRefused
from tests.database import Cleaner
from tests.support.drain import drain
from tests.support.invariants import check_invariants, hold
from tests.support.returning import ASK, LIST, NOTE, credit, in_dashboard, post, refunds
from tests.support.world import Doors, World
from tests.support.world import world as new_world

AMOUNTS: Final = st.sampled_from([1, 100, 300, 300, 400, 600, 1000])
FAULTS: Final = st.sampled_from(
    [
        {**where, "effect": effect}
        for where in (ASK, LIST, NOTE, {"method": "GET", "path": "/v1/credit_notes*"})
        for effect in ("lost_before", "lost_after", "error_after", "error_before")
    ]
    + [{**ASK, "effect": "error_before", "status": 429, "delay_s": 40}]
)
MOVES: Final = st.one_of(
    st.tuples(st.just("ask"), AMOUNTS),
    st.tuples(st.just("note"), AMOUNTS),
    st.tuples(st.just("dashboard"), AMOUNTS),
    st.tuples(st.just("ends_as"), st.sampled_from(["failed", "failed_later", "succeeded"])),
    st.tuples(st.just("retry"), st.none()),
    st.tuples(st.just("fault"), FAULTS),
    st.tuples(st.just("processor_tells"), st.sampled_from(["drop", "double", "shuffle", "well"])),
    st.tuples(st.just("stripe_tells"), st.sampled_from(["drop", "double", "shuffle", "well"])),
    st.tuples(st.just("later"), st.sampled_from([1, 6, 90])),
    st.tuples(st.just("work"), st.none()),
)
Moves = list[tuple[str, Any]]


@given(st.lists(MOVES, min_size=2, max_size=7))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
async def test_the_books_agree_at_rest(cleaner: Cleaner, doors: Doors, moves: Moves) -> None:
    await _play(cleaner, doors, moves)


@pytest.mark.slow
@given(st.lists(MOVES, min_size=3, max_size=16), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
async def test_the_books_agree_at_rest_after_longer_histories(
    cleaner: Cleaner, doors: Doors, moves: Moves, later: bool
) -> None:
    await _play(cleaner, doors, moves, refunds_end="async" if later else "sync", replay=True)


async def _play(
    cleaner: Cleaner, doors: Doors, moves: Moves, *, refunds_end: str = "sync", replay: bool = False
) -> None:
    await cleaner.clean()
    async with new_world(doors) as world:
        signup = await world.signup("ok")
        world.practice.set_manner(world.shop.practice_key, refunds=refunds_end)
        for what, how in moves:
            await _move(world, signup.invoice, what, how)
        await _come_to_rest(world)
        await _nothing_waits_unnamed(world)
        await (check_invariants(world) if replay else hold(world))


async def _move(world: World, invoice: str, what: str, how: Any) -> None:
    match what:
        case "ask":
            await post(world, "/v1/refunds", {"invoice": invoice, "amount": how, "wait_s": 0})
        case "note":
            with _refused():
                await credit(world, invoice, amount=how, out_of_band_amount=how)
        case "dashboard":
            with _refused():
                in_dashboard(world, how)
        case "ends_as":
            world.practice.script_refunds(world.shop.practice_key, how)
        case "retry":
            for one in await refunds(world, invoice):
                await post(world, f"/v1/refunds/{one['id']}/retry", {"wait_s": 0})
        case "fault":
            (world.stripe if "credit_notes" in how["path"] else world.practice).faults.add(**how)
        case "processor_tells" | "stripe_tells":
            teller = world.practice if what == "processor_tells" else world.stripe
            teller.delivery.set(drop=how == "drop", double=how == "double", shuffle=how == "shuffle")
        case "later":
            await world.move(minutes=how)
            await _work(world)
        case "work":
            await _work(world)


def _refused() -> AbstractContextManager[None]:
    """Stripe and the processor may say no."""
    return suppress(stripe.StripeError, RefundRefused)


async def _work(world: World) -> None:
    """Two workers, of which each takes what it finds first."""
    for _ in range(20):
        sent = (await world.stripe.flush()).sent + (await world.practice.flush()).sent
        if not sent + await drain(world.runtime, at_once=2):
            return


async def _come_to_rest(world: World) -> None:
    """Everything works again, and what was lost is told again; then days go by."""
    world.stripe.faults.clear()
    world.practice.faults.clear()
    for teller in (world.practice, world.stripe):
        teller.delivery.set(drop=False, double=False, shuffle=False)
    for minutes in (2, 10, 60, 600, 3000, 3000):
        await world.move(minutes=minutes)
        await world.catch_up()
        await _work(world)
        for event in list(world.practice.account(world.shop.practice_key).events):
            world.practice.resend(event)
        await _work(world)


async def _nothing_waits_unnamed(world: World) -> None:
    """No more went back of a capture than it took; and what has not ended has a case."""
    for charge in world.captures():
        account = world.practice.account(world.shop.practice_key)
        back = sum(r.amount for r in account.refunds.values() if r.charge == charge.id and r.status == "succeeded")
        assert back <= charge.captured
    left = await sql.rows(
        """select id, state, failure from tollbridge.refund r where state not in ('recorded', 'succeeded')
             and failure not in ('denied', 'made_elsewhere')
             and not exists (select 1 from tollbridge.review_case c where c.subject = r.id and c.state = 'open')"""
    )
    assert not left, [dict(row) for row in left]
