"""Money that goes back at Adyen: a refund's bytes, its answer, and what webhooks say of refunds. Pure.

An answer says that a refund was received and nothing more; the rest comes by webhook alone. A success there may still
fail days later (docs: online-payments/refund).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from processors.adyen.mapping import amount, money_of, post
from processors.adyen.wire import ApiRefund, AskedRefund, Item
from processors.errors import DeliveryMalformedError, OutcomeUnknownError
from processors.events import EventKind, RefundState
from processors.money import Money, check_positive
from processors.outcome import RefundFailed, RefundOutcome, RefundPending, RefundSucceeded
from processors.values import PreparedCall, RefundRequest

MARK: Final = "refund."
"""How our references of refunds begin there.

unverified: whether a refund's webhook carries the refund's reference or the payment's (refund once in a test). The mark
tells the two apart, so that both readings find the right refund.
"""

REASONS: Final[Mapping[str, str]] = {
    "duplicate": "DUPLICATE",
    "fraudulent": "FRAUD",
    "order_change": "CUSTOMER REQUEST",
    "requested_by_customer": "CUSTOMER REQUEST",
    "product_unsatisfactory": "RETURN",
}
"""Stripe's reasons in the words that Adyen takes; what is not listed is `OTHER`."""


def refund_call(request: RefundRequest, payment: str, account: str) -> PreparedCall:
    """The bytes of a refund of `payment`, a checked path segment. Raises MoneyError."""
    check_positive(request.amount)
    body: dict[str, object] = {
        "merchantAccount": account,
        "amount": amount(request.amount),
        "reference": MARK + request.reference,
    }
    if request.reason:
        body["merchantRefundReason"] = REASONS.get(request.reason, "OTHER")
    return post(f"/payments/{payment}/refunds", request.idempotency_key, body)


def asked(body: bytes) -> AskedRefund:
    """What stored refund bytes ask for."""
    return msgspec.json.decode(body, type=AskedRefund)


def received(refund: ApiRefund, wanted: AskedRefund, payment: str) -> RefundOutcome:
    """What the answer to a refund comes to; raises OutcomeUnknownError for one about something else, MoneyError."""
    told = (refund.merchant_account, refund.payment_psp_reference, refund.amount, refund.reference or wanted.reference)
    if told != (wanted.merchant_account, payment, wanted.amount, wanted.reference) or not refund.psp_reference:
        raise OutcomeUnknownError("Adyen answered with a refund that is not the one asked for")
    return RefundPending(refund.psp_reference, money_of(refund.amount))


def kind_of(item: Item) -> EventKind:
    """The event that an item about a refund tells of."""
    match item.event_code:
        case "POSTPONED_REFUND":  # it waits until its payment is captured
            return EventKind.REFUND_CREATED
        case "REFUND_FAILED":
            return EventKind.REFUND_FAILED
        case "REFUNDED_REVERSED":
            return EventKind.REFUND_REVERSED
        case _:
            return EventKind.REFUND_SUCCEEDED if item.success == "true" else EventKind.REFUND_FAILED


def state(item: Item, kind: EventKind, at: datetime) -> RefundState:
    """How an item shows a refund; raises MoneyError, DeliveryMalformedError.

    Its `pspReference` is the refund's own, also where it failed after it had succeeded (docs: online-payments/refund).
    """
    if not item.psp_reference or item.amount is None:
        raise DeliveryMalformedError(f"the {item.event_code} notification does not say which refund, or of how much")
    money = money_of(item.amount)
    told = item.merchant_reference or ""
    return RefundState(
        processor_id=item.psp_reference,
        charge_id=item.original_reference or "",
        outcome=_outcome(item, kind, money, at),
        amount=money,
        reference=told.removeprefix(MARK) if told.startswith(MARK) else "",
    )


def _outcome(item: Item, kind: EventKind, money: Money, at: datetime) -> RefundOutcome:
    if kind is EventKind.REFUND_SUCCEEDED:
        return RefundSucceeded(item.psp_reference, money, at)
    if kind is EventKind.REFUND_CREATED:
        return RefundPending(item.psp_reference, money)
    return RefundFailed(item.psp_reference, money, item.event_code.lower(), item.reason or "")
