"""What Adyen's webhooks come to: charges, refunds, disputes, methods, and what means nothing to us."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from processors.adyen.client import AdyenAdapter
from processors.errors import DeliveryMalformedError, MoneyError
from processors.events import DisputeStage, EventKind
from processors.money import Money
from processors.outcome import (
    Canceled,
    DeclineClass,
    Declined,
    RefundFailed,
    RefundOutcome,
    RefundPending,
    RefundSucceeded,
    Rejected,
    Succeeded,
)
from tests.processors.adyen.shapes import (
    ACCOUNT,
    DISPUTE_PSP,
    NOON,
    PSP,
    REFUND_PSP,
    TOKEN,
    Json,
    delivery,
    event_of,
    examples,
    item,
    parsed,
    signed,
    signed_body,
    token_event,
    webhook,
)
from tests.processors.conftest import START

USD = Money(1000, "usd")
OUT = Money(-1000, "usd")


async def test_a_payment_that_was_authorised(adapter: AdyenAdapter) -> None:
    event = await event_of(adapter, item("AUTHORISATION"))
    assert (event.kind, event.outcome) == (EventKind.CHARGE_SUCCEEDED, Succeeded(PSP, USD, NOON))
    assert (event.reference, event.processor_id, event.account_ref) == ("in_1Nx.2", PSP, ACCOUNT)
    assert (event.occurred_at, event.detail) == (NOON, "AUTHORISATION")
    assert event.event_id


@pytest.mark.parametrize(
    ("reason", "code", "decline_class"),
    [
        ("Refused", "2", DeclineClass.DO_NOT_HONOR),
        ("Expired Card", "6", DeclineClass.EXPIRED),
        ("Not enough balance", "12", DeclineClass.INSUFFICIENT_FUNDS),
        ("NOT  ENOUGH BALANCE", "12", DeclineClass.INSUFFICIENT_FUNDS),
        ("Revocation Of Auth", "26", DeclineClass.REVOKED),
        ("FRAUD", "20", DeclineClass.FRAUD),
        ("Of tomorrow", "Of tomorrow", DeclineClass.DO_NOT_HONOR),
        ("", "", DeclineClass.DO_NOT_HONOR),
    ],
)
async def test_a_payment_that_was_refused(
    adapter: AdyenAdapter, reason: str, code: str, decline_class: DeclineClass
) -> None:
    told = item("AUTHORISATION", success="false", reason=reason, data={"merchantAdviceCode": "21 : Cancelled"})
    event = await event_of(adapter, told)
    assert event.kind is EventKind.CHARGE_FAILED
    assert isinstance(event.outcome, Declined)
    said = event.outcome.decline
    assert (said.processor_code, said.decline_class, said.network_advice) == (code, decline_class, "21")
    assert event.outcome.processor_id == PSP


async def test_an_entry_of_another_kind_is_no_reason_to_miss_the_rest(adapter: AdyenAdapter) -> None:
    data = {"refusalReasonRaw": None, "merchantAdviceCode": 3, "metadata": {"a": "b"}, "defensePeriodEndsAt": "soon"}
    for code in ("AUTHORISATION", "CHARGEBACK"):
        assert (await event_of(adapter, item(code, data=data))).kind is not EventKind.IGNORED


async def test_an_amount_that_adyen_refuses_is_our_fault(adapter: AdyenAdapter) -> None:
    event = await event_of(adapter, item("AUTHORISATION", success="false", reason="Invalid Amount"))
    assert isinstance(event.outcome, Rejected)


async def test_an_offer_that_ran_out(adapter: AdyenAdapter) -> None:
    event = await event_of(adapter, item("OFFER_CLOSED"))
    assert (event.kind, event.outcome) == (EventKind.CHARGE_FAILED, Canceled(PSP))


@pytest.mark.parametrize("code", ["CAPTURE_FAILED", "CANCELLATION", "TECHNICAL_CANCEL"])
async def test_a_payment_that_was_undone(adapter: AdyenAdapter, code: str) -> None:
    event = await event_of(
        adapter, item(code, pspReference="MODREF8HXSKGK82Q", originalReference=PSP, reason="because")
    )
    assert (event.kind, event.outcome, event.processor_id) == (EventKind.CHARGE_REVERSED, None, PSP)
    assert event.moved is not None
    assert (event.moved.amount, event.moved.occurrence) == (OUT, f"{code}:MODREF8HXSKGK82Q")
    assert event.decline is not None
    assert (event.decline.decline_class, event.decline.processor_message) == (DeclineClass.PROCESSOR_ERROR, "because")


async def test_an_authorisation_that_ran_out_uncaptured(adapter: AdyenAdapter) -> None:
    event = await event_of(adapter, item("EXPIRE"))
    assert (event.kind, event.processor_id) == (EventKind.CHARGE_REVERSED, PSP)


@pytest.mark.parametrize("reason", ["Transaction Recaptured", "Transaction Auto-recaptured"])
async def test_a_capture_that_was_made_again(adapter: AdyenAdapter, reason: str) -> None:
    event = await event_of(adapter, item("CAPTURE", originalReference=PSP, reason=reason))
    assert (event.kind, event.decline) == (EventKind.CHARGE_REINSTATED, None)
    assert event.moved is not None
    assert event.moved.amount == USD


@pytest.mark.parametrize(
    ("changed", "kind", "outcome"),
    [
        ({"eventCode": "REFUND"}, EventKind.REFUND_SUCCEEDED, RefundSucceeded(REFUND_PSP, USD, NOON)),
        (
            {"eventCode": "REFUND", "success": "false", "reason": "Insufficient balance on payment"},
            EventKind.REFUND_FAILED,
            RefundFailed(REFUND_PSP, USD, "refund", "Insufficient balance on payment"),
        ),
        ({"eventCode": "REFUND_FAILED"}, EventKind.REFUND_FAILED, RefundFailed(REFUND_PSP, USD, "refund_failed", "")),
        (
            {"eventCode": "REFUNDED_REVERSED"},
            EventKind.REFUND_REVERSED,
            RefundFailed(REFUND_PSP, USD, "refunded_reversed", ""),
        ),
        ({"eventCode": "POSTPONED_REFUND"}, EventKind.REFUND_CREATED, RefundPending(REFUND_PSP, USD)),
        (
            {"eventCode": "CANCEL_OR_REFUND", "additionalData": {"modification.action": "refund"}},
            EventKind.REFUND_SUCCEEDED,
            RefundSucceeded(REFUND_PSP, USD, NOON),
        ),
    ],
)
async def test_how_a_refund_ends(adapter: AdyenAdapter, changed: Json, kind: EventKind, outcome: RefundOutcome) -> None:
    named = {"pspReference": REFUND_PSP, "originalReference": PSP, "merchantReference": "refund.in_1Nx.2.r1.1"}
    event = await event_of(adapter, item("", **named) | changed)
    assert (event.kind, event.processor_id, event.reference) == (kind, PSP, "")
    assert event.refund is not None
    assert (event.refund.outcome, event.refund.amount, event.refund.charge_id) == (outcome, USD, PSP)
    assert (event.refund.processor_id, event.refund.reference) == (REFUND_PSP, "in_1Nx.2.r1.1")


async def test_a_refund_that_names_its_payments_reference(adapter: AdyenAdapter) -> None:
    """Then it is known by its own id alone, and ours of the same amount on the wire is not taken for another's."""
    event = await event_of(adapter, item("REFUND", pspReference=REFUND_PSP, originalReference=PSP))
    assert event.refund is not None
    assert (event.reference, event.refund.reference, event.refund.external) == ("in_1Nx.2", "", False)


