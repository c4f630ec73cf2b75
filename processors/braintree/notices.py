"""Braintree's webhooks: what a signed payload says, and the events that it means.

A payload is a snapshot in XML, named by the ids that the Control Panel shows. What it is about is read afresh through
the API, by the global id that stands for the other (`idFromLegacyId`), so that the same object has the same id
everywhere with us. A payment method that is gone can't be asked for: its global id is taken from the XML.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from processors.braintree import events
from processors.braintree.api import BraintreeApi, checked_id
from processors.calls import if_there
from processors.errors import DeliveryMalformedError, OutcomeUnknownError
from processors.events import EventKind, Notice, ProcessorEvent
from processors.values import Secret, Unprinted

Told = Callable[[BraintreeApi, "Message"], Awaitable[ProcessorEvent]]


class Message(Unprinted, frozen=True):
    """A notification: its kind, when it was written, for whom, and the element that it is about."""

    kind: str
    at: datetime
    merchant: str
    subject: Element


def notice(content: bytes) -> Notice:
    """The notice of a signed payload; raises DeliveryMalformedError.

    Notifications have no id. Two of them differ somewhere, if only in their time; one that is sent again does not.
    """
    message = read(content)
    return Notice(hashlib.sha256(content).hexdigest(), message.kind, content)


def read(content: bytes) -> Message:
    """Raises DeliveryMalformedError."""
    try:
        root = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise DeliveryMalformedError("the payload is no XML that is safe to read") from None
    kind, at, subject = text(root, "kind"), text(root, "timestamp"), root.find("subject")
    if root.tag != "notification" or not kind or subject is None:
        raise DeliveryMalformedError("the payload is no notification")
    return Message(kind, _moment(at), text(root, "source-merchant-id"), subject)


async def parse(api: BraintreeApi, content: bytes, account: str) -> ProcessorEvent:
    """What a notification means; raises CallError, MoneyError, DeliveryMalformedError."""
    message = read(content)
    if message.merchant and message.merchant != account:
        # Of a merchant that is connected to this one: its objects can't be read with this key.
        why = f"{message.kind} of another merchant"
        return ProcessorEvent(EventKind.IGNORED, message.at, account_ref=message.merchant, detail=why)
    tell = KINDS.get(message.kind)
    said = events.ignored(message.at) if tell is None else await tell(api, message)
    detail = message.kind if said.kind is not EventKind.IGNORED or not said.detail else said.detail
    return events.addressed(said, account, detail)


async def _charge(api: BraintreeApi, message: Message) -> ProcessorEvent:
    legacy = _id(message, "transaction")
    charge = await api.transaction(await api.global_id(legacy, "TRANSACTION"))
    if charge is None:
        raise OutcomeUnknownError("the processor tells of a charge that it does not show")
    if message.kind == "transaction_settled":
        return events.settled(api, charge, message.at)
    return events.changed(api, charge, message.at)


async def _refund(api: BraintreeApi, message: Message) -> ProcessorEvent:
    refund = await api.returned(await api.global_id(_id(message, "transaction"), "REFUND"))
    if refund is None or not events.is_refund(refund):
        raise OutcomeUnknownError("the processor tells of a refund that it does not show")
    return events.refunded(api, refund, message.at)


async def _dispute(api: BraintreeApi, message: Message) -> ProcessorEvent:
    dispute = await api.dispute(await api.global_id(_id(message, "dispute"), "DISPUTE"))
    if dispute is None:
        raise OutcomeUnknownError("the processor tells of a dispute that it does not show")
    return events.disputed(api, dispute)


async def _revoked(api: BraintreeApi, message: Message) -> ProcessorEvent:
    """A payer has cancelled the agreement at PayPal or Venmo: cards are never told of."""
    method = next(iter(message.subject), None)
    if method is None or not (text(method, "token") or text(method, "global-id")):
        raise DeliveryMalformedError("a payment method was revoked, and the payload does not say which")
    token = text(method, "global-id") or await if_there(api.global_id(text(method, "token"), "PAYMENT_METHOD"))
    if not token:
        # It's gone from the vault, and nobody says what it was called here: the next charge is declined.
        return events.ignored(message.at, "a payment method that is gone already was revoked")
    return ProcessorEvent(EventKind.METHOD_REVOKED, message.at, token=Secret(token))


KINDS: Final[Mapping[str, Told]] = {
    "transaction_settled": _charge,
    "transaction_settlement_declined": _charge,
    "transaction_retried": _charge,
    "refund_failed": _refund,
    "dispute_opened": _dispute,
    "dispute_under_review": _dispute,
    "dispute_disputed": _dispute,
    "dispute_won": _dispute,
    "dispute_lost": _dispute,
    "dispute_accepted": _dispute,
    "dispute_auto_accepted": _dispute,
    "dispute_expired": _dispute,
    "payment_method_revoked_by_customer": _revoked,
}
"""All else is ignored by its name: reviews, disbursements, reports, and `check`, by which staff try the address."""


def _id(message: Message, of: str) -> str:
    """The id of what the notification is about, as the Control Panel shows it."""
    found = message.subject.find(of)
    legacy = "" if found is None else text(found, "id")
    if not legacy:
        raise DeliveryMalformedError(f"{message.kind} names no {of}")
    return checked_id(legacy)


def text(element: Element, name: str) -> str:
    """The text of a child; empty where there is none."""
    return (element.findtext(name) or "").strip()


def _moment(told: str) -> datetime:
    """Raises DeliveryMalformedError. Times are UTC."""
    try:
        moment = datetime.fromisoformat(told.replace("Z", "+00:00"))
    except ValueError:
        raise DeliveryMalformedError("the notification has no time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
