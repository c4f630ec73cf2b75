"""What PayPal's events say: charges, refunds, reversals, disputes, methods; and the list of all that were sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from processors.errors import DeliveryMalformedError, MoneyError, OutcomeUnknownError, RefusedError
from processors.events import DisputeStage, EventKind, MoneyMoved, Notice, ProcessorEvent
from processors.money import Money
from processors.outcome import Declined, Pending, RefundFailed, RefundPending, RefundSucceeded, Succeeded
from processors.paypal.disputes import LOST, WON
from processors.values import Secret
from tests.processors.paypal.conftest import NOW, PayPal
from tests.processors.paypal.shapes import (
    ACCOUNT,
    AT,
    CAPTURE,
    DISPUTE,
    HOST,
    REFERENCE,
    REFUND,
    REFUND_REFERENCE,
    VAULT_ID,
    Json,
    capture,
    dashboard_refund,
    dispute,
    event,
    link,
    money,
    moved,
    refund,
    resolved,
)

AT_TIME = datetime.fromisoformat(AT).astimezone(UTC)
DISPUTES, EVENTS = "/v1/customer/disputes", "/v1/notifications/webhooks-events"
TEN = Money(1000, "usd")


async def parse(paypal: PayPal, kind: str, resource: Json) -> tuple[ProcessorEvent, ...]:
    told = event(kind, resource)
    paypal.says("GET", f"{EVENTS}/{told['id']}", (200, told))
    return await paypal.adapter.parse(Notice(told["id"], kind, msgspec.json.encode(told)))


async def one(paypal: PayPal, kind: str, resource: Json) -> ProcessorEvent:
    (told,) = await parse(paypal, kind, resource)
    assert told.event_id == event(kind, resource)["id"]
    called = [call.request.url.path for call in paypal.router.calls]
    assert [path for path in called if path != "/v1/oauth2/token"] == [f"{EVENTS}/{told.event_id}"]
    return told


# Charges


@pytest.mark.parametrize(
    ("name", "status", "kind", "outcome"),
    [
        ("PAYMENT.CAPTURE.COMPLETED", "COMPLETED", EventKind.CHARGE_SUCCEEDED, Succeeded),
        ("PAYMENT.CAPTURE.COMPLETED", "REFUNDED", EventKind.CHARGE_SUCCEEDED, Succeeded),
        ("PAYMENT.CAPTURE.COMPLETED", "PENDING", EventKind.CHARGE_PENDING, Pending),
        ("PAYMENT.CAPTURE.PENDING", "PENDING", EventKind.CHARGE_PENDING, Pending),
        ("PAYMENT.CAPTURE.DENIED", "DECLINED", EventKind.CHARGE_FAILED, Declined),
        ("PAYMENT.CAPTURE.DENIED", "DENIED", EventKind.CHARGE_FAILED, Declined),
        ("PAYMENT.CAPTURE.DECLINED", "DECLINED", EventKind.CHARGE_FAILED, Declined),
        ("PAYMENT.CAPTURE.DECLINED", "FAILED", EventKind.CHARGE_FAILED, Declined),
    ],
)
async def test_a_capture_is_told_of(
    paypal: PayPal, name: str, status: str, kind: EventKind, outcome: type[Any]
) -> None:
    told = await one(paypal, name, capture(status, payee={"merchant_id": ACCOUNT}))
    assert (told.kind, type(told.outcome)) == (kind, outcome)
    assert (told.reference, told.processor_id, told.account_ref) == (REFERENCE, CAPTURE, ACCOUNT)
    assert told.occurred_at == AT_TIME


async def test_why_a_capture_is_pending_is_told(paypal: PayPal) -> None:
    told = await one(paypal, "PAYMENT.CAPTURE.PENDING", capture("PENDING", status_details={"reason": "ECHECK"}))
    assert told.detail == "PAYMENT.CAPTURE.PENDING ECHECK"


# Refunds


@pytest.mark.parametrize(
    ("name", "status", "kind", "outcome"),
    [
        ("PAYMENT.CAPTURE.REFUNDED", "COMPLETED", EventKind.REFUND_SUCCEEDED, RefundSucceeded),
        ("PAYMENT.CAPTURE.REFUNDED", "PENDING", EventKind.REFUND_CREATED, RefundPending),
        ("PAYMENT.REFUND.PENDING", "PENDING", EventKind.REFUND_CREATED, RefundPending),
        ("PAYMENT.REFUND.FAILED", "FAILED", EventKind.REFUND_FAILED, RefundFailed),
        ("PAYMENT.CAPTURE.REFUNDED", "CANCELLED", EventKind.REFUND_FAILED, RefundFailed),
    ],
)
async def test_a_refund_of_ours_is_told_of(
    paypal: PayPal, name: str, status: str, kind: EventKind, outcome: type[Any]
) -> None:
    told = await one(paypal, name, refund(status))
    assert told.refund is not None
    assert (told.kind, type(told.refund.outcome), told.processor_id) == (kind, outcome, CAPTURE)
    assert (told.refund.processor_id, told.refund.charge_id, told.refund.amount) == (REFUND, CAPTURE, TEN)
    assert (told.refund.reference, told.refund.external, told.account_ref) == (REFUND_REFERENCE, False, ACCOUNT)


@pytest.mark.parametrize(
    "named", [{}, {"invoice_id": "", "custom_id": ""}], ids=["with its capture's names", "without any"]
)
async def test_a_refund_from_paypals_own_pages_is_not_taken_for_ours(paypal: PayPal, named: Json) -> None:
    told = await one(paypal, "PAYMENT.CAPTURE.REFUNDED", dashboard_refund(amount=money("2.50"), **named))
    assert told.refund is not None
    assert (told.refund.reference, told.refund.external, told.refund.amount.amount) == ("", True, 250)
    assert told.processor_id == CAPTURE


async def test_the_capture_may_be_named_in_related_ids(paypal: PayPal) -> None:
    related = {"related_ids": {"capture_id": CAPTURE}}
    told = await one(paypal, "PAYMENT.CAPTURE.REFUNDED", refund(links=[], supplementary_data=related))
    assert told.processor_id == CAPTURE


# Reversals and disputes

REVERSAL = refund(id="6T496768GW863311H", invoice_id="", custom_id="")


async def test_a_reversal_without_a_dispute_takes_the_charge_back(paypal: PayPal) -> None:
    asked = paypal.says("GET", DISPUTES, (200, {"items": []}))
    (told,) = await parse(paypal, "PAYMENT.CAPTURE.REVERSED", REVERSAL)
    assert (told.kind, told.processor_id, told.outcome) == (EventKind.CHARGE_REVERSED, CAPTURE, None)
    assert told.moved == MoneyMoved(Money(-1000, "usd"), "6T496768GW863311H", AT_TIME)
    assert asked.calls[0].request.url.params["disputed_transaction_id"] == CAPTURE


async def test_a_reversal_for_a_dispute_is_the_disputes_money(paypal: PayPal) -> None:
    paypal.says("GET", DISPUTES, (200, {"items": [{"dispute_id": DISPUTE}]}))
    paypal.says("GET", f"{DISPUTES}/{DISPUTE}", (200, dispute("UNDER_REVIEW", money_movements=[moved()])))
    (told,) = await parse(paypal, "PAYMENT.CAPTURE.REVERSED", REVERSAL)
    assert (told.kind, told.moved) == (EventKind.DISPUTE_FUNDS_WITHDRAWN, None)
    assert told.dispute is not None
    assert (told.dispute.withdrawn, told.dispute.moves[0].amount) == (TEN, Money(-1000, "usd"))


async def test_a_reversal_that_names_itself_by_its_capture(paypal: PayPal) -> None:
    paypal.says("GET", DISPUTES, (200, {"items": []}))
    (told,) = await parse(
        paypal, "PAYMENT.CAPTURE.REVERSED", capture(links=[link("self", "/")], amount=money("-10.00"))
    )
    assert told.moved is not None
    assert (told.processor_id, told.moved.amount, told.moved.occurrence) == (
        CAPTURE,
        Money(-1000, "usd"),
        told.event_id,
    )


async def test_two_disputes_behind_one_reversal_are_two_events(paypal: PayPal) -> None:
    """Law 9: under the one id of their event, the second that is found by polling is swallowed as the first."""
    second = dispute("UNDER_REVIEW", dispute_id="PP-D-2", money_movements=[moved(value="4.00")])
    paypal.says("GET", DISPUTES, (200, {"items": [{"dispute_id": DISPUTE}, {"dispute_id": "PP-D-2"}]}))
    paypal.says("GET", f"{DISPUTES}/{DISPUTE}", (200, dispute("UNDER_REVIEW", money_movements=[moved(value="6.00")])))
    paypal.says("GET", f"{DISPUTES}/PP-D-2", (200, second))
    paypal.says("GET", EVENTS, (200, {"events": [event("PAYMENT.CAPTURE.REVERSED", REVERSAL)]}))
    told = (await paypal.adapter.poll(NOW)).events
    assert [one.dispute.withdrawn.amount for one in told if one.dispute] == [600, 400]
    assert len({one.event_id for one in told}) == 2


@pytest.mark.parametrize("code", ["RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER", "NONE"])
async def test_a_dispute_that_was_over_does_not_explain_a_reversal(paypal: PayPal, code: str) -> None:
    """Law 10: the money is gone, and all that was told would be the end of a dispute that is known."""
    over = resolved(code, update_time="2027-02-01T12:00:00Z")
    paypal.says("GET", DISPUTES, (200, {"items": [{"dispute_id": DISPUTE}]}))
    paypal.says("GET", f"{DISPUTES}/{DISPUTE}", (200, over))
    (told,) = await parse(paypal, "PAYMENT.CAPTURE.REVERSED", REVERSAL)
    assert told.kind is EventKind.CHARGE_REVERSED
    assert told.moved is not None
    assert told.moved.amount == Money(-1000, "usd")


@pytest.mark.parametrize("code", ["RESOLVED_SELLER_FAVOUR", "RESOLVED_BUYER_FAVOUR"])
async def test_a_dispute_that_ends_with_a_reversal_explains_it(paypal: PayPal, code: str) -> None:
    """It's asked for later, so that it may have been won meanwhile."""
    paypal.says("GET", DISPUTES, (200, {"items": [{"dispute_id": DISPUTE}]}))
    paypal.says("GET", f"{DISPUTES}/{DISPUTE}", (200, resolved(code, money_movements=[moved()])))
    (told,) = await parse(paypal, "PAYMENT.CAPTURE.REVERSED", REVERSAL)
    assert told.dispute is not None


