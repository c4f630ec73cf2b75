"""Webhooks: which deliveries hold, and what each event says."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
import respx

from processors.checkout_com.client import CheckoutComAdapter
from processors.errors import CallError, DeliveryMalformedError, MoneyError, SignatureInvalidError
from processors.events import (
    Acknowledgement,
    DisputeStage,
    EventKind,
    MoneyMoved,
    Notice,
    ProcessorEvent,
    RawDelivery,
    RefundState,
)
from processors.money import Money
from processors.outcome import (
    Canceled,
    DeclineClass,
    Declined,
    Pending,
    RefundFailed,
    RefundPending,
    RefundSucceeded,
    Succeeded,
)
from tests.processors.checkout_com.shapes import (
    ACCOUNT,
    ACTION,
    AT,
    BASE,
    CREDENTIALS,
    NOW,
    OPTIONS,
    PAYMENT,
    PREVIOUS_KEY,
    REFERENCE,
    REFUND,
    SIGNATURE_KEY,
    action,
    delivery,
    dispute_event,
    encode,
    event,
    make_adapter,
)

BODY = encode(event("payment_captured"))
TEN = Money(1000, "eur")


@pytest.fixture
async def changing() -> AsyncIterator[CheckoutComAdapter]:
    """While the key of the webhook is changed."""
    async with httpx.AsyncClient() as http:
        yield make_adapter(http, CREDENTIALS | {"previous_signature_key": PREVIOUS_KEY})


async def told(adapter: CheckoutComAdapter, body: Any) -> ProcessorEvent:
    (notice,) = await adapter.verify(delivery(encode(body)))
    (said,) = await adapter.parse(notice)
    return said


# Deliveries


async def test_the_signature_is_that_of_the_raw_bytes(adapter: CheckoutComAdapter) -> None:
    signed = hmac.new(SIGNATURE_KEY.encode(), BODY, hashlib.sha256).hexdigest()
    (notice,) = await adapter.verify(RawDelivery("POST", "", (("cko-signature", signed),), (), BODY))
    assert (notice.key, notice.kind, notice.body) == ("evt_1", "payment_captured", BODY)


GOOD = delivery(BODY).header("cko-signature")


@pytest.mark.parametrize("header", ["", "x", "0" * 64, GOOD[:-1], GOOD + "0", f"sha256={GOOD}", "é" * 64])
async def test_a_signature_that_does_not_hold(adapter: CheckoutComAdapter, header: str) -> None:
    with pytest.raises(SignatureInvalidError) as caught:
        await adapter.verify(delivery(BODY, None, ("cko-signature", header)))
    assert SIGNATURE_KEY not in str(caught.value)
    assert GOOD not in str(caught.value)


@pytest.mark.parametrize("key", [None, "another-key", "", PREVIOUS_KEY])
async def test_a_wrong_key(adapter: CheckoutComAdapter, key: str | None) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(BODY, key))


@pytest.mark.parametrize("key", [SIGNATURE_KEY, PREVIOUS_KEY])
async def test_both_keys_hold_during_a_change(changing: CheckoutComAdapter, key: str) -> None:
    assert await changing.verify(delivery(BODY, key))


async def test_a_third_key_does_not(changing: CheckoutComAdapter) -> None:
    with pytest.raises(SignatureInvalidError):
        await changing.verify(delivery(BODY, "another-key"))


@pytest.mark.parametrize("position", [0, 9, len(BODY) // 2, len(BODY) - 1])
async def test_one_flipped_bit(adapter: CheckoutComAdapter, position: int) -> None:
    body = bytearray(BODY)
    body[position] ^= 1
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(bytes(body), None, ("cko-signature", GOOD)))


async def test_a_body_that_was_serialised_again(adapter: CheckoutComAdapter) -> None:
    again = msgspec.json.encode(msgspec.json.decode(BODY))
    assert again != BODY
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(again, None, ("cko-signature", GOOD)))


async def test_a_header_that_comes_twice_is_refused(adapter: CheckoutComAdapter) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(delivery(BODY, SIGNATURE_KEY, ("cko-signature", GOOD)))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"id":"evt_1"}', b'{"id":"","type":"x","data":{}}'])
async def test_signed_but_not_an_event(adapter: CheckoutComAdapter, body: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.verify(delivery(body))


@pytest.mark.parametrize(
    ("sent", "holds"), [("Bearer made up", True), ("bearer made up", False), ("", False), ("Bearer made up ", False)]
)
async def test_the_static_authorization_header(sent: str, holds: bool) -> None:
    async with httpx.AsyncClient() as http:
        adapter = make_adapter(http, CREDENTIALS | {"webhook_authorization": "Bearer made up"})
        came = delivery(BODY, SIGNATURE_KEY, ("authorization", sent))
        if holds:
            assert await adapter.verify(came)
            return
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(came)


@pytest.mark.parametrize(
    ("environment", "host", "holds"),
    [
        ("test", "https://vkuhvk4v.api.sandbox.checkout.com", True),
        ("test", "https://api.checkout.com", False),
        ("test", "https://elsewhere.example", True),
        ("test", "https://[", True),
        ("live", "https://vkuhvk4v.api.checkout.com", True),
        ("live", BASE, False),
    ],
)
async def test_an_event_of_the_other_environment(environment: str, host: str, holds: bool) -> None:
    body = encode(event("payment_captured") | {"_links": {"self": {"href": f"{host}/workflows/events/evt_1"}}})
    key = "sk_made_up" if environment == "live" else "sk_sbox_made_up"
    async with httpx.AsyncClient() as http:
        adapter = make_adapter(http, CREDENTIALS | {"secret_key": key}, OPTIONS | {"environment": environment})
        if holds:
            assert await adapter.verify(delivery(body))
            return
        with pytest.raises(DeliveryMalformedError):
            await adapter.verify(delivery(body))


async def test_a_delivery_made_again_has_the_same_key(adapter: CheckoutComAdapter) -> None:
    once, again = await adapter.verify(delivery(BODY)), await adapter.verify(delivery(BODY))
    assert once[0].key == again[0].key
    other = await adapter.verify(delivery(encode(event("payment_captured", "evt_2"))))
    assert other[0].key != once[0].key


def test_the_answers(adapter: CheckoutComAdapter) -> None:
    assert adapter.acknowledge(delivery(BODY), Acknowledgement.STORED).status == 200
    assert adapter.acknowledge(delivery(BODY), Acknowledgement.REFUSED).status == 400


# Charges


@pytest.mark.parametrize(
    ("kind", "data", "wanted", "outcome"),
    [
        ("payment_approved", {}, EventKind.CHARGE_SUCCEEDED, Succeeded(PAYMENT, TEN, AT)),
        (
            "payment_approved",
            {"balances": {"total_captured": 0}},
            EventKind.CHARGE_SUCCEEDED,
            Succeeded(PAYMENT, TEN, AT),
        ),
        ("payment_captured", {}, EventKind.CHARGE_SUCCEEDED, Succeeded(PAYMENT, TEN, AT)),
        (
            "payment_captured",
            {"amount": 400, "balances": {"total_captured": 1000}},
            EventKind.CHARGE_SUCCEEDED,
            Succeeded(PAYMENT, TEN, AT),
        ),
        ("payment_pending", {}, EventKind.CHARGE_PENDING, Pending(PAYMENT)),
        ("payment_retry_scheduled", {"response_code": "20051"}, EventKind.CHARGE_PENDING, Pending(PAYMENT)),
        ("payment_expired", {}, EventKind.CHARGE_FAILED, Canceled(PAYMENT)),
        ("payment_canceled", {}, EventKind.CHARGE_FAILED, Canceled(PAYMENT)),
    ],
)
async def test_an_event_of_a_charge(
    adapter: CheckoutComAdapter, kind: str, data: Any, wanted: EventKind, outcome: object
) -> None:
    said = await told(adapter, event(kind, processing_channel_id=ACCOUNT, **data))
    assert (said.kind, said.outcome) == (wanted, outcome)
    assert (said.reference, said.processor_id, said.account_ref) == (REFERENCE, PAYMENT, ACCOUNT)
    assert (said.occurred_at, said.detail, said.event_id) == (AT, kind, "evt_1")


async def test_a_declined_charge(adapter: CheckoutComAdapter) -> None:
    processing = {"partner_merchant_advice_code": "24"}
    said = await told(
        adapter, event("payment_declined", response_code="20051", response_summary="Refused", processing=processing)
    )
    assert said.kind is EventKind.CHARGE_FAILED
    assert isinstance(said.outcome, Declined)
    assert said.outcome.decline.decline_class is DeclineClass.INSUFFICIENT_FUNDS
    assert said.outcome.decline.not_before == AT + timedelta(hours=1)


async def test_approved_and_captured_are_one_success(adapter: CheckoutComAdapter) -> None:
    approved, captured = [await told(adapter, event(f"payment_{one}")) for one in ("approved", "captured")]
    assert approved.outcome == captured.outcome


async def test_money_that_the_bank_took_back(adapter: CheckoutComAdapter) -> None:
    said = await told(adapter, event("payment_returned"))
    assert said.kind is EventKind.CHARGE_REVERSED
    assert said.moved == MoneyMoved(Money(-1000, "eur"), ACTION, AT)
    assert said.outcome is None


@pytest.mark.parametrize(
    ("kind", "why"), [("payment_capture_declined", DeclineClass.PROCESSOR_ERROR), ("payment_voided", None)]
)
async def test_an_approval_that_came_to_nothing_is_taken_back(
    adapter: CheckoutComAdapter, kind: str, why: DeclineClass | None
) -> None:
    """Law 5: as a failure it would be lost where it is told before the approval, which counts as money."""
    said = await told(adapter, event(kind, response_code="20014", balances={"total_captured": 0}))
    assert (said.kind, said.outcome) == (EventKind.CHARGE_REVERSED, None)
    assert said.moved == MoneyMoved(Money(-1000, "eur"), ACTION, AT)
    assert (said.decline.decline_class if said.decline else None) == why


async def test_a_second_capture_that_is_declined_takes_nothing_back(adapter: CheckoutComAdapter) -> None:
    said = await told(adapter, event("payment_capture_declined", balances={"total_captured": 1000}))
    assert said.kind is EventKind.IGNORED


async def test_the_verification_of_a_card_is_no_charge(adapter: CheckoutComAdapter) -> None:
    for kind in ("payment_approved", "payment_pending", "payment_declined", "card_verified"):
        assert (await told(adapter, event(kind, amount=0))).kind is EventKind.IGNORED


@pytest.mark.parametrize("kind", ["payment_void_declined", "card_verification_declined", "something_new"])
async def test_an_event_that_tells_us_nothing(adapter: CheckoutComAdapter, kind: str) -> None:
    said = await told(adapter, event(kind))
    assert (said.kind, said.detail) == (EventKind.IGNORED, kind)


async def test_the_time_of_older_versions(adapter: CheckoutComAdapter) -> None:
    body = event("payment_captured")
    body["timestamp"] = body.pop("created_on")
    assert (await told(adapter, body)).occurred_at == AT


@pytest.mark.parametrize(
    "body",
    [
        event("payment_captured", amount=None),
        event("payment_captured", id=None),
        event("payment_returned", action_id=None),
        event("payment_captured") | {"data": []},
        event("payment_captured") | {"created_on": None},
        dispute_event("dispute_won", payment_id=None),
    ],
)
async def test_an_event_that_cannot_be_read(adapter: CheckoutComAdapter, body: Any) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.parse(Notice("evt_1", "x", encode(body)))


async def test_an_amount_that_cannot_be_read(adapter: CheckoutComAdapter) -> None:
    with pytest.raises(MoneyError):
        await told(adapter, event("payment_captured", currency="ZZZ"))


# Refunds


@pytest.mark.parametrize(
    ("kind", "wanted", "outcome"),
    [
        ("payment_refund_pending", EventKind.REFUND_CREATED, RefundPending(REFUND, Money(500, "eur"))),
        ("payment_refunded", EventKind.REFUND_SUCCEEDED, RefundSucceeded(REFUND, Money(500, "eur"), AT)),
        (
            "payment_refund_declined",
            EventKind.REFUND_FAILED,
            RefundFailed(REFUND, Money(500, "eur"), "10000", "Approved"),
        ),
    ],
)
@pytest.mark.parametrize(
    ("actions", "reference", "external"),
    [
        ([action("Capture"), action(reference="rfd_1")], "rfd_1", False),
        ([action()], "", True),
        ([action("Capture")], "", False),
    ],
)
async def test_an_event_of_a_refund_is_known_by_its_action(
    adapter: CheckoutComAdapter,
    checkout: respx.MockRouter,
    kind: str,
    wanted: EventKind,
    outcome: Any,
    actions: Any,
    reference: str,
    external: bool,
) -> None:
    """The event carries the payment's reference: taken for the refund's it would make a refund of ours a stranger's,
    and left out it would make a refund of a stranger's payment one that may be ours."""
    checkout.get(f"/payments/{PAYMENT}/actions").respond(json=actions)
    said = await told(adapter, event(kind, action_id=REFUND, amount=500))
    assert (said.kind, said.processor_id, said.reference) == (wanted, PAYMENT, REFERENCE)
    assert said.refund == RefundState(REFUND, PAYMENT, outcome, Money(500, "eur"), reference, external)


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(200, json=[])])
async def test_a_refund_whose_action_cannot_be_asked_for(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: httpx.Response
) -> None:
    checkout.get(f"/payments/{PAYMENT}/actions").mock(return_value=answer)
    with pytest.raises(CallError):
        await told(adapter, event("payment_refunded", action_id=REFUND))