async def test_a_reversal_that_cancelled(adapter: AdyenAdapter) -> None:
    told = item("CANCEL_OR_REFUND", originalReference=PSP, data={"modification.action": "cancel"})
    assert (await event_of(adapter, told)).kind is EventKind.CHARGE_REVERSED


@pytest.mark.parametrize(
    ("code", "stage", "withdrawn", "moved"),
    [
        ("REQUEST_FOR_INFORMATION", DisputeStage.INQUIRY, 0, 0),
        ("NOTIFICATION_OF_CHARGEBACK", DisputeStage.OPENED, 0, 0),
        ("CHARGEBACK", DisputeStage.FUNDS_WITHDRAWN, 1000, -1000),
        ("CHARGEBACK_REVERSED", DisputeStage.WON, 0, 1000),
        ("PREARBITRATION_OPEN", DisputeStage.OPENED, 0, 0),
        ("PREARBITRATION_WON", DisputeStage.WON, 0, 0),
        ("PREARBITRATION_ISSUER_WITHDRAWN", DisputeStage.WON, 0, 0),
        ("SCHEME_ARBITRATION_WON", DisputeStage.WON, 0, 0),
        ("ISSUER_RESPONSE_TIMEFRAME_EXPIRED", DisputeStage.WON, 0, 0),
        ("SECOND_CHARGEBACK", DisputeStage.LOST, 1000, -1000),
        ("PREARBITRATION_LOST", DisputeStage.LOST, 1000, 0),
        ("PREARBITRATION_ACCEPTED", DisputeStage.LOST, 1000, 0),
        ("SCHEME_ARBITRATION_LOST", DisputeStage.LOST, 1000, 0),
        ("DISPUTE_DEFENSE_PERIOD_ENDED", DisputeStage.LOST, 1000, 0),
    ],
)
@pytest.mark.parametrize("original", [PSP, ""])
async def test_how_a_dispute_goes(
    adapter: AdyenAdapter, code: str, stage: DisputeStage, withdrawn: int, moved: int, original: str
) -> None:
    event = await event_of(adapter, item(code, pspReference=DISPUTE_PSP, originalReference=original))
    assert event.kind == f"dispute.{stage}"
    assert (event.reference, event.processor_id) == ("in_1Nx.2", original)
    told = event.dispute
    assert told is not None
    assert (told.processor_id, told.charge_id, told.stage, told.amount) == (DISPUTE_PSP, original, stage, USD)
    assert told.withdrawn == Money(withdrawn, "usd")
    assert [(one.amount, one.occurrence) for one in told.moves] == (
        [(Money(moved, "usd"), f"{code}:{DISPUTE_PSP}")] if moved else []
    )


