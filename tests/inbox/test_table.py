"""What pokes what: every event type that we know of, in the old shape, the new one and thin."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.inbox.table import ECHOES, Fetch, Ignore, Named, Payment, Reading, Report, Touch, Unreadable, read
from tests.support.inbox import snapshot, thin

INVOICE = {
    "id": "in_1",
    "object": "invoice",
    "status": "open",
    "customer": "cus_1",
    "collection_method": "send_invoice",
    "currency": "eur",
    "amount_due": 1200,
    "amount_remaining": 1200,
    "total": 1200,
}
OLD_INVOICE = INVOICE | {"subscription": "sub_1", "paid": False, "charge": None, "payment_intent": "pi_1"}
NEW_INVOICE = INVOICE | {"parent": {"subscription_details": {"subscription": "sub_1"}}}
SUBSCRIPTION = {"id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1"}
CUSTOMER = {"id": "cus_1", "object": "customer"}
INTENT = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "customer": "cus_1"}
CHARGE = {"id": "ch_1", "object": "charge", "status": "succeeded", "customer": "cus_1", "payment_intent": "pi_1"}
CREDIT_NOTE = {"id": "cn_1", "object": "credit_note", "invoice": "in_1", "customer": "cus_1"}
INVOICE_PAYMENT = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "status": "paid"}
DISCOUNT = {"id": "di_1", "object": "discount", "customer": "cus_1"}
TAX_ID = {"id": "txi_1", "object": "tax_id", "customer": "cus_1"}
DISPUTE = {"id": "du_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1"}
REFUND = {"id": "re_1", "object": "refund", "charge": "ch_1", "payment_intent": "pi_1"}

THE_INVOICE, THE_SUBSCRIPTION, THE_CUSTOMER, THE_PAYMENT, THE_METER = (
    "the invoice",
    "the subscription",
    "the customer",
    "a payment",
    "a meter",
)

METER = {"id": "mtr_1", "object": "billing.meter"}
INVOICE_KINDS = (
    "created finalized updated finalization_failed sent paid payment_succeeded payment_failed payment_action_required "
    "overpaid voided marked_uncollectible deleted will_be_due overdue payment_attempt_required"
)
SUBSCRIPTION_KINDS = (
    "created updated deleted paused resumed trial_will_end pending_update_applied pending_update_expired"
)
GROUPS: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("invoice", INVOICE_KINDS, THE_INVOICE, NEW_INVOICE, "invoice"),
    ("invoice_payment", "paid", THE_INVOICE, INVOICE_PAYMENT, "invoice_payment"),
    ("credit_note", "created updated voided", THE_INVOICE, CREDIT_NOTE, "credit_note"),
    ("customer.subscription", SUBSCRIPTION_KINDS, THE_SUBSCRIPTION, SUBSCRIPTION, "subscription"),
    ("customer", "created updated deleted", THE_CUSTOMER, CUSTOMER, "customer"),
    ("customer.discount", "created updated deleted", THE_CUSTOMER, DISCOUNT, "discount"),
    ("customer.tax_id", "created updated deleted", THE_CUSTOMER, TAX_ID, "tax_id"),
    ("charge", "succeeded failed refunded pending", THE_PAYMENT, CHARGE, "charge"),
    ("charge.dispute", "created updated closed funds_withdrawn funds_reinstated", THE_PAYMENT, DISPUTE, "dispute"),
    ("charge.refund", "updated", THE_PAYMENT, REFUND, "refund"),
    (
        "payment_intent",
        "succeeded processing canceled payment_failed requires_action",
        THE_PAYMENT,
        INTENT,
        "payment_intent",
    ),
    ("billing.meter", "created deactivated reactivated updated", THE_METER, METER, "billing.meter"),
]
FAMILIES = [
    (f"{prefix}.{what}", expected, thing, type_)
    for prefix, kinds, expected, thing, type_ in GROUPS
    for what in kinds.split()
]
KINDS = [kind for kind, _, _, _ in FAMILIES]


def leads_to(reading: Reading) -> str:
    match reading:
        case Touch(named=Named.INVOICE, id="in_1"):
            return THE_INVOICE
        case Touch(named=Named.SUBSCRIPTION, id="sub_1"):
            return THE_SUBSCRIPTION
        case Touch(named=Named.CUSTOMER, id="cus_1"):
            return THE_CUSTOMER
        case Payment(intent="pi_1"):
            return THE_PAYMENT
        case Touch(named=Named.METER, id="mtr_1"):
            return THE_METER
        case other:
            return repr(other)


@pytest.mark.parametrize(("kind", "expected", "thing", "_type"), FAMILIES, ids=KINDS)
def test_a_snapshot_leads_to_its_object(kind: str, expected: str, thing: dict[str, Any], _type: str) -> None:
    assert leads_to(read(snapshot(kind, thing))) == expected


def test_that_a_payment_may_be_made_tells_nothing() -> None:
    assert isinstance(read(snapshot("payment_intent.created", INTENT)), Ignore)


@pytest.mark.parametrize(("kind", "expected", "thing", "_type"), FAMILIES, ids=KINDS)
def test_so_does_the_old_shape(kind: str, expected: str, thing: dict[str, Any], _type: str) -> None:
    old = OLD_INVOICE if thing is NEW_INVOICE else thing | ({"invoice": "in_1"} if expected == THE_PAYMENT else {})
    if thing in (DISPUTE, REFUND):
        old = thing  # these never named an invoice
    elif expected == THE_PAYMENT:
        expected = THE_INVOICE
    assert leads_to(read(snapshot(kind, old, api_version="2022-11-15"))) == expected


@pytest.mark.parametrize(("kind", "expected", "thing", "type"), FAMILIES, ids=KINDS)
def test_so_does_a_thin_event(kind: str, expected: str, thing: dict[str, Any], type: str) -> None:
    url = f"/v1/{type}s/{thing['id']}"
    related = {"id": thing["id"], "type": type, "url": url}
    if type == "discount":
        related = {"type": type, "url": "/v1/customers/cus_1/discount"}
    reading = read(thin(f"v1.{kind}", related))
    if type in ("invoice_payment", "credit_note", "tax_id", "charge", "dispute", "refund"):
        assert isinstance(reading, Fetch), "it names its invoice only when it is read"
        assert reading.path == url
    else:
        assert leads_to(reading) == expected


@pytest.mark.parametrize(
    "kind",
    ["v1.customer.subscription.past_due", "v1.customer.subscription.unpaid", "v1.customer.subscription.item_added"],
)
def test_thin_types_that_snapshots_lack(kind: str) -> None:
    related = {"id": "sub_1", "type": "subscription", "url": "/v1/subscriptions/sub_1"}
    assert leads_to(read(thin(kind, related))) == THE_SUBSCRIPTION


def test_expanded_references_and_those_of_a_subscription_alone() -> None:
    expanded = CREDIT_NOTE | {"invoice": NEW_INVOICE}
    assert leads_to(read(snapshot("credit_note.created", expanded))) == THE_INVOICE
    alone = DISCOUNT | {"customer": None, "subscription": "sub_1"}
    assert leads_to(read(snapshot("customer.discount.created", alone))) == THE_SUBSCRIPTION


def test_a_credit_notes_own_id_is_never_taken_for_an_invoice() -> None:
    assert isinstance(read(snapshot("credit_note.created", CREDIT_NOTE | {"invoice": None})), Unreadable)


@pytest.mark.parametrize(
    "kind",
    ["product.created", "payout.paid", "test_helpers.test_clock.ready", "billing_portal.configuration.updated",
     "payment_method.attached", "invoiceitem.created", "refund.created", "something.new", "invoice.upcoming", "ping"],
)  # fmt: skip
def test_everything_else_is_ignored_with_a_reason(kind: str) -> None:
    for body in (snapshot(kind, {"id": "x_1"}), thin(f"v1.{kind}", {"id": "x_1", "type": "x", "url": "/v1/x/x_1"})):
        reading = read(body)
        assert isinstance(reading, Ignore)
        assert reading.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        snapshot("invoice.paid", {"object": "invoice"}),
        snapshot("invoice.paid", {"id": None, "object": "invoice"}),
        snapshot("invoice.paid", {"id": 7, "object": "invoice"}),
        snapshot("invoice.paid", {"id": "../customers", "object": "invoice"}),
        snapshot("invoice.paid", {"id": "in_9", "object": "bill"}),
        snapshot("payment_intent.succeeded", {"object": "payment_intent"}),
        snapshot("customer.tax_id.created", {"id": "txi_1", "object": "tax_id"}),
        msgspec.json.encode({"id": "evt_1", "type": "invoice.paid", "data": {"object": []}}),
        msgspec.json.encode({"id": "evt_1", "type": "invoice.paid"}),
        thin("v1.invoice.paid", None),
        thin("v1.invoice.paid", {"type": "invoice", "url": "/v1/invoices/in_1"}),
        thin("v1.invoice.paid", {"id": "x", "type": "parcel", "url": "/v1/parcels/x"}),
        thin("v1.credit_note.created", {"id": "../x", "type": "credit_note", "url": ""}),
    ],
)
def test_a_shape_that_nobody_knows_is_not_dropped(body: bytes) -> None:
    assert isinstance(read(body), Unreadable)


def test_only_events_whose_digest_says_it_all_can_be_echoes() -> None:
    for kind, expected, thing, _ in FAMILIES:
        reading = read(snapshot(kind, thing))
        digest = reading.digest if isinstance(reading, Touch) else ""
        assert bool(digest) == (kind in ECHOES), kind
        assert not digest or expected in (THE_INVOICE, THE_SUBSCRIPTION)


def test_an_event_of_a_connected_account_is_not_ours() -> None:
    body = snapshot("invoice.paid", NEW_INVOICE, account="acct_other")
    assert isinstance(read(body, "acct_ours"), Ignore)
    assert isinstance(read(body, "acct_other"), Touch)
    assert isinstance(read(body, ""), Touch), "where our own is not known, nothing is thrown away"


@pytest.mark.parametrize(("changed", "stale"), [({"next_invoice_sequence": 3}, False), ({"address": None}, True)])
def test_what_changed_of_a_customer_decides_whether_invoices_are_read_again(changed: Any, stale: bool) -> None:
    body = snapshot("customer.updated", CUSTOMER, data={"object": CUSTOMER, "previous_attributes": changed})
    reading = read(body)
    assert isinstance(reading, Touch)
    assert reading.stale is stale


@pytest.mark.parametrize("kind", ["error_report_triggered", "no_meter_found"])
def test_a_report_of_refused_usage_is_read_by_its_event(kind: str) -> None:
    """Its data is only in the event as fetched."""
    body = {"id": "evt_test_1", "object": "v2.core.event", "type": f"v1.billing.meter.{kind}"}
    assert read(msgspec.json.encode(body)) == Report("evt_test_1")
    listed = body | {"data": {"reason": {"error_count": 1}}}
    assert read(msgspec.json.encode(listed)) == Report("evt_test_1"), "in a list it shows its data too"
    assert isinstance(read(msgspec.json.encode(body | {"id": "../x"})), Unreadable)