async def test_a_reversal_is_not_judged_while_disputes_cannot_be_asked_for(paypal: PayPal) -> None:
    paypal.says("GET", DISPUTES, (403, {"name": "NOT_AUTHORIZED"}))
    with pytest.raises(RefusedError):
        await parse(paypal, "PAYMENT.CAPTURE.REVERSED", REVERSAL)


@pytest.mark.parametrize(
    ("resource", "stage"),
    [
        (dispute("OPEN", dispute_life_cycle_stage="INQUIRY"), DisputeStage.INQUIRY),
        (dispute("WAITING_FOR_SELLER_RESPONSE"), DisputeStage.OPENED),
        (dispute("UNDER_REVIEW", dispute_life_cycle_stage="ARBITRATION"), DisputeStage.OPENED),
        (dispute("UNDER_REVIEW", money_movements=[moved()]), DisputeStage.FUNDS_WITHDRAWN),
        (resolved("NONE"), DisputeStage.CLOSED),
        (resolved("A_CODE_OF_TOMORROW"), DisputeStage.CLOSED),
        (dispute("RESOLVED"), DisputeStage.CLOSED),
        *((resolved(code), DisputeStage.LOST) for code in sorted(LOST)),
        *((resolved(code), DisputeStage.WON) for code in sorted(WON)),
    ],
    ids=lambda value: value if isinstance(value, DisputeStage) else "",
)
async def test_the_stage_of_a_dispute(paypal: PayPal, resource: Json, stage: DisputeStage) -> None:
    told = await one(paypal, "CUSTOMER.DISPUTE.UPDATED", resource)
    assert told.dispute is not None
    assert (told.dispute.stage, told.kind) == (stage, EventKind(f"dispute.{stage}"))