async def test_what_a_dispute_says_besides(adapter: AdyenAdapter) -> None:
    data = {"chargebackReasonCode": " 4853", "defensePeriodEndsAt": "2027-03-31T03:03:07+02:00"}
    told = item("CHARGEBACK", pspReference=DISPUTE_PSP, originalReference=PSP, reason="Fraudulent use", data=data)
    dispute = (await event_of(adapter, told)).dispute
    assert dispute is not None
    assert dispute.reason == "4853 Fraudulent use"
    assert dispute.evidence_due_by == datetime(2027, 3, 31, 1, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("recurring.token.created", EventKind.METHOD_ACTIVATED),
        ("recurring.token.alreadyExisting", EventKind.METHOD_ACTIVATED),
        ("recurring.token.updated", EventKind.METHOD_ACTIVATED),
        ("recurring.token.disabled", EventKind.METHOD_REVOKED),
    ],
)
async def test_the_life_of_a_token(adapter: AdyenAdapter, kind: str, event: EventKind) -> None:
    (notice,) = await adapter.verify(signed_body(token_event(kind)))
    told = await parsed(adapter, notice)
    assert (told.kind, told.account_ref, told.detail, told.occurred_at) == (event, ACCOUNT, kind, NOON)
    assert told.token is not None
    assert told.token.reveal() == TOKEN


@pytest.mark.parametrize(
    "told",
    [
        item(
            "AUTHORISATION", amount={"currency": "EUR", "value": 0}, data={"tokenization.storedPaymentMethodId": TOKEN}
        ),
        item("RECURRING_CONTRACT", pspReference=TOKEN, amount={"currency": "EUR", "value": 0}),
    ],
)
async def test_a_payment_of_nothing_stores_a_method(adapter: AdyenAdapter, told: Json) -> None:
    event = await event_of(adapter, told)
    assert (event.kind, event.reference, event.outcome) == (EventKind.METHOD_ACTIVATED, "", None)
    assert event.token is not None
    assert event.token.reveal() == TOKEN


