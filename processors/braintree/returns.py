"""Refunds, and the void of a charge that hasn't settled: Braintree's words and ours. Pure.

Until a charge settles, which it does within a day, it can be voided whole and refunded not at all. A void has no id of
its own: as a refund it goes by the charge's (facts: 3.3 Refund; docs: graphql reverseTransaction).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

import msgspec

from processors.braintree import documents, mapping, units
from processors.braintree.api import checked_id
from processors.braintree.graphql import prepared
from processors.braintree.mapping import TAKEN, UNDER_WAY
from processors.braintree.wire import ApiRefund, ApiTransaction, Asked, AskedRefundInput
from processors.errors import OutcomeUnknownError
from processors.events import RefundState
from processors.outcome import (
    RefundFailed,
    RefundOutcome,
    RefundPending,
    RefundRefusal,
    RefundSucceeded,
)
from processors.values import PreparedCall, RefundRequest

REFUSALS: Final[Mapping[str, RefundRefusal]] = {
    "91505": RefundRefusal.NOT_CAPTURED,
    "91512": RefundRefusal.EXCEEDS_CAPTURE,
    "91521": RefundRefusal.EXCEEDS_CAPTURE,
    "91538": RefundRefusal.NOT_ENABLED,
    "91547": RefundRefusal.NOT_ENABLED,
    "91559": RefundRefusal.NOT_ENABLED,
    "91563": RefundRefusal.PARTIAL_NOT_ALLOWED,
    "not_captured": RefundRefusal.NOT_CAPTURED,
}
"""Codes of validation errors (the official packages' lists), and ours for a charge that took nothing. A code that is
not listed is `other`. A refund that was made and refused later, such as one that came too late for PayPal (2065), is no
refusal: it has an id, and failed."""

UNSETTLED: Final = frozenset({"91506", "91574"})
"""Validation errors that say no more than that the charge hasn't settled yet."""

SETTLES_WITHIN: Final = timedelta(hours=6)
"""Between two tries of a refund that has to wait for that. Settlement runs once a day."""
MOVING_ON: Final = timedelta(minutes=15)
"""The same for a charge that is settling at this moment."""


def refund_call(request: RefundRequest) -> PreparedCall:
    """The bytes of a refund; raises MoneyError, and RefusedError for what no charge's id looks like.

    The amount always stands there, so that the bytes never mean "whatever is left". No description is given: PayPal
    shows it to the payer.
    """
    asked = {
        "transactionId": checked_id(request.charge_id),
        "apiRequestKey": request.idempotency_key,
        "refund": {"amount": units.written(request.amount), "orderId": request.reference},
    }
    return prepared(documents.REFUND, {"input": asked})


def asked_for(body: bytes) -> AskedRefundInput:
    """What stored refund bytes ask for."""
    return msgspec.json.decode(body, type=Asked[AskedRefundInput]).variables.input


def check_refund(told: ApiRefund, asked: AskedRefundInput) -> None:
    """Raises OutcomeUnknownError for an answer about another refund, or of another amount."""
    own(told, asked.refund.order_id, asked.transaction_id)
    if Decimal(told.amount.value) != Decimal(asked.refund.amount):
        raise OutcomeUnknownError("the processor answered with a refund of another amount")


def own(told: ApiRefund, reference: str, charge_id: str) -> ApiRefund:
    """Raises OutcomeUnknownError for a refund that is another's. One made there goes by its id alone."""
    of = told.refunded_transaction.id if told.refunded_transaction else ""
    if of != charge_id or (reference and told.order_id != reference):
        raise OutcomeUnknownError("the processor answered with a refund that is not the one asked for")
    return told


def refund_outcome(told: ApiRefund) -> RefundOutcome:
    """What a refund has come to; raises MoneyError, and OutcomeUnknownError for a status that nobody knows."""
    amount = units.read(told.amount.value, told.amount.currency_code)
    match told.status:
        case status if status in TAKEN:
            return RefundSucceeded(told.id, amount, told.created_at)
        case status if status in UNDER_WAY:
            return RefundPending(told.id, amount)
        case "PROCESSOR_DECLINED" | "GATEWAY_REJECTED" | "FAILED" | "SETTLEMENT_DECLINED" | "VOIDED":
            return RefundFailed(told.id, amount, *_why(told))
        case _:
            raise OutcomeUnknownError("the processor shows a refund in a status that is not known")


def _why(told: ApiRefund) -> tuple[str, str]:
    event = next((one for one in told.status_history or () if one.status == told.status), None)
    if event is None:
        return told.status, ""
    response = event.processor_response
    return mapping.event_code(event) or told.status, (response.message or "") if response else ""


def is_void(told: ApiTransaction) -> bool:
    """Whether a charge that had succeeded was voided: its money never arrives."""
    return told.status == "VOIDED" and mapping.stood_as_taken(told)


def voided_by_api(told: ApiTransaction) -> bool:
    """As we do it. Somebody in the Control Panel does it there."""
    event = next((one for one in told.status_history or () if one.status == "VOIDED"), None)
    return event is not None and event.source == "API"


def void_outcome(told: ApiTransaction) -> RefundSucceeded:
    """The void of a charge as a refund of the whole; raises MoneyError."""
    return RefundSucceeded(told.id, mapping.money(told), mapping.ended_at(told))


def void_state(told: ApiTransaction) -> RefundState:
    """Raises MoneyError."""
    return RefundState(told.id, told.id, void_outcome(told), mapping.money(told), external=not voided_by_api(told))


def refund_state(told: ApiRefund, charge_id: str, charge_reference: str) -> RefundState:
    """Raises MoneyError. A refund made in the Control Panel has its charge's reference, which is none of its own."""
    reference = told.order_id or ""
    return RefundState(
        processor_id=told.id,
        charge_id=charge_id,
        outcome=refund_outcome(told),
        amount=units.read(told.amount.value, told.amount.currency_code),
        reference="" if reference == charge_reference else reference,
        external=told.source != "API",
    )
