"""Workers that are killed, and workers that are told to stop."""

from __future__ import annotations

import signal
import time

import pytest

from tests.processes.house import House, house, lives, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]

FINALIZE = "/v1/invoices/{id}/finalize"
TAKEN_OVER_S = 60.0
RESOLVED_S = 120.0


@pytest.mark.timeout(300)
def test_a_killed_workers_charge_is_resolved_and_its_other_invoices_go_on() -> None:
    """With the default settings: one charge on the wire, three invoices in the middle of another step."""
    with house() as home:
        payers = home.sign_up_many(4)
        # The processor's webhook would tell at once how the charge ended: here it never comes.
        home.delivery("practice", drop=True)
        home.practice_fault("delay_after", delay_s=60)
        home.stripe_fault(FINALIZE, "delay_before", delay_s=60, times=3)
        home.move_time("7d")
        until(lambda: home.charge_calls("delay_after"), "one charge is on the wire", 30)
        until(lambda: _finalizing(home) >= 3, "the others are being finalized", 30)
        home.start_worker()
        died = time.monotonic()
        home.kill(home.pid("work"))
        on_the_wire = home.charge_calls("delay_after")[0]
        assert not home.gateway_invoices("?state=unknown")

        home.until_paid(len(payers) + 3, TAKEN_OVER_S)
        others_s = time.monotonic() - died
        home.until_paid(len(payers) + 4, RESOLVED_S - others_s)
        resolved_s = time.monotonic() - died
        print(f"others taken over after {others_s:.0f} s, the charge resolved after {resolved_s:.0f} s")

        home.reconcile(2 * len(payers))
        again = [one for one in home.charge_calls() if one["idempotency_key"] == on_the_wire["idempotency_key"]]
        assert len({one["body"] for one in again}) == 1, "the same key with other bytes"
        home.check_events()


@pytest.mark.timeout(180)
def test_a_worker_that_is_told_to_stop_finishes_its_charge() -> None:
    """SIGTERM while the processor takes its time: it ends well, and the money is in the ledger and at Stripe."""
    with house() as home:
        home.sign_up()
        home.delivery("practice", drop=True)
        draining = home.start_worker()
        home.kill(home.pid("work"), signal.SIGTERM)
        until(lambda: not lives(home.pid("work")), "the first worker has stopped", 40)
        home.practice_fault("delay_after", delay_s=5)
        home.move_time("7d")
        until(lambda: home.charge_calls("delay_after"), "the charge is on the wire", 30)
        draining.send_signal(signal.SIGTERM)
        assert draining.wait(40) == 0
        # Nobody works any more: what is known now was stored by the worker that was stopping.
        home.reconcile(2)
        assert len(home.charge_calls("delay_after")) == 1


@pytest.mark.timeout(180)
def test_a_worker_that_is_killed_between_jobs_leaves_nothing() -> None:
    """A worker that is started after the death of the only one finds what came in the meantime."""
    with house() as home:
        payers = home.sign_up_many(3)
        home.kill(home.pid("work"))
        home.move_time("7d")
        assert not home.charge_calls()[3:]
        home.start_worker()
        home.until_paid(2 * len(payers), TAKEN_OVER_S)
        home.reconcile(2 * len(payers))
        home.check_events()


def _finalizing(home: House) -> int:
    calls = home.control("stripe", "GET", "calls")["data"]
    return sum(one["path"].endswith("/finalize") and one["status"] is None for one in calls)
