"""Real deaths under load: workers, servers and PostgreSQL are killed while many subscriptions renew.

    scripts/test kills [--json] [--processes 100] [--databases 20] [--payers 30] [--seed N]

Webhooks come doubled and shuffled, some charges and recordings lose their answers, and every few tenths of a second a
process gets SIGKILL and another one takes its place. Then everything rests, and all the invoices there are must agree:
one capture each, the same at Stripe, at the processor and in the ledger, every event ended, nothing before a human.
What such deaths can leave is worked out point by point by `scripts/test crash`; this shows that real ones agree.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import asyncpg
import click
import httpx
import msgspec

from tests.processes.house import House, children_of, house, kill_postgres, lives, until
from tests.processes.nursery import Nursery

WEEK_S: Final = 7 * 86400
WORKERS: Final = 2
BETWEEN_S: Final = (0.1, 0.7)
ROUND_S: Final = 60.0
"""No round of renewals is killed for longer than this; it may rest then."""
REST_ROUNDS: Final = 60
SETTINGS: Final = {"sweep_interval_s": "1", "processor_timeout_s": "5", "log_level": "error"}

AWAY: Final = (OSError, httpx.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What anybody meets who asks while PostgreSQL or the server is gone."""

CLAIMS_RUN_OUT: Final = """
    with i as (update tollbridge.invoice set claim_until = clock_timestamp() where claimed_by is not null returning 1),
         s as (update tollbridge.subscription set claim_until = clock_timestamp()
               where claimed_by is not null returning 1),
         c as (update tollbridge.checkout_session set claim_until = clock_timestamp()
               where claimed_by is not null returning 1)
    select (select count(*) from i) + (select count(*) from s) + (select count(*) from c)
"""
LEFT: Final = "select id, state, reason, status, poked - seen, due_at from tollbridge.invoice where state <> 'paid'"
UNPAID: Final = "select count(*) from tollbridge.invoice where state <> 'paid'"


class Kills(msgspec.Struct):
    """What it came to."""

    workers: int = 0
    servers: int = 0
    databases: int = 0
    backends: int = 0
    invoices: int = 0
    charge_calls: int = 0
    webhooks: int = 0
    refused_webhooks: int = 0
    rounds: int = 0
    seconds: float = 0
    seed: int = 0
    bad: str = ""

    @property
    def processes(self) -> int:
        return self.workers + self.servers

    @property
    def postgres(self) -> int:
        return self.databases + self.backends


class Killer:
    """A house whose processes die."""

    def __init__(self, home: House, nursery: Nursery, stack: ExitStack, seed: int) -> None:
        self.home, self.nursery, self.stack = home, nursery, stack
        self.dice = random.Random(seed)
        self.done = Kills(seed=seed)
        self.beside = stack.enter_context(ThreadPoolExecutor(1))
        self.passing: Future[None] = Future()
        self.port = home.urls["gateway"].rpartition(":")[2]
        self.workers = [home.pid("work")]
        self.server = home.pid("serve")

    def begin(self, payers: int) -> None:
        """Payers with a paid first invoice; from then on everything comes doubled and shuffled."""
        self.home.sign_up_many(payers)
        self.workers += [self.nursery.start("work") for _ in range(WORKERS - 1)]
        for sandbox in ("stripe", "practice"):
            self.home.delivery(sandbox, double=True, shuffle=True, retry_base_s=0.1, max_attempts=100)

    def renew(self) -> None:
        """A week passes; some of what is asked now loses its answer."""
        self.done.rounds += 1
        for effect in ("lost_after", "error_after", "lost_before"):
            self.home.practice_fault(effect, times=2)
        self.home.stripe_fault("/v1/invoices/{id}/pay", "lost_after", times=2)
        self.home.stripe_fault("/v1/invoices/{id}/finalize", "error_before", times=1)
        # Not waited for: the webhooks of the week come while processes die.
        self.passing = self.beside.submit(self.pass_time, WEEK_S)

    def pass_time(self, seconds: int) -> None:
        """Move every clock on: the sandboxes' over HTTP, ours in the database."""
        self.home.rows(f"update tollbridge.business_clock set offset_s = offset_s + {seconds}")
        for sandbox in ("practice", "stripe"):
            self.home.control(sandbox, "POST", "clock", {"advance_s": seconds})

    def kill_process(self) -> None:
        """A worker or, every third time, the server; another one starts."""
        if self.dice.random() < 1 / 3:
            self.home.kill(self.server)
            self.server = self.nursery.start("serve", "--port", self.port)
            self.done.servers += 1
        else:
            at = self.dice.randrange(len(self.workers))
            self.home.kill(self.workers[at])
            self.workers[at] = self.nursery.start("work")
            self.done.workers += 1

    def kill_postgres(self) -> None:
        """All of PostgreSQL, which is started again; or one of its sessions, after which it restarts by itself."""
        with self.home.postgres() as server:
            postmaster = server.postmaster_pid() or 0
            sessions = children_of(postmaster)
            if self.dice.random() < 0.5:
                kill_postgres(postmaster)
                self.done.databases += 1
            else:
                os.kill(self.dice.choice(sessions[-3:]), signal.SIGKILL)
                self.done.backends += 1
        self.stack.enter_context(self.home.postgres())
        until(self._ready, "the server answers again", 60)

    def _ready(self) -> bool:
        return self.home.http.get(f"{self.home.urls['gateway']}/health/ready").status_code == 200

    def busy(self) -> bool:
        """Whether renewals are still under way."""
        if not self.passing.done():
            return True
        try:
            return bool(self.home.rows(UNPAID)[0][0]) or self._waiting()
        except AWAY:
            return True

    def _waiting(self) -> bool:
        return any(self.home.control(box, "GET", "delivery")["waiting"] for box in ("stripe", "practice"))

    def rest(self) -> None:
        """What minutes and hours do: claims of the dead run out, and what is unknown is asked for."""
        until(self._ready, "the server answers", 60)
        self.passing.result(ROUND_S)
        for _ in range(REST_ROUNDS):
            self.home.rows(CLAIMS_RUN_OUT)
            time.sleep(1.5)
            if not self.busy():
                return
            self.pass_time(300)
        left = [tuple(row) for row in self.home.rows(LEFT)]
        waiting = {box: self.home.control(box, "GET", "delivery")["waiting"] for box in ("stripe", "practice")}
        raise AssertionError(f"it does not come to rest: {left}, webhooks that wait: {waiting}")

    def check(self) -> None:
        """All invariants over all invoices."""
        home = self.home
        invoices = home.stripe_invoices()
        home.reconcile(len(invoices))
        home.check_events()
        calls = home.charge_calls()
        keys = {call["idempotency_key"]: call["body"] for call in calls}
        assert all(call["body"] == keys[call["idempotency_key"]] for call in calls), "the same key with other bytes"
        letters = home.letters()
        self.done.invoices, self.done.charge_calls = len(invoices), len(calls)
        self.done.webhooks, self.done.refused_webhooks = len(letters), sum(not one["ok"] for one in letters)
        assert all(lives(pid) for pid in (self.server, *self.workers)), "a process ended by itself"