async def test_every_outcome_of_a_dispute_is_known(paypal: PayPal) -> None:
    listed = {"RESOLVED_BUYER_FAVOUR", "RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER"}
    assert listed | {"ACCEPTED", "DENIED"} == LOST | WON


async def test_a_dispute_that_was_lost_in_part(paypal: PayPal) -> None:
    verdict = {"outcome_code": "RESOLVED_BUYER_FAVOUR", "amount_refunded": money("4.00")}
    told = await one(paypal, "CUSTOMER.DISPUTE.RESOLVED", dispute("RESOLVED", dispute_outcome=verdict))
    assert told.kind is EventKind.DISPUTE_PARTLY_LOST


@pytest.mark.parametrize("name", ["CUSTOMER.DISPUTE.CREATED", "RISK.DISPUTE.CREATED"])
async def test_a_dispute_names_its_capture_and_what_is_wanted_of_us(paypal: PayPal, name: str) -> None:
    told = await one(paypal, name, dispute(update_time="2027-03-02T12:00:00Z"))
    assert (told.processor_id, told.reference, told.account_ref) == (CAPTURE, REFERENCE, ACCOUNT)
    assert told.occurred_at == AT_TIME + timedelta(days=1)
    assert told.dispute is not None
    assert (told.dispute.processor_id, told.dispute.charge_id, told.dispute.amount) == (DISPUTE, CAPTURE, TEN)
    assert (told.dispute.reason, told.dispute.evidence_due_by) == ("UNAUTHORISED", AT_TIME + timedelta(days=10))


