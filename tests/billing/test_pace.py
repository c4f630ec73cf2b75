"""Pacing: what a process may take of the calls that Stripe allows, and who goes first."""

from __future__ import annotations

import asyncio

import pytest

from db import sql
from gateway.billing import pace
from gateway.billing.errors import StripeNotSentError
from gateway.billing.pace import SLICE_S, Lane, Pace, Rates, in_lane, operation, stripes_own
from tests.db import rows

PAY = "POST /v1/invoices/{id}/pay"
RATES = Rates(operation=25, account=100)
SAVED = 5  # 25 a second, a fifth of a second
TAKE = "select granted, wait_s from tollbridge.take_calls('acct', $1, $2, $3, $4, $5, $6)"


@pytest.fixture(autouse=True)
async def account(database: str) -> None:
    await rows.insert("account", id="acct", name="acct", livemode=False, api_key=b"sealed", created_at=rows.NOW)


async def take(wanted: int, *, lane: Lane = Lane.CHECKOUT, what: str = PAY, rates: Rates = RATES) -> int:
    row = await sql.row(TAKE, what, wanted, rates.operation, rates.account, SLICE_S, lane.value)
    assert row is not None
    assert (row["granted"] == 0) == (row["wait_s"] > 0)
    return int(row["granted"])


async def passes(seconds: float) -> None:
    """As if the calls had been counted so much earlier."""
    await sql.rows("update tollbridge.stripe_budget set counted_at = counted_at - make_interval(secs => $1)", seconds)


async def stands_still() -> None:
    """No call is saved up while a test looks: the count was made later than it will ask."""
    await passes(-3600)


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("post", "/v1/invoices/in_1Mtest9/pay", "POST /v1/invoices/{id}/pay"),
        ("get", "/v1/invoices/in_1", "GET /v1/invoices/{id}"),
        ("post", "/v1/invoices/in_00000A/mark_uncollectible", "POST /v1/invoices/{id}/mark_uncollectible"),
        ("get", "/v1/promotion_codes", "GET /v1/promotion_codes"),
        ("delete", "/v1/subscriptions/sub_1a", "DELETE /v1/subscriptions/{id}"),
        ("post", "/v1/customers/cus_QcX/balance_transactions", "POST /v1/customers/{id}/balance_transactions"),
        ("get", "/v1/billing_portal/configurations/bpc_1", "GET /v1/billing_portal/configurations/{id}"),
    ],
)
def test_an_operation_is_a_path_without_ids(method: str, path: str, wanted: str) -> None:
    assert operation(method, path) == wanted


async def test_no_more_is_granted_than_was_saved_up() -> None:
    assert await take(20) == SAVED
    await stands_still()
    assert await take(20) == 0
    await passes(3600 + 0.1)
    assert 2 <= await take(20) <= SAVED


async def test_a_pause_saves_up_a_slice_and_no_more() -> None:
    assert await take(SAVED) == SAVED
    await passes(3600)
    assert await take(100) == SAVED


async def test_all_operations_together_are_limited_too() -> None:
    rates = Rates(operation=25, account=30)
    assert await take(20, rates=rates) == 5
    await stands_still()
    assert await take(20, what="GET /v1/invoices/{id}", rates=rates) == 1


async def test_a_lane_leaves_a_share_to_those_before_it() -> None:
    await take(1)
    await stands_still()
    assert [await take(5, lane=lane) for lane in (Lane.MIRROR, Lane.CATCH_UP, Lane.COLLECT, Lane.CHECKOUT)] == [
        0,
        1,
        2,
        1,
    ]


async def test_the_last_lane_gets_its_calls_when_nobody_else_asks() -> None:
    assert await take(5, lane=Lane.MIRROR) == 1


async def test_even_the_smallest_rate_lets_a_call_through() -> None:
    smallest = Rates(operation=1, account=1)
    for lane in Lane:
        await passes(3600)
        assert await take(5, lane=lane, rates=smallest) == 1


async def test_two_processes_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MOST_WAIT_S", 0.0)
    processes = [Pace("acct", RATES), Pace("acct", RATES)]
    await take(SAVED)
    await stands_still()
    for process in processes:
        with pytest.raises(StripeNotSentError):
            await process.wait(PAY)


async def test_everybody_who_waits_goes_in_the_end() -> None:
    fast = Pace("acct", Rates(operation=500, account=500))
    with in_lane(Lane.COLLECT):
        await asyncio.gather(*(fast.wait(PAY) for _ in range(300)))
    left = await sql.value("select calls_left from tollbridge.stripe_budget where operation = $1", PAY)
    assert left < 100


async def test_after_a_429_nobody_asks_for_a_while() -> None:
    ours = Pace("acct", RATES)
    await ours.wait(PAY)
    await ours.turned_away(PAY, 2.0)
    assert await take(5) == 0
    assert await take(5, what="GET /v1/invoices/{id}") > 0


async def test_many_that_are_turned_away_at_once_wait_once() -> None:
    ours = Pace("acct", RATES)
    await ours.wait(PAY)
    for _ in range(24):  # they were under way together
        await ours.turned_away(PAY, 1.0)
    row = await sql.row(TAKE, PAY, 1, RATES.operation, RATES.account, SLICE_S, 0.0)
    assert row is not None
    assert 0 < row["wait_s"] < 2


async def test_who_would_wait_too_long_is_told_when_to_come_again() -> None:
    slow = Pace("acct", Rates(operation=0.01, account=100))
    await slow.wait(PAY)
    with pytest.raises(StripeNotSentError) as raised:
        await slow.wait(PAY)
    assert raised.value.retry_after_s == pace.MOST_WAIT_S


def test_stripes_own_limits_stay_below_what_it_documents() -> None:
    assert stripes_own(livemode=True) == Rates(24, 96, meter_events=960)
    assert stripes_own(livemode=False) == Rates(24, 24)


async def test_who_stood_too_long_behind_others_does_not_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its claim may have run out meanwhile, though there are calls left."""
    ours = Pace("acct", RATES)
    await ours.wait(PAY)
    share = ours._shares[PAY, Lane.CHECKOUT]
    share.fill(0)
    monkeypatch.setattr(pace, "MOST_WAIT_S", 0.02)
    async with share.lock:
        waiting = asyncio.create_task(ours.wait(PAY))
        await asyncio.sleep(0.1)
    with pytest.raises(StripeNotSentError):
        await waiting
