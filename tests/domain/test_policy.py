"""Policies: the defaults work, and what can't work is refused by name."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.domain.policy import Policy, PolicyError


def test_the_defaults_are_valid_and_the_reference_tenants() -> None:
    policy = Policy()
    policy.validate()
    assert policy.ladder == tuple(timedelta(hours=hours) for hours in (0, 24, 72, 120))
    assert policy.margin == timedelta(hours=24)


@pytest.mark.parametrize(
    ("policy", "param"),
    [
        (Policy(ladder_hours=()), "ladder_hours"),
        (Policy(ladder_hours=(1,)), "ladder_hours"),
        (Policy(ladder_hours=(0, 24, 24)), "ladder_hours"),
        (Policy(ladder_hours=(0, 48, 24)), "ladder_hours"),
        (Policy(ladder_hours=(0, -24)), "ladder_hours"),
        (Policy(ladder_hours=tuple(range(21))), "ladder_hours"),
        (Policy(ladder_hours=(0, 24 * 90 + 1)), "ladder_hours"),
        (Policy(margin_hours=-1), "margin_hours"),
        (Policy(margin_hours=24 * 30 + 1), "margin_hours"),
        (Policy(session_hours=0), "session_hours"),
        (Policy(usage_grace_minutes=-1), "usage_grace_minutes"),
        (Policy(usage_grace_minutes=61), "usage_grace_minutes"),
        (Policy(ladder_hours=(0, 217)), "ladder_hours"),
        (Policy(days_until_due=5), "ladder_hours"),
        (Policy(days_until_due=0), "days_until_due"),
        (Policy(end_after_hours=119), "end_after_hours"),
        (Policy(end_after_hours=217), "end_after_hours"),
        (Policy(at_end=("case", "void")), "at_end"),
        (Policy(at_end=("void", "void")), "at_end"),
        (Policy(at_end_first=("void", "mark_uncollectible")), "at_end_first"),
        (Policy(jitter_minutes=721), "jitter_minutes"),
        (Policy(hours_of_day=(20, 8)), "hours_of_day"),
        (Policy(avoid_weekdays=("mon", "tue", "wed", "thu", "fri", "sat", "sun")), "avoid_weekdays"),
        (Policy(avoid_days=(0,)), "avoid_days"),
        (Policy(fallback_after=0), "fallback_after"),
        (Policy(tell_after_declines=0), "tell_after_declines"),
        (Policy(tell_after_declines=5), "tell_after_declines"),
        (Policy(session_hours=24 * 7 + 1), "session_hours"),
        (Policy(stripe_calls_per_second=0), "stripe_calls_per_second"),
        (Policy(stripe_calls_per_operation=10_001), "stripe_calls_per_operation"),
    ],
)
def test_what_can_not_work_is_refused_by_name(policy: Policy, param: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy.validate()
    assert refused.value.param == param
    assert str(refused.value).startswith(f"{param}: ")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(ladder_hours=(0,)),
        Policy(ladder_hours=tuple(range(20))),
        Policy(ladder_hours=(0, 24 * 90), days_until_due=91),
        Policy(ladder_hours=(0, 216)),
        Policy(margin_hours=0),
        Policy(margin_hours=24 * 30, days_until_due=35),
        Policy(end_after_hours=120),
        Policy(end_after_hours=216),
        Policy(at_end=(), at_end_first=("void", "cancel_subscription")),
        Policy(hours_of_day=(0, 24), avoid_weekdays=("sat", "sun"), avoid_days=(1, 31), jitter_minutes=720),
        Policy(fallback="soft", fallback_after=20),
        Policy(session_hours=1),
        Policy(usage_grace_minutes=0),
        Policy(usage_grace_minutes=60),
        Policy(session_hours=24 * 7),
        Policy(stripe_calls_per_second=1, stripe_calls_per_operation=10_000),
    ],
)
def test_what_stands_on_the_edge_is_taken(policy: Policy) -> None:
    policy.validate()


@pytest.mark.parametrize(
    "stored",
    [
        b'{"ladder": [0]}',
        b'{"finalize": "never"}',
        b'{"first_decline": "ignore"}',
        b'{"token_metadata": "all"}',
        b'{"margin_hours": 1.5}',
        b'{"margin_hours": "24"}',
    ],
)
def test_unknown_fields_and_other_types_are_refused(stored: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(stored, type=Policy)


def test_what_is_not_chosen_is_the_default() -> None:
    assert msgspec.json.decode(b"{}", type=Policy) == Policy()
    assert msgspec.json.decode(msgspec.json.encode(Policy(margin_hours=48)), type=Policy) == Policy(margin_hours=48)
