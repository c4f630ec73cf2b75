"""What may mend a break: it asks or pokes, and the next run shows what that did."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any
from uuid import uuid4

import pytest

from db import sql
from gateway.books import repair
from tests.books.conftest import Books
from tests.support.world import World


async def lost_charge(world: World, books: Books) -> str:
    """A charge whose answer and notice were lost, and whose invoice was forgotten: the break that tells of it."""
    await world.signup("ok")
    await sql.rows("alter table tollbridge.movement disable trigger append_only")
    await sql.rows("delete from tollbridge.recording")
    await sql.rows("delete from tollbridge.movement")
    await sql.rows("alter table tollbridge.movement enable trigger append_only")
    await sql.rows("update tollbridge.attempt set state = 'declined', processor_id = null, amount_captured = 0")
    await world.move(days=1)
    await books.compare()
    [found] = [row for row in await books.open() if row["kind"] == "missing_in_ledger"]
    assert found["repair"] == "look_up_charge"
    return str(found["id"])


async def test_a_charge_is_looked_up_and_stored(world: World, books: Books) -> None:
    found = await lost_charge(world, books)
    outcome = await repair.mend(world.runtime, "test", world.shop.account, found)
    assert outcome == "the processor says: succeeded"
    await world.settle()
    assert await sql.value("select amount from tollbridge.movement") == 1000
    assert len(world.charge_calls()) == 1, "nothing was charged again"
    assert await books.kinds() == []
    with pytest.raises(repair.BreakClosedError):
        await repair.mend(world.runtime, "test", world.shop.account, found)


async def test_a_look_up_that_fails_says_so(world: World, books: Books) -> None:
    found = await lost_charge(world, books)
    world.practice.faults.add("error_before", method="GET", path="/v1/charges", status=500, times=None)
    outcome = await repair.mend(world.runtime, "test", world.shop.account, found)
    assert outcome.startswith("the look-up failed")
    assert await sql.value("select count(*) from tollbridge.movement") == 0


async def test_an_invoice_is_poked_until_stripe_knows(world: World, books: Books) -> None:
    away = world.stripe.faults.add("error_before", method="POST", path="*/pay", status=403, times=None)
    await world.signup("ok", wait_s=0)
    await world.move(hours=2)
    assert "money_without_stripe_record" in await books.kinds()
    [found] = await books.open()
    assert found["repair"] == "poke_invoice"
    world.stripe.faults.remove(away.id)
    await repair.mend(world.runtime, "test", world.shop.account, found["id"])
    await world.settle()
    assert await books.kinds() == []


async def asked_human(world: World, books: Books) -> tuple[str, str]:
    """A break that only a human can explain; the run's id and its own."""
    await world.signup("ok")
    account = world.practice.account(world.shop.practice_key)
    world.practice.book(account, "refund", world.last_charge(), -300, "=HYPERLINK(1)")
    await world.later(days=1)
    await books.compare()
    [found] = await books.open()
    run = await sql.value("select id from tollbridge.reconciliation order by number desc limit 1")
    return str(run), str(found["id"])


async def test_over_http_a_worker_mends_it(world: World, books: Books) -> None:
    run, found = await asked_human(world, books)
    path, headers = f"/v1/reconciliations/{run}/breaks/{found}/repair", {"idempotency-key": uuid4().hex}
    asking = asyncio.ensure_future(world.call("POST", path, {"wait_s": 20}, headers=headers))
    while not await repair.heed(world.runtime):
        await asyncio.sleep(0.01)
    told = (await asking).json()
    assert (told["repair"], told["repair_outcome"], told["repair_asked"]) == ("ask_human", "a case was opened", None)
    assert await world.open_cases() == ["break_to_explain"], "the case of all breaks has none left to speak of"
    reason = await sql.value("select reason from tollbridge.review_case where kind = 'break_to_explain'")
    assert "3.00 EUR" in reason
    await books.compare()
    assert await world.open_cases() == ["break_to_explain"]
    await sql.rows("update tollbridge.review_case set state = 'closed', closed_at = now() where state = 'open'")
    await books.compare()
    assert await world.open_cases() == ["books_differ"], "it stands, and nobody looks at it"
    await repair.mend(world.runtime, "test", world.shop.account, found)
    audit = await sql.row("select * from tollbridge.audit_log where action = 'break.repair_asked'")
    assert audit is not None

    await sql.rows("delete from tollbridge.settlement_row where kind = 'refund'")
    await books.compare()
    assert await world.open_cases() == [], "it closes by itself"
    again = await world.call("POST", path, {"wait_s": 0}, headers={"idempotency-key": uuid4().hex})
    assert again.status_code == 409


async def test_the_report_of_a_run_stays_what_it_was(world: World, books: Books) -> None:
    run, found = await asked_human(world, books)
    before = (await world.call("GET", f"/v1/reconciliations/{run}/report")).text
    [row] = list(csv.DictReader(io.StringIO(before)))
    assert (row["break"], row["kind"], row["amount"]) == (found, "missing_in_ledger", "3.00")
    assert (row["other_amount"], row["ledger_amount"]) == ("-3.00", "")
    assert row["processor_id"] == "'=HYPERLINK(1)", "no formula where people open it"
    await sql.rows("delete from tollbridge.settlement_row where kind = 'refund'")
    await world.later(days=1)
    last = await books.compare()
    assert last.gone == 1
    assert (await world.call("GET", f"/v1/reconciliations/{run}/report")).text == before
    shown = (await world.call("GET", "/v1/reconciliations")).json()["data"]
    assert [(one["number"], sum(one["breaks"].values())) for one in shown] == [(2, 0), (1, 1)]
    pages = [(await world.call("GET", f"/v1/reconciliations/{one['id']}/breaks")).json() for one in shown]
    assert [[one["id"] for one in page["data"]] for page in pages] == [[], [found]]


async def test_what_is_in_transit_is_listed_as_of_the_run(world: World, books: Books) -> None:
    await world.signup("ok", "one")
    await world.later(days=1)
    second = await world.signup("ok", "two")
    await books.compare()
    run = (await world.call("GET", "/v1/reconciliations")).json()["data"][0]
    assert run["connections"][0]["in_transit"] == [{"currency": "eur", "count": 1, "amount": 1000}]

    async def listed() -> list[dict[str, Any]]:
        answer = await world.call("GET", f"/v1/reconciliations/{run['id']}/in_transit")
        return list(answer.json()["data"])

    [waits] = await listed()
    assert (waits["invoice"], waits["amount"]) == (second.invoice, 1000)
    await world.later(days=1)
    await books.compare()
    assert await listed() == [waits], "as it was then"