async def test_only_the_merchants_own_money_moves_in_a_dispute(paypal: PayPal) -> None:
    movements = [
        moved("CREDIT", initiated_time="2027-03-05T12:00:00Z"),
        moved("CREDIT", affected_party="BUYER"),
        moved(reason="CHARGEBACK_FEE", value="20.00"),
        moved("DEBIT", "6.00"),
        moved("DEBIT", "6.00"),
        moved(amount=None),
    ]
    told = await one(paypal, "CUSTOMER.DISPUTE.RESOLVED", resolved("RESOLVED_SELLER_FAVOUR", money_movements=movements))
    assert told.dispute is not None
    assert [move.amount.amount for move in told.dispute.moves] == [-600, -600, 1000]
    assert len({move.occurrence for move in told.dispute.moves}) == 3
    assert told.dispute.withdrawn == Money(200, "usd")


async def test_a_dispute_that_was_settled_by_a_refund_moves_nothing_by_itself(paypal: PayPal) -> None:
    shown = resolved("RESOLVED_BUYER_FAVOUR", transaction_status="REFUNDED", money_movements=[moved()])
    told = await one(paypal, "CUSTOMER.DISPUTE.RESOLVED", shown)
    assert told.dispute is not None
    assert (told.dispute.moves, told.dispute.withdrawn, told.kind) == ((), Money(0, "usd"), EventKind.DISPUTE_LOST)


async def test_what_went_beside_a_refund_of_a_part_is_not_passed_over(paypal: PayPal) -> None:
    """Law 10: whether the refund was this money, nobody says. So it is called gone, for a human to look, and not
    booked."""
    shown = resolved(
        "RESOLVED_BUYER_FAVOUR", transaction_status="PARTIALLY_REFUNDED", money_movements=[moved("DEBIT", "8.00")]
    )
    told = await one(paypal, "CUSTOMER.DISPUTE.RESOLVED", shown)
    assert told.dispute is not None
    assert (told.dispute.moves, told.dispute.withdrawn) == ((), Money(800, "usd"))


