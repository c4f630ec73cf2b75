"""Why a refund that somebody asked for is not made."""

from __future__ import annotations

from processors.money import Money, to_text


class RefundError(Exception):
    """Base; nothing was changed."""


class NotRefundableError(RefundError):
    """There is not so much that can be returned; `refundable` can."""

    def __init__(self, message: str, refundable: Money) -> None:
        amount = to_text(refundable.amount, refundable.currency)
        super().__init__(f"{message}: {amount} can be returned now")
        self.refundable = refundable


class RefundStateError(RefundError):
    """What the invoice or the refund is doing does not allow it. The message says what stands in the way."""
