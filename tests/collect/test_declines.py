"""Decline codes in operation: an operator's class, a code that nobody knows, the cap, and the case that asks."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.accounts import connections
from gateway.accounts.audit import Author
from gateway.accounts.connections import ConnectionChange
from gateway.sandbox.practice import kinds
from gateway.sandbox.practice.kinds import Refusal, TokenKind
from tests.support.world import World


def answer_with(monkeypatch: pytest.MonkeyPatch, code: str, network_advice: str = "") -> None:
    """What a card without funds is answered from now on."""
    refusal = Refusal(code, "any text", "05", network_advice)
    monkeypatch.setitem(kinds.DECLINES, TokenKind.DECLINE_INSUFFICIENT_FUNDS, refusal)


async def set_class(world: World, **codes: str | None) -> None:
    change = ConnectionChange(declines=codes)
    await connections.update(world.runtime, Author("test:ada"), world.shop.account, "practice-eu", change)


async def last_decline(world: World, invoice: str) -> Any:
    return (await world.gateway_invoice(invoice))["attempts"][-1]["decline"]


async def asked(world: World) -> list[tuple[str, str]]:
    rows = await sql.rows(
        "select subject, state from tollbridge.review_case where kind = 'decline_unmapped' order by opened_at, id"
    )
    return [(row["subject"].partition(":")[2], row["state"]) for row in rows]


async def test_an_operators_class_counts_from_the_next_answer_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, "do_not_honor")
    _, renewal = await world.renew("decline_insufficient_funds")
    assert (await last_decline(world, renewal))["advice"] == "retry_later"

    await set_class(world, do_not_honor="account_closed")
    await world.later(hours=25)

    told = await last_decline(world, renewal)
    assert (told["decline_class"], told["advice"]) == ("account_closed", "new_payment_method")
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
    assert await asked(world) == []


async def test_no_class_outranks_what_the_scheme_forbids(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, "do_not_honor", network_advice="03")
    await set_class(world, do_not_honor="insufficient_funds")
    _, renewal = await world.renew("decline_insufficient_funds")
    told = await last_decline(world, renewal)
    assert (told["decline_class"], told["advice"]) == ("insufficient_funds", "never")
    charged = len(world.charge_calls())
    await world.later(days=2)
    assert len(world.charge_calls()) == charged


async def test_a_code_of_no_table_is_tried_three_times_and_asked_about_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, "x99")
    _, renewal = await world.renew("decline_insufficient_funds")
    assert await asked(world) == [("x99", "open")]
    for _ in range(6):
        await world.later(days=1)
    assert await world.attempts(renewal) == ["declined"] * 3
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
    assert await asked(world) == [("x99", "open")]


async def test_the_case_closes_when_its_code_is_classed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, "x99")
    _, renewal = await world.renew("decline_insufficient_funds")
    await set_class(world, x98="expired")
    assert await asked(world) == [("x99", "open")]
    await set_class(world, x99="insufficient_funds")
    assert await asked(world) == [("x99", "closed")]
    for _ in range(6):
        await world.later(days=1)
    assert await world.attempts(renewal) == ["declined"] * 4, "the whole ladder"
    assert await asked(world) == [("x99", "closed")]


async def test_a_case_that_a_human_closed_is_not_opened_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, "x99")
    await world.renew("decline_insufficient_funds")
    await sql.rows("update tollbridge.review_case set state = 'closed', closed_at = now(), closed_by = 'user:ada'")
    await world.later(hours=25)
    assert await asked(world) == [("x99", "closed")]


async def test_a_newer_adapter_closes_the_case(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, "x99")
    await world.renew("decline_insufficient_funds")
    answer_with(monkeypatch, "do_not_honor")
    about = f"{world.shop.connection}:do_not_honor"
    await sql.rows("update tollbridge.review_case set subject = $1 where kind = 'decline_unmapped'", about)
    await world.later(hours=25)
    assert await asked(world) == [("do_not_honor", "closed")]
