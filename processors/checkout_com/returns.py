"""Refunds in our words: actions of a payment, each with an id of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from processors.checkout_com.mapping import post
from processors.checkout_com.money import CHECKOUT_COM
from processors.checkout_com.wire import ApiAction, AskedRefund, ToldPayment
from processors.errors import OutcomeUnknownError
from processors.events import RefundState
from processors.money import Money, check_positive, from_minor, to_minor
from processors.outcome import RefundFailed, RefundOutcome, RefundPending, RefundRefusal, RefundSucceeded
from processors.values import PreparedCall, RefundQuery, RefundRequest

REFUND: Final = "Refund"
"""The type of an action that gives money back."""

REFUSALS: Final[Mapping[str, RefundRefusal]] = {
    "amount_exceeds_balance": RefundRefusal.EXCEEDS_CAPTURE,
    "refund_amount_exceeds_balance": RefundRefusal.EXCEEDS_CAPTURE,
    "payment_expired": RefundRefusal.TOO_LATE,
}
"""Unverified: which code answers which fault of a refund; make each in the sandbox. Any other is `other`."""


def refund_call(request: RefundRequest, charge: str) -> PreparedCall:
    """The bytes of a refund of `charge`, a checked path segment; raises MoneyError.

    The amount always stands there, since without it all that is left goes back. The processor takes it in the
    payment's currency and is not told which: so that stored bytes say what they ask for, it stands in the metadata.
    """
    check_positive(request.amount)
    body = {
        "amount": to_minor(request.amount, CHECKOUT_COM),
        "reference": request.reference,
        "metadata": {
            "currency": request.amount.currency.upper(),
            "reason": request.reason,
            "reference": request.reference,
        },
    }
    return post(f"/payments/{charge}/refunds", request.idempotency_key, body)


def asked(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored refund bytes ask for."""
    told = msgspec.json.decode(body, type=AskedRefund)
    return told.reference, from_minor(told.amount, told.metadata.currency, CHECKOUT_COM)


def reference_of(action: ApiAction) -> str:
    """Ours, if it's a refund of ours: in the metadata that we gave it, and in its own field. Empty for another's."""
    marked = (action.metadata or {}).get("reference")
    return marked if isinstance(marked, str) and marked else action.reference or ""


def find(actions: Sequence[ApiAction], query: RefundQuery) -> ApiAction | None:
    """The refund by its id where it's known, else by our reference; raises OutcomeUnknownError for another's."""
    refunds = [one for one in actions if one.type == REFUND]
    if query.processor_id:
        found = [one for one in refunds if one.id == query.processor_id]
        if any(reference_of(one) not in ("", query.reference) for one in found):
            raise OutcomeUnknownError("the processor answered with a refund that is not the one asked for")
    else:
        found = [one for one in refunds if reference_of(one) == query.reference]
    if len(found) > 1:
        raise OutcomeUnknownError("the processor shows several refunds with one reference")
    return found[0] if found else None


def outcome(action: ApiAction, currency: str) -> RefundOutcome:
    """What a refund has come to; raises MoneyError, OutcomeUnknownError."""
    if action.amount is None:
        raise OutcomeUnknownError("the processor shows a refund without its amount")
    amount = from_minor(action.amount, currency, CHECKOUT_COM)
    if action.approved is None:
        return RefundPending(action.id, amount)
    if not action.approved:
        return RefundFailed(action.id, amount, action.response_code or "", action.response_summary or "")
    if action.processed_on is None:
        raise OutcomeUnknownError("the processor shows a refund without its time")
    return RefundSucceeded(action.id, amount, action.processed_on)


def state(action: ApiAction, charge: str, currency: str) -> RefundState:
    """Each refund of ours has a reference: one without was made at the processor. Raises MoneyError, CallError."""
    made, reference = outcome(action, currency), reference_of(action)
    amount = from_minor(action.amount or 0, currency, CHECKOUT_COM)
    return RefundState(action.id, charge, made, amount, reference, external=not reference)


def told(kind: str, payment: ToldPayment, amount: Money, action: ApiAction | None) -> RefundState:
    """What an event of this type says of a refund; raises OutcomeUnknownError for one that can't be told apart.

    The event's own reference is that of the payment; whose refund it is, the action says. While that isn't shown, it
    may be ours.
    """
    if not payment.action_id:
        raise OutcomeUnknownError("the processor tells of a refund without its id")
    reference = reference_of(action) if action else ""
    made: RefundOutcome = RefundPending(payment.action_id, amount)
    if kind == "payment_refunded":
        if payment.processed_on is None:
            raise OutcomeUnknownError("the processor tells of a refund without its time")
        made = RefundSucceeded(payment.action_id, amount, payment.processed_on)
    elif kind == "payment_refund_declined":
        code, summary = payment.response_code or "", payment.response_summary or ""
        made = RefundFailed(payment.action_id, amount, code, summary)
    external = action is not None and not reference
    return RefundState(payment.action_id, payment.id, made, amount, reference, external=external)
