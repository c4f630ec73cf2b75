"""What the doctor makes of what it was shown: pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from gateway import domain
from gateway.cli import main
from gateway.domain.doctor import Level, ago, few
from gateway.domain.doctor_endpoints import Destination, Expected, judge
from gateway.domain.doctor_house import contradictions
from gateway.domain.doctor_stripe import Portal, Portals, Told, judge_clock, judge_flow, judge_mails, judge_portals
from gateway.domain.policy import Policy

URL = "https://pay.example/webhooks/stripe/eu"
WANTED = frozenset({"invoice.created", "invoice.paid"})
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def endpoint(url: str = URL, *, enabled: bool = True, thin: bool = False, version: str = "") -> Destination:
    return Destination("we_1", url, enabled, frozenset({"*"}), version, thin)


def judged(*found: Destination, public: bool = True, own: str = "2026-08-26.dahlia") -> dict[str, Level]:
    expected = Expected("eu", URL, WANTED, version=own, public=public)
    return {one.check: one.level for one in judge(found, expected)}


@pytest.mark.parametrize(
    "url", [URL, URL + "/", "https://PAY.example:443/webhooks/stripe/eu", "https://user@pay.example/webhooks/stripe/eu"]
)
def test_an_address_is_known_however_it_is_written(url: str) -> None:
    assert judged(endpoint(url))["webhook.events"] is Level.OK


@pytest.mark.parametrize("url", ["http://pay.example/webhooks/stripe/eu", "https://pay.example/webhooks/stripe/us"])
def test_another_scheme_or_account_is_another_address(url: str) -> None:
    assert judged(endpoint(url)) == {"webhook": Level.WRONG}


def test_without_a_public_address_the_path_alone_tells() -> None:
    assert judged(endpoint("https://tunnel.example/webhooks/stripe/eu"), public=False)["webhook.events"] is Level.OK


def test_two_destinations_may_share_the_events() -> None:
    names = ("v1.invoice.paid", "invoice.created")
    some = [Destination(f"we_{n}", URL, True, frozenset({name})) for n, name in enumerate(names)]
    assert judged(*some)["webhook.events"] is Level.OK


def test_thin_events_have_no_version_and_old_ones_are_noticed() -> None:
    assert judged(endpoint(thin=True))["webhook.version"] is Level.OK
    assert judged(endpoint(), own="2024-06-20")["webhook.version"] is Level.NOTICE
    assert judged(endpoint(), own="")["webhook.version"] is Level.NOTICE
    assert judged(endpoint(version="2025-03-31.basil"))["webhook.version"] is Level.OK


def test_a_young_event_is_still_on_its_way() -> None:
    old, young = (Told("evt_1", "invoice.paid", NOW - timedelta(minutes=m), here=False) for m in (3, 1))
    assert judge_flow([old], None, NOW)[0].level is Level.WRONG
    assert judge_flow([young], None, NOW)[0].level is Level.OK


@pytest.mark.parametrize(
    ("sent", "billed", "off", "level"),
    [
        (0, 0, True, Level.UNKNOWN),
        (0, 5, True, Level.OK),
        (0, 5, False, Level.NOTICE),
        (1, 5, False, Level.NOTICE),
        (1, 5, True, Level.WRONG),
    ],
)
def test_mails_are_inferred(sent: int, billed: int, off: bool, level: Level) -> None:
    assert judge_mails(sent, billed, mails_off=off).level is level


@pytest.mark.parametrize(
    ("ahead_s", "level"),
    [(0.0, Level.OK), (-5.5, Level.OK), (20.0, Level.NOTICE), (-59.0, Level.NOTICE), (90.0, Level.WRONG)],
)
def test_clocks_that_drift(ahead_s: float, level: Level) -> None:
    assert judge_clock("clock", "Stripe's", ahead_s, 0.5).level is level


def test_without_a_portal_nobody_is_led_past_us() -> None:
    assert [one.level for one in judge_portals(Portals([]))] == [Level.OK]


def test_configurations_that_nobody_has_looked_at_are_not_called_safe() -> None:
    safe = Portal("bpc_1", True, payment_method_update=False, subscription_update=False, login_page=False)
    assert [one.level for one in judge_portals(Portals([safe]))] == [Level.OK]
    assert [one.level for one in judge_portals(Portals([safe], broken_off=True))] == [Level.UNKNOWN]


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        (Policy(access_closes="never", at_end=("cancel_subscription",)), "access_closes is never"),
        (Policy(access_closes="at_end", at_end=()), "at_end does nothing"),
        (Policy(returns="case", returns_up_to={"eur": 1}), "returns_up_to"),
        (Policy(fallback_after=3), "fallback_after is 3"),
        (Policy(partial_payment="top_up", ladder_hours=(0,)), "the ladder has one try"),
        (Policy(due_soon_days=10), "due_soon_days is 10"),
    ],
)
def test_policies_that_undo_each_other(policy: Policy, what: str) -> None:
    [found] = contradictions(policy)
    assert found.level is Level.NOTICE
    assert what in found.what


def test_the_defaults_undo_nothing() -> None:
    assert [one.level for one in contradictions(Policy())] == [Level.OK]


def test_every_command_that_is_advised_exists() -> None:
    """Also its options: whoever follows the doctor must not meet a usage error."""
    root = Path(domain.__file__).parents[1]
    sources = [*(root / "doctor").glob("*.py"), *(root / "domain").glob("doctor*.py")]
    text = " ".join(path.read_text(encoding="utf-8") for path in sources)
    advised = set(re.findall(r"tollbridge ([a-z-]+)(?: ([a-z][a-z-]+))?((?: --[a-z-]+)*)", text))
    assert len(advised) > 10
    for group, name, options in advised:
        command = main.get_command(click.Context(main), group)
        assert command is not None, group
        if isinstance(command, click.Group) and name:
            command = command.commands[name]
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        assert set(options.split()) <= known, (group, name, options)


def test_words_for_people() -> None:
    assert [ago(timedelta(seconds=s)) for s in (5, 119, 600, 7200, 200_000)] == ["5 s", "119 s", "10 min", "2 h", "2 d"]
    assert few(["a", "b", "c"], 2) == "a, b and 1 more"
