"""What a session, a payment method or its owner can't be asked for."""

from __future__ import annotations


class SessionError(Exception):
    """A request that can't be met. `code` is of the API's closed list; `param` names what to mend."""

    def __init__(self, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class NotErasableError(Exception):
    """A customer who can't be erased yet; the message says what stands in the way."""
