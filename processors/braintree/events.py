"""What a charge, refund or dispute says as an event, however it was come by. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, TypeGuard

from msgspec.structs import replace

from processors.braintree import disputes, mapping, returns
from processors.braintree.api import BraintreeApi
from processors.braintree.wire import ApiDispute, ApiRefund, ApiTransaction
from processors.events import EventKind, MoneyMoved, ProcessorEvent
from processors.money import Money
from processors.outcome import ChargeOutcome, Pending, RefundFailed, RefundSucceeded, Succeeded

OURS: Final = re.compile(r"in_[A-Za-z0-9_-]+\.[0-9]+")
"""References as the gateway makes them (`processors.capabilities.ReferenceRules`). A merchant's account takes other
payments too, such as those of a shop, and all of them are told: what has another reference is none of ours."""


def is_refund(told: ApiRefund | ApiTransaction) -> TypeGuard[ApiRefund]:
    return isinstance(told, ApiRefund)


def ignored(at: datetime, why: str = "") -> ProcessorEvent:
    return ProcessorEvent(EventKind.IGNORED, at, detail=why)


def foreign(at: datetime) -> ProcessorEvent:
    return ignored(at, "of a payment that was not made by this gateway")


def addressed(event: ProcessorEvent, account: str, detail: str = "") -> ProcessorEvent:
    return replace(event, account_ref=account, detail=detail or event.detail)


def may_be_ours(api: BraintreeApi, reference: str | None, merchant_account: str | None) -> bool:
    """A gateway account's webhooks tell of all its merchant accounts; some may be other connections'."""
    return OURS.fullmatch(reference or "") is not None and api.is_ours(merchant_account)


def charge_kind(outcome: ChargeOutcome) -> EventKind:
    if isinstance(outcome, Succeeded):
        return EventKind.CHARGE_SUCCEEDED
    return EventKind.CHARGE_PENDING if isinstance(outcome, Pending) else EventKind.CHARGE_FAILED


def changed(api: BraintreeApi, charge: ApiTransaction, at: datetime) -> ProcessorEvent:
    """How a charge stands now; raises MoneyError.

    One that was voided after its success is a refund. One whose settlement was declined after its success was reversed.
    A rejected duplicate says nothing of the charge that it's a duplicate of.
    """
    if not may_be_ours(api, charge.order_id, charge.merchant_account_id):
        return foreign(at)
    if mapping.duplicate(charge) is not None:
        return ignored(at, "a duplicate that was rejected")
    if returns.is_void(charge):
        return voided(charge)
    if charge.status == "SETTLEMENT_DECLINED" and mapping.stood_as_taken(charge):
        return _reversed(charge)
    outcome = mapping.outcome(charge)
    ended = mapping.taken_at(charge) if isinstance(outcome, Succeeded) else mapping.ended_at(charge)
    return _charge(charge_kind(outcome), charge, ended, outcome)


def settled(api: BraintreeApi, charge: ApiTransaction, at: datetime) -> ProcessorEvent:
    """Raises MoneyError. Read later, it may stand otherwise by now."""
    event = mapping.passed(charge, frozenset({"SETTLED"}))
    if event is None or charge.status != "SETTLED":
        return changed(api, charge, at)
    if not may_be_ours(api, charge.order_id, charge.merchant_account_id):
        return foreign(at)
    return _charge(EventKind.CHARGE_SETTLED, charge, event.timestamp, mapping.outcome(charge))


def _reversed(charge: ApiTransaction) -> ProcessorEvent:
    """A settlement is declined once, so that this names the move."""
    at, amount = mapping.ended_at(charge), mapping.money(charge)
    declined = next(event for event in charge.status_history or () if event.status == "SETTLEMENT_DECLINED")
    moved = MoneyMoved(Money(-amount.amount, amount.currency), "settlement_declined", at)
    return replace(_charge(EventKind.CHARGE_REVERSED, charge, at, None), moved=moved, decline=mapping.decline(declined))


def _charge(kind: EventKind, charge: ApiTransaction, at: datetime, outcome: ChargeOutcome | None) -> ProcessorEvent:
    return ProcessorEvent(kind, at, reference=charge.order_id or "", processor_id=charge.id, outcome=outcome)


def voided(charge: ApiTransaction) -> ProcessorEvent:
    """Raises MoneyError."""
    return ProcessorEvent(
        EventKind.REFUND_SUCCEEDED,
        mapping.ended_at(charge),
        reference=charge.order_id or "",
        processor_id=charge.id,
        refund=returns.void_state(charge),
    )


def refunded(api: BraintreeApi, refund: ApiRefund, at: datetime) -> ProcessorEvent:
    """Raises MoneyError."""
    charge = refund.refunded_transaction
    if charge is None or not may_be_ours(api, charge.order_id, charge.merchant_account_id):
        return foreign(at)
    state = returns.refund_state(refund, charge.id, charge.order_id or "")
    kind = EventKind.REFUND_CREATED
    if isinstance(state.outcome, RefundSucceeded):
        kind = EventKind.REFUND_SUCCEEDED
    elif isinstance(state.outcome, RefundFailed):
        kind = EventKind.REFUND_FAILED
    return ProcessorEvent(kind, at, reference=charge.order_id or "", processor_id=charge.id, refund=state)


def disputed(api: BraintreeApi, dispute: ApiDispute) -> ProcessorEvent:
    """Raises MoneyError."""
    charge, at = dispute.transaction, disputes.said_at(dispute)
    if not may_be_ours(api, charge.order_id, charge.merchant_account_id):
        return foreign(at)
    state = disputes.dispute_state(dispute)
    kind = state.stage.event
    return ProcessorEvent(kind, at, reference=charge.order_id or "", processor_id=charge.id, dispute=state)
