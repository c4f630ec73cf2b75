"""What an event says, with the resource that it names fetched: payments, refunds, mandates and the creditor.

Events may come in any order. One of a payment or a refund proves what happened then, whatever came after; of a mandate
only its state now counts, since the token of one that was cancelled and is active again must not be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from processors.errors import OutcomeUnknownError
from processors.events import EventKind, MoneyMoved, ProcessorEvent, Replacement
from processors.gocardless import mandates, mapping, returns
from processors.gocardless.api import GoCardlessApi, reference_of
from processors.gocardless.declines import decline
from processors.gocardless.history import KINDS, kind_of
from processors.gocardless.wire import ApiEvent, ApiLinks, ApiMandate, ApiPayment
from processors.money import Money
from processors.outcome import ChargeOutcome, Decline
from processors.values import Secret

MANDATE_ACTIONS: Final = frozenset(
    {"active", "blocked", "cancelled", "consumed", "expired", "failed", "reinstated", "replaced", "suspended"}
    | {"suspended_by_payer", "transferred"}
)
"""Not `created`, `submitted` and the like: a mandate can be charged from the beginning.

Whether the merchant, the bank or the payer did it (`details.origin`) does not matter.
"""

MANDATE_KINDS: Final[Mapping[str, EventKind]] = {
    "pending_customer_approval": EventKind.METHOD_ACTIVATED,
    "pending_submission": EventKind.METHOD_ACTIVATED,
    "submitted": EventKind.METHOD_ACTIVATED,
    "active": EventKind.METHOD_ACTIVATED,
    "suspended_by_payer": EventKind.METHOD_SUSPENDED,
    "cancelled": EventKind.METHOD_REVOKED,
    "failed": EventKind.METHOD_REVOKED,
    "blocked": EventKind.METHOD_REVOKED,
    "expired": EventKind.METHOD_EXPIRED,
    "consumed": EventKind.METHOD_EXPIRED,
}
"""By the mandate's state."""

CREDITOR_KINDS: Final[Mapping[str, EventKind]] = {
    "account_auto_frozen": EventKind.ACCOUNT_LOCKED,
    "account_auto_frozen_reverted": EventKind.ACCOUNT_UNLOCKED,
}


async def parse(api: GoCardlessApi, told: ApiEvent) -> ProcessorEvent:
    """What one event says; raises CallError, MoneyError."""
    match told.resource_type:
        case "payments" if told.action in KINDS:
            said = await _payment(api, told)
        case "refunds" if told.action in returns.KINDS:
            said = await _refund(api, told)
        case "mandates" if told.action in MANDATE_ACTIONS:
            said = await _mandate(api, told)
        case "creditors" if told.action in CREDITOR_KINDS:
            said = _event(CREDITOR_KINDS[told.action], told)
        case _:
            said = _event(EventKind.IGNORED, told)
    account = said.account_ref or told.links.creditor or ""
    return replace(said, account_ref=account, detail=_detail(told, said), event_id=told.id)


def _event(kind: EventKind, told: ApiEvent, why: str = "") -> ProcessorEvent:
    return ProcessorEvent(kind, told.created_at, detail=why)


def _detail(told: ApiEvent, said: ProcessorEvent) -> str:
    return f"{told.resource_type}.{told.action}" + (f": {said.detail}" if said.detail else "")


async def _payment(api: GoCardlessApi, told: ApiEvent) -> ProcessorEvent:
    payment = await _paid(api, told.links)
    if not reference_of(payment):
        return _event(EventKind.IGNORED, told, "of a payment that was made past us")
    kind = kind_of(told, await api.events_of(payment.id))
    said = ProcessorEvent(
        kind,
        told.created_at,
        reference=reference_of(payment),
        processor_id=payment.id,
        account_ref=payment.links.creditor or "",
    )
    if kind in (EventKind.CHARGE_REVERSED, EventKind.CHARGE_REINSTATED):
        return replace(said, moved=_moved(kind, told, payment), decline=_reason(kind, told))
    if kind is EventKind.CHARGE_PENDING and told.action == "failed":
        return replace(said, outcome=mapping.pending(payment), decline=decline(told.details.cause, told.details))
    return replace(said, outcome=_proven(kind, told, payment))


