"""The line that a page begins with after a form was carried out. An address names it, and is not itself shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "password": "Your password is set. Please sign in with it.",
    "signed_out": "You are signed out.",
    "session_ended": "The session has ended.",
    "customer_paused": "Collection is paused: nothing of this customer is charged meanwhile.",
    "customer_resumed": "Collection goes on. A try that became due in the pause is made at once.",
    "collection": "It is set. Open invoices follow, each once no charge for it is under way.",
    "left_alone": "The customer is left alone from now on; what was begun goes on to its end.",
    "taken_up": "The customer's invoices are collected again.",
    "method_moved": "The order is changed, from the next try on.",
    "method_removed": "Nothing is charged to it any more; a worker deletes it at the processor.",
    "erasing": "The personal data are erased, as soon as the payment methods are deleted at their processors.",
    "canceling": "Stripe is told in a moment.",
    "switching": "It is switched in a moment.",
    "granted": "Access is granted from now on.",
    "grant_revoked": "The grant is taken back: access is what its money makes of it.",
}


def notice(said: str) -> str:
    """Its sentence; nothing for a name that there is not."""
    return NOTICES.get(said, "")
