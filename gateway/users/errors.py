"""What can be wrong with signing in, and with what an admin wants of a user.

SignInError
├── WrongError           the mail address, the password or the code; which of them is never said
├── PasswordsOffError    passwords open nothing here; another way is on the page
├── IdentityError        the issuer of identities did not prove anybody who has a user here; the log says why
├── IssuerAwayError      it can't be asked now, or is set up wrong; the log says why
├── CodesSpentError      too many wrong codes in a row; an admin must do something
├── ThrottledError       too many tries; `after_s` says for how long nothing is tried any more
└── InvitationError      the link has been used, has expired or never was
"""

from __future__ import annotations


class SignInError(Exception):
    """Base. No message says whether there is such a user."""


class WrongError(SignInError):
    """Whatever was wrong."""


class PasswordsOffError(SignInError):
    """Nothing was looked at."""

    def __init__(self) -> None:
        super().__init__("Passwords are turned off here. Please sign in the other way.")


class IdentityError(SignInError):
    """`reason` is for the log, and names nobody."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "That did not sign you in. Please try again; if it stays so, ask an admin whether you have a user here."
        )
        self.reason = reason


class IssuerAwayError(SignInError):
    """`reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("The sign-in service can't be reached just now. Please try again in a minute.")
        self.reason = reason


class CodesSpentError(SignInError):
    """Nothing was looked at."""

    def __init__(self) -> None:
        super().__init__(
            "Too many wrong codes were typed in a row, and none is looked at any more. Somebody else may know your "
            "password: ask an admin for a link by which you choose another one."
        )


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
