"""What usage is accepted, field by field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.usage import (
    NEWEST,
    OLDEST,
    Meter,
    Owner,
    Refusal,
    Refused,
    Reported,
    Usage,
    checked,
    payload,
    plain,
)

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
OWNER = Owner("cus_1")


def meter(formula: str = "sum", *, active: bool = True) -> Meter:
    return Meter("mtr_1", "calls", active, formula, "stripe_customer_id", "value")


def judged(formula: str = "sum", owner: Owner = OWNER, **told: Any) -> Usage | Refused:
    return checked(
        Reported(**{"identifier": "u-1", "event_name": "calls", "value": 1} | told), meter(formula), owner, NOW
    )


def wrong(found: Usage | Refused) -> tuple[str, str]:
    assert isinstance(found, Refused)
    return found.code.value, found.param


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (250, "250"),
        ("250", "250"),
        ("0.250", "0.25"),
        ("007", "7"),
        (0, "0"),
        ("-0", "0"),
        (-3, "-3"),
        ("-0.50", "-0.5"),
        (999_999_999_999_999, "999999999999999"),
        ("0.000000000000001", "0.000000000000001"),
    ],
)
def test_a_value_is_one_exact_text(value: int | str, stored: str) -> None:
    found = judged(value=value)
    assert isinstance(found, Usage)
    assert found.value == stored


@pytest.mark.parametrize(
    "value",
    ["", "1e3", "+1", " 1", "1.", ".5", "NaN", "0x10", "1,5", "١", None, 10**15, 10**50, "1" * 5000],
)
def test_what_is_no_such_number_is_refused(value: int | str | None) -> None:
    assert wrong(judged(value=value)) == ("invalid_request", "value")


def test_less_than_nothing_only_where_values_are_added_up() -> None:
    assert wrong(judged("last", value=-1)) == wrong(judged("count", value=-1)) == ("invalid_request", "value")


def test_a_counting_meter_wants_no_value() -> None:
    found = judged("count", value=None)
    assert isinstance(found, Usage)
    assert found.value == "1"


@pytest.mark.parametrize(
    ("at", "fits"),
    [
        (SECONDS - int(OLDEST.total_seconds()), True),
        (SECONDS - int(OLDEST.total_seconds()) - 1, False),
        (SECONDS + int(NEWEST.total_seconds()), True),
        (SECONDS + int(NEWEST.total_seconds()) + 1, False),
        (-(10**30), False),
        (10**30, False),
    ],
)
def test_stripes_window_of_time(at: int, fits: bool) -> None:
    found = judged(timestamp=at)
    assert isinstance(found, Usage) is fits
    if not fits:
        assert wrong(found) == ("invalid_request", "timestamp")


@pytest.mark.parametrize("identifier", ["", "x" * 101, "a\nb", "\ud800"])
def test_what_is_no_identifier_is_refused(identifier: str) -> None:
    assert wrong(judged(identifier=identifier)) == ("invalid_request", "identifier")


@pytest.mark.parametrize("found", [None, meter(active=False)])
def test_a_meter_that_takes_nothing(found: Meter | None) -> None:
    told = Reported("u-1", "calls", value=1)
    assert wrong(checked(told, found, OWNER, NOW)) == ("invalid_request", "event_name")


def test_a_deleted_customer_uses_nothing_any_more() -> None:
    assert wrong(judged(owner=Owner("cus_1", deleted=True))) == ("state_conflict", "customer")


def test_after_its_end_a_subscription_bills_nothing() -> None:
    ended = Owner("cus_1", subscription="sub_1", ended_at=NOW - timedelta(hours=1))
    assert wrong(judged(owner=ended)) == ("state_conflict", "timestamp")
    assert isinstance(judged(owner=ended, timestamp=SECONDS - 3601), Usage)


def test_who_it_belongs_to_comes_first() -> None:
    unknown = Refused(Refusal.NOT_FOUND, "customer", "no customer")
    assert checked(Reported("u-1", "nothing"), None, unknown, NOW) is unknown


def test_the_same_again_may_leave_the_time_out() -> None:
    first, again, other = judged(timestamp=SECONDS - 60), judged(), judged(timestamp=SECONDS - 61)
    assert isinstance(first, Usage)
    assert isinstance(again, Usage)
    assert isinstance(other, Usage)
    assert again.same_as(first)
    assert not other.same_as(first)


def test_a_meter_names_its_own_fields() -> None:
    own = Meter("mtr_1", "calls", True, "sum", "org", "calls")
    assert payload(own, "cus_1", "5") == {"org": "cus_1", "calls": "5"}


@pytest.mark.parametrize(
    ("added_up", "plainly"),
    [("999999999999999.000000000000010", "999999999999999.00000000000001"), ("0", "0"), ("-10.50", "-10.5")],
)
def test_a_sum_of_exact_numbers_is_exact(added_up: str, plainly: str) -> None:
    assert plain(added_up) == plainly
