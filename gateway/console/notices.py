"""The line that a page begins with after a form was carried out. An address names it, and is not itself shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "password": "Your password is set. Please sign in with it.",
    "signed_out": "You are signed out.",
    "session_ended": "The session has ended.",
    "settings_saved": "The change is saved.",
    "settings_same": "Nothing was different, so nothing was changed.",
    "key_replaced": "The new Stripe key is in use from now on.",
    "signing_secret_added": "The signing secret is accepted from now on, beside the others.",
    "signing_secret_retired": "The signing secret is retired: what is signed with it is refused.",
    "connection_added": "The connection is added. Enter its webhook address at the processor, then check it.",
    "decline_set": "The code is treated so from the next answer on.",
    "decline_unset": "The code is treated again as its adapter does.",
    "role_given": "The role is given. No link is needed: they sign in as before. Be sure that it is who you mean.",
    "role_changed": "The role is changed. It counts from the next page on.",
    "role_taken": "The role is taken away: this account is not to be found for them any more.",
    "user_disable": "The user is shut out of everything, now.",
    "user_enable": "The user can sign in again.",
    "user_reset-second-factor": "The user sets a second factor up at the next sign-in.",
    "key_revoked": "The key opens nothing any more.",
    "endpoint_removed": "The endpoint is removed, with what was on its way to it.",
    "pinged": "A test event is on its way. What came of it stands below in a moment.",
    "portal_fixed": "Payers change neither payment methods nor plans in Stripe's portal any more.",
    "portal_fine": "There was nothing to switch off in Stripe's portal.",
}


def notice(said: str) -> str:
    """Its sentence; nothing for a name that there is not."""
    return NOTICES.get(said, "")
