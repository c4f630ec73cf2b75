"""Stripe's payloads, of any version, in our words; and which events tell us nothing new."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.billing.shapes import LOCATION_MISSING, InvoiceShape, billed, id_of, invoice_digest, is_echo
from gateway.domain.billed import StripePayment
from tests.billing.payloads import CREATED, DAHLIA, DUE_DATE, OLD, intent, paid, payments, shape

# --- billed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [DAHLIA, OLD], ids=["dahlia", "2022-11-15"])
def test_an_open_invoice_reads_alike_in_both_shapes(payload: dict[str, Any]) -> None:
    invoice = billed(shape(payload))
    assert (invoice.id, invoice.status, invoice.collection_method) == ("in_1", "open", "send_invoice")
    assert (invoice.customer, invoice.subscription, invoice.currency) == ("cus_1", "sub_1", "eur")
    assert (invoice.amount_due, invoice.amount_paid, invoice.amount_remaining, invoice.total) == (1000, 0, 1000, 1000)
    assert (invoice.number, invoice.billing_reason, invoice.auto_advance) == ("N-1", "subscription_cycle", True)
    assert invoice.created == datetime.fromtimestamp(CREATED, UTC)
    assert invoice.due_date == datetime.fromtimestamp(DUE_DATE, UTC)
    assert invoice.finalizes_at is None
    assert invoice.paid_at is None
    assert invoice.stripe_payment is StripePayment.NONE


def test_a_paid_invoice_says_when_and_how_much() -> None:
    invoice = billed(shape(paid(DAHLIA)))
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 1000, 0)
    assert invoice.paid_at == datetime.fromtimestamp(CREATED + 60, UTC)


def test_credit_notes_before_and_after_payment_are_told_apart() -> None:
    invoice = billed(shape(pre_payment_credit_notes_amount=300, post_payment_credit_notes_amount=200))
    assert (invoice.pre_payment_credit, invoice.post_payment_credit) == (300, 200)


def test_references_may_be_expanded() -> None:
    details = {"subscription_details": {"subscription": {"id": "sub_2", "object": "subscription"}, "metadata": None}}
    invoice = billed(shape(customer={"id": "cus_2", "object": "customer"}, parent=details))
    assert (invoice.customer, invoice.subscription) == ("cus_2", "sub_2")
    assert [id_of(one) for one in ("x", {"id": "x"}, {}, None)] == ["x", "x", "", ""]


def test_an_invoice_without_a_subscription() -> None:
    invoice = billed(shape(parent=None, billing_reason="manual"))
    assert (invoice.subscription, invoice.session) == ("", "")
    other = {"type": "quote_details", "quote_details": {"quote": "qt_1"}}
    assert billed(shape(parent=other)).subscription == ""


def test_what_is_absent_or_new_breaks_nothing() -> None:
    least = billed(msgspec.json.decode(b'{"id": "in_1", "brand_new": [1]}', type=InvoiceShape))
    assert (least.status, least.customer, least.number, least.due_date) == ("draft", "", "", None)


def test_a_deleted_draft() -> None:
    gone = billed(msgspec.json.decode(b'{"id": "in_1", "object": "invoice", "deleted": true}', type=InvoiceShape))
    assert gone.status == "deleted"
    assert gone.is_closed


def test_a_status_that_nobody_knows_is_not_guessed() -> None:
    """Scenario 100: an unknown future shape is parked with a case, not read as something else."""
    with pytest.raises(msgspec.ValidationError):
        shape(status="partially_paid")


@pytest.mark.parametrize("reason", ["subscription_create", "subscription_cycle"])
def test_the_checkout_that_made_the_subscription_is_named_by_its_snapshot(reason: str) -> None:
    assert billed(shape(billing_reason=reason)).session == "cs_1"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"last_finalization_error": {"code": "x", "message": "No location."}}, "No location."),
        ({"last_finalization_error": {"code": "tax_failed", "message": None}}, "tax_failed"),
        ({"last_finalization_error": {}}, "finalization failed"),
        (
            {"automatic_tax": {"enabled": True, "status": "requires_location_inputs"}},
            LOCATION_MISSING,
        ),
        (
            {
                "last_finalization_error": {"code": "customer_tax_location_invalid", "message": "Set a valid address."},
                "automatic_tax": {"enabled": True, "status": "complete"},
            },
            "",
        ),
        ({"last_finalization_error": {"code": "customer_tax_location_invalid", "message": "Set it."}}, "Set it."),
        ({"automatic_tax": {"enabled": True, "status": "complete"}}, ""),
    ],
)
def test_why_it_could_not_be_finalized(changes: dict[str, Any], says: str) -> None:
    assert billed(shape(**changes)).finalization_error == says


# --- Stripe's own payments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "is_"),
    [
        ([], StripePayment.NONE),
        ([intent("requires_payment_method")], StripePayment.NONE),
        ([intent("requires_action")], StripePayment.NONE),
        ([intent("canceled", "canceled")], StripePayment.NONE),
        ([intent("processing")], StripePayment.PROCESSING),
        ([intent("requires_capture")], StripePayment.PROCESSING),
        ([intent("succeeded", "paid")], StripePayment.PAID),
        ([intent("canceled", "canceled"), intent("processing")], StripePayment.PROCESSING),
        ([intent("processing"), intent("succeeded", "paid")], StripePayment.PAID),
        ([{"status": "paid", "payment": {"type": "charge", "charge": "ch_1"}}], StripePayment.PAID),
        ([{"status": "paid", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}], StripePayment.PAID),
        ([{"status": "open", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}], StripePayment.NONE),
        ([{"status": "paid", "payment": {"type": "payment_record", "payment_record": "pr_1"}}], StripePayment.NONE),
    ],
)
def test_whether_stripe_itself_has_or_is_taking_the_money(data: list[dict[str, Any]], is_: StripePayment) -> None:
    assert billed(shape(payments=payments(*data))).stripe_payment is is_


def test_what_stripe_took_is_said_by_its_own_payments_that_are_done() -> None:
    ours = {"status": "paid", "amount_paid": 500, "payment": {"type": "payment_record", "payment_record": "pr_1"}}
    took = [intent("succeeded", "paid") | {"amount_paid": amount} for amount in (200, 300)]
    under_way = intent("processing") | {"amount_paid": None}
    assert billed(shape(payments=payments(ours, *took, under_way))).stripe_took == 500
    assert billed(shape(payments=None)).stripe_took == 0


def test_a_payment_that_just_succeeded_is_stripes_too() -> None:
    invoice = billed(shape(payments=payments(intent("succeeded"))))
    assert invoice.stripe_payment is StripePayment.PROCESSING


def test_without_its_payments_expanded_nothing_is_claimed() -> None:
    assert billed(shape(payments=None)).stripe_payment is StripePayment.NONE


# --- echoes --------------------------------------------------------------------------------------------------------


def echo(event: dict[str, Any], mirror: dict[str, Any]) -> bool:
    return is_echo(invoice_digest(shape(event)), invoice_digest(shape(mirror)))


DRAFT = {**DAHLIA, "status": "draft", "number": None, "due_date": None}
VOID = {**DAHLIA, "status": "void"}
UNCOLLECTIBLE = {**DAHLIA, "status": "uncollectible"}
PAID = paid(DAHLIA)
OLD_PAID = paid(OLD)
DELETED = {"id": "in_1", "object": "invoice", "deleted": True}


def test_an_invoice_paid_out_of_band_reads_unpaid_in_the_old_shape() -> None:
    """The trap itself (facts, §2.2), so that the table below means something."""
    assert (OLD_PAID["amount_remaining"], OLD_PAID["amount_paid"], OLD_PAID["status"]) == (1000, 0, "paid")


@pytest.mark.parametrize(
    ("event", "mirror", "nothing_new"),
    [
        (DAHLIA, DAHLIA, True),
        (OLD, DAHLIA, True),
        (PAID, PAID, True),
        (OLD_PAID, PAID, True),
        (DRAFT, DAHLIA, True),
        (DRAFT, PAID, True),
        (DAHLIA, PAID, True),
        (OLD, PAID, True),
        (DAHLIA, UNCOLLECTIBLE, True),
        (DAHLIA, VOID, True),
        (UNCOLLECTIBLE, PAID, True),
        (DRAFT, DELETED, True),
        (DAHLIA, DRAFT, False),
        (PAID, DAHLIA, False),
        (OLD_PAID, DAHLIA, False),
        (UNCOLLECTIBLE, DAHLIA, False),
        (PAID, UNCOLLECTIBLE, False),
        (OLD_PAID, UNCOLLECTIBLE, False),
        (VOID, DAHLIA, False),
        (VOID, UNCOLLECTIBLE, False),
        (DELETED, DRAFT, False),
        (PAID, VOID, False),
        (VOID, PAID, False),
    ],
)  # fmt: skip
def test_an_event_tells_nothing_new_if_we_know_it_or_are_beyond_it(
    event: dict[str, Any], mirror: dict[str, Any], nothing_new: bool
) -> None:
    assert echo(event, mirror) is nothing_new


@pytest.mark.parametrize("status", ["draft", "open", "uncollectible"])
@pytest.mark.parametrize(
    "changed",
    [
        {"amount_remaining": 600},
        {"amount_due": 600},
        {"total": 1200},
        {"auto_advance": False},
        {"due_date": DUE_DATE + 1},
        {"collection_method": "charge_automatically"},
        {"metadata": {"tollbridge_attempt": "att_1"}},
        {"pre_payment_credit_notes_amount": 400},
        {"post_payment_credit_notes_amount": 400},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_could_matter_is_news(status: str, changed: dict[str, Any]) -> None:
    before = {**DAHLIA, "status": status}
    assert not echo({**before, **changed}, before)


@pytest.mark.parametrize("payload", [PAID, OLD_PAID], ids=["dahlia", "2022-11-15"])
@pytest.mark.parametrize(
    "changed",
    [{"post_payment_credit_notes_amount": 400}, {"metadata": {"third_party_payment_id": "psp_1"}}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_comes_after_payment_is_news(payload: dict[str, Any], changed: dict[str, Any]) -> None:
    """Scenario 95: the second of two events in one second must not pass for an echo of the first."""
    assert not echo({**payload, **changed}, PAID)


@pytest.mark.parametrize(
    "changed", [{"number": "N-2"}, {"webhooks_delivered_at": 1}, {"hosted_invoice_url": "https://x"}]
)
def test_what_can_not_matter_is_none(changed: dict[str, Any]) -> None:
    assert echo({**DAHLIA, **changed}, DAHLIA)


def test_the_order_of_metadata_is_no_news() -> None:
    assert echo({**DAHLIA, "metadata": {"a": "1", "b": "2"}}, {**DAHLIA, "metadata": {"b": "2", "a": "1"}})


@pytest.mark.parametrize(("event", "mirror"), [("", "1:abc"), ("1:abc", ""), ("", "")])
def test_where_nothing_was_read_everything_is_news(event: str, mirror: str) -> None:
    assert not is_echo(event, mirror)


# --- the OpenAPI description ---------------------------------------------------------------------------------------


def test_the_statuses_are_stripes() -> None:
    for status in ("draft", "open", "paid", "uncollectible", "void"):
        assert billed(shape(status=status)).status == status
