"""How a refund is made: as a refund, or where its charge hasn't settled yet and all of it goes back, as a void."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from processors.braintree import returns
from processors.braintree.api import BraintreeApi
from processors.braintree.graphql import some
from processors.braintree.wire import ApiRefund, ApiRefunded, ApiTransaction, AskedRefundInput
from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.outcome import (
    NotFound,
    RefundFound,
    RefundLookupOutcome,
    RefundOutcome,
)
from processors.values import PreparedCall, RefundQuery

VOIDABLE: Final = frozenset({"AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT", "SETTLEMENT_PENDING"})
SETTLED: Final = frozenset({"SETTLING", "SETTLEMENT_CONFIRMED", "SETTLED"})


async def refund(api: BraintreeApi, call: PreparedCall) -> RefundOutcome:
    """Send prepared bytes once; raises CallError, MoneyError."""
    asked, field = returns.asked_for(call.body), "refundTransaction"
    try:
        made = some(await api.graphql.send(call, field, ApiRefunded), field).refund
    except RefusedError as error:
        if error.code not in returns.UNSETTLED:
            raise
    else:
        returns.check_refund(made, asked)
        return returns.refund_outcome(made)
    return await _before_settlement(api, asked)


async def _before_settlement(api: BraintreeApi, asked: AskedRefundInput) -> RefundOutcome:
    """What can be done for a refund that was refused because its charge hasn't settled.

    All of it: a void, which happens at most once whoever asks. A part of it: nothing was made, so that it's free to be
    asked for again once the charge has settled. unverified: that a refused request doesn't use its key up (ask for a
    part on the day of the charge, and with the same bytes on the next); if it does, a human is told after a day.
    """
    try:
        charge = await api.transaction(asked.transaction_id)
    except CallError as error:
        raise NotSentError(f"nothing was returned yet, and the charge can't be read: {error}", answered=True) from None
    if charge is None:
        raise RefusedError("the processor has no such charge", 404, "not_captured")
    whole = Decimal(charge.amount.value) == Decimal(asked.refund.amount)
    if whole and returns.is_void(charge) and returns.voided_by_api(charge):
        return returns.void_outcome(charge)  # an earlier try of which no answer came
    if charge.status in SETTLED:
        raise NotSentError("the charge is settling: it can be refunded soon", returns.MOVING_ON, answered=True)
    if charge.status not in VOIDABLE:
        raise RefusedError(f"the charge took nothing: it is {charge.status}", 422, "not_captured")
    if not whole:
        raise NotSentError(
            "the charge hasn't settled: until then it can be voided whole, and no part of it can be refunded",
            returns.SETTLES_WITHIN,
            answered=True,
        )
    return await _void(api, asked)


async def _void(api: BraintreeApi, asked: AskedRefundInput) -> RefundOutcome:
    try:
        made = await api.reverse(asked.transaction_id)
    except RefusedError as error:
        raise NotSentError(f"the charge has gone on meanwhile: {error}", returns.MOVING_ON, answered=True) from None
    of = made.id if isinstance(made, ApiTransaction) else made.refunded_transaction and made.refunded_transaction.id
    if of != asked.transaction_id or Decimal(made.amount.value) != Decimal(asked.refund.amount):
        raise OutcomeUnknownError("the processor answered with another charge's reversal")
    if isinstance(made, ApiRefund):
        return returns.refund_outcome(made)  # it settled at that moment, and all of it was refunded
    if made.status != "VOIDED":
        raise OutcomeUnknownError("the processor reversed the charge, and does not show it as voided")
    return returns.void_outcome(made)


async def lookup(api: BraintreeApi, query: RefundQuery, *, conclusive: bool) -> RefundLookupOutcome:
    """A refund as it stands, by its own id or by our reference; raises CallError, MoneyError."""
    found = await _by_id(api, query) if query.processor_id else await _by_reference(api, query)
    return NotFound(conclusive=conclusive) if found is None else RefundFound(found)


async def _by_id(api: BraintreeApi, query: RefundQuery) -> RefundOutcome | None:
    found = await api.returned(query.processor_id)
    if isinstance(found, ApiRefund):
        return returns.refund_outcome(returns.own(found, query.reference, query.charge_id))
    if found is not None and (found.id != query.charge_id or not returns.is_void(found)):
        raise OutcomeUnknownError("the processor shows a charge that was not voided, and no refund")
    return None if found is None else returns.void_outcome(found)


async def _by_reference(api: BraintreeApi, query: RefundQuery) -> RefundOutcome | None:
    """A void carries no reference of ours: a charge that was voided through the API was voided for us."""
    found = await api.refunds_under(query.reference)
    if len(found) > 1:
        raise OutcomeUnknownError("the processor shows several refunds with one reference")
    if found:
        return returns.refund_outcome(returns.own(found[0], query.reference, query.charge_id))
    charge = await api.transaction(query.charge_id)
    if charge is not None and returns.is_void(charge) and returns.voided_by_api(charge):
        return returns.void_outcome(charge)
    return None
