"""PostgreSQL is killed, all of it at once, and comes back under processes that go on running."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.processes.house import House, house, kill_postgres, lives, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds PostgreSQL's processes in /proc"),
]

BACK_S = 30.0
WORKED_OFF_S = 120.0
ROUND_S = 60.0


@pytest.mark.timeout(300)
def test_webhooks_during_an_outage_come_again() -> None:
    """503 while it is away, each event once when it is back, and nobody has to be restarted."""
    with house() as home:
        payers = home.sign_up_many(6)
        before = len(home.letters())
        home.delivery("stripe", mode="manual")
        home.move_time("7d")
        with home.postgres() as server:
            kill_postgres(server.postmaster_pid() or 0)
        assert _health(home, "live") == 200
        until(lambda: _health(home, "ready") == 503, "not ready", 10)
        waiting = home.control("stripe", "GET", "delivery")["waiting"]
        assert waiting >= len(payers)
        home.delivery("stripe", mode="auto")
        until(lambda: len(home.letters()) - before >= waiting, "every webhook has come once", 60)
        assert {letter["status"] for letter in home.letters()[before:]} == {503}

        with home.postgres():
            until(lambda: _health(home, "ready") == 200, "ready again", BACK_S)
            home.until_paid(2 * len(payers), WORKED_OFF_S)
            home.check_events(before)
            home.reconcile(2 * len(payers))
            assert [name for name, pid in home.staged.pids.items() if not lives(pid)] == []


@pytest.mark.timeout(300)
def test_a_charge_is_answered_while_the_database_is_away() -> None:
    """The answer can't be stored. The intent can: the next worker's look finds out, and no second charge is made."""
    with house(processor_timeout_s="5", sweep_interval_s="2") as home, ThreadPoolExecutor(1) as beside:
        home.sign_up()
        home.delivery("practice", drop=True)
        home.practice_fault("delay_after", delay_s=3)
        # The command waits for the worker to do each day's work, and so for the answer; without a database it fails.
        passing = beside.submit(home.move_time, "7d")
        until(lambda: home.charge_calls("delay_after"), "the charge is on the wire", 30)
        with home.postgres() as server:
            kill_postgres(server.postmaster_pid() or 0)
        assert isinstance(passing.exception(ROUND_S), AssertionError)
        until(lambda: home.charge_calls("delay_after")[0]["status"] == 201, "the processor has answered", 15)
        until(lambda: "job_failed" in home.log("work"), "the worker could not store the answer", 30)
        with home.postgres():
            until(lambda: _health(home, "ready") == 200, "ready again", BACK_S)
            home.until_paid(2, WORKED_OFF_S)
            home.reconcile(2)
            assert [name for name, pid in home.staged.pids.items() if not lives(pid)] == []


def _health(home: House, which: str) -> int:
    try:
        return home.http.get(f"{home.urls['gateway']}/health/{which}").status_code
    except httpx.HTTPError:
        return 0