# Methods, and the rest


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("VAULT.PAYMENT-TOKEN.CREATED", EventKind.METHOD_ACTIVATED),
        ("VAULT.PAYMENT-TOKEN.DELETED", EventKind.METHOD_REVOKED),
        ("VAULT.PAYMENT-TOKEN.DELETION-INITIATED", EventKind.METHOD_REVOKED),
        ("BILLING_AGREEMENTS.AGREEMENT.CANCELLED", EventKind.METHOD_REVOKED),
    ],
)
async def test_a_method_is_told_of(paypal: PayPal, name: str, kind: EventKind) -> None:
    told = await one(paypal, name, {"id": VAULT_ID})
    assert (told.kind, told.token) == (kind, Secret(VAULT_ID))
    assert VAULT_ID not in repr(told)


@pytest.mark.parametrize("name", ["CHECKOUT.ORDER.APPROVED", "PAYMENT.SALE.COMPLETED", "SOMETHING.NEW"])
async def test_what_means_nothing_to_us_is_named(paypal: PayPal, name: str) -> None:
    told = await one(paypal, name, {"anything": [1]})
    assert (told.kind, told.detail) == (EventKind.IGNORED, name)


@pytest.mark.parametrize(
    ("name", "resource", "error"),
    [
        ("PAYMENT.CAPTURE.COMPLETED", {"id": CAPTURE}, DeliveryMalformedError),
        ("PAYMENT.CAPTURE.COMPLETED", capture("SOMETHING_NEW"), DeliveryMalformedError),
        ("PAYMENT.CAPTURE.COMPLETED", capture(create_time="yesterday"), DeliveryMalformedError),
        ("PAYMENT.CAPTURE.COMPLETED", capture(amount=money("10.005")), MoneyError),
        ("PAYMENT.CAPTURE.REFUNDED", refund(links=[]), DeliveryMalformedError),
        ("PAYMENT.CAPTURE.REFUNDED", refund("SOMETHING_NEW"), DeliveryMalformedError),
        ("CUSTOMER.DISPUTE.CREATED", {"status": "OPEN"}, DeliveryMalformedError),
        ("CUSTOMER.DISPUTE.CREATED", {"dispute_id": DISPUTE}, MoneyError),
        ("CUSTOMER.DISPUTE.UPDATED", dispute(money_movements=[moved(amount=money("9", "EUR"))]), MoneyError),
        ("VAULT.PAYMENT-TOKEN.DELETED", {}, DeliveryMalformedError),
    ],
    ids=str,
)
async def test_an_event_that_cannot_be_read(paypal: PayPal, name: str, resource: Json, error: type[Exception]) -> None:
    with pytest.raises(error):
        await parse(paypal, name, resource)


# A checksum alone is signed of a body, so another body may have it too.


async def test_what_paypal_shows_counts_and_not_what_was_delivered(paypal: PayPal) -> None:
    delivered, shown = event("PAYMENT.CAPTURE.COMPLETED", capture()), event("PAYMENT.CAPTURE.DENIED", capture("DENIED"))
    paypal.says("GET", f"{EVENTS}/{delivered['id']}", (200, shown))
    notice = Notice(delivered["id"], "PAYMENT.CAPTURE.COMPLETED", msgspec.json.encode(delivered))
    assert [told.kind for told in await paypal.adapter.parse(notice)] == [EventKind.CHARGE_FAILED]


