"""What a call that may move money came to: closed unions, one meaning each.

Every doc line says what the member means for money. The gateway acts on these alone and never on a processor's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

from processors.money import Money


class DeclineClass(StrEnum):
    """Why a charge was declined, in words that all processors share."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    DO_NOT_HONOR = "do_not_honor"
    LIMIT_EXCEEDED = "limit_exceeded"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    PROCESSOR_ERROR = "processor_error"
    AUTHENTICATION_REQUIRED = "authentication_required"
    EXPIRED = "expired"
    INVALID_PAYMENT_METHOD = "invalid_payment_method"
    ACCOUNT_CLOSED = "account_closed"
    REVOKED = "revoked"
    NOT_PERMITTED = "not_permitted"
    FRAUD = "fraud"
    LOST_STOLEN = "lost_stolen"


class Advice(StrEnum):
    """What to do after a decline."""

    RETRY_LATER = "retry_later"
    NEW_PAYMENT_METHOD = "new_payment_method"
    CUSTOMER_ACTION = "customer_action"
    NEVER = "never"


ADVICE: dict[DeclineClass, Advice] = {
    DeclineClass.INSUFFICIENT_FUNDS: Advice.RETRY_LATER,
    DeclineClass.DO_NOT_HONOR: Advice.RETRY_LATER,
    DeclineClass.LIMIT_EXCEEDED: Advice.RETRY_LATER,
    DeclineClass.ISSUER_UNAVAILABLE: Advice.RETRY_LATER,
    DeclineClass.PROCESSOR_ERROR: Advice.RETRY_LATER,
    DeclineClass.AUTHENTICATION_REQUIRED: Advice.CUSTOMER_ACTION,
    DeclineClass.EXPIRED: Advice.NEW_PAYMENT_METHOD,
    DeclineClass.INVALID_PAYMENT_METHOD: Advice.NEW_PAYMENT_METHOD,
    DeclineClass.ACCOUNT_CLOSED: Advice.NEW_PAYMENT_METHOD,
    DeclineClass.REVOKED: Advice.NEW_PAYMENT_METHOD,
    DeclineClass.NOT_PERMITTED: Advice.NEW_PAYMENT_METHOD,
    DeclineClass.FRAUD: Advice.NEVER,
    DeclineClass.LOST_STOLEN: Advice.NEVER,
}
"""The advice that a class carries unless the processor or the network gives its own."""


class Decline(msgspec.Struct, frozen=True):
    """A refusal by the payer's side, in three layers: ours, the processor's, the network's.

    `network_code` and `network_advice` are the card scheme's own: the response code and the merchant advice code.
    """

    decline_class: DeclineClass
    advice: Advice
    processor_code: str = ""
    processor_message: str = ""
    network_code: str = ""
    network_advice: str = ""
    not_before: datetime | None = None
    mapped: bool = True
    """False: the processor's code is in no table, so that the class is a guess."""


class Succeeded(msgspec.Struct, frozen=True, tag="succeeded"):
    """`captured` was taken from the payer under the processor's `processor_id`. It may still be reversed later."""

    processor_id: str
    captured: Money
    occurred_at: datetime


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """No money was taken and none will be for this request: the payer's side refused."""

    decline: Decline
    processor_id: str = ""


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """No money was taken: the processor refused the request itself (4xx). Our fault, so it burns no step."""

    code: str
    message: str


class Pending(msgspec.Struct, frozen=True, tag="pending"):
    """Accepted and under way; the money has not arrived. A webhook or a look-up will say how it ended."""

    processor_id: str
    expected_by: datetime | None = None


class RequiresAction(msgspec.Struct, frozen=True, tag="requires_action"):
    """Held until the payer acts, at `url` where there is one. No money was taken yet."""

    processor_id: str
    url: str = ""


class Canceled(msgspec.Struct, frozen=True, tag="canceled"):
    """Withdrawn at the processor before any money was taken; final."""

    processor_id: str = ""


class NotSent(msgspec.Struct, frozen=True, tag="not_sent"):
    """No connection was made, or we were turned away unread (429, with a time). Free to try again.

    `answered`: it was the processor that turned us away, so it is there.
    """

    reason: str
    retry_after: timedelta | None = None
    answered: bool = False


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """It may have happened. Never a failure: only a look-up, a webhook or the same bytes settle it."""

    reason: str


ChargeOutcome: TypeAlias = Succeeded | Declined | Rejected | Pending | RequiresAction | Canceled | NotSent | Unknown


def weight(outcome: ChargeOutcome) -> int:
    """For the order of several charges under one reference: money first, then what may become money."""
    return 0 if isinstance(outcome, Succeeded) else 1 if isinstance(outcome, Pending | RequiresAction) else 2


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The processor knows the charge; `outcome` is its state now.

    `also`: other charges under the same reference, where a processor allows that. Each is money of its own.
    """

    outcome: ChargeOutcome
    also: tuple[ChargeOutcome, ...] = ()


class NotFound(msgspec.Struct, frozen=True, tag="not_found"):
    """The processor shows no such charge. Proof that none exists only if `conclusive`, and only after its lag."""

    conclusive: bool


class LookupFailed(msgspec.Struct, frozen=True, tag="lookup_failed"):
    """The look-up itself failed: nothing is known that was not known before."""

    reason: str


LookupOutcome: TypeAlias = Found | NotFound | LookupFailed


def lookup_of(outcomes: Iterable[ChargeOutcome], *, conclusive: bool) -> Found | NotFound:
    """What a look-up comes to that shows these charges under one reference, oldest first.

    `conclusive`: that it shows none is proof, as `Capabilities.not_found_is_conclusive` says.
    """
    ordered = sorted(outcomes, key=weight)
    return Found(ordered[0], tuple(ordered[1:])) if ordered else NotFound(conclusive)


class RefundRefusal(StrEnum):
    """Why a processor makes no refund, in words that all processors share."""

    DISPUTE_OPEN = "dispute_open"
    TOO_LATE = "too_late"
    PARTIAL_NOT_ALLOWED = "partial_not_allowed"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    EXCEEDS_CAPTURE = "exceeds_capture"
    NOT_CAPTURED = "not_captured"
    NOT_ENABLED = "not_enabled"
    OTHER = "other"


class RefundSucceeded(msgspec.Struct, frozen=True, tag="refund_succeeded"):
    """`amount` went back to the payer under the refund's own `processor_id`. It may still fail later."""

    processor_id: str
    amount: Money
    occurred_at: datetime


class RefundPending(msgspec.Struct, frozen=True, tag="refund_pending"):
    """Accepted and under way: it counts against what is refundable. A notice or a look-up will say how it ended."""

    processor_id: str
    amount: Money


class RefundFailed(msgspec.Struct, frozen=True, tag="refund_failed"):
    """The payer has no money from it: what was to go back is the merchant's again. May follow a success."""

    processor_id: str
    amount: Money
    code: str = ""
    message: str = ""


class RefundRefused(msgspec.Struct, frozen=True, tag="refund_refused"):
    """The processor makes no such refund; no money moved and none will for this request."""

    reason: RefundRefusal
    code: str = ""
    message: str = ""


RefundOutcome: TypeAlias = RefundSucceeded | RefundPending | RefundFailed | RefundRefused | NotSent | Unknown


class RefundFound(msgspec.Struct, frozen=True, tag="refund_found"):
    """The processor knows the refund; `outcome` is its state now."""

    outcome: RefundOutcome


RefundLookupOutcome: TypeAlias = RefundFound | NotFound | LookupFailed
