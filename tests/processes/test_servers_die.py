"""Servers that are killed, and several of everything at once."""

from __future__ import annotations

import pytest

from gateway.cli.servers import free_ports
from gateway.cli.wiring import PRACTICE_KEY
from tests.processes.house import STRIPE_KEYS, House, house, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]

WORKED_OFF_S = 90.0


@pytest.mark.timeout(240)
def test_a_server_is_killed_while_webhooks_come_in() -> None:
    """What was answered 2xx is stored; what was not comes again; each event arrives once."""
    with house() as home:
        payers = home.sign_up_many(10)
        before = len(home.letters())
        home.delivery("stripe", mode="manual")
        home.move_time("7d")
        home.delivery("stripe", mode="auto", delay_s=0.05)
        until(lambda: len(_accepted(home, before)) >= 5, "webhooks come in", 30)
        home.kill(home.pid("serve"))
        until(lambda: any(letter["status"] is None for letter in home.letters()[before:]), "webhooks are refused", 30)

        stored = {row[0] for row in home.rows(STRIPE_KEYS)}
        assert _accepted(home, before) <= stored, "answered 2xx and not stored"
        home.start_server()
        home.until_paid(2 * len(payers), WORKED_OFF_S)
        until(lambda: not _missing(home, before), "every event was accepted in the end", 90)
        home.check_events(before)
        home.reconcile(2 * len(payers))


@pytest.mark.timeout(400)
def test_two_workers_and_two_servers_over_forty_renewals() -> None:
    """Every event reaches both servers, doubled and shuffled, and every wake-up both workers."""
    with house() as home:
        payers = home.sign_up_many(40)
        other = home.start_server(free_ports(1)[0])
        home.start_worker()
        _announce(home, other)
        home.delivery("stripe", double=True, shuffle=True)
        home.delivery("practice", double=True, shuffle=True)
        home.practice_fault("delay_after", delay_s=0.3, times=40)
        home.move_time("7d")
        home.until_paid(2 * len(payers), WORKED_OFF_S)
        home.reconcile(2 * len(payers))
        assert len(home.charge_calls()) == 2 * len(payers)
        home.check_events()
        workers = home.rows("select id from tollbridge.worker where beat_at > clock_timestamp() - interval '30 s'")
        assert len(workers) == 2


def _announce(home: House, other: str) -> None:
    """Let both sandboxes send every webhook to the second server as well."""
    account = home.staged.wired.account
    platform = home.notes()["platform_key"]
    made = home.stripe("/v1/webhook_endpoints", {"url": f"{other}/webhooks/stripe/dev", "enabled_events[]": "*"})
    home.gateway("POST", f"/v1/accounts/{account}/webhook_secrets", {"secret": made["secret"]}, platform)
    # Practice signs with the connection's secret, which only its own endpoint knows: one more of our making.
    secret = "second-server"
    credentials = {"api_key": PRACTICE_KEY, "webhook_secret": secret}
    home.gateway("POST", "/v1/connections/practice", {"credentials": credentials})
    for url, add in ((home.urls["gateway"], False), (other, True)):
        endpoint = {"api_key": PRACTICE_KEY, "url": f"{url}/webhooks/dev/practice", "secret": secret, "add": add}
        home.control("practice", "POST", "webhook_endpoint", endpoint)


def _accepted(home: House, since: int) -> set[str]:
    return {letter["event"] for letter in home.letters()[since:] if letter["ok"]}


def _missing(home: House, since: int) -> set[str]:
    return {letter["event"] for letter in home.letters()[since:]} - _accepted(home, since)
