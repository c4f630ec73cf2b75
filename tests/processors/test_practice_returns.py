"""Refunds, disputes, late failures and settlements through the practice adapter: asked for, told and polled."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from processors.errors import DeliveryMalformedError, InexactMoneyError, OutcomeUnknownError, RefusedError
from processors.events import DisputeStage, EventKind, Notice, ProcessorEvent, RawDelivery
from processors.money import Money
from processors.outcome import (
    Found,
    LookupFailed,
    NotFound,
    NotSent,
    RefundFailed,
    RefundFound,
    RefundPending,
    RefundRefusal,
    RefundRefused,
    RefundSucceeded,
    Succeeded,
    Unknown,
)
from processors.practice.client import PracticeAdapter
from processors.practice.manners import LikeMollie
from processors.practice.notices import ACCOUNT_KINDS, CHARGE_KINDS, DISPUTE_KINDS, METHOD_KINDS, REFUND_KINDS
from processors.practice.settlement import settlement
from processors.settlements import SettlementKind
from processors.values import ChargeQuery, RefundQuery, RefundRequest, Secret
from tests.processors.conftest import API_KEY, START, WEBHOOK_SECRET, Practice, Receiver, machine_now, make_adapter
from tests.processors.test_practice_charges import Liar

DAY = 86400


async def charged(practice: Practice, kind: str = "ok", reference: str = "in_1.1") -> str:
    return str((await practice.charge(kind, reference)).processor_id)


def refund_request(charge: str, amount: int = 400, **changed: Any) -> RefundRequest:
    fields = {"reference": "rfd_1", "idempotency_key": "key-rfd_1", "charge_id": charge, "amount": Money(amount, "eur")}
    return RefundRequest(**(fields | changed))


async def refund(practice: Practice, charge: str, amount: int = 400, **changed: Any) -> Any:
    return await practice.adapter.refund(practice.adapter.prepare_refund(refund_request(charge, amount, **changed)))


async def told(practice: Practice) -> list[ProcessorEvent]:
    """What each event so far means, in order."""
    events: list[ProcessorEvent] = []
    for event in practice.account.events.values():
        events += await practice.adapter.parse(Notice(event.id, event.type, event.content))
    return events


# Refunds


async def test_a_refund_that_works(practice: Practice) -> None:
    charge = await charged(practice)
    outcome = await refund(practice, charge)
    assert outcome == RefundSucceeded(outcome.processor_id, Money(400, "eur"), START)
    for processor_id in ("", outcome.processor_id):
        query = RefundQuery("rfd_1", charge, processor_id)
        assert await practice.adapter.lookup_refund(query) == RefundFound(outcome)


async def test_a_refund_that_is_under_way_and_fails(practice: Practice) -> None:
    practice.processor.set_manner(API_KEY, refunds="async")
    practice.processor.script_refunds(API_KEY, "failed")
    charge = await charged(practice)
    outcome = await refund(practice, charge)
    assert outcome == RefundPending(outcome.processor_id, Money(400, "eur"))
    practice.processor.advance(DAY)
    found = await practice.adapter.lookup_refund(RefundQuery("rfd_1", charge))
    assert isinstance(found, RefundFound)
    assert isinstance(found.outcome, RefundFailed)
    assert found.outcome.code == "refund_failed"


@pytest.mark.parametrize(
    ("manner", "amount", "reason"),
    [
        ({"refunds": "off"}, 400, RefundRefusal.NOT_ENABLED),
        ({"partial_refunds": False}, 400, RefundRefusal.PARTIAL_NOT_ALLOWED),
        ({"refund_window_days": 1}, 400, RefundRefusal.TOO_LATE),
        ({"refunds_need_balance": True}, 400, RefundRefusal.INSUFFICIENT_BALANCE),
        ({}, 1001, RefundRefusal.EXCEEDS_CAPTURE),
    ],
)
async def test_a_refund_that_is_refused(
    practice: Practice, manner: dict[str, Any], amount: int, reason: RefundRefusal
) -> None:
    practice.processor.set_manner(API_KEY, **manner)
    charge = await charged(practice)
    practice.processor.advance(2 * DAY)
    outcome = await refund(practice, charge, amount)
    assert isinstance(outcome, RefundRefused)
    assert outcome.reason is reason


async def test_a_refund_while_a_dispute_is_open(practice: Practice) -> None:
    charge = await charged(practice)
    practice.processor.open_dispute(charge)
    outcome = await refund(practice, charge)
    assert isinstance(outcome, RefundRefused)
    assert outcome.reason is RefundRefusal.DISPUTE_OPEN


@pytest.mark.parametrize(
    ("effect", "status", "kind", "refunded"),
    [
        ("lost_after", 500, Unknown, 1),
        ("error_after", 500, Unknown, 1),
        ("error_before", 503, Unknown, 0),
        ("error_before", 429, NotSent, 0),
        ("error_before", 401, RefundRefused, 0),
    ],
)
async def test_a_fault(practice: Practice, effect: str, status: int, kind: type[Any], refunded: int) -> None:
    charge = await charged(practice)
    practice.processor.faults.add(effect, method="POST", path="/v1/charges/{id}/refunds", status=status)
    assert isinstance(await refund(practice, charge), kind)
    assert len(practice.account.refunds) == refunded
    assert isinstance(await refund(practice, charge), RefundSucceeded), "the same bytes settle it"
    assert len(practice.account.refunds) == 1


async def test_the_same_key_with_other_bytes_is_unknown(practice: Practice) -> None:
    charge = await charged(practice)
    await refund(practice, charge, 400)
    assert isinstance(await refund(practice, charge, 500), Unknown)


async def test_an_answer_about_another_amount_is_unknown(practice: Practice) -> None:
    charge = await charged(practice)
    async with httpx.AsyncClient(transport=Liar(amount=399)) as http:
        liar = make_adapter(http, practice.base_url, practice.account.id)
        assert isinstance(await liar.refund(liar.prepare_refund(refund_request(charge))), Unknown)


async def test_a_scan_goes_on_behind_its_first_page(practice: Practice) -> None:
    adapter = mollie(practice)
    method = practice.processor.create_method(API_KEY, "ok")
    for number in range(1, 252):
        practice.processor.make_charge(
            practice.account, f"in_1.{number}", 1000, "EUR", method, description="", metadata={}
        )
    found = await adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)


async def test_a_refund_that_is_not_there(practice: Practice) -> None:
    charge = await charged(practice)
    for processor_id in ("", "prf_0"):
        query = RefundQuery("rfd_1", charge, processor_id)
        assert await practice.adapter.lookup_refund(query) == NotFound(conclusive=True)


async def test_a_look_up_never_takes_anothers_refund_for_ours(practice: Practice) -> None:
    first, second = await charged(practice), await charged(practice, reference="in_2.1")
    made = await refund(practice, first)
    for query in (RefundQuery("rfd_1", second, made.processor_id), RefundQuery("rfd_2", first, made.processor_id)):
        assert isinstance(await practice.adapter.lookup_refund(query), LookupFailed)


def test_what_can_not_be_asked_for(practice: Practice) -> None:
    with pytest.raises(InexactMoneyError):
        practice.adapter.prepare_refund(refund_request("pch_1", 0))
    with pytest.raises(RefusedError):
        practice.adapter.prepare_refund(refund_request("../setups"))


def test_prepared_bytes_are_fixed_for_ever(practice: Practice) -> None:
    call = practice.adapter.prepare_refund(refund_request("pch_1", reason="a gift"))
    assert (call.path, call.body) == (
        "/v1/charges/pch_1/refunds",
        b'{"amount":400,"reason":"a gift","reference":"rfd_1"}',
    )


# Notices


async def test_refunds_are_told_with_their_origin(practice: Practice) -> None:
    charge = await charged(practice)
    await refund(practice, charge)
    practice.processor.refund_from_dashboard(charge)
    ours, staff = (await told(practice))[1:]
    assert (ours.kind, ours.processor_id, ours.reference) == (EventKind.REFUND_SUCCEEDED, charge, "in_1.1")
    assert ours.refund
    assert staff.refund
    assert (ours.refund.reference, ours.refund.external) == ("rfd_1", False)
    assert (staff.refund.external, staff.refund.amount) == (True, Money(600, "eur"))


async def test_a_refund_that_fails_after_all_is_told_as_reversed(practice: Practice) -> None:
    practice.processor.script_refunds(API_KEY, "failed_later")
    await refund(practice, await charged(practice))
    practice.processor.advance(DAY)
    last = (await told(practice))[-1]
    assert last.kind is EventKind.REFUND_REVERSED
    assert last.refund
    assert isinstance(last.refund.outcome, RefundFailed)


async def test_settled_money_is_told_after_its_time_and_not_once_it_was_taken_back(practice: Practice) -> None:
    practice.processor.settings.settlement_delay_s = 4 * DAY
    charge = await charged(practice)
    await charged(practice, "late_failure", "in_2.1")
    practice.processor.advance(4 * DAY)
    [settled] = [event for event in await told(practice) if event.kind is EventKind.CHARGE_SETTLED]
    assert settled.processor_id == charge
    assert isinstance(settled.outcome, Succeeded)


async def test_a_late_failure_and_its_repair_are_told_with_their_money(practice: Practice) -> None:
    charge = await charged(practice, "late_failure_then_paid")
    practice.processor.advance(9 * DAY)
    _, late, again = await told(practice)
    assert (late.kind, again.kind) == (EventKind.CHARGE_REVERSED, EventKind.CHARGE_REINSTATED)
    assert late.moved
    assert again.moved
    assert (late.moved.amount, again.moved.amount) == (Money(-1000, "eur"), Money(1000, "eur"))
    assert late.moved.occurrence != again.moved.occurrence
    assert late.decline
    assert late.decline.processor_code == "insufficient_funds"
    assert {late.processor_id, again.processor_id} == {charge}


async def test_where_a_late_failure_was_taken_from_moves_nothing_more(practice: Practice) -> None:
    await charged(practice, "late_failure")
    practice.processor.advance(9 * DAY)
    last = (await told(practice))[-1]
    assert (last.kind, last.detail) == (EventKind.IGNORED, "charge.late_failure_settled")


async def test_the_processors_own_retry_is_told_as_under_way(practice: Practice) -> None:
    await charged(practice, "retried_then_ok")
    (event,) = await told(practice)
    assert (event.kind, event.detail) == (EventKind.CHARGE_PENDING, "charge.failed")


async def test_a_dispute_is_told_step_by_step(practice: Practice) -> None:
    charge = await charged(practice)
    dispute = practice.processor.open_dispute(charge, stage="inquiry", reason="fraudulent")
    for to in ("opened", "funds_withdrawn", "won", "funds_withdrawn", "lost"):
        practice.processor.move_dispute(dispute.id, to)
    events = (await told(practice))[1:]
    stages = [event.dispute.stage for event in events if event.dispute]
    assert [event.kind for event in events] == [f"dispute.{stage}" for stage in stages]
    assert stages[0] is DisputeStage.INQUIRY
    last = events[-1].dispute
    assert last
    assert [move.amount.amount for move in last.moves] == [-1000, 1000, -1000]
    assert len({move.occurrence for move in last.moves}) == 3
    assert (last.withdrawn, last.reason, last.charge_id) == (Money(1000, "eur"), "fraudulent", charge)
    assert last.evidence_url.endswith(last.processor_id)


@pytest.mark.parametrize(
    ("verbs", "kind"),
    [
        (["expire"], EventKind.METHOD_EXPIRED),
        (["suspend"], EventKind.METHOD_SUSPENDED),
        (["expire", "reinstate"], EventKind.METHOD_ACTIVATED),
    ],
)
async def test_what_becomes_of_a_method(practice: Practice, verbs: list[str], kind: EventKind) -> None:
    token = practice.processor.create_method(API_KEY, "ok").token
    for verb in verbs:
        getattr(practice.processor, f"{verb}_method")(token)
    last = (await told(practice))[-1]
    assert (last.kind, last.token) == (kind, Secret(token))


async def test_an_agreement_that_the_payer_cancelled(practice: Practice) -> None:
    token = practice.processor.create_method(API_KEY, "wallet").token
    practice.processor.revoke_method(token)
    (event,) = await told(practice)
    assert (event.kind, event.token, event.detail) == (EventKind.METHOD_REVOKED, Secret(token), "agreement.cancelled")


async def test_a_method_that_became_another(practice: Practice) -> None:
    old = practice.processor.create_method(API_KEY, "ok")
    new = practice.processor.replace_method(old.token)
    (event,) = await told(practice)
    assert (event.kind, event.token) == (EventKind.METHOD_REPLACED, Secret(old.token))
    assert event.replacement
    assert event.replacement.method.token == Secret(new.token)
    assert event.replacement.card.last4 == "4242"
    assert new.token not in repr(event)


def test_every_kind_of_event_has_its_word() -> None:
    mapped = {*CHARGE_KINDS.values(), *REFUND_KINDS.values(), *DISPUTE_KINDS.values(), *METHOD_KINDS.values()}
    mapped |= set(ACCOUNT_KINDS.values())
    assert mapped | {EventKind.METHOD_REPLACED, EventKind.IGNORED} == set(EventKind)


@pytest.mark.parametrize("kind", ["refund.succeeded", "dispute.won", "method.replaced", "charge.late_failure"])
async def test_an_event_whose_data_is_not_what_it_should_be(practice: Practice, kind: str) -> None:
    body = msgspec.json.encode({"id": "e", "type": kind, "account": "pa_1", "created": 1, "data": {"id": 1}})
    with pytest.raises(DeliveryMalformedError):
        await practice.adapter.parse(Notice("e", kind, body))


# Asking, where nothing is told


async def test_refunds_and_disputes_are_found_by_asking_what_changed(practice: Practice) -> None:
    practice.processor.set_manner(API_KEY, dashboard_events=False)
    charge = await charged(practice)
    practice.processor.advance(60)
    staff = practice.processor.refund_from_dashboard(charge, 100)
    dispute = practice.processor.open_dispute(charge, stage="funds_withdrawn")
    events: list[ProcessorEvent] = []
    cursor = ""
    for _ in range(9):
        polled = await practice.adapter.poll(START + timedelta(seconds=1), cursor)
        events += polled.events
        cursor = polled.cursor
        if not cursor:
            break
    assert [event.kind for event in events] == [EventKind.REFUND_SUCCEEDED, EventKind.DISPUTE_FUNDS_WITHDRAWN]
    assert events[0].refund
    assert (events[0].refund.processor_id, events[0].refund.external) == (staff.id, True)
    assert events[1].dispute
    assert events[1].dispute.processor_id == dispute.id
    later = await practice.adapter.poll(START + timedelta(seconds=61))
    assert later.events == ()


async def test_a_poll_goes_on_where_its_page_ended(practice: Practice) -> None:
    charge = await charged(practice)
    for _ in range(150):
        practice.processor.refund_from_dashboard(charge, 1)
    first = await practice.adapter.poll(START)
    second = await practice.adapter.poll(START, first.cursor)
    found = {event.refund.processor_id for event in first.events + second.events if event.refund}
    assert (len(first.events), len(second.events), len(found)) == (100, 50, 150)
    assert second.cursor == "disputes:"


# Pings


def mollie(practice: Practice) -> PracticeAdapter:
    practice.processor.set_manner(API_KEY, like="mollie")
    options = {"base_url": practice.base_url, "account": practice.account.id}
    return LikeMollie.from_config({"api_key": Secret(API_KEY)}, options, practice.http, machine_now)


async def test_a_ping_says_nothing_and_all_is_fetched(practice: Practice, receiver: Receiver) -> None:
    adapter = mollie(practice)
    practice.processor.delivery.set(mode="manual", batch=10)
    practice.processor.set_webhook(API_KEY, receiver.url, WEBHOOK_SECRET)
    charge = await charged(practice, "late_failure_then_paid")
    practice.processor.refund_from_dashboard(charge, 300)
    practice.processor.advance(9 * DAY)
    practice.processor.open_dispute(charge, 200)
    practice.processor.revoke_method(next(iter(practice.account.methods)))
    await practice.processor.flush()
    (delivery,) = receiver.deliveries
    assert set(delivery.body.split(b"&")) == {b"id=" + charge.encode()}
    notices = await adapter.verify(delivery)
    assert {notice.key for notice in notices} == {None}
    events = await adapter.parse(notices[0])
    assert [event.kind for event in events] == [
        EventKind.CHARGE_SUCCEEDED,
        EventKind.CHARGE_REVERSED,
        EventKind.CHARGE_REINSTATED,
        EventKind.REFUND_SUCCEEDED,
        EventKind.DISPUTE_OPENED,
    ]
    assert {event.account_ref for event in events} == {practice.account.id}


async def test_a_ping_about_what_is_not_ours_means_nothing(practice: Practice) -> None:
    adapter = mollie(practice)
    (notice,) = await adapter.verify(RawDelivery("POST", "", (), (), b"id=pch_0"))
    assert await adapter.parse(notice) == ()


@pytest.mark.parametrize("body", [b"", b"id=", b"id=../charges", b"name=x", b"\xff", b"{}", b"&".join([b"id=a"] * 251)])
async def test_a_ping_that_is_none(practice: Practice, body: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await mollie(practice).verify(RawDelivery("POST", "", (), (), body))


# Settlements


async def test_a_settlement_file_is_read(practice: Practice) -> None:
    practice.processor.set_manner(API_KEY, fee_basis_points=100, settlement_currency="USD", rates={"EUR": "1.1"})
    charge = await charged(practice)
    await refund(practice, charge)
    practice.processor.advance(DAY)
    (settled,) = await practice.adapter.settlements(date(2027, 3, 1))
    read = await practice.adapter.settlement(settled)
    assert read.day == date(2027, 3, 1)
    capture, back, payout = read.rows
    assert (capture.kind, capture.charge_id, capture.reference) == (SettlementKind.CAPTURE, charge, "in_1.1")
    assert (capture.amount, capture.settled) == (Money(1000, "eur"), Money(1100, "usd"))
    assert (capture.fee, capture.net) == (Money(11, "usd"), Money(1089, "usd"))
    assert (back.amount, back.net, payout.net) == (Money(-400, "eur"), Money(-440, "usd"), Money(-649, "usd"))
    assert await practice.adapter.settlements(date(2027, 3, 2)) == ()


HEAD = "id,kind,object,charge,reference,occurred_at,amount,currency,rate,settled,fee,net,settlement_currency\r\n"
CAPTURE = "m1,capture,c,c,in_1.1,2027-03-01T12:00:00+00:00,1000,EUR,1,1000,10,990,EUR\r\n"
PAYOUT = "p1,payout,,,,2027-03-01T12:00:00+00:00,-990,EUR,1,-990,0,-990,EUR\r\n"


@pytest.mark.parametrize(
    "content",
    [
        HEAD + CAPTURE,
        HEAD + CAPTURE.replace("990", "991") + PAYOUT.replace("990", "991"),
        HEAD + CAPTURE.replace("capture", "gift") + PAYOUT,
        HEAD + CAPTURE.replace(",1000,", ",ten,", 1) + PAYOUT,
        HEAD + CAPTURE.replace(",EUR\r\n", "\r\n") + PAYOUT,
        HEAD + CAPTURE.replace("EUR\r\n", "USD\r\n") + PAYOUT,
        "nonsense",
        "\xff",
    ],
)
def test_a_settlement_file_that_can_not_be_believed(content: str) -> None:
    settlement("pst_1", "2027-03-01", (HEAD + CAPTURE + PAYOUT).encode(), PracticeAdapter.units)
    with pytest.raises(OutcomeUnknownError):
        settlement("pst_1", "2027-03-01", content.encode("latin-1"), PracticeAdapter.units)


async def test_a_settlement_that_is_not_there(practice: Practice) -> None:
    with pytest.raises(RefusedError):
        await practice.adapter.settlement("pst_20270301")
