"""What a Stripe event pokes: one table, pure, for every API version since 2022-11-15 and for thin events.

An event is read for names only; what is true is read from Stripe by `advance`. Names move between versions
(Stripe's changelog, basil), so an object is taken for what its `object` says it is, and for what its fields refer to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from gateway.billing.meters import REPORTS
from gateway.billing.shapes import InvoiceShape, SubscriptionShape, id_of, invoice_digest


class Named(StrEnum):
    """What an event leads to; the value is Stripe's name both of the object and of the field that refers to it."""

    INVOICE = "invoice"
    SUBSCRIPTION = "subscription"
    CUSTOMER = "customer"
    PAYMENT = "payment_intent"
    """The invoice behind a payment that Stripe takes itself."""
    METER = "billing.meter"


class Row(NamedTuple):
    """Types that begin with `prefix`: what they lead to, or the reason to ignore them.

    An account's endpoint subscribes to the rest of those that exist: `names`, without which billing, access or money
    goes wrong until catch-up lists what they tell; `more_names`, which come with another or only tell it sooner. One
    that Stripe adds later is heeded by its prefix. `thin_names`: of those that only thin events have, the ones that
    nothing else tells.
    """

    prefix: str
    leads_to: Named | str
    names: str = ""
    more_names: str = ""
    thin_names: str = ""


TABLE: Final[tuple[Row, ...]] = (
    Row("invoice.upcoming", "a preview of an invoice that does not exist yet"),
    Row(
        "invoice.",
        Named.INVOICE,
        "created deleted finalization_failed finalized marked_uncollectible overpaid paid updated voided",
        "overdue payment_action_required payment_attempt_required payment_failed payment_succeeded sent will_be_due",
    ),
    Row("invoice_payment.", Named.INVOICE, "paid"),
    Row("credit_note.", Named.INVOICE, "created updated voided"),
    Row(
        "customer.subscription.",
        Named.SUBSCRIPTION,
        "created deleted paused resumed updated",
        "pending_update_applied pending_update_expired trial_will_end",
    ),
    Row("customer.discount.source_changed", "names no customer; the discount itself did not change"),
    Row("customer.source.", "a card at Stripe, of the old kind: no invoice of ours is paid with it"),
    Row(
        "customer.",
        Named.CUSTOMER,
        "deleted updated",
        "created discount.created discount.deleted discount.updated tax_id.created tax_id.deleted tax_id.updated",
    ),
    Row(
        "charge.",
        Named.PAYMENT,
        "dispute.closed dispute.created refunded",
        "captured dispute.funds_reinstated dispute.funds_withdrawn dispute.updated expired failed pending "
        "refund.updated succeeded updated",
    ),
    Row("payment_intent.created", "no payment was tried yet: what becomes of it has events of its own"),
    Row(
        "payment_intent.",
        Named.PAYMENT,
        "payment_failed processing succeeded",
        "amount_capturable_updated canceled partially_funded requires_action",
    ),
    Row(
        "billing.meter.",
        Named.METER,
        more_names="created deactivated reactivated updated",
        thin_names="error_report_triggered no_meter_found",
    ),
)
"""The first prefix that fits decides. Everything else pokes nothing."""


def subscribed(*, thin: bool = False) -> list[str]:
    """The event types that an account's endpoint needs: those that poke something, as snapshots or as thin events.

    Thin events have more types, most of which tell more closely what an `updated` says too.
    """
    named = sorted(f"{one.prefix}{name}" for one in TABLE for name in f"{one.names} {one.more_names}".split())
    return sorted([f"v1.{name}" for name in named] + subscribed_beside()) if thin else named


def depended_on() -> frozenset[str]:
    """Of those, by the names of snapshots, what must not be missing."""
    return frozenset(f"{one.prefix}{name}" for one in TABLE for name in one.names.split())


def subscribed_beside() -> list[str]:
    """The thin types that an account needs beside an endpoint of snapshots, which has no such events."""
    return sorted(f"v1.{one.prefix}{name}" for one in TABLE for name in one.thin_names.split())


