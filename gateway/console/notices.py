"""The line that a page begins with after a form was carried out. An address names it, and is not itself shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "password": "Your password is set. Please sign in with it.",
    "signed_out": "You are signed out.",
    "refund_asked": "The refund is asked for. Its progress is shown here.",
    "refund_approved": "The refund is approved; it is sent now.",
    "refund_denied": "The refund is denied. Nothing goes back.",
    "refund_retried": "The refund is tried again.",
    "dispute_retried": "The credit note is tried again.",
    "session_ended": "The session has ended.",
}


def notice(said: str) -> str:
    """Its sentence; nothing for a name that there is not."""
    return NOTICES.get(said, "")
