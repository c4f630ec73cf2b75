"""How refunds and disputes stand, in words: every state and reason has some, and nothing promises what is not true."""

from __future__ import annotations

import pytest

from db.states import Approval, DisputeState, RefundState
from gateway.domain.dispute_words import MEANING, meanwhile, reason_words
from gateway.domain.refund_words import WHY, Pace, Stood, can_be_retried, pace, steps, told
from processors.outcome import RefundRefusal


@pytest.mark.parametrize("state", RefundState)
@pytest.mark.parametrize("approval", Approval)
def test_every_state_has_its_words_and_one_step_at_most_is_now(state: RefundState, approval: Approval) -> None:
    one = Stood(state=state, approval=approval)
    assert told(one).endswith(".")
    standing = [step.standing for step in steps(one)]
    assert standing == sorted(standing, key=["done", "failed", "now", "next"].index)
    assert standing.count("now") + standing.count("failed") == (0 if set(standing) == {"done"} else 1)


def test_what_was_denied_has_nothing_to_come() -> None:
    denied = Stood(state=RefundState.REFUSED, approval="denied", failure="denied")
    assert [(s.name, s.standing, s.word) for s in steps(denied)] == [
        ("Asked for", "done", "done"),
        ("Approval", "failed", "denied"),
    ]
    failed = Stood(state=RefundState.FAILED, approval="")
    assert [s.word for s in steps(failed)] == ["done", "done", "failed"]


def test_all_is_done_only_once_the_credit_note_stands() -> None:
    assert {s.standing for s in steps(Stood(state=RefundState.RECORDED, approval="", note="issued"))} == {"done"}
    waits = Stood(state=RefundState.SUCCEEDED, approval="", note="wanted")
    assert [s.standing for s in steps(waits)] == ["done", "done", "done", "now"]
    assert pace(waits) is Pace.SOON
    refused = Stood(state=RefundState.SUCCEEDED, approval="", note="refused")
    assert (steps(refused)[-1].standing, pace(refused)) == ("failed", Pace.OVER)
    no_note = Stood(state=RefundState.SUCCEEDED, approval="", wants_note=False)
    assert ({s.standing for s in steps(no_note)}, pace(no_note)) == ({"done"}, Pace.OVER)


def test_what_waits_for_people_is_not_looked_at_every_other_second() -> None:
    assert pace(Stood(state=RefundState.REQUESTED, approval="waiting")) is Pace.LATER
    assert pace(Stood(state=RefundState.REQUESTED, approval="given")) is Pace.SOON
    assert pace(Stood(state=RefundState.UNKNOWN, approval="")) is Pace.SOON
    assert pace(Stood(state=RefundState.PENDING, approval="")) is Pace.LATER


@pytest.mark.parametrize(
    ("values", "can"),
    [
        ({"state": RefundState.FAILED}, True),
        ({"state": RefundState.REFUSED, "failure": "dispute_open"}, True),
        ({"state": RefundState.REFUSED, "failure": "denied", "approval": "denied"}, False),
        ({"state": RefundState.REFUSED, "failure": "made_elsewhere"}, False),
        ({"state": RefundState.REFUSED, "note": "void"}, False),
        ({"state": RefundState.SUCCEEDED, "note": "refused"}, True),
        ({"state": RefundState.SUCCEEDED, "note": "wanted"}, False),
        ({"state": RefundState.PENDING}, False),
    ],
)
def test_what_can_be_tried_again(values: dict[str, str], can: bool) -> None:
    assert can_be_retried(Stood(**({"approval": ""} | values))) is can  # type: ignore[arg-type]


def test_every_refusal_has_words() -> None:
    assert set(RefundRefusal) <= set(WHY)


@pytest.mark.parametrize("state", DisputeState)
def test_every_dispute_says_what_happens_meanwhile(state: DisputeState) -> None:
    assert MEANING[state]
    for gone in (0, 1000):
        assert all(meanwhile(state, gone, 1000, "refuse"))


def test_a_refund_in_a_dispute_follows_the_policy() -> None:
    assert "refused until it ends" in meanwhile(DisputeState.OPENED, 0, 1000, "refuse")[1]
    assert "made once the dispute is won" in meanwhile(DisputeState.FUNDS_WITHDRAWN, 1000, 1000, "queue")[1]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("UNAUTHORISED", "did not make"),
        ("MERCHANDISE_OR_SERVICE_NOT_RECEIVED", "nothing was delivered"),
        ("MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED", "not what was promised"),
        ("CREDIT_NOT_PROCESSED", "promised refund"),
        ("DUPLICATE_TRANSACTION", "charged twice"),
        ("CANCELED_RECURRING_BILLING", "cancelled"),
        ("10.4", "no plain words"),
        ("", "gave no reason"),
    ],
)
def test_a_processors_reason(code: str, word: str) -> None:
    assert word in reason_words(code)