FETCH: Final[Mapping[str, str]] = {
    "invoice_payment": "/v1/invoice_payments/{}",
    "credit_note": "/v1/credit_notes/{}",
    "tax_id": "/v1/tax_ids/{}",
    "charge": "/v1/charges/{}",
    "dispute": "/v1/disputes/{}",
    "refund": "/v1/refunds/{}",
}
"""Where the objects are read that a thin event names and that are not the target themselves."""

ECHOES: Final = frozenset(
    {
        "invoice.created",
        "invoice.updated",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.voided",
        "invoice.marked_uncollectible",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
    }
)
"""Events whose whole meaning is in the digest. The others tell more: `invoice.deleted` shows the draft as it was, and
`invoice.finalization_failed` one whose amounts did not change."""

QUIET: Final = frozenset(
    {"metadata", "next_invoice_sequence", "invoice_prefix", "delinquent", "description", "default_source", "currency"}
)
"""Fields of a customer that change nothing about an invoice. `next_invoice_sequence` moves at every finalization."""

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,255}")
_OWNER: Final = re.compile(r"/v1/(customers|subscriptions)/([A-Za-z0-9_]{1,255})/")

Ref: TypeAlias = str | dict[str, Any] | None


class Subject(msgspec.Struct, frozen=True):
    """Any object of Stripe's, as far as it names others."""

    id: str | None = None
    object: str = ""
    invoice: Ref = None
    subscription: Ref = None
    customer: Ref = None
    payment_intent: Ref = None
    status: str | None = None


class _Data(msgspec.Struct, frozen=True):
    """`object` is empty in a thin event that was listed: what it shows there is no object."""

    object: msgspec.Raw = msgspec.Raw()
    previous_attributes: dict[str, Any] | None = None


class _Related(msgspec.Struct, frozen=True):
    type: str = ""
    id: str = ""
    url: str = ""


class _Event(msgspec.Struct, frozen=True):
    type: str
    id: str = ""
    account: str | None = None
    context: str | None = None
    data: _Data | None = None
    related_object: _Related | None = None


class Ignore(msgspec.Struct, frozen=True):
    """It pokes nothing."""

    reason: str


class Unreadable(msgspec.Struct, frozen=True):
    """It is not what Stripe sends today: a human must look, since dropping it might lose something."""

    reason: str


class Touch(msgspec.Struct, frozen=True):
    """It is about this object.

    `digest`: what it shows of it, where that is all it means. `stale`: what Stripe shows of it may have changed.
    """

    named: Named
    id: str
    digest: str = ""
    stale: bool = True
    deleted: bool = False
    sent: bool = False
    """Stripe has mailed the invoice, which nothing else of it shows."""


class Payment(msgspec.Struct, frozen=True):
    """It is about this payment intent, whose invoice must be found. `status`: where the event shows the intent."""

    intent: str
    customer: str = ""
    status: str = ""


class Fetch(msgspec.Struct, frozen=True):
    """It names an object that must be read first to know what that belongs to."""

    path: str
    named: Named


class Report(msgspec.Struct, frozen=True):
    """It says what usage Stripe does not count, and must be read for that: what is delivered does not show it."""

    event: str


Reading: TypeAlias = Ignore | Unreadable | Touch | Payment | Fetch | Report


