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
    "view_kept": "The search is kept.",
    "view_shared": "Everybody who works in this account sees the search now.",
    "view_unshared": "The search is yours alone again.",
    "view_deleted": "The search is deleted.",
    "collecting": "It is collected as soon as a worker gets there.",
    "paused": "Nothing is charged for it until it is resumed.",
    "resumed": "It is collected again.",
    "payment_recorded": "The payment is noted, and Stripe is about to be told.",
    "voiding": "It is voided in Stripe as soon as a worker gets there.",
}


def notice(said: str) -> str:
    """Its sentence; nothing for a name that there is not."""
    return NOTICES.get(said, "")