def _proven(kind: EventKind, told: ApiEvent, payment: ApiPayment) -> ChargeOutcome:
    """What the event proves of the payment, whatever has become of it since; raises MoneyError."""
    if kind in (EventKind.CHARGE_SUCCEEDED, EventKind.CHARGE_SETTLED):
        return mapping.succeeded(payment, told)
    if kind is EventKind.CHARGE_PENDING:
        return mapping.pending(payment)
    if told.action == "cancelled":
        return mapping.cancelled(payment, told)
    return mapping.declined(payment, told)


def _moved(kind: EventKind, told: ApiEvent, payment: ApiPayment) -> MoneyMoved:
    """All of it: a bank takes a debit back whole. Raises MoneyError."""
    amount = mapping.money(payment)
    if kind is EventKind.CHARGE_REVERSED:
        amount = Money(-amount.amount, amount.currency)
    return MoneyMoved(amount, told.id, told.created_at)


def _reason(kind: EventKind, told: ApiEvent) -> Decline | None:
    return decline(told.details.cause, told.details) if kind is EventKind.CHARGE_REVERSED else None


async def _refund(api: GoCardlessApi, told: ApiEvent) -> ProcessorEvent:
    refund = await api.refund_by_id(told.links.refund or "")
    if refund is None:
        raise OutcomeUnknownError("GoCardless does not show the refund that it tells of")
    if not refund.links.payment:
        return _event(EventKind.IGNORED, told, "of no payment")
    payment = await _paid(api, refund.links)
    if not reference_of(payment):
        return _event(EventKind.IGNORED, told, "of a payment that was made past us")
    return ProcessorEvent(
        returns.KINDS[told.action],
        told.created_at,
        reference=reference_of(payment),
        processor_id=payment.id,
        account_ref=payment.links.creditor or "",
        refund=returns.refund_state(refund, returns.proven(told, refund)),
    )


async def _paid(api: GoCardlessApi, links: ApiLinks) -> ApiPayment:
    payment = await api.payment(links.payment or "")
    if payment is None:
        raise OutcomeUnknownError("GoCardless does not show the payment that it tells of")
    return payment


async def _mandate(api: GoCardlessApi, told: ApiEvent) -> ProcessorEvent:
    mandate = await api.mandate(told.links.mandate or "")
    if mandate is None:
        raise OutcomeUnknownError("GoCardless does not show the mandate that it tells of")
    said = ProcessorEvent(
        EventKind.METHOD_REPLACED,
        told.created_at,
        token=Secret(mandate.id),
        account_ref=mandate.links.creditor or "",
    )
    new = mandate.links.new_mandate or told.links.new_mandate
    if new:
        return replace(said, replacement=await _replacement(api, new))
    kind = MANDATE_KINDS.get(mandate.status, EventKind.IGNORED)
    if told.action == "reinstated" and kind is EventKind.METHOD_ACTIVATED:
        # What had ended may have been forgotten.
        return replace(said, kind=kind, replacement=await _shown(api, mandate))
    if told.action == "transferred" and kind is EventKind.METHOD_ACTIVATED:
        # The same mandate, at another bank account: what is shown of it changes, and it may be charged again.
        return replace(said, replacement=await _shown(api, mandate))
    return replace(said, kind=kind)


async def _replacement(api: GoCardlessApi, mandate: str) -> Replacement:
    found = await api.mandate(mandate)
    if found is None:
        raise OutcomeUnknownError("GoCardless does not show the mandate that took another's place")
    return await _shown(api, found)


async def _shown(api: GoCardlessApi, mandate: ApiMandate) -> Replacement:
    account = mandate.links.customer_bank_account
    shown = await api.bank_account(account) if account else None
    return Replacement(mandates.reference(mandate.id, mandate.links.customer), mandates.card(mandate.scheme, shown))
