"""What a charge is for: lines and tax add up to it, or it goes out without them."""

from __future__ import annotations

import msgspec
import pytest

from gateway.billing.breakdown import breakdown
from processors.breakdown import Breakdown, Line, said_to
from processors.money import Exponents, Money
from processors.outcome import Rejected, Succeeded
from tests.processors.conftest import API_KEY, Practice

WHOLE = Exponents("one without decimals", differs={"huf": 0})


@pytest.mark.parametrize(
    ("amounts", "tax", "adds_up"),
    [((1000,), 200, True), ((600, 400), 200, True), ((1000,), 199, False), ((1400, -200), 0, False), ((), 1200, False)],
)
def test_it_adds_up_in_lines_above_nothing(amounts: tuple[int, ...], tax: int, adds_up: bool) -> None:
    assert Breakdown(tuple(Line("x", a) for a in amounts), tax).adds_up_to(1200) is adds_up


def test_another_systems_units_hold_every_line_or_none() -> None:
    total = Money(120_000, "huf")
    whole = Breakdown((Line("a", 100_000),), 20_000)
    assert said_to(WHOLE, whole, total) == Breakdown((Line("a", 1000),), 200)
    halves = Breakdown((Line("a", 50_050), Line("b", 49_950)), 20_000)
    assert said_to(WHOLE, halves, total) is None


def test_only_some_of_the_lines_are_shown() -> None:
    shown = {"id": "in_1", "lines": {"data": [{"id": "il_1", "amount": 1000}], "has_more": False}}
    assert breakdown(msgspec.json.encode(shown), 1000) == Breakdown((Line("", 1000),))
    shown["lines"] = {"data": [{"id": "il_1", "amount": 1000}], "has_more": True}
    assert breakdown(msgspec.json.encode(shown), 1000) is None


@pytest.mark.parametrize(("tax", "refused"), [(200, ""), (100, "lines_do_not_add_up")])
async def test_the_processor_checks_the_sum(practice: Practice, tax: int, refused: str) -> None:
    practice.processor.set_manner(API_KEY, takes_lines=True)
    token = practice.processor.create_method(API_KEY, "ok").token
    outcome = await _charge(practice, token, tax)
    assert isinstance(outcome, Rejected if refused else Succeeded), outcome
    assert refused in str(outcome)


async def test_an_account_that_takes_no_lines_refuses_them(practice: Practice) -> None:
    token = practice.processor.create_method(API_KEY, "ok").token
    outcome = await _charge(practice, token, 200)
    assert isinstance(outcome, Rejected)
    assert "lines_not_taken" in str(outcome)


async def _charge(practice: Practice, token: str, tax: int) -> object:
    """A charge of 10.00 in one line of 8.00, whose tax is put into the bytes behind the adapter's back."""
    asked = practice.request(token=token, breakdown=Breakdown((Line("Plan", 800),), 200))
    call = practice.adapter.prepare_charge(asked)
    body = msgspec.json.decode(call.body) | {"tax": tax}
    return await practice.adapter.charge(msgspec.structs.replace(call, body=msgspec.json.encode(body)))
