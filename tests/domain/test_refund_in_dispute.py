"""A refund of money that a dispute is about: refused, or made once the dispute is won."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.states import RefundOrigin, RefundPartState, RefundState
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.refund_view import PartView, RefundView
from gateway.domain.refunds import AskForDisputes, RefusePart, RefuseRefund, Spread, decide_refund, project_refund
from processors.capabilities import Capabilities
from processors.practice.client import PracticeAdapter

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
CAPABILITIES: Capabilities = PracticeAdapter.capabilities
DISPUTED: dict[str, Any] = {"dispute": "dsp_1", "refundable_if_won": 1000}


def view(**more: Any) -> RefundView:
    """4.00 of a payment of 10.00."""
    return RefundView("rfd_1", RefundOrigin.REQUEST, 400, wants_note=True, created_at=NOW, **more)


def part(room: int, **more: Any) -> PartView:
    return PartView("rfp_1", 1, 400, RefundPartState.REQUESTED, CAPABILITIES, room, **more)


def refused(tries: int = 1, **more: Any) -> tuple[PartView, ...]:
    """Its processor has refused it so often because of a dispute, the last time now."""
    names = {"turned_down": True, "resolved_at": NOW} | more
    return tuple(
        PartView(f"rfp_{number}", number, 400, RefundPartState.REFUSED, CAPABILITIES, **names)
        for number in range(1, tries + 1)
    )


FREE: dict[str, Any] = {"refundable": 1000, "refundable_if_won": 1000, "queues": True}


def kind(found: object) -> str:
    """The step, and why."""
    return str(getattr(found, "failure", "") or getattr(found, "reason", "") or type(found).__name__)


TABLE: dict[str, tuple[RefundView, type, str, RefundState]] = {
    "no dispute": (view(refundable=1000, refundable_if_won=1000), Spread, "Spread", RefundState.REQUESTED),
    "about another part": (view(refundable=600, **DISPUTED), Spread, "Spread", RefundState.REQUESTED),
    "open": (view(**DISPUTED), RefuseRefund, "dispute_open", RefundState.REQUESTED),
    "open, queued": (
        view(queues=True, **DISPUTED),
        WaitUntil,
        "it is made once the dispute dsp_1 is won",
        RefundState.DEFERRED,
    ),
    "won": (view(queues=True, refundable=1000, refundable_if_won=1000), Spread, "Spread", RefundState.REQUESTED),
    "lost": (view(queues=True, dispute="dsp_1"), RefuseRefund, "dispute_lost", RefundState.REQUESTED),
    "nothing left": (view(queues=True), RefuseRefund, "exceeds_refundable", RefundState.REQUESTED),
    "its part not sent yet": (
        view(parts=(part(-400, disputed=True),), **DISPUTED),
        RefusePart,
        "dispute_open",
        RefundState.REQUESTED,
    ),
    "its part not sent yet, queued": (
        view(parts=(part(-400, disputed=True),), queues=True, **DISPUTED),
        WaitUntil,
        "it is made once the dispute dsp_1 is won",
        RefundState.DEFERRED,
    ),
    "its part not sent yet, lost": (
        view(parts=(part(-400, lost=True),), queues=True, dispute="dsp_1"),
        RefusePart,
        "dispute_lost",
        RefundState.REQUESTED,
    ),
    "refused for one unheard of": (
        view(parts=refused(), **FREE),
        AskForDisputes,
        "AskForDisputes",
        RefundState.DEFERRED,
    ),
    "refused, and nobody tells": (
        view(parts=refused(looked_at=NOW), **FREE),
        WaitUntil,
        "its processor has not told yet of the dispute that is in the way",
        RefundState.DEFERRED,
    ),
    "refused an hour ago, and nobody tells": (
        view(parts=refused(looked_at=NOW, resolved_at=NOW - timedelta(hours=1)), **FREE),
        Spread,
        "Spread",
        RefundState.DEFERRED,
    ),
    "refused time and again": (
        view(parts=refused(8, looked_at=NOW), **FREE),
        RefuseRefund,
        "dispute_open",
        RefundState.DEFERRED,
    ),
    "refused, then heard of": (
        view(parts=refused(disputed=True), queues=True, **DISPUTED),
        WaitUntil,
        "it is made once the dispute dsp_1 has ended",
        RefundState.DEFERRED,
    ),
    "refused, then won": (
        view(parts=refused(dispute_ended_at=NOW), **FREE),
        Spread,
        "Spread",
        RefundState.DEFERRED,
    ),
    "refused, then lost": (
        view(parts=refused(dispute_ended_at=NOW), queues=True, dispute="dsp_1"),
        RefuseRefund,
        "dispute_lost",
        RefundState.DEFERRED,
    ),
    "refused, and had ended so": (
        view(parts=refused(), state=RefundState.REFUSED, **FREE),
        OpenCase,
        "refused",
        RefundState.REFUSED,
    ),
    "refused, not queued": (
        view(parts=refused(), refundable=1000, refundable_if_won=1000),
        OpenCase,
        "refused",
        RefundState.REFUSED,
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_next_step(case: str) -> None:
    given, step, why, state = TABLE[case]
    found = decide_refund(given, NOW)
    assert (type(found), kind(found)) == (step, why)
    assert project_refund(given) is state
