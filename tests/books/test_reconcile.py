"""A shop's books against its processor's settlement files and its Stripe, over days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.books import runs
from gateway.books.reconcile import reconcile
from gateway.clock import business_now
from gateway.sandbox.practice.settlements import settlements
from gateway.workers.timers import reconciling
from tests.books.conftest import Books
from tests.support.world import Doors, World
from tests.support.world import world as new_world


def book(world: World, kind: str, amount: int, charge: Any = None) -> Any:
    """The processor books money of its last charge that we know nothing of."""
    account = world.practice.account(world.shop.practice_key)
    return world.practice.book(account, kind, charge or world.last_charge(), amount)


async def test_what_is_captured_settled_and_recorded_is_no_break(world: World, books: Books) -> None:
    await world.signup("ok")
    summary = await books.compare()
    assert (summary.open, summary.connections[0].compared) == (0, False), "no file has come yet"
    await world.later(days=1)
    summary = await books.compare()
    assert (summary.open, summary.connections[0].files, summary.connections[0].result.matched) == (0, 1, 1)
    assert summary.invoices.compared == 1
    assert await world.open_cases() == []


async def test_what_the_processor_settles_in_another_currency_is_no_break(world: World, books: Books) -> None:
    """Scenario 202."""
    world.practice.set_manner(world.shop.practice_key, settlement_currency="USD", rates={"EUR": "1.083"})
    await world.signup("ok")
    await world.later(days=1)
    assert await books.kinds() == []
    row = await sql.row("select * from tollbridge.settlement_row where kind = 'capture'")
    assert row is not None
    assert (row["amount"], row["currency"], row["settled"], row["settled_currency"]) == (1000, "eur", 1083, "usd")


async def test_young_money_is_in_transit_and_old_money_is_missing(world: World, books: Books) -> None:
    await world.signup("ok", "one")
    await world.later(days=1)
    await world.signup("ok", "two")
    world.practice.account(world.shop.practice_key).entries.pop()
    await world.later(days=1)
    summary = await books.compare()
    assert summary.open == 0
    assert summary.connections[0].result.in_transit["eur"].amount == 1000
    await world.later(days=4)
    await world.signup("ok", "three")
    await world.later(days=1)
    assert await books.kinds() == ["missing_at_processor"]
    [missing] = await books.open()
    assert (missing["amount"], missing["currency"], missing["repair"]) == (1000, "eur", "look_up_charge")
    assert missing["attempt"]


async def test_money_that_no_file_tells_of_is_late(world: World, books: Books) -> None:
    await world.signup("ok", "one")
    await world.later(days=1)
    await books.compare()
    await world.signup("ok", "two")
    world.practice.account(world.shop.practice_key).entries.pop()
    await world.later(days=5)
    assert await books.kinds() == ["settlement_late"]


async def test_a_break_keeps_its_age_and_closes_by_itself(world: World, books: Books) -> None:
    await world.signup("ok")
    extra = book(world, "capture", 700)
    await world.later(days=1)
    first = await books.compare()
    assert (first.breaks, first.new) == ({"missing_in_ledger": 1}, 1)
    assert await world.open_cases() == ["books_differ"]
    reason = await sql.value("select reason from tollbridge.review_case where state = 'open'")
    assert reason.startswith("the books differ: 1 missing in ledger (")
    assert reason.endswith(" EUR)")
    [before] = await books.open()
    await world.later(days=2)
    assert (await books.compare()).new == 0
    [again] = await books.open()
    assert (again["id"], again["first_seen_at"]) == (before["id"], before["first_seen_at"])

    await sql.rows("delete from tollbridge.settlement_row where row_id = $1", extra.id)
    last = await books.compare()
    assert (last.breaks, last.gone) == ({}, 1)
    assert await world.open_cases() == []


async def test_a_break_that_changes_is_as_old_as_it_was(world: World, books: Books) -> None:
    await world.signup("ok")
    book(world, "capture", 700)
    await world.later(days=1)
    await books.compare()
    [before] = await books.open()
    await sql.rows("update tollbridge.settlement_row set amount = 800 where amount = 700")
    await world.later(days=1)
    assert (await books.compare()).new == 0
    [after] = await books.open()
    assert after["id"] != before["id"]
    assert (after["amount"], after["first_seen_at"]) == (800, before["first_seen_at"])


async def test_what_lies_before_the_last_run_is_seen_again_only_where_it_broke(world: World, books: Books) -> None:
    await world.signup("ok")
    await world.later(days=1)
    await books.compare()
    await world.later(days=44)
    await world.later(days=1)
    await books.compare()
    await world.later(days=20)
    await world.later(days=1)
    summary = await books.compare()
    assert summary.connections[0].result.matched == len(world.captures()) - 1, "the first was judged for good"
    whole = await books.compare(whole=True)
    assert whole.connections[0].result.matched == len(world.captures())
    # A row that comes late for what was judged before is seen all the same.
    book(world, "capture", 1000, next(iter(world.practice.account(world.shop.practice_key).charges.values())))
    await world.later(days=1)
    assert await books.kinds() == ["duplicate_at_processor"]


async def test_a_file_that_cannot_be_read_is_a_break_and_the_others_come(world: World, books: Books) -> None:
    await world.signup("ok", "one")
    await world.later(days=1)
    [file] = settlements(world.practice.account(world.shop.practice_key), int(world.practice.now()))
    path = f"/v1/settlements/{file.id}"
    broken = world.practice.faults.add("error_before", method="GET", path=path, status=500, times=None)
    await world.signup("ok", "two")
    await world.later(days=1)
    assert await books.kinds() == ["settlement_refused"]
    assert await sql.value("select count(*) from tollbridge.settlement_file") == 1
    world.practice.faults.remove(broken.id)
    assert await books.kinds() == []
    assert await sql.value("select count(*) from tollbridge.settlement_file") == 2


async def test_a_processor_that_is_away_says_so_and_the_rest_is_compared(world: World, books: Books) -> None:
    await world.signup("ok")
    await world.later(days=1)
    world.practice.faults.add("error_before", method="GET", path="/v1/settlements", status=503, times=None)
    summary = await books.compare()
    assert "settlements" in summary.connections[0].error
    assert summary.invoices.compared == 1


async def test_paid_by_hand_at_stripe_is_money_that_nobody_holds(world: World, books: Books) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    await world.settle()
    assert await books.kinds() == ["paid_at_stripe_without_money"]
    [found] = await books.open()
    assert (found["invoice"], found["amount"], found["repair"]) == (renewal, 1000, "ask_human")


async def test_a_credit_note_without_its_refund(world: World, books: Books) -> None:
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="off")
    note = {"invoice": signup.invoice, "amount": 400, "out_of_band_amount": 400}
    await world.shop.client.v1.credit_notes.create_async(note)  # type: ignore[arg-type]
    await world.later(hours=7)
    await world.catch_up()
    assert await books.kinds() == [], "its refund has a day's time"
    await world.later(days=1)
    assert await books.kinds() == ["credit_note_without_refund"]
    [found] = await books.open()
    assert (found["amount"], found["invoice"]) == (400, signup.invoice)


async def test_live_reads_at_stripe_what_differs_and_nothing_else(world: World, books: Books) -> None:
    one, two = await world.signup("ok", "one"), await world.signup("ok", "two")
    note = {"invoice": one.invoice, "amount": 400, "credit_amount": 400}
    await world.shop.client.v1.credit_notes.create_async(note)  # type: ignore[arg-type]
    await world.later(days=2)
    await world.catch_up()
    await sql.rows("update tollbridge.credit_note set amount = 300, out_of_band = 300")
    assert await books.kinds() == ["mirror_outdated"]
    await sql.rows("delete from tollbridge.credit_note")
    await sql.rows("update tollbridge.invoice set amount_due = 999 where id = $1", one.invoice)
    world.stripe.calls.clear()
    assert await books.kinds(live=True) == []
    assert len(world.stripe_calls("GET", f"/v1/invoices/{one.invoice}")) == 1
    assert world.stripe_calls("GET", f"/v1/invoices/{two.invoice}") == []


async def test_a_run_that_fails_says_why_and_the_next_is_whole(
    world: World, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.signup("ok")
    await world.later(days=1)
    with monkeypatch.context() as broken:
        broken.setattr("gateway.books.sources.WANT_ALL", "insert into wanted select $1 || 1 / 0")
        with pytest.raises(Exception, match="division"):
            await books.compare()
    assert await sql.value("select state from tollbridge.reconciliation") == "failed"
    assert await world.open_cases() == ["reconciliation_failed"]
    assert (await books.compare()).connections[0].result.matched == 1
    assert await world.open_cases() == []


async def test_one_run_at_a_time_and_a_dead_holders_is_taken_up(world: World) -> None:
    now, account = await business_now(), world.shop.account
    one = await runs.ask(Author("test"), account, now)
    assert (await runs.ask(Author("other"), account, now)).id == one.id
    slow = await runs.take(now)
    assert slow is not None
    assert await runs.take(now) is None
    await sql.rows("update tollbridge.reconciliation set claim_until = now() - interval '1 second'")
    quick = await runs.take(now + timedelta(seconds=1))
    assert quick is not None
    await reconcile(world.runtime, quick)
    with pytest.raises(runs.LostError):
        await reconcile(world.runtime, slow)


async def test_every_account_is_compared_once_a_day(world: World) -> None:
    assert await runs.ask_daily(await business_now()) == 0, "it was made today"
    await world.move(days=1)
    now = await business_now()
    assert await runs.ask_daily(now) == 1
    assert await runs.ask_daily(now + timedelta(hours=23)) == 0


async def test_a_worker_does_the_days_run(world: World) -> None:
    await world.signup("ok")
    await world.later(days=1)
    turn = reconciling(world.runtime)
    await turn()
    await turn()
    runs = [tuple(row) for row in await sql.rows("select asked_by, state, live from tollbridge.reconciliation")]
    assert runs == [("timer", "finished", True)]


async def test_a_file_that_tells_of_two_accounts_is_each_ones_own(database: str, doors: Doors) -> None:
    """Scenario 232: two accounts of Stripe's charge through one account at the processor."""
    async with new_world(doors, shops=2) as world:
        account = world.practice.account(world.shop.practice_key)
        await share(world, account.id)
        await world.signup("ok", "one")
        await world.signup("ok", "two", wait_s=0, shop=world.shops[1])
        ours, theirs = world.captures(), world.captures(world.shops[1])
        assert (len(ours), len(theirs)) == (1, 1)
        world.practice.book(account, "capture", theirs[0], 1000)
        await world.later(days=1)
        summary = await Books(world).compare()
        assert (summary.open, summary.connections[0].result.elsewhere) == (0, 1)


async def share(world: World, account: str) -> None:
    """The second shop's connection is one to the same account at the processor."""
    change = "update tollbridge.connection set options = jsonb_set(options, '{account}', to_jsonb($2::text))"
    await sql.rows(f"{change} where id = $1", world.shops[1].connection, account)


async def test_files_that_never_come_are_late(world: World, books: Books) -> None:
    world.practice.faults.add("error_before", method="GET", path="/v1/settlements", status=403, times=None)
    await world.signup("ok")
    await world.later(days=3)
    assert await books.kinds() == []
    await world.later(days=2)
    assert await books.kinds() == ["settlement_late"]
