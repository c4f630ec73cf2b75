"""Acme's JSON as it comes: only the fields that we read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from processors.values import Unprinted

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ErrorBody(msgspec.Struct, frozen=True):
    error: str = ""


class Account(msgspec.Struct, frozen=True):
    id: str


class Webhook(msgspec.Struct, frozen=True):
    url: str


class Card(Unprinted, frozen=True):
    token: str
    state: str
    brand: str = ""
    last4: str = ""


class Removed(msgspec.Struct, frozen=True):
    """Of what is answered to a removal nothing is read."""


class Setup(Unprinted, frozen=True):
    id: str
    state: Literal["open", "done", "failed"]
    page: str = ""
    card: Card | None = None
    problem: str = ""


class Payment(msgspec.Struct, frozen=True):
    id: str
    account: str
    reference: str
    amount: str
    currency: str
    state: Literal["paid", "refused", "waits_for_payer"]
    at: Moment
    refusal: str = ""
    page: str = ""


class Payments(msgspec.Struct, frozen=True):
    payments: list[Payment]


class Refund(msgspec.Struct, frozen=True):
    id: str
    account: str
    payment: str
    reference: str
    amount: str
    currency: str
    state: Literal["done", "failed"]
    at: Moment


class Refunds(msgspec.Struct, frozen=True):
    refunds: list[Refund]


class Chargeback(msgspec.Struct, frozen=True):
    id: str
    payment: str
    amount: str
    currency: str


class Told(Unprinted, frozen=True):
    """A notification: one of the last four, by its kind."""

    id: str
    kind: str
    account: str
    at: Moment
    payment: Payment | None = None
    refund: Refund | None = None
    chargeback: Chargeback | None = None
    card: Card | None = None


class AskedPayment(msgspec.Struct, frozen=True):
    """What stored bytes ask for."""

    reference: str
    amount: str
    currency: str


class AskedRefund(msgspec.Struct, frozen=True):
    reference: str
    amount: str
    currency: str
