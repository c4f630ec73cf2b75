"""What can be wrong with a change to accounts, connections or keys.

AccountsError
├── FieldError            a field is missing, unknown, or can't have this value; `param` is its dotted path
│   ├── NameTakenError    another object has this name
│   └── UnresolvedUrlError   nothing else is wrong, but the host of an address can't be resolved now
├── NotThereError         the account has no such object
└── CheckFailedError      the credentials were tried and did not work
"""

from __future__ import annotations


class AccountsError(Exception):
    """Base. No message holds a secret."""


class FieldError(AccountsError):
    """Nothing was changed: the field named by `param` is wrong."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}" if param else message)
        self.param = param
        self.message = message


class NameTakenError(FieldError):
    """The name is in use."""


class UnresolvedUrlError(FieldError):
    """Nothing else is wrong: the host of the address has none now, and may have one later."""


class NotThereError(AccountsError):
    """Nothing of this kind by this id or name, in this account."""

    def __init__(self, kind: str, wanted: str) -> None:
        super().__init__(f"no {kind} {wanted!r}")
        self.kind = kind
        self.wanted = wanted


class CheckFailedError(AccountsError):
    """The credentials don't work."""
