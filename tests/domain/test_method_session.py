"""The next step of a payment-method session and of a stored method's upkeep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from msgspec.structs import replace

from db.states import MethodSessionState
from gateway.domain.method_session import (
    LOOK_WAITS,
    MethodSessionView,
    MethodStep,
    decide_method_session,
    next_look,
)
from gateway.domain.session import Rest
from gateway.domain.upkeep import IN_USE_WAIT, MethodUpkeep, UpkeepStep, decide_upkeep

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = NOW + 24 * HOUR
OPEN = MethodSessionView(MethodSessionState.OPEN, END)
LIVE = (MethodSessionState.OPEN, MethodSessionState.PROCESSING)


@pytest.mark.parametrize("state", LIVE)
def test_a_live_session_waits_for_its_next_look_or_its_end(state: MethodSessionState) -> None:
    live = replace(OPEN, state=state)
    assert decide_method_session(live, NOW) == Rest(END)
    assert decide_method_session(replace(live, look_at=NOW + HOUR), NOW) == Rest(NOW + HOUR)
    assert decide_method_session(replace(live, look_at=NOW), NOW) is MethodStep.LOOK


@pytest.mark.parametrize("state", LIVE)
def test_a_last_look_comes_before_the_end(state: MethodSessionState) -> None:
    over = replace(OPEN, state=state, look_at=END)
    assert decide_method_session(over, END) is MethodStep.LOOK
    assert decide_method_session(replace(over, look_at=next_look(END, 5, END)), END) is MethodStep.EXPIRE


@pytest.mark.parametrize("state", sorted(set(MethodSessionState) - set(LIVE)))
def test_what_an_ended_session_leaves_is_dropped_when_it_is_due(state: MethodSessionState) -> None:
    ended = replace(OPEN, state=state)
    assert decide_method_session(ended, END + HOUR) == Rest()
    assert decide_method_session(replace(ended, look_at=NOW), NOW) is MethodStep.DROP
    assert decide_method_session(replace(ended, look_at=NOW + HOUR), NOW) == Rest(NOW + HOUR)


def test_looks_come_further_and_further_apart_and_one_at_the_end() -> None:
    waits = [next_look(NOW, looks, END) - NOW for looks in range(len(LOOK_WAITS) + 2)]
    assert all(earlier <= later for earlier, later in pairwise(waits))
    assert next_look(END - HOUR / 2, 5, END) == END


@pytest.mark.parametrize(("gone", "in_use", "told"), list(product([False, True], repeat=3)))
def test_upkeep_revokes_only_what_no_charge_uses(gone: bool, in_use: bool, told: bool) -> None:
    step = decide_upkeep(MethodUpkeep(wanted_gone=gone, in_use=in_use, told_stripe=told), NOW)
    assert (step is UpkeepStep.REVOKE) == (gone and not in_use)
    if step is not UpkeepStep.REVOKE:
        assert (step is UpkeepStep.TELL_STRIPE) == (not told)
    if step == Rest(NOW + IN_USE_WAIT):
        assert gone