@pytest.mark.parametrize(
    "told",
    [
        item("AUTHORISATION", amount={"currency": "EUR", "value": 0}),
        item("AUTHORISATION", amount={"currency": "EUR", "value": 0}, success="false", reason="Refused"),
        item("CAPTURE"),
        item("CAPTURE", success="false", reason="Transaction Recaptured"),
        item("CAPTURE_FAILED", success="false"),
        item("CANCELLATION", success="false"),
        item("OFFER_CLOSED", success="false"),
        item("CANCEL_OR_REFUND"),
        item("CHARGEBACK", success="false"),
        item("DISPUTE_DEFENSE_PERIOD_ENDED", data={"disputeStatus": "Pending"}),
        item("INFORMATION_SUPPLIED"),
        item("NOTIFICATION_OF_FRAUD"),
        item("REPORT_AVAILABLE"),
        item("OF_TOMORROW"),
    ],
)
async def test_what_means_nothing_to_us_is_ignored_by_its_name(adapter: AdyenAdapter, told: Json) -> None:
    event = await event_of(adapter, told)
    assert (event.kind, event.detail) == (EventKind.IGNORED, told["eventCode"])


async def test_a_signed_webhook_of_another_kind_is_ignored(adapter: AdyenAdapter) -> None:
    (notice,) = await adapter.verify(signed_body({"type": "balancePlatform.transfer.created", "data": {}}))
    event = await parsed(adapter, notice)
    assert (event.kind, event.detail) == (EventKind.IGNORED, "balancePlatform.transfer.created")
    assert event.occurred_at == START


async def test_another_account_is_told(adapter: AdyenAdapter) -> None:
    for code in ("AUTHORISATION", "REFUND", "CHARGEBACK", "CAPTURE_FAILED", "RECURRING_CONTRACT"):
        event = await event_of(adapter, item(code, merchantAccountCode="AnotherShop"))
        assert event.account_ref == "AnotherShop"


@pytest.mark.parametrize(
    "told",
    [
        item("AUTHORISATION", eventDate="yesterday"),
        item("AUTHORISATION", eventDate="2027-03-01T13:00:00"),
        item("AUTHORISATION", pspReference=""),
        item("AUTHORISATION", amount=None),
        item("REFUND", pspReference=""),
        item("REFUND", amount=None),
        item("CHARGEBACK", pspReference=""),
        item("CHARGEBACK", amount=None),
        item("CAPTURE_FAILED", amount=None),
    ],
)
async def test_a_notification_that_does_not_say_enough(adapter: AdyenAdapter, told: Json) -> None:
    with pytest.raises(DeliveryMalformedError):
        await event_of(adapter, told)


@pytest.mark.parametrize("amount", [{"currency": "CLP", "value": 1050}, {"currency": "XX9", "value": 1000}])
async def test_an_amount_that_can_not_be_read(adapter: AdyenAdapter, amount: Any) -> None:
    with pytest.raises(MoneyError):
        await event_of(adapter, item("AUTHORISATION", amount=amount))


async def test_what_is_told_is_what_is_declared(adapter: AdyenAdapter) -> None:
    declared = adapter.capabilities
    assert EventKind.CHARGE_PENDING in declared.impossible_events
    assert not declared.polled_events
    assert (await adapter.poll(NOON)).events == ()


async def test_every_official_example_is_understood(adapter: AdyenAdapter) -> None:
    shown = {name: body for name, body in examples("Webhooks-v1.json.gz").items() if "notificationItems" in body}
    assert len(shown) > 25
    kinds = set()
    for body in shown.values():
        for wrapped in body["notificationItems"]:
            one = signed(wrapped["NotificationRequestItem"])
            (notice,) = await adapter.verify(delivery(webhook(one)))
            kinds.add((await parsed(adapter, notice)).kind)
    assert kinds <= adapter.capabilities.events
    assert {EventKind.CHARGE_SUCCEEDED, EventKind.DISPUTE_LOST, EventKind.REFUND_FAILED} <= kinds


async def test_every_official_example_about_tokens_is_understood(adapter: AdyenAdapter) -> None:
    for body in examples("TokenizationNotification-v1.json.gz").values():
        (notice,) = await adapter.verify(signed_body(body))
        event = await parsed(adapter, notice)
        assert event.kind in (EventKind.METHOD_ACTIVATED, EventKind.METHOD_REVOKED)
        assert event.token is not None
