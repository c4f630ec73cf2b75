"""What a card has seen under all of its tokens: its tries of late, and a "never"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from db import cases, sql
from db.states import UNRESOLVED
from gateway.clock import business_now
from gateway.collect.outcomes import store_outcome
from gateway.collect.view import view_of
from gateway.collect.view_sql import VIEW
from gateway.domain.budget import COUNTED
from gateway.domain.view import MethodView
from processors.declines import DeclineTable
from processors.outcome import DeclineClass, Declined
from tests.db import rows
from tests.db.rows import World

NEVER = {"advice": "never", "decline_class": "lost_stolen"}
CARD = "pfp_1"


@pytest.fixture
async def world(database: str) -> World:
    """A payer whose method is a Visa card with a fingerprint."""
    world = await World.make()
    await shown_as(world, {"brand": "Visa", "last4": "4242", "fingerprint": CARD})
    await sql.rows("update tollbridge.invoice set customer = $2 where id = $1", world.invoice, world.customer)
    return world


async def shown_as(world: World, card: dict[str, str]) -> None:
    kept = msgspec.json.encode(card).decode()
    await sql.rows("update tollbridge.payment_method set card = $2 where id = $1", world.method, kept)


async def seen(world: World) -> MethodView:
    (method,) = (await view_of(world.account, world.invoice)).methods
    return method


async def another_try(world: World, method: str, sent_at: datetime, state: str = "declined", **more: Any) -> None:
    """A try for an invoice of its own."""
    invoice = await rows.invoice(world.account)
    await world.attempt(invoice=invoice, reference=f"{invoice}.1", payment_method=method, state=state, **more)
    await sql.rows("update tollbridge.attempt set sent_at = $2 where invoice = $1", invoice, sent_at)


async def sibling(world: World, fingerprint: str = CARD) -> str:
    """A method of another customer of the account."""
    card = msgspec.json.encode({"fingerprint": fingerprint}).decode()
    return await rows.method(world.account, world.connection, await rows.customer(world.account), card=card)


async def test_tries_of_all_invoices_and_customers_are_seen(world: World) -> None:
    now = await business_now()
    ages = [timedelta(hours=5), timedelta(days=3)]
    await another_try(world, world.method, now - ages[0])
    await another_try(world, await sibling(world), now - ages[1])
    method = await seen(world)
    assert (method.brand, method.recent_tries) == ("visa", (now - ages[1], now - ages[0]))


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        ("declined", True),
        ("unknown", True),
        ("succeeded", False),
        ("reversed", False),
        ("rejected", False),
        ("not_sent", False),
    ],
)
async def test_only_what_the_schemes_count(world: World, state: str, counted: bool) -> None:
    await another_try(world, world.method, await business_now(), state)
    assert bool((await seen(world)).recent_tries) is counted


async def test_old_tries_other_cards_and_other_accounts_are_not_seen(world: World) -> None:
    now = await business_now()
    await another_try(world, world.method, now - timedelta(days=31))
    await another_try(world, await sibling(world, "pfp_2"), now)
    await another_try(world, await sibling(world, ""), now)
    other = await World.make()
    await another_try(other, await sibling(other), now, **NEVER)
    method = await seen(world)
    assert (method.recent_tries, method.blocked) == ((), "")


async def test_never_blocks_the_card_under_every_token(world: World) -> None:
    await another_try(world, await sibling(world), await business_now() - timedelta(days=400), **NEVER)
    method = await seen(world)
    assert (method.blocked, method.usable) == ("lost_stolen", False)


async def test_without_a_fingerprint_a_method_is_its_own_card(world: World) -> None:
    await shown_as(world, {"brand": "visa"})
    await another_try(world, await sibling(world, ""), await business_now(), **NEVER)
    assert (await seen(world)).blocked == ""
    await another_try(world, world.method, await business_now(), **NEVER)
    assert (await seen(world)).blocked == "lost_stolen"


async def test_a_locked_account_stops_its_connection_alone(world: World) -> None:
    other = await rows.connection(world.account)
    told: dict[str, Any] = {"reason": "r", "action": "a", "now": await business_now()}
    await cases.open_case(world.account, "connection_locked", other, **told)
    assert (await seen(world)).usable
    await cases.open_case(world.account, "connection_locked", world.connection, **told)
    method = await seen(world)
    assert (method.locked, method.usable, method.blocked) == (True, True, "")
    assert (await view_of(world.account, world.invoice)).connections, "it's still ours to collect"
    await cases.close_by_itself(world.account, world.connection, ["connection_locked"], told["now"])
    assert (await seen(world)).usable


@pytest.mark.parametrize(("fingerprint", "hears"), [(CARD, True), ("pfp_2", False)])
async def test_a_never_is_heard_by_all_who_have_the_card(world: World, fingerprint: str, hears: bool) -> None:
    other, method = await rows.invoice(world.account), await sibling(world, fingerprint)
    await sql.rows(
        """update tollbridge.invoice set status = 'open',
               customer = (select customer from tollbridge.payment_method where id = $2) where id = $1""",
        other,
        method,
    )
    attempt = await world.attempt()
    lost = DeclineTable({"41": DeclineClass.LOST_STOLEN}).decline("41")
    await store_outcome(world.account, attempt, Declined(lost, "pch_1"), await business_now(), wake=False)
    assert bool(await sql.value("select poked from tollbridge.invoice where id = $1", other)) is hears


def test_the_statement_counts_what_the_rules_count() -> None:
    """Its lists of states stand there in words, so that partial indexes serve it."""
    listed = {frozenset(re.findall(r"'(\w+)'", one)) for one in re.findall(r"t\.state in \(([^)]*)\)", VIEW)}
    assert listed == {COUNTED, UNRESOLVED}
