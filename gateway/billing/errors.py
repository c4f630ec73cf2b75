"""What a call to Stripe can come to, when it is not an answer.

StripeError
├── StripeTurnedAwayError  Stripe has not read what was asked: this call has done nothing
│   ├── StripeNotSentError     no connection was made, or 429: free to try again
│   └── StripeForbiddenError   403: the key lacks a permission, which `permission` names
│       └── StripeKeyRefusedError  401: Stripe does not know the key, or no longer
├── StripeRefusedError     400 to 404: nothing happened; read the object and decide by its status (law 6)
└── StripeUnknownError     a time-out, a 5xx, a conflict in flight: it may have happened

Stripe looks at the pace and at the key before it begins to execute a call, and keeps nothing under the idempotency key
then (docs.stripe.com/error-low-level, of 429 and 401); of 403 it says what "would allow this request to continue".
"""

from __future__ import annotations


class StripeError(Exception):
    """A call to Stripe failed. The message never holds a key or a parameter's value."""


class StripeTurnedAwayError(StripeError):
    """This call has done nothing at Stripe. One that was sent before, and never answered, may have."""


class StripeNotSentError(StripeTurnedAwayError):
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


class StripeForbiddenError(StripeTurnedAwayError):
    """The key can't do this. `permission`: what a restricted one lacks, by Stripe's name; empty where nobody knows."""

    def __init__(self, message: str, *, permission: str = "") -> None:
        super().__init__(message)
        self.permission = permission


class StripeKeyRefusedError(StripeForbiddenError):
    """Stripe does not take the key: it was rolled or deleted there, or it is no key."""


class StripeUnknownError(StripeError):
    """It may have happened."""
