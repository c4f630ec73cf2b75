"""What a look-up comes to that shows several charges under one reference."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from processors.money import Money
from processors.outcome import Canceled, Found, NotFound, Pending, RequiresAction, Succeeded, lookup_of

AT = datetime(2027, 3, 1, tzinfo=UTC)
TAKEN, AGAIN = (Succeeded(name, Money(1000, "eur"), AT) for name in ("ch_1", "ch_2"))


def test_money_comes_first_and_then_what_may_become_money() -> None:
    ended, waits, asks = Canceled("ch_3"), Pending("ch_4"), RequiresAction("ch_5")
    assert lookup_of([ended, waits, TAKEN, asks, AGAIN], conclusive=False) == Found(TAKEN, (AGAIN, waits, asks, ended))


@pytest.mark.parametrize("conclusive", [True, False])
def test_none_is_as_much_proof_as_the_processor_declares(conclusive: bool) -> None:
    assert lookup_of([], conclusive=conclusive) == NotFound(conclusive)
