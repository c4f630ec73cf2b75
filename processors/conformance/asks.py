"""What the kit asks of an adapter: the same charge, refund and set-up in every scenario."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from processors.breakdown import Breakdown, Line
from processors.capabilities import Lookup, RefundMode
from processors.conformance.subject import (
    AMOUNT,
    CUSTOMER,
    PART,
    REFERENCE,
    REFUND_REFERENCE,
    SETUP_REFERENCE,
    Subject,
    key,
)
from processors.money import Money
from processors.values import ChargeQuery, ChargeRequest, RefundQuery, RefundRequest, SetupCompletion, SetupRequest

SINCE = datetime(2027, 3, 1, 12, tzinfo=UTC)


def total(subject: Subject) -> Money:
    return Money(AMOUNT, subject.currency)


def part(subject: Subject) -> Money:
    return Money(PART, subject.currency)


def charge(subject: Subject, **changed: Any) -> ChargeRequest:
    request = ChargeRequest(
        reference=REFERENCE,
        idempotency_key=key("charge"),
        amount=total(subject),
        method=subject.method,
        description="Invoice KIT-0001",
        metadata={"invoice": REFERENCE.rpartition(".")[0], "attempt": "1"},
    )
    return replace(request, **changed)


def in_another_currency(subject: Subject) -> tuple[Money, ...]:
    """The same number in a currency that the subject records beside its own; none where it records no other."""
    return tuple([Money(AMOUNT, money.currency) for money in subject.wire if money.currency != subject.currency][:1])


def breakdown() -> Breakdown:
    """What the charge is for: two lines, and the tax on both."""
    first, tax = AMOUNT - PART, PART // 5
    return Breakdown((Line("Plan, March 2027", first), Line("Seats, March 2027", PART - tax)), tax)


def charge_query(subject: Subject, *, by_id: bool | None = None) -> ChargeQuery:
    """As the gateway asks: by reference, and by id where nothing else finds a charge."""
    named = subject.adapter.capabilities.lookup is Lookup.BY_ID if by_id is None else by_id
    return ChargeQuery(REFERENCE, subject.charge_id if named else "", subject.method, SINCE)


def refund(subject: Subject, **changed: Any) -> RefundRequest:
    request = RefundRequest(
        reference=REFUND_REFERENCE,
        idempotency_key=key("refund"),
        charge_id=subject.charge_id,
        amount=total(subject),
        reason="requested_by_customer",
    )
    return replace(request, **changed)


def refund_query(subject: Subject) -> RefundQuery:
    return RefundQuery(REFUND_REFERENCE, subject.charge_id, subject.refund_id)


def refunds_at_once(subject: Subject) -> bool:
    return subject.adapter.capabilities.refunds.mode is RefundMode.SYNC


def setup(subject: Subject) -> SetupRequest:
    return SetupRequest(
        reference=SETUP_REFERENCE,
        idempotency_key=key("setup"),
        currency=subject.currency,
        return_url="https://shop.example/return",
        locale="en",
        customer=CUSTOMER,
    )


def completion(subject: Subject) -> SetupCompletion:
    return SetupCompletion(subject.setups.processor_ref, key("completion"), subject.setups.client)
