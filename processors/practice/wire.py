"""The practice processor's JSON as it comes: only the fields that we read."""

from __future__ import annotations

from typing import Literal

import msgspec

from processors.values import Unprinted


class ApiError(msgspec.Struct, frozen=True):
    code: str = ""
    conflicting_id: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    error: ApiError = ApiError()


class ApiCard(msgspec.Struct, frozen=True):
    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None
    fingerprint: str = ""


class ApiAddress(Unprinted, frozen=True):
    country: str = ""
    postal_code: str = ""
    state: str = ""
    city: str = ""
    line1: str = ""
    line2: str = ""


class ApiMethod(Unprinted, frozen=True):
    token: str
    status: str
    customer: str = ""
    card: ApiCard = ApiCard()
    address: ApiAddress | None = None


class ApiReplaced(Unprinted, frozen=True):
    token: str
    replacement: ApiMethod


class ApiRefusal(msgspec.Struct, frozen=True):
    code: str
    message: str = ""
    network_code: str = ""
    network_advice: str = ""


class ApiAccount(msgspec.Struct, frozen=True):
    """`webhook_urls` is where its notifications go."""

    id: str
    webhook_urls: tuple[str, ...] = ()


class ApiSetup(Unprinted, frozen=True):
    id: str
    account: str
    status: Literal["open", "completed", "failed", "expired"]
    url: str = ""
    client_token: str = ""
    method: ApiMethod | None = None
    failure: ApiRefusal | None = None
    expires_at: int | None = None


class ApiMoved(msgspec.Struct, frozen=True):
    """Money that moved once more, signed."""

    id: str
    amount: int
    at: int


class ApiRefund(msgspec.Struct, frozen=True):
    id: str
    account: str
    charge: str
    charge_reference: str
    reference: str
    amount: int
    currency: str
    status: Literal["pending", "succeeded", "failed"]
    origin: str
    created_at: int
    updated_at: int
    has_succeeded: bool = False
    failure: ApiRefusal | None = None


class ApiDispute(msgspec.Struct, frozen=True):
    id: str
    account: str
    charge: str
    charge_reference: str
    amount: int
    currency: str
    status: Literal["inquiry", "opened", "funds_withdrawn", "won", "lost", "partly_lost", "closed"]
    withdrawn: int
    updated_at: int
    moves: list[ApiMoved] = []
    reason: str = ""
    evidence_due_at: int | None = None
    evidence_url: str = ""


class ApiCharge(msgspec.Struct, frozen=True):
    """`refunds` and `disputes` stand only in the answer to a read by id."""

    id: str
    account: str
    reference: str
    amount: int
    amount_captured: int
    currency: str
    status: Literal["succeeded", "failed", "pending", "requires_action", "canceled", "authorized", "reversed"]
    created_at: int
    decline: ApiRefusal | None = None
    will_retry: bool = False
    action_url: str = ""
    closed_at: int | None = None
    expected_by: int | None = None
    settled_at: int | None = None
    reversal: ApiMoved | None = None
    reversal_reason: ApiRefusal | None = None
    reinstatement: ApiMoved | None = None
    refunds: list[ApiRefund] = []
    disputes: list[ApiDispute] = []


class ApiCharges(msgspec.Struct, frozen=True):
    data: list[ApiCharge]
    has_more: bool = False


class ApiRefunds(msgspec.Struct, frozen=True):
    data: list[ApiRefund]
    has_more: bool = False


class ApiDisputes(msgspec.Struct, frozen=True):
    data: list[ApiDispute]
    has_more: bool = False


class ApiSettlement(msgspec.Struct, frozen=True):
    id: str
    day: str


class ApiSettlements(msgspec.Struct, frozen=True):
    data: list[ApiSettlement]


class Envelope(Unprinted, frozen=True):
    """A delivery: up to 250 events, each kept as the bytes it came in."""

    events: list[msgspec.Raw]


class ApiEvent(Unprinted, frozen=True):
    id: str
    type: str
    account: str
    created: int
    data: msgspec.Raw


class AskedCharge(msgspec.Struct, frozen=True):
    """What stored charge bytes ask for."""

    reference: str
    amount: int
    currency: str


class AskedRefund(msgspec.Struct, frozen=True):
    """What stored refund bytes ask for."""

    reference: str
    amount: int
