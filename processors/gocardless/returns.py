"""Refunds at GoCardless in our words: pure.

They are off until the account has them enabled, and are paid from the balance of what was collected and is not paid out
yet. All of them end by notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from processors.errors import OutcomeUnknownError
from processors.events import EventKind, RefundState
from processors.gocardless.api import reference_of
from processors.gocardless.mapping import REFERENCE_KEY, UNITS, metadata, minor, post
from processors.gocardless.wire import ApiDetails, ApiEvent, ApiRefund, Asked, AskedRefund
from processors.money import Money, from_minor
from processors.outcome import RefundFailed, RefundOutcome, RefundPending, RefundRefusal, RefundSucceeded
from processors.values import PreparedCall, RefundRequest

TOTAL_DIFFERS: Final = "total_amount_confirmation_invalid"
"""The sum that we named is not theirs: another refund of the payment is there that our books don't have yet, or ours is
made already. Nothing was made by this call."""

REFUSALS: Final[Mapping[str, RefundRefusal]] = {
    "available_refund_amount_insufficient": RefundRefusal.INSUFFICIENT_BALANCE,
    "refund_payment_invalid_state": RefundRefusal.NOT_CAPTURED,
    # unverified: what an account without refunds answers; both are errors of the documentation's list. To be checked
    # with an account that hasn't had them enabled.
    "feature_disabled": RefundRefusal.NOT_ENABLED,
    "forbidden": RefundRefusal.NOT_ENABLED,
}
"""A reason that is not listed is `other`: five refunds of one payment, say, or an account that can't be reached."""

PENDING: Final = frozenset({"created", "pending_submission", "submitted"})
FAILED: Final = frozenset({"bounced", "cancelled", "funds_returned"})

KINDS: Final[Mapping[str, EventKind]] = {
    "created": EventKind.REFUND_CREATED,
    "paid": EventKind.REFUND_SUCCEEDED,
    "failed": EventKind.REFUND_FAILED,
    "bounced": EventKind.REFUND_FAILED,
    "cancelled": EventKind.REFUND_FAILED,
    "funds_returned": EventKind.REFUND_REVERSED,
}
"""By the action. Not `refund_settled`, which tells from which payout it was taken. A refund may fail after it was paid,
and is called `failed` then too; once its money is back with the merchant, it's `funds_returned`."""


def refund_call(request: RefundRequest, payment: str) -> PreparedCall:
    """The bytes of a refund of `payment`, a checked id; raises MoneyError.

    GoCardless wants the sum of all refunds of the payment with this one, so that two programs can't return the same
    money. Its `reference` would stand on the payer's statement, so ours is in the metadata.
    """
    before = request.returned_before
    body = {
        "amount": minor(request.amount),
        "links": {"payment": payment},
        "metadata": metadata(request.reference, {}),
        "total_amount_confirmation": minor(request.amount if before is None else request.amount + before),
    }
    return post("/refunds", {"refunds": body}, request.idempotency_key)


def asked(body: bytes) -> Asked:
    """What stored refund bytes ask for."""
    return msgspec.json.decode(body, type=AskedRefund).one


def asked_reference(refund: Asked) -> str:
    return refund.metadata[REFERENCE_KEY]


def money(refund: ApiRefund) -> Money:
    """Raises MoneyError."""
    return from_minor(refund.amount, refund.currency, UNITS)


def outcome(refund: ApiRefund) -> RefundOutcome:
    """What a refund has come to; raises MoneyError, or OutcomeUnknownError for a state that nobody knows.

    A success bears the time at which the refund was made: that is when GoCardless took it from the balance.
    """
    amount = money(refund)
    if refund.status in PENDING:
        return RefundPending(refund.id, amount)
    if refund.status == "paid":
        return RefundSucceeded(refund.id, amount, refund.created_at)
    if refund.status in FAILED:
        return RefundFailed(refund.id, amount, refund.status)
    raise OutcomeUnknownError("the refund is in a state that is not known here")


def proven(event: ApiEvent, refund: ApiRefund) -> RefundOutcome:
    """What an event proves of its refund, whatever has become of it since; raises MoneyError."""
    amount, details = money(refund), event.details or ApiDetails()
    match KINDS[event.action]:
        case EventKind.REFUND_CREATED:
            return RefundPending(refund.id, amount)
        case EventKind.REFUND_SUCCEEDED:
            return RefundSucceeded(refund.id, amount, event.created_at)
        case _:
            return RefundFailed(refund.id, amount, details.cause or event.action, details.description)


def refund_state(refund: ApiRefund, outcome: RefundOutcome) -> RefundState:
    """Without our reference somebody made it in the dashboard. Raises MoneyError."""
    reference = reference_of(refund)
    payment = refund.links.payment or ""
    return RefundState(refund.id, payment, outcome, money(refund), reference, external=not reference)
