"""What is offered for a case: by its kind, and only for the objects that the repair is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.case_age import Age, opened_within
from gateway.domain.case_kinds import CaseKind
from gateway.domain.case_repairs import OFFERS, REPAIRS, CaseRepair, repairs_of

NOW = datetime(2027, 3, 1, tzinfo=UTC)


def test_every_repair_is_offered_somewhere() -> None:
    assert set(OFFERS) == set(CaseRepair) == {one for offered in REPAIRS.values() for one in offered}


@pytest.mark.parametrize(
    ("kind", "subject", "offered"),
    [
        (CaseKind.ADVANCE_FAILED, "in_1", [CaseRepair.COLLECT]),
        (CaseKind.ADVANCE_FAILED, "sub_1", []),
        (CaseKind.CREDIT_NOTE_REFUSED, "dsp_1", [CaseRepair.RETRY]),
        (CaseKind.CREDIT_NOTE_REFUSED, "in_1", []),
        (CaseKind.CATCH_UP_FAILED, "events", []),
        (CaseKind.CATCH_UP_FAILED, "con_1", [CaseRepair.CHECK_CONNECTION]),
        (CaseKind.REFUND_WAITS, "rfd_1", [CaseRepair.APPROVE, CaseRepair.DENY]),
        ("made_by_a_later_version", "in_1", []),
    ],
)
def test_a_repair_is_offered_for_what_it_is_for(kind: str, subject: str, offered: list[CaseRepair]) -> None:
    assert repairs_of(kind, subject) == offered


def test_ages_follow_each_other_without_a_gap() -> None:
    bounds = [opened_within(age, NOW) for age in Age]
    assert bounds[0] == (NOW - timedelta(days=1), None)
    assert bounds[-1][0] is None
    assert [since for since, _ in bounds[:-1]] == [before for _, before in bounds[1:]]
