"""Pokes are not lost, and one worker at a time holds an object."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from db import poke, sql
from db.engine import DB
from db.errors import TransactionMisuseError
from db.poke import Claim, ClaimLostError, Kind, WakeUp
from tests.db import rows
from tests.db.rows import NOW

FOR_S = 20.0
EXPIRED_S = -1.0


@pytest.fixture
async def account(database: str) -> str:
    return await rows.account()


@pytest.fixture
async def invoice(account: str) -> WakeUp:
    """An invoice that was poked once and not seen yet."""
    await poke_it(account, "in_1")
    return WakeUp(Kind.INVOICE, account, "in_1")


async def poke_it(account: str, *ids: str, kind: Kind = Kind.INVOICE, stale: bool = False) -> None:
    async with DB.transaction():
        await poke.poke(kind, account, ids, NOW, stale=stale)


async def row(one: WakeUp | Claim) -> Any:
    return await sql.row(f"select * from tollbridge.{one.kind} where account = $1 and id = $2", one.account, one.id)


async def change(one: WakeUp | Claim, assignments: str) -> None:
    await sql.rows(
        f"update tollbridge.{one.kind} set {assignments} where account = $1 and id = $2", one.account, one.id
    )


async def jobs() -> list[WakeUp]:
    found = await sql.rows("select entrypoint, payload from tollbridge_queue.pgqueuer order by id")
    assert {job["entrypoint"] for job in found} <= {poke.ENTRYPOINT}
    return [msgspec.json.decode(job["payload"], type=WakeUp) for job in found]


async def taken(one: WakeUp, for_s: float = FOR_S) -> Claim:
    claim = await poke.take(one, for_s)
    assert claim is not None
    return claim


async def lost(kind: Kind = Kind.INVOICE, now: Any = NOW, limit: int = 100) -> list[str]:
    return [one.id for one in await poke.lost_wake_ups([kind], now, limit)]


# --- poke ----------------------------------------------------------------------------------------------------------


async def test_it_raises_the_counter_and_wakes_a_worker_together(account: str) -> None:
    one = WakeUp(Kind.INVOICE, account, "in_1")
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, ["in_1"], NOW)
        assert await DB._run_in_pool("select 1 from tollbridge.invoice") == []
        assert await DB._run_in_pool("select 1 from tollbridge_queue.pgqueuer") == []
    stored = await row(one)
    assert (stored["poked"], stored["seen"], stored["stale"]) == (1, 0, True)
    assert await jobs() == [one]


@pytest.mark.parametrize("kind", Kind)
async def test_a_rollback_leaves_nothing(account: str, kind: Kind) -> None:
    async def fail() -> None:
        async with DB.transaction():
            await poke.poke(kind, account, ["x_1"], NOW)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await sql.value(f"select count(*) from tollbridge.{kind}") == 0
    assert await jobs() == []


async def test_a_rollback_takes_the_raise_of_a_counter_back(invoice: WakeUp) -> None:
    async def fail() -> None:
        async with DB.transaction():
            await poke.poke(Kind.INVOICE, invoice.account, [invoice.id], NOW)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert (await row(invoice))["poked"] == 1
    assert len(await jobs()) == 1


async def test_it_belongs_to_the_transaction_of_its_fact(account: str) -> None:
    with pytest.raises(TransactionMisuseError):
        await poke.poke(Kind.INVOICE, account, ["in_1"], NOW)


async def test_nothing_to_poke_is_nothing_to_do(account: str) -> None:
    await poke.poke(Kind.INVOICE, account, [], NOW)
    assert await jobs() == []


async def test_every_poke_counts_and_every_one_wakes(invoice: WakeUp) -> None:
    for _ in range(3):
        await poke_it(invoice.account, "in_1")
    assert (await row(invoice))["poked"] == 4
    assert await jobs() == [invoice] * 4


async def test_the_same_object_twice_in_one_poke_is_one(account: str) -> None:
    await poke_it(account, "in_2", "in_1", "in_2")
    assert [one.id for one in await jobs()] == ["in_1", "in_2"]
    assert await sql.value("select max(poked) from tollbridge.invoice") == 1


async def test_only_news_of_stripes_makes_it_stale(invoice: WakeUp) -> None:
    await change(invoice, "stale = false")
    await poke_it(invoice.account, "in_1")
    assert not (await row(invoice))["stale"]
    await poke_it(invoice.account, "in_1", stale=True)
    assert (await row(invoice))["stale"]
    await poke_it(invoice.account, "in_1")
    assert (await row(invoice))["stale"], "once stale, it stays so until it is read"


async def test_what_is_not_stripes_gets_no_stub(account: str) -> None:
    await poke_it(account, "cs_unknown", kind=Kind.CHECKOUT)
    assert await sql.value("select count(*) from tollbridge.checkout_session") == 0
    assert await jobs() == []


async def test_accounts_are_poked_apart(invoice: WakeUp) -> None:
    other = await rows.account()
    await poke_it(other, "in_1")
    assert (await row(invoice))["poked"] == 1
    assert await jobs() == [invoice, WakeUp(Kind.INVOICE, other, "in_1")]


async def test_two_that_poke_the_same_objects_do_not_wait_for_each_other_crosswise(account: str) -> None:
    ids = [f"in_{number}" for number in range(50)]
    await poke_it(account, *ids)
    async with asyncio.timeout(10):
        await asyncio.gather(*(poke_it(account, *(ids if n % 2 else reversed(ids))) for n in range(10)))
    assert await sql.value("select min(poked) from tollbridge.invoice") == 11


# --- take ----------------------------------------------------------------------------------------------------------


async def test_one_of_twenty_gets_the_claim(invoice: WakeUp) -> None:
    claims = [claim for claim in await asyncio.gather(*(poke.take(invoice, FOR_S) for _ in range(20))) if claim]
    assert len(claims) == 1
    assert (await row(invoice))["claimed_by"] == claims[0].holder


async def test_one_of_twenty_takes_over_a_claim_that_ran_out(invoice: WakeUp) -> None:
    await taken(invoice, EXPIRED_S)
    claims = [claim for claim in await asyncio.gather(*(poke.take(invoice, FOR_S) for _ in range(20))) if claim]
    assert len(claims) == 1


async def test_what_does_not_exist_is_not_taken(account: str) -> None:
    assert await poke.take(WakeUp(Kind.INVOICE, account, "in_none"), FOR_S) is None


async def test_another_accounts_object_of_the_same_id_is_not_taken(invoice: WakeUp) -> None:
    assert await poke.take(WakeUp(Kind.INVOICE, await rows.account(), invoice.id), FOR_S) is None


async def test_a_claim_that_runs_is_not_taken_over(invoice: WakeUp) -> None:
    await taken(invoice)
    assert await poke.take(invoice, FOR_S) is None


async def test_every_holding_has_a_holder_of_its_own(invoice: WakeUp) -> None:
    first = await taken(invoice, EXPIRED_S)
    second = await taken(invoice)
    assert first.holder != second.holder


async def test_claims_are_machine_time(invoice: WakeUp) -> None:
    """Moving business time by a year ends no claim."""
    await sql.rows("update tollbridge.business_clock set offset_s = 31536000")
    await taken(invoice)
    assert await poke.take(invoice, FOR_S) is None


# --- hold ----------------------------------------------------------------------------------------------------------


async def test_holding_lengthens_a_claim(invoice: WakeUp) -> None:
    claim = await taken(invoice, 5)
    before = (await row(invoice))["claim_until"]
    async with DB.transaction():
        assert await poke.hold(claim, 100) == 1
    assert (await row(invoice))["claim_until"] - before > timedelta(seconds=90)


@pytest.mark.parametrize("how", ["ran_out", "taken_over", "released"])
async def test_a_lost_claim_can_not_be_held(invoice: WakeUp, how: str) -> None:
    claim = await taken(invoice, EXPIRED_S if how != "released" else FOR_S)
    if how == "taken_over":
        await taken(invoice)
    if how == "released":
        assert await poke.release(claim, seen=1, due_at=None)
    async with DB.transaction():
        with pytest.raises(ClaimLostError):
            await poke.hold(claim, FOR_S)


# --- release -------------------------------------------------------------------------------------------------------


async def test_letting_go_remembers_what_was_seen_and_when_to_come_back(invoice: WakeUp) -> None:
    await change(invoice, "failures = 3")
    assert await poke.release(await taken(invoice), seen=1, due_at=NOW)
    stored = await row(invoice)
    assert (stored["seen"], stored["due_at"], stored["claimed_by"], stored["claim_until"]) == (1, NOW, None, None)
    assert stored["failures"] == 0


async def test_what_was_poked_meanwhile_is_not_let_go(invoice: WakeUp) -> None:
    claim = await taken(invoice)
    await poke_it(invoice.account, "in_1")
    assert not await poke.release(claim, seen=1, due_at=None)
    stored = await row(invoice)
    assert (stored["seen"], stored["claimed_by"]) == (0, claim.holder)
    assert await poke.release(claim, seen=2, due_at=None)


async def test_a_poke_in_flight_is_waited_for(invoice: WakeUp) -> None:
    """Committed after `release` began, before it ended: it still counts."""
    claim, poked, commit = await taken(invoice), asyncio.Event(), asyncio.Event()

    async def poking() -> None:
        async with DB.transaction():
            await poke.poke(Kind.INVOICE, invoice.account, [invoice.id], NOW)
            poked.set()
            await commit.wait()

    task = asyncio.create_task(poking())
    await poked.wait()
    releasing = asyncio.create_task(poke.release(claim, seen=1, due_at=None))
    await asyncio.sleep(0.1)
    assert not releasing.done()
    commit.set()
    await task
    assert not await releasing


async def test_a_claim_that_was_taken_over_is_not_released(invoice: WakeUp) -> None:
    old = await taken(invoice, EXPIRED_S)
    new = await taken(invoice)
    assert not await poke.release(old, seen=1, due_at=None)
    assert (await row(invoice))["claimed_by"] == new.holder


async def test_pokes_among_many_workers_all_get_seen(account: str) -> None:
    """Twenty pokes, five workers that go round as `advance` does: in the end nothing is ahead of what was seen."""
    one = WakeUp(Kind.INVOICE, account, "in_1")
    await poke_it(account, "in_1")
    inside = 0

    async def worker() -> None:
        nonlocal inside
        claim = await poke.take(one, FOR_S)
        while claim is not None:
            inside += 1
            assert inside == 1, "two workers hold one invoice"
            seen = (await row(one))["poked"]
            await asyncio.sleep(0)
            inside -= 1
            if await poke.release(claim, seen=seen, due_at=None):
                return

    async def poking() -> None:
        await poke_it(account, "in_1")
        await worker()

    await asyncio.gather(*(poking() for _ in range(20)), *(worker() for _ in range(5)))
    stored = await row(one)
    assert (stored["poked"], stored["seen"], stored["claimed_by"]) == (21, 21, None)


# --- give up a turn ------------------------------------------------------------------------------------------------

WAITS = (5, 30, 120)


@pytest.mark.parametrize(("failures", "wait_s"), [(0, 5), (1, 30), (2, 120), (3, 120), (9, 120)])
async def test_each_failure_in_a_row_waits_longer(invoice: WakeUp, failures: int, wait_s: int) -> None:
    await change(invoice, f"failures = {failures}")
    claim = await taken(invoice)
    assert await poke.give_up_turn(claim, now=NOW, waits_s=WAITS, failed=True) == failures + 1
    stored = await row(invoice)
    assert stored["due_at"] == NOW + timedelta(seconds=wait_s)
    assert (stored["failures"], stored["claimed_by"]) == (failures + 1, None)


async def test_being_asked_for_patience_is_no_failure(invoice: WakeUp) -> None:
    assert await poke.give_up_turn(await taken(invoice), now=NOW, waits_s=[2.5], failed=False) == 0
    stored = await row(invoice)
    assert (stored["failures"], stored["due_at"]) == (0, NOW + timedelta(seconds=2.5))


async def test_what_was_given_up_waits_and_is_found_again(invoice: WakeUp) -> None:
    await poke.give_up_turn(await taken(invoice), now=NOW, waits_s=WAITS, failed=True)
    assert await lost() == []
    assert await lost(now=NOW + timedelta(seconds=5)) == ["in_1"]


async def test_a_turn_that_was_taken_over_is_not_given_up(invoice: WakeUp) -> None:
    old = await taken(invoice, EXPIRED_S)
    new = await taken(invoice)
    assert await poke.give_up_turn(old, now=NOW, waits_s=WAITS, failed=True) == 0
    stored = await row(invoice)
    assert (stored["claimed_by"], stored["failures"], stored["due_at"]) == (new.holder, 0, None)


async def test_a_poke_during_a_turn_that_failed_is_not_counted_as_seen(invoice: WakeUp) -> None:
    """A new payment method, say: its own wake-up found the claim taken, so the sweep must find it at once."""
    claim = await taken(invoice)
    await poke_it(invoice.account, "in_1")
    await poke.give_up_turn(claim, now=NOW, waits_s=[1800], failed=True)
    assert await lost() == ["in_1"]


# --- lost wake-ups -------------------------------------------------------------------------------------------------


async def test_what_was_poked_and_not_seen_is_found(invoice: WakeUp) -> None:
    assert await poke.lost_wake_ups([Kind.INVOICE], NOW, 10) == [invoice]


async def test_what_was_seen_and_is_not_due_is_left_alone(invoice: WakeUp) -> None:
    await change(invoice, "seen = poked")
    assert await lost() == []
    await change(invoice, "due_at = '2027-03-01 12:00:01+00'")
    assert await lost() == []


async def test_what_is_due_by_business_time_is_found(invoice: WakeUp) -> None:
    await change(invoice, "seen = poked, due_at = '2027-03-01 12:00:00+00'")
    assert await lost() == ["in_1"]
    assert await lost(now=NOW - timedelta(seconds=1)) == []


async def test_what_somebody_holds_is_left_to_them(invoice: WakeUp) -> None:
    await taken(invoice)
    assert await lost() == []


async def test_what_somebody_dropped_is_found(invoice: WakeUp) -> None:
    await change(invoice, "seen = poked")
    await taken(invoice, EXPIRED_S)
    assert await lost() == ["in_1"]


async def test_other_kinds_are_asked_for_apart(invoice: WakeUp) -> None:
    await poke_it(invoice.account, "sub_1", kind=Kind.SUBSCRIPTION)
    assert await lost() == ["in_1"]
    assert await lost(Kind.SUBSCRIPTION) == ["sub_1"]
    assert await lost(Kind.CHECKOUT) == []


async def test_no_more_are_given_at_once_than_asked_for(account: str) -> None:
    await poke_it(account, *(f"in_{number}" for number in range(5)))
    assert len(await lost(limit=3)) == 3


async def test_waking_again_raises_no_counter(invoice: WakeUp) -> None:
    async with DB.transaction():
        await poke.wake([invoice])
    assert (await row(invoice))["poked"] == 1
    assert await jobs() == [invoice, invoice]


async def test_what_a_disabled_account_waits_for_is_taken_by_nobody_until_it_is_enabled(invoice: WakeUp) -> None:
    await sql.rows("update tollbridge.account set enabled = false where id = $1", invoice.account)
    assert await poke.take(invoice, FOR_S) is None
    assert await poke.lost_wake_ups([Kind.INVOICE], NOW, 10) == []
    await sql.rows("update tollbridge.account set enabled = true where id = $1", invoice.account)
    assert await poke.lost_wake_ups([Kind.INVOICE], NOW, 10) == [invoice]
    assert (await taken(invoice)).poked == 1