def read(body: bytes, own_account: str = "") -> Reading:
    """What an event is about. `own_account` is the Stripe account's id, where known. Pure; raises nothing."""
    try:
        event = msgspec.json.decode(body, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable(f"no event can be read from the body ({type(error).__name__})")
    other = event.account or event.context
    if other and own_account and other != own_account:
        return Ignore("of another Stripe account, connected to this one")
    kind = event.type.removeprefix("v1.")
    if kind in REPORTS:
        return Report(event.id) if _ID.fullmatch(event.id) else Unreadable("the id of the event has an unknown shape")
    named = row(kind)
    if isinstance(named, str) and not isinstance(named, Named):
        return Ignore(named)
    try:
        if event.data is not None and bytes(event.data.object):
            return _snapshot(kind, named, event.data)
        return _thin(kind, named, event.related_object)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable(f"the object of {kind} has an unknown shape ({type(error).__name__})")


def row(kind: str) -> Named | str:
    """The row of the table for a type, without the `v1.` of thin events."""
    for one in TABLE:
        if kind.startswith(one.prefix):
            return one.leads_to
    return f"nothing here depends on {kind[:100]}"


def follow(subject: Subject, named: Named) -> Reading:
    """What an object leads to: itself, or what it refers to."""
    if named is Named.PAYMENT:
        return _payment(subject)
    if subject.object in (named, "") and subject.id:
        return _touch(named, subject.id)
    target = id_of(getattr(subject, named, None))
    if target:
        return _touch(named, target)
    if named is Named.CUSTOMER and subject.subscription:
        # A discount of a subscription alone.
        return _touch(Named.SUBSCRIPTION, id_of(subject.subscription))
    return Unreadable(f"the {subject.object or 'object'} names no {named}")


def _snapshot(kind: str, named: Named, data: _Data) -> Reading:
    subject = msgspec.json.decode(data.object, type=Subject)
    found = follow(subject, named)
    if not isinstance(found, Touch) or subject.id != found.id:
        return found
    if kind == "customer.deleted":
        return msgspec.structs.replace(found, deleted=True)
    if kind == "invoice.sent":
        return msgspec.structs.replace(found, sent=True)
    if kind == "customer.updated" and data.previous_attributes and QUIET.issuperset(data.previous_attributes):
        return msgspec.structs.replace(found, stale=False)
    if kind in ECHOES and subject.object == named:
        return msgspec.structs.replace(found, digest=_digest(named, data.object))
    return found


def _digest(named: Named, raw: msgspec.Raw) -> str:
    """The fingerprint of what the event shows; empty where the shape is not one that we can compare."""
    try:
        if named is Named.INVOICE:
            return invoice_digest(msgspec.json.decode(raw, type=InvoiceShape))
        return msgspec.json.decode(raw, type=SubscriptionShape).digest
    except msgspec.DecodeError:
        return ""


def _thin(kind: str, named: Named, related: _Related | None) -> Reading:
    if related is None:
        return Unreadable(f"{kind} names no object")
    if related.type == named and related.id:
        if named is Named.PAYMENT:
            return _payment(Subject(id=related.id, object=named))
        found = _touch(named, related.id)
        if isinstance(found, Touch):
            found = msgspec.structs.replace(found, deleted=kind == "customer.deleted", sent=kind == "invoice.sent")
        return found
    if owner := _OWNER.search(related.url):
        # A discount has no id of its own: its address says whose it is. Deleted tax ids can't be read any more.
        return _touch(Named(owner[1].removesuffix("s")), owner[2])
    if related.type in FETCH and _ID.fullmatch(related.id):
        return Fetch(FETCH[related.type].format(related.id), named)
    return Unreadable(f"{kind} names a {related.type[:50] or 'nothing'}, from which no {named} follows")


def _payment(subject: Subject) -> Reading:
    # Before 2025-03-31 charges and payment intents name their invoice; later ones never do.
    if invoice := id_of(subject.invoice):
        return _touch(Named.INVOICE, invoice)
    is_intent = subject.object == Named.PAYMENT or (not subject.object and (subject.id or "").startswith("pi_"))
    intent = (subject.id or "") if is_intent else id_of(subject.payment_intent)
    if not intent:
        return Unreadable("the payment intent has no id") if is_intent else Ignore("no payment intent behind it")
    if not _ID.fullmatch(intent):
        return Unreadable("the id of the payment intent has an unknown shape")
    return Payment(intent, id_of(subject.customer), (subject.status or "") if is_intent else "")


def _touch(named: Named, found: str) -> Reading:
    if not _ID.fullmatch(found):
        return Unreadable(f"the id of the {named} has an unknown shape")
    return Touch(named, found)
