"""What a role may do."""

from __future__ import annotations

import pytest

from gateway.domain.roles import LEAST, Action, Role, allows


@pytest.mark.parametrize("action", Action)
def test_each_role_may_what_the_ones_before_it_may(action: Action) -> None:
    may = [allows(role, action) for role in Role]
    assert may == sorted(may)
    assert may.index(True) == list(Role).index(LEAST[action])


def test_a_viewer_looks_and_does_nothing_else() -> None:
    assert [action for action in Action if allows(Role.VIEWER, action)] == [Action.LOOK]


def test_money_is_finances() -> None:
    moving = (Action.COLLECT, Action.REFUND, Action.APPROVE, Action.CLOSE_CASES, Action.RECONCILE)
    assert {LEAST[action] for action in moving} == {Role.FINANCE}
