"""Charges: Braintree's words and ours, both ways. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

import msgspec
from msgspec.structs import replace

from processors.braintree import documents, units
from processors.braintree.declines import DECLINES, DUPLICATES, OUR_FAULT
from processors.braintree.graphql import prepared
from processors.braintree.wire import (
    ApiEvent,
    ApiResponse,
    ApiTransaction,
    Asked,
    AskedChargeInput,
    AskedTransaction,
)
from processors.declines import as_class
from processors.errors import OutcomeUnknownError, UnknownCurrencyError
from processors.money import Money
from processors.outcome import (
    Canceled,
    ChargeOutcome,
    Decline,
    DeclineClass,
    Declined,
    Pending,
    Rejected,
    Succeeded,
)
from processors.values import ChargeRequest, PreparedCall, Usage

CALL_TIMEOUT: Final = timedelta(seconds=60)
"""Braintree's own: what takes longer is given up there (docs: reference/general/exceptions, Timeout)."""

TAKEN: Final = frozenset({"SUBMITTED_FOR_SETTLEMENT", "SETTLING", "SETTLEMENT_CONFIRMED", "SETTLED"})
UNDER_WAY: Final = frozenset({"AUTHORIZING", "AUTHORIZED", "SETTLEMENT_PENDING"})
"""Facts: 3.3 Mapping."""

INITIATORS: Final[Mapping[Usage, str]] = {Usage.RECURRING: "RECURRING", Usage.UNSCHEDULED: "UNSCHEDULED"}
"""Both are the merchant's: no payer is there. What the payer agreed to first, Braintree keeps with the vaulted method,
so no first payment is named."""


def charge_call(request: ChargeRequest, merchant_accounts: Mapping[str, str]) -> PreparedCall:
    """The bytes of a charge; raises MoneyError, so also for a currency that no merchant account is configured for.

    Neither description nor metadata have a place: the payer's statement is the merchant account's, and custom fields
    must be made in the Control Panel before any call may name them (docs: graphql CustomFieldInput).
    """
    transaction = {
        "amount": units.written(request.amount),
        "orderId": request.reference,
        "merchantAccountId": account_of(request.amount.currency, merchant_accounts),
        "paymentInitiator": INITIATORS[request.usage],
    }
    asked = {
        "paymentMethodId": request.method.token.reveal(),
        "apiRequestKey": request.idempotency_key,
        "transaction": transaction,
    }
    return prepared(documents.CHARGE, {"input": asked})


def account_of(currency: str, merchant_accounts: Mapping[str, str]) -> str:
    """Raises UnknownCurrencyError."""
    if currency not in merchant_accounts:
        raise UnknownCurrencyError(f"no merchant account is configured for {currency}")
    return merchant_accounts[currency]


def charged(body: bytes) -> AskedTransaction:
    """What stored charge bytes ask for."""
    return msgspec.json.decode(body, type=Asked[AskedChargeInput]).variables.input.transaction


def check_charge(told: ApiTransaction, asked: AskedTransaction) -> None:
    """Raises OutcomeUnknownError for an answer about another charge, or of another amount."""
    if told.order_id != asked.order_id or told.merchant_account_id != asked.merchant_account_id:
        raise OutcomeUnknownError("the processor answered with a charge that is not the one asked for")
    if Decimal(told.amount.value) != Decimal(asked.amount):
        raise OutcomeUnknownError("the processor answered with a charge of another amount")


def money(told: ApiTransaction) -> Money:
    """Raises MoneyError."""
    return units.read(told.amount.value, told.amount.currency_code)


def outcome(told: ApiTransaction) -> ChargeOutcome:
    """What a charge has come to; raises MoneyError, and OutcomeUnknownError for a status that nobody knows.

    One that was voided after its success has taken nothing in the end: what went back is told as a refund.
    """
    match told.status:
        case status if status in TAKEN:
            return Succeeded(told.id, money(told), taken_at(told))
        case status if status in UNDER_WAY:
            return Pending(told.id)
        case "PROCESSOR_DECLINED" | "GATEWAY_REJECTED" | "FAILED" | "SETTLEMENT_DECLINED":
            return _refused(told)
        case "VOIDED" | "AUTHORIZATION_EXPIRED":
            return Canceled(told.id)
        case _:
            raise OutcomeUnknownError("the processor shows a charge in a status that is not known")


def history(told: ApiTransaction) -> Sequence[ApiEvent]:
    """What it went through, the oldest first; it comes the newest first."""
    return tuple(reversed(told.status_history or ()))


def passed(told: ApiTransaction, statuses: frozenset[str]) -> ApiEvent | None:
    """When it first had one of these statuses."""
    return next((event for event in history(told) if event.status in statuses), None)


def taken_at(told: ApiTransaction) -> datetime:
    """The same at each look, however far it has gone since."""
    event = passed(told, TAKEN)
    return told.created_at if event is None else event.timestamp


def ended_at(told: ApiTransaction) -> datetime:
    """When it came to its present status."""
    event = _last(told)
    return told.created_at if event is None else event.timestamp


def stood_as_taken(told: ApiTransaction) -> bool:
    """Whether anybody can have been told that it had succeeded.

    A debit that goes on to SETTLEMENT_PENDING passes through SUBMITTED_FOR_SETTLEMENT within the call that makes it:
    nobody saw that. What stood for longer than a call takes was seen.
    """
    events = history(told)
    for event, later in pairwise(events):
        if event.status in TAKEN and (
            later.status != "SETTLEMENT_PENDING" or later.timestamp - event.timestamp > CALL_TIMEOUT
        ):
            return True
    return bool(events) and events[-1].status in TAKEN


def duplicate(told: ApiTransaction) -> ApiEvent | None:
    """Why it was rejected, if only because there is another like it."""
    event = _last(told)
    return event if event is not None and event_code(event) in DUPLICATES else None


def event_code(event: ApiEvent) -> str:
    """The gateway's reason, else the processor's code; empty where neither is told."""
    response = event.processor_response or ApiResponse()
    return event.gateway_rejection_reason or response.legacy_code or ""


def _last(told: ApiTransaction) -> ApiEvent | None:
    return next((event for event in told.status_history or () if event.status == told.status), None)


def _refused(told: ApiTransaction) -> Declined | Rejected:
    event = _last(told) or ApiEvent(told.status, told.created_at)
    code = event_code(event)
    if code in OUR_FAULT:
        return Rejected(code, OUR_FAULT[code])
    if code in DUPLICATES:
        return Rejected(code, "there is a charge like it, and none under this reference")
    return Declined(decline(event), told.id)


def decline(event: ApiEvent) -> Decline:
    """A refusal in all three layers."""
    response = event.processor_response or ApiResponse()
    said = DECLINES.decline(
        event_code(event) or event.status,
        response.message or "",
        network_code=(event.network_response.code or "") if event.network_response else "",
        network_advice=(event.merchant_advice_code_response.code or "") if event.merchant_advice_code_response else "",
        at=event.timestamp,
    )
    if said.mapped:
        return said
    # The code is in no table, so that what Braintree says of it decides; it remains a guess.
    if event.decline_type == "HARD":
        return replace(as_class(said, DeclineClass.NOT_PERMITTED), mapped=False)
    if event.status == "FAILED":
        return replace(as_class(said, DeclineClass.PROCESSOR_ERROR), mapped=False)
    return said
