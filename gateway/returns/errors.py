"""Why a refund that somebody asked for is not made."""

from __future__ import annotations


class RefundError(Exception):
    """Base; nothing was changed."""


class NotRefundableError(RefundError):
    """There is not so much that can be returned. `refundable`: what can, in minor units."""

    def __init__(self, message: str, refundable: int) -> None:
        super().__init__(message)
        self.refundable = refundable


class RefundStateError(RefundError):
    """What the invoice or the refund is doing does not allow it. The message says what stands in the way."""