def kill_all(processes: int, databases: int, payers: int, seed: int) -> Kills:
    """So many deaths of both kinds, under load, and then the whole truth."""
    began = time.monotonic()
    with house(**SETTINGS) as home, ExitStack() as stack:
        environment = {**home.staged.environment, "TOLLBRIDGE_HOME": str(home.home)}
        environment |= {f"TOLLBRIDGE_{name.upper()}": value for name, value in SETTINGS.items()}
        nursery = stack.enter_context(Nursery(environment, home.home / "born-logs"))
        killer = Killer(home, nursery, stack, seed)
        killer.begin(payers)
        done = killer.done
        while done.processes < processes or done.postgres < databases:
            killer.renew()
            _kill_during(killer, processes, databases)
            killer.rest()
        killer.check()
    done.seconds = round(time.monotonic() - began, 1)
    return done


def _kill_during(killer: Killer, processes: int, databases: int) -> None:
    """Kill while the renewals of one week are under way."""
    done, end = killer.done, time.monotonic() + ROUND_S
    while time.monotonic() < end and killer.busy():
        time.sleep(killer.dice.uniform(*BETWEEN_S))
        left, dying = processes - done.processes, databases - done.postgres
        if left <= 0 and dying <= 0:
            return
        # Both kinds end at about the same time.
        if dying > 0 and (left <= 0 or done.postgres * processes < done.processes * databases):
            killer.kill_postgres()
        else:
            killer.kill_process()


@click.command(help="Kill workers, servers and PostgreSQL under load, and look whether everything agrees afterwards.")
@click.option("--processes", default=100, show_default=True, help="SIGKILLs of workers and servers.")
@click.option("--databases", default=20, show_default=True, help="SIGKILLs of PostgreSQL or of one of its sessions.")
@click.option("--payers", default=30, show_default=True, help="Subscriptions that renew at once.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(processes: int, databases: int, payers: int, seed: int, as_json: bool) -> None:
    try:
        done = kill_all(processes, databases, payers, seed)
    except AssertionError as error:
        done = Kills(seed=seed, bad=str(error)[:2000])
    print(msgspec.json.encode(done).decode() if as_json else shown(done))
    sys.exit(1 if done.bad else 0)


def shown(done: Kills) -> str:
    if done.bad:
        return f"BAD: {done.bad}"
    return (
        f"killed {done.workers} workers, {done.servers} servers, PostgreSQL {done.databases} times whole and "
        f"{done.backends} times by a session, in {done.rounds} rounds of renewals: {done.invoices} invoices, each with "
        f"one capture, agree at Stripe, at the processor and in the ledger; {done.charge_calls} charge calls, "
        f"{done.webhooks} webhooks of which {done.refused_webhooks} came again; {done.seconds:g} s, seed {done.seed}"
    )


if __name__ == "__main__":
    main()
