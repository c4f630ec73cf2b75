"""What a call to Stripe can come to, when it is not an answer.

StripeError
├── StripeNotSentError     no connection was made, or 429: nothing happened there, free to try again
├── StripeRefusedError     400 to 404: nothing happened; read the object and decide by its status (law 6)
├── StripeForbiddenError   403: the key lacks a permission, which `permission` names
│   └── StripeKeyRefusedError  401: Stripe does not know the key, or no longer; nothing happened
└── StripeUnknownError     a time-out, a 5xx, a conflict in flight: it may have happened
"""

from __future__ import annotations


class StripeError(Exception):
    """A call to Stripe failed. The message never holds a key or a parameter's value."""


class StripeNotSentError(StripeError):
    """Nothing happened at Stripe."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StripeRefusedError(StripeError):
    """Stripe refused the request. `code` and `param` are Stripe's, and often empty."""

    def __init__(self, message: str, *, status: int, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


class StripeForbiddenError(StripeError):
    """The key can't do this. `permission`: what a restricted one lacks, by Stripe's name; empty where nobody knows."""

    def __init__(self, message: str, *, permission: str = "") -> None:
        super().__init__(message)
        self.permission = permission


class StripeKeyRefusedError(StripeForbiddenError):
    """Stripe does not take the key: it was rolled or deleted there, or it is no key."""


class StripeUnknownError(StripeError):
    """It may have happened."""
