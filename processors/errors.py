"""The errors of processor adapters.

    ProcessorError
    ├── ConfigurationError        a connection that can't work: a missing credential, an empty secret
    ├── MoneyError                nothing was sent
    │   ├── InexactMoneyError     the amount has no exact form at that system
    │   └── UnknownCurrencyError
    ├── WebhookError              the delivery is refused with 400 and leaves only a counter
    │   ├── SignatureInvalidError
    │   └── DeliveryMalformedError
    └── CallError                 a call to the processor failed; which branch decides what may happen next
        ├── NotSentError          no connection was made: free to try again
        ├── RefusedError          the processor answered 4xx: our fault, final, moves no money
        └── OutcomeUnknownError   it may have happened (also 408): only a look-up, a webhook or the same bytes settle it

Charges and refunds never raise a CallError: the shared transport turns one into an outcome (`processors.outcome`).
"""

from __future__ import annotations

from datetime import timedelta


class ProcessorError(Exception):
    """Anything an adapter raises."""


class ConfigurationError(ProcessorError):
    """The connection can't work as configured; the message begins with the name of the field."""


class MoneyError(ProcessorError):
    """An amount that can't be expressed; nothing was sent."""


class InexactMoneyError(MoneyError):
    """The amount has no exact form there."""


class UnknownCurrencyError(MoneyError):
    """The system has no such currency."""


class WebhookError(ProcessorError):
    """A delivery that is refused."""


class SignatureInvalidError(WebhookError):
    """No signature, a wrong one, or one over other bytes."""


class DeliveryMalformedError(WebhookError):
    """Signed, but not what this processor sends."""


class CallError(ProcessorError):
    """A call failed."""


class NotSentError(CallError):
    """No connection was made, or the processor turned us away unread (429): nothing happened there."""

    def __init__(self, message: str, retry_after: timedelta | None = None, *, answered: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.answered = answered


class RefusedError(CallError):
    """The processor answered 4xx. `status` is the HTTP status, `code` the processor's own.

    `is_page`: with a page for people, as another machine on the way writes it.
    """

    def __init__(self, message: str, status: int, code: str = "", *, is_page: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.is_page = is_page

    @property
    def is_gone(self) -> bool:
        """Whether the processor has no such thing; a misrouted call meets the same status, and proves nothing."""
        return self.status in (404, 410) and not self.is_page


class OutcomeUnknownError(CallError):
    """A time-out after the connection, a 5xx, or an answer that can't be read."""
