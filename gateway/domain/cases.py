"""Asking a human, once."""

from __future__ import annotations

from gateway.domain.actions import Action, CaseKind, OpenCase, WaitUntil
from gateway.domain.view import InvoiceView


def ask_human(view: InvoiceView, kind: CaseKind, reason: str) -> Action:
    """Open a case, once; then wait for the human, whose answer holds until something new happens."""
    return WaitUntil(None, reason) if kind in view.open_cases | view.answered_cases else OpenCase(kind, reason)
