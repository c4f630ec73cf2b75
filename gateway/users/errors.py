"""What can be wrong with signing in, and with what an admin wants of a user.

SignInError
├── WrongError           the mail address, the password or the code; which of them is never said
├── ThrottledError       too many tries; `after_s` says for how long nothing is tried any more
└── InvitationError      the link has been used, has expired or never was
"""

from __future__ import annotations


class SignInError(Exception):
    """Base. No message says whether there is such a user."""


class WrongError(SignInError):
    """Whatever was wrong."""


class ThrottledError(SignInError):
    """Nothing was looked at."""

    def __init__(self, after_s: float) -> None:
        super().__init__("There were too many tries. Please wait, and try again.")
        self.after_s = after_s


class InvitationError(SignInError):
    """A link that opens nothing."""

    def __init__(self) -> None:
        super().__init__("This link has been used or has expired. Ask for a new one.")


class NotYoursError(Exception):
    """An admin asks for what would reach into an account of others; the message says who can do it."""
