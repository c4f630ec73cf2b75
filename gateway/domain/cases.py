"""Asking a human, once."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Protocol

from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind


class Told(Protocol):
    """Whatever a human may be asked about."""

    @property
    def told_cases(self) -> AbstractSet[str]:
        """The kinds of those that a human has, or has answered since something new happened."""
        ...


def ask_human(view: Told, kind: CaseKind, reason: str) -> OpenCase | WaitUntil:
    """Open a case, once; then wait for the human, whose answer holds until something new happens."""
    return WaitUntil(None, reason) if kind in view.told_cases else OpenCase(kind, reason)
