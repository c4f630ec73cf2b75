"""The line that a page begins with after a form was carried out. An address names it, and is not itself shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "password": "Your password is set. Please sign in with it.",
    "signed_out": "You are signed out.",
    "session_ended": "The session has ended.",
    "event_replayed": "The event will be delivered again.",
    "event_for_nobody": "No enabled endpoint wants this event, so that nothing is delivered. Choose one.",
    "webhook_replayed": "The webhook will be looked at again.",
}


def notice(said: str) -> str:
    """Its sentence; nothing for a name that there is not."""
    return NOTICES.get(said, "")