@pytest.mark.parametrize("changed", [{"action_id": None}, {"processed_on": None}, {"amount": None}])
async def test_a_refund_that_cannot_be_told_apart(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, changed: Any
) -> None:
    checkout.get(f"/payments/{PAYMENT}/actions").respond(json=[action("Capture")])
    with pytest.raises(DeliveryMalformedError):
        await told(adapter, event("payment_refunded", **changed))


# Disputes


DEBIT, CREDIT = ("dsp_1:debit", -1000), ("dsp_1:credit", 1000)


@pytest.mark.parametrize(
    ("kind", "stage", "withdrawn", "moves"),
    [
        ("request_for_information_received", DisputeStage.INQUIRY, 0, []),
        ("dispute_received", DisputeStage.OPENED, 0, []),
        ("dispute_evidence_required", DisputeStage.FUNDS_WITHDRAWN, 1000, [DEBIT]),
        ("dispute_evidence_submitted", DisputeStage.FUNDS_WITHDRAWN, 1000, [DEBIT]),
        ("dispute_evidence_acknowledged_by_scheme", DisputeStage.FUNDS_WITHDRAWN, 1000, [DEBIT]),
        ("dispute_arbitration_sent_to_scheme", DisputeStage.FUNDS_WITHDRAWN, 1000, [DEBIT]),
        ("dispute_won", DisputeStage.WON, 0, [DEBIT, CREDIT]),
        ("dispute_arbitration_won", DisputeStage.WON, 0, [DEBIT, CREDIT]),
        ("dispute_canceled", DisputeStage.WON, 0, [DEBIT, CREDIT]),
        ("dispute_lost", DisputeStage.LOST, 1000, [DEBIT]),
        ("dispute_arbitration_lost", DisputeStage.LOST, 1000, [DEBIT]),
        ("dispute_expired", DisputeStage.LOST, 1000, [DEBIT]),
        ("dispute_accepted", DisputeStage.LOST, 1000, [DEBIT]),
        ("dispute_resolved", DisputeStage.CLOSED, 0, []),
    ],
)
async def test_an_event_of_a_dispute(
    adapter: CheckoutComAdapter, kind: str, stage: DisputeStage, withdrawn: int, moves: Any
) -> None:
    said = await told(adapter, dispute_event(kind))
    assert said.kind == f"dispute.{stage}"
    assert (said.reference, said.processor_id, said.account_ref) == (REFERENCE, PAYMENT, ACCOUNT)
    dispute = said.dispute
    assert dispute is not None
    assert (dispute.processor_id, dispute.charge_id, dispute.stage) == ("dsp_1", PAYMENT, stage)
    assert (dispute.amount, dispute.withdrawn) == (TEN, Money(withdrawn, "eur"))
    assert [(move.occurrence, move.amount.amount) for move in dispute.moves] == moves
    assert dispute.reason == "fraudulent 10.4"
    assert dispute.evidence_due_by is not None
    assert dispute.evidence_due_by.isoformat() == "2027-03-20T18:00:00+00:00"


