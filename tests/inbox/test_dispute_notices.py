"""A dispute's notices come in any order, doubled: what its processor said last counts, and each move stands once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from db import sql
from gateway.inbox.route import Router
from gateway.runtime import Runtime
from gateway.sandbox.practice.disputing import FIRST, NEXT
from processors.events import DisputeStage, DisputeState, EventKind, MoneyMoved, ProcessorEvent
from processors.money import Money
from tests.support.inbox import (
    ScriptedAdapter,
    add_account,
    add_attempt,
    add_connection,
    add_invoice,
    add_method,
    counters,
    delivery,
    noticed,
)

AT = datetime(2027, 3, 1, tzinfo=UTC)
CAPTURED: dict[str, Any] = {"state": "succeeded", "amount_captured": 1000, "processor_id": "ch_1", "resolved_at": AT}
KNOWN = """
    select state, withdrawn, told_at, told_moves, resolved_at is not null as ended from tollbridge.dispute
    where processor_id = $1
"""
MOVED = """
    select occurrence, case kind when 'dispute_withdrawn' then -amount else amount end as amount
    from tollbridge.movement where processor_id = $1 order by occurrence
"""


def eur(amount: int) -> Money:
    return Money(amount, "eur")


def said(stage: str, at: datetime = AT, *moves: MoneyMoved, dispute: str = "dp_1") -> ProcessorEvent:
    """A notice of a dispute about 10.00 EUR, with every move until then."""
    gone = -sum(move.amount.amount for move in moves)
    told = DisputeState(dispute, "ch_1", DisputeStage(stage), eur(1000), eur(gone), tuple(moves))
    return ProcessorEvent(EventKind(f"dispute.{stage}"), at, reference="in_1.1", processor_id="ch_1", dispute=told)


async def place(**columns: Any) -> tuple[str, str]:
    """An account whose connection has made a charge for in_1."""
    account = await add_account("acme")
    connection = await add_connection(account)
    method = await add_method(account, connection)
    await add_invoice(account, "in_1")
    await add_attempt(account, connection, method, "in_1", **(CAPTURED | columns))
    return account, connection


async def tell(
    runtime: Runtime, scripted: ScriptedAdapter, account: str, connection: str, *events: ProcessorEvent
) -> list[tuple[str, str]]:
    """One notice for each, one after another; how each ends."""
    ends = []
    for event in events:
        key = uuid4().hex
        scripted.script[key.encode()] = [event]
        [found] = await noticed(account, connection, key)
        await Router(runtime).route([found])
        row = await delivery(found)
        ends.append((row["state"], row["reason"]))
    return ends


@st.composite
def histories(draw: st.DrawFn) -> list[ProcessorEvent]:
    """What a processor says of one dispute from its beginning; also several things within a second."""
    stage, at, moves = draw(st.sampled_from(sorted(FIRST))), AT, list[MoneyMoved]()
    dispute, told = f"dp_{uuid4().hex}", list[ProcessorEvent]()
    for step in range(draw(st.integers(1, 6))):
        held = {"funds_withdrawn": 1000, "lost": 1000, "partly_lost": 400}.get(stage, 0)
        gone = -sum(move.amount.amount for move in moves)
        if held != gone:
            moves.append(MoneyMoved(eur(gone - held), f"{dispute}-{step}", at))
        told.append(said(stage, at, *moves, dispute=dispute))
        if not NEXT[stage]:
            break
        stage, at = draw(st.sampled_from(sorted(NEXT[stage]))), at + timedelta(seconds=draw(st.integers(0, 1)))
    return told


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(history=histories(), data=st.data())
async def test_in_any_order_and_doubled_a_dispute_ends_alike(
    runtime: Runtime, scripted: ScriptedAdapter, history: list[ProcessorEvent], data: st.DataObject
) -> None:
    found = await sql.row("select account, connection from tollbridge.attempt")
    account, connection = (found["account"], found["connection"]) if found is not None else await place()
    order = data.draw(st.permutations(history + data.draw(st.lists(st.sampled_from(history), max_size=3))))
    await tell(runtime, scripted, account, connection, *order)

    last = history[-1]
    assert last.dispute is not None
    row = await sql.row(KNOWN, last.dispute.processor_id)
    assert row is not None
    ended = row["state"] not in ("inquiry", "opened", "funds_withdrawn")
    wanted = (last.dispute.stage, last.dispute.withdrawn.amount, last.occurred_at, len(last.dispute.moves), ended)
    assert tuple(row) == wanted
    moved = [(r["occurrence"], r["amount"]) for r in await sql.rows(MOVED, last.dispute.processor_id)]
    assert moved == sorted((move.occurrence, move.amount.amount) for move in last.dispute.moves)


async def test_what_tells_nothing_new_pokes_nobody(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    account, connection = await place()
    later, sooner = said("opened", AT + timedelta(seconds=1)), said("inquiry")
    ends = await tell(runtime, scripted, account, connection, later, later, sooner)
    assert [state for state, _ in ends] == ["done", "ignored", "ignored"]
    assert await counters() == {(account, "in_1"): 1}


async def test_money_that_moved_before_what_is_known_still_counts(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    """Where a notice tells of its own move alone, the one before it comes late."""
    account, connection = await place()
    took, gave = MoneyMoved(eur(-1000), "m1", AT), MoneyMoved(eur(1000), "m2", AT)
    won, withdrawn = said("won", AT + timedelta(days=1), gave), said("funds_withdrawn", AT, took)
    assert won.dispute is not None
    won = replace(won, dispute=replace(won.dispute, withdrawn=eur(0)))
    await tell(runtime, scripted, account, connection, won, withdrawn)
    assert await sql.value("select state from tollbridge.dispute") == "won"
    assert await sql.value("select tollbridge.refundable(id) from tollbridge.attempt") == 0, "nothing is in its ledger"
    assert [r["amount"] for r in await sql.rows(MOVED, "dp_1")] == [-1000, 1000]


@pytest.mark.parametrize("state", ["unknown", "pending", "declined"])
async def test_before_its_payment_is_known_it_waits(runtime: Runtime, scripted: ScriptedAdapter, state: str) -> None:
    unresolved: dict[str, Any] = {} if state == "declined" else {"resolved_at": None, "request": b"bytes"}
    account, connection = await place(state=state, amount_captured=0, **unresolved)
    [(stands, why)] = await tell(runtime, scripted, account, connection, said("opened"))
    assert stands == "stored"
    assert "not known to have succeeded yet" in why


def _in_dollars(event: ProcessorEvent) -> ProcessorEvent:
    assert event.dispute is not None
    return replace(event, dispute=replace(event.dispute, amount=Money(1000, "usd")))


ODD = {
    "in another currency": (_in_dollars(said("opened")), "notice_mismatch"),
    "of no dispute": (replace(said("opened"), dispute=None), "delivery_parked"),
    "of a dispute without a name": (said("opened", dispute=""), "delivery_parked"),
    "of a move of nothing": (said("opened", AT, MoneyMoved(eur(0), "m1", AT)), "notice_mismatch"),
}


@pytest.mark.parametrize("case", ODD)
async def test_what_can_not_be_is_put_before_a_human(runtime: Runtime, scripted: ScriptedAdapter, case: str) -> None:
    event, kind = ODD[case]
    account, connection = await place()
    [(state, _)] = await tell(runtime, scripted, account, connection, event)
    assert state == "parked"
    assert await sql.value("select kind from tollbridge.review_case") == kind
    assert await sql.value("select count(*) from tollbridge.dispute") == 0


async def test_a_dispute_that_is_told_of_two_charges_is_put_before_a_human(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    account, connection = await place()
    method = await sql.value("select id from tollbridge.payment_method")
    await add_invoice(account, "in_2")
    await add_attempt(account, connection, method, "in_2", **(CAPTURED | {"processor_id": "ch_2"}))
    other = replace(said("lost", AT + timedelta(days=1)), reference="", processor_id="ch_2")
    ends = await tell(runtime, scripted, account, connection, said("opened"), other)
    assert [state for state, _ in ends] == ["done", "parked"]
    assert await sql.value("select state from tollbridge.dispute") == "opened"