@pytest.mark.parametrize("shown", [(404, {"name": "RESOURCE_NOT_FOUND"}), (200, event("A", {}, "WH-ANOTHER"))], ids=str)
async def test_an_event_that_paypal_does_not_show_says_nothing(paypal: PayPal, shown: Any) -> None:
    delivered = event("PAYMENT.CAPTURE.COMPLETED", capture())
    paypal.says("GET", f"{EVENTS}/{delivered['id']}", shown)
    with pytest.raises(OutcomeUnknownError):
        await paypal.adapter.parse(Notice(delivered["id"], "", msgspec.json.encode(delivered)))


# The list of events


async def test_what_was_sent_is_listed_page_by_page(paypal: PayPal) -> None:
    following = f"{HOST}{EVENTS}?page_size=25&start_time=2027-02-28T12%3A00%3A00Z&cursor=abc"
    first = {"events": [event("PAYMENT.CAPTURE.COMPLETED", capture())], "links": [{"rel": "next", "href": following}]}
    last = {"events": [event("VAULT.PAYMENT-TOKEN.DELETED", {"id": VAULT_ID}, "WH-2")], "links": []}
    paypal.says("GET", EVENTS, (200, first), (200, last))
    page = await paypal.adapter.poll(NOW - timedelta(days=1))
    assert [told.kind for told in page.events] == [EventKind.CHARGE_SUCCEEDED]
    rest = await paypal.adapter.poll(NOW - timedelta(days=1), page.cursor)
    assert ([told.kind for told in rest.events], rest.cursor) == ([EventKind.METHOD_REVOKED], "")
    asked = [request.url for request in paypal.sent("GET", EVENTS)]
    assert dict(asked[0].params) == {
        "start_time": "2027-02-28T12:00:00Z",
        "end_time": "2027-03-01T12:00:00Z",
        "page_size": "25",
    }
    assert str(asked[1]) == following


async def test_nothing_older_than_paypal_keeps_is_asked_for(paypal: PayPal) -> None:
    paypal.says("GET", EVENTS, (200, {"events": [], "count": 0}))
    await paypal.adapter.poll(NOW - timedelta(days=90))
    (asked,) = paypal.sent("GET", EVENTS)
    assert asked.url.params["start_time"] == "2027-01-31T12:00:00Z"


@pytest.mark.parametrize(
    "answer",
    [
        {"events": [event("PAYMENT.CAPTURE.COMPLETED", {})]},
        {"events": [{}]},
        {"events": [], "links": [{"rel": "next", "href": "https://attacker.example/v1/customer/disputes?a=b"}]},
        {"events": [], "links": [{"rel": "next", "href": "https://[::1"}]},
    ],
    ids=["an event that can't be read", "no event", "another path", "no address"],
)
async def test_a_page_that_cannot_be_read_is_not_skipped(paypal: PayPal, answer: Json) -> None:
    paypal.says("GET", EVENTS, (200, answer))
    with pytest.raises(OutcomeUnknownError):
        await paypal.adapter.poll(NOW)


@pytest.mark.parametrize("cursor", ["a b", "a\nb", "a#b", "ä"])
async def test_a_cursor_that_is_none_of_paypals(paypal: PayPal, cursor: str) -> None:
    with pytest.raises(RefusedError):
        await paypal.adapter.poll(NOW, cursor)
    assert not paypal.router.calls


async def test_every_kind_of_event_is_told_or_impossible(paypal: PayPal) -> None:
    capabilities = paypal.adapter.capabilities
    assert not capabilities.events & capabilities.polled_events
    assert capabilities.impossible_events == {
        EventKind.CHARGE_SETTLED,
        EventKind.CHARGE_REINSTATED,
        EventKind.REFUND_REVERSED,
        EventKind.METHOD_REPLACED,
        EventKind.METHOD_EXPIRED,
        EventKind.METHOD_SUSPENDED,
        EventKind.ACCOUNT_LOCKED,
        EventKind.ACCOUNT_UNLOCKED,
    }


async def test_there_are_no_settlement_files(paypal: PayPal) -> None:
    assert await paypal.adapter.settlements(NOW.date()) == ()
    with pytest.raises(RefusedError):
        await paypal.adapter.settlement("any")