async def test_a_dispute_moves_its_money_once(adapter: CheckoutComAdapter) -> None:
    kinds = ("evidence_required", "evidence_submitted", "lost", "arbitration_won")
    disputes = [(await told(adapter, dispute_event(f"dispute_{kind}"))).dispute for kind in kinds]
    assert {move.occurrence for one in disputes if one for move in one.moves} == {"dsp_1:debit", "dsp_1:credit"}


async def test_an_unknown_step_of_a_dispute(adapter: CheckoutComAdapter) -> None:
    assert (await told(adapter, dispute_event("dispute_something_new"))).kind is EventKind.IGNORED


async def test_disputes_are_found_by_asking_too(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    data = dispute_event("")["data"]
    shown = [{**data, "status": one, "last_update": "2027-03-02T12:00:00Z"} for one in ("won", "something_new")]
    route = checkout.get("/disputes", params={"from": "2027-03-01T12:00:00Z", "limit": "100", "skip": "0"})
    route.respond(json={"limit": 100, "skip": 0, "total_count": 2, "data": shown})
    page = await adapter.poll(NOW)
    assert [(one.kind, one.dispute.processor_id) for one in page.events if one.dispute] == [
        (EventKind.DISPUTE_WON, "dsp_1")
    ]
    assert page.cursor == ""


async def test_a_full_page_of_disputes_goes_on(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    data = dispute_event("")["data"] | {"status": "lost", "last_update": "2027-03-02T12:00:00Z"}
    checkout.get("/disputes", params={"skip": "100"}).respond(json={"data": [data] * 100})
    assert (await adapter.poll(NOW, "100")).cursor == "200"


async def test_every_kind_is_told_or_impossible(adapter: CheckoutComAdapter) -> None:
    assert adapter.capabilities.polled_events == frozenset()
    assert adapter.capabilities.impossible_events == {
        EventKind.CHARGE_SETTLED,
        EventKind.CHARGE_REINSTATED,
        EventKind.REFUND_REVERSED,
        EventKind.DISPUTE_PARTLY_LOST,
        EventKind.ACCOUNT_LOCKED,
        EventKind.ACCOUNT_UNLOCKED,
        *(kind for kind in EventKind if kind.startswith("method.")),
    }
