"""Braintree's webhooks: the challenge, signatures that hold and that don't, and what each notification says."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from msgspec.structs import replace

from processors.braintree.client import BraintreeAdapter
from processors.errors import (
    ConfigurationError,
    DeliveryMalformedError,
    OutcomeUnknownError,
    SignatureInvalidError,
    WebhookError,
)
from processors.events import Acknowledgement, DisputeStage, EventKind, MoneyMoved, RawDelivery, Reply
from processors.money import Money
from processors.outcome import Declined, RefundFailed, RefundSucceeded, Succeeded
from processors.values import Secret
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import CREDENTIALS, OPTIONS, START, Braintree
from tests.processors.braintree.shapes import (
    CHARGE_ID,
    DISPUTE_ID,
    REFUND_ID,
    TOKEN,
    data,
    delivered,
    delivery,
    dispute,
    encoded,
    errors,
    event,
    node,
    refund,
    sign,
    transaction,
    went,
    xml,
)

WHOLE = Money(1050, "eur")
SETTLED = xml("transaction_settled", "<transaction><id>1xa2b3</id><status>settled</status></transaction>")
CHALLENGE = "20f9f8ed05f77439fe955c977e4c8a53"
URL = "https://tollbridge.example/webhooks/acct_1/braintree"


def global_id(value: str) -> Any:
    return data(idFromLegacyId=value)


def adapter(**credentials: str) -> BraintreeAdapter:
    secrets = {name: Secret(value) for name, value in credentials.items()}
    return BraintreeAdapter.from_config(CREDENTIALS | secrets, OPTIONS, httpx.AsyncClient(), lambda: START)


def tried(challenge: str, method: str = "GET") -> RawDelivery:
    return RawDelivery(method, f"{URL}?bt_challenge={challenge}", (), (("bt_challenge", challenge),), b"")


async def test_the_challenge_of_the_official_packages(braintree: Braintree) -> None:
    """Their vector: `integration_public_key`, and the private key that goes with it."""
    there = adapter(public_key="integration_public_key", private_key="integration_private_key")
    assert await there.verify(tried(CHALLENGE)) == ()
    for became in Acknowledgement:
        reply = there.acknowledge(tried(CHALLENGE), became)
        assert reply == Reply(200, "integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4")


@pytest.mark.parametrize(
    "delivery_", [tried("<script>"), tried(""), tried("A" * 32), tried("a" * 33), tried(CHALLENGE, "POST")]
)
async def test_what_is_no_challenge_is_not_signed(braintree: Braintree, delivery_: RawDelivery) -> None:
    with pytest.raises(WebhookError):
        await braintree.adapter.verify(delivery_)
    assert braintree.adapter.acknowledge(delivery_, Acknowledgement.REFUSED) == Reply(400, "")


async def test_what_is_stored_is_answered_so(braintree: Braintree) -> None:
    assert braintree.adapter.acknowledge(delivered(SETTLED), Acknowledgement.STORED) == Reply()


async def test_a_good_signature(braintree: Braintree) -> None:
    (notice,) = await braintree.adapter.verify(delivered(SETTLED))
    assert (notice.kind, notice.body) == ("transaction_settled", SETTLED)
    (again,) = await braintree.adapter.verify(delivered(SETTLED))
    assert notice.key == again.key


@pytest.mark.parametrize("other", [SETTLED.replace(b"12:00:00", b"12:00:01"), SETTLED.replace(b"1xa2b3", b"1xa2b4")])
async def test_two_notifications_have_two_keys(braintree: Braintree, other: bytes) -> None:
    (one,) = await braintree.adapter.verify(delivered(SETTLED))
    (two,) = await braintree.adapter.verify(delivered(other))
    assert one.key != two.key


async def test_signed_with_a_line_feed_that_was_lost(braintree: Braintree) -> None:
    payload = encoded(SETTLED)
    assert await braintree.adapter.verify(delivery(payload.rstrip("\n"), sign(payload)))


async def test_one_pair_of_ours_among_others_is_enough(braintree: Braintree) -> None:
    payload = encoded(SETTLED)
    pairs = f"{sign(payload, 'somebody_elses', 'other')}&{sign(payload)}&nonsense"
    assert await braintree.adapter.verify(delivery(payload, pairs))


async def test_the_key_that_is_rotated_away_holds_while_configured(braintree: Braintree) -> None:
    payload = encoded(SETTLED)
    old = delivery(payload, sign(payload, "old_public", "old_private"))
    with pytest.raises(SignatureInvalidError):
        await braintree.adapter.verify(old)
    both = adapter(previous_public_key="old_public", previous_private_key="old_private")
    assert await both.verify(old)
    assert await both.verify(delivered(SETTLED))


PAYLOAD = encoded(SETTLED)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "|",
        shapes.PUBLIC,
        f"{shapes.PUBLIC}|",
        f"{shapes.PUBLIC}|{'0' * 40}",
        sign(PAYLOAD)[:-1] + ("0" if sign(PAYLOAD)[-1] != "0" else "1"),
        sign(PAYLOAD).upper(),
        sign(PAYLOAD, private="another"),
        sign(PAYLOAD, private=""),
        sign(PAYLOAD).replace(shapes.PUBLIC, "somebody_elses"),
        sign(PAYLOAD + "\n\n"),
        sign(PAYLOAD.replace("\n", "")),
        "&".join(["a|b"] * 60 + [sign(PAYLOAD)]),
    ],
)
async def test_a_signature_that_does_not_hold(braintree: Braintree, signature: str) -> None:
    with pytest.raises(SignatureInvalidError) as error:
        await braintree.adapter.verify(delivery(PAYLOAD, signature))
    assert shapes.PRIVATE not in str(error.value)


async def test_a_payload_that_was_changed(braintree: Braintree) -> None:
    forged = encoded(SETTLED.replace(b"1xa2b3", b"9xa2b3"))
    with pytest.raises(SignatureInvalidError):
        await braintree.adapter.verify(delivery(forged, sign(PAYLOAD)))
    written_again = base64.b64encode(SETTLED).decode()
    with pytest.raises(SignatureInvalidError):
        await braintree.adapter.verify(delivery(written_again, sign(PAYLOAD)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        urlencode({"bt_payload": PAYLOAD}).encode(),
        urlencode({"bt_signature": sign(PAYLOAD)}).encode(),
        urlencode([("bt_signature", sign(PAYLOAD)), ("bt_payload", PAYLOAD), ("bt_payload", PAYLOAD)]).encode(),
        urlencode([("bt_signature", "a|b"), ("bt_signature", sign(PAYLOAD)), ("bt_payload", PAYLOAD)]).encode(),
        urlencode([("a", str(n)) for n in range(20)]).encode(),
    ],
)
async def test_a_body_that_is_no_delivery(braintree: Braintree, body: bytes) -> None:
    with pytest.raises(WebhookError):
        await braintree.adapter.verify(replace(delivered(SETTLED), body=body))


BOMB = b'<!DOCTYPE n [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><notification><kind>&b;</kind></notification>'
OUTSIDE = b'<!DOCTYPE n [<!ENTITY f SYSTEM "file:///etc/hostname">]><notification><kind>&f;</kind></notification>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<notification>",
        b"<other/>",
        BOMB,
        OUTSIDE,
        b"<notification><kind>check</kind></notification>",
        xml("", "<transaction/>"),
        xml("check", "<check/>").replace(b"2027-03-01T12:00:00Z", b"yesterday"),
        b'<?xml version="1.0" encoding="made-up"?><notification/>',
    ],
)
async def test_signed_content_that_is_no_notification(braintree: Braintree, content: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await braintree.adapter.verify(delivered(content))


async def test_a_payload_that_is_no_base64(braintree: Braintree) -> None:
    for payload in ("a-b_", "abc"):
        with pytest.raises(DeliveryMalformedError):
            await braintree.adapter.verify(delivery(payload, sign(payload)))


@pytest.mark.parametrize("field", ["public_key", "private_key", "previous_public_key", "previous_private_key"])
def test_an_empty_key_would_sign_for_anybody(field: str) -> None:
    old = {"previous_public_key": "a", "previous_private_key": "b"}
    with pytest.raises(ConfigurationError, match=field):
        adapter(**(old | {field: ""}))


async def test_a_settlement(braintree: Braintree) -> None:
    shape = transaction("SETTLED", statusHistory=went("SUBMITTED_FOR_SETTLEMENT", "SETTLING", "SETTLED"))
    told = await braintree.told(SETTLED, global_id(CHARGE_ID), node(shape))
    assert (told.kind, told.processor_id, told.reference) == (EventKind.CHARGE_SETTLED, CHARGE_ID, "in_1Made.1")
    assert told.occurred_at == datetime(2027, 3, 1, 14, tzinfo=UTC)
    assert isinstance(told.outcome, Succeeded)
    assert (told.account_ref, told.detail) == ("acme", "transaction_settled")
    assert braintree.asked[0] == {"legacyId": "1xa2b3", "type": "TRANSACTION"}


SETTLEMENT_DECLINED = xml("transaction_settlement_declined", "<transaction><id>1xa2b3</id></transaction>")


async def test_a_success_whose_settlement_is_declined_is_reversed(braintree: Braintree) -> None:
    history = went("SUBMITTED_FOR_SETTLEMENT", "SETTLEMENT_DECLINED")
    history[0]["processorResponse"] = {"legacyCode": "4001", "message": "Declined"}
    shape = transaction("SETTLEMENT_DECLINED", statusHistory=history)
    told = await braintree.told(SETTLEMENT_DECLINED, global_id(CHARGE_ID), node(shape))
    assert told.kind is EventKind.CHARGE_REVERSED
    at = datetime(2027, 3, 1, 13, tzinfo=UTC)
    assert told.moved == MoneyMoved(Money(-1050, "eur"), "settlement_declined", at)
    assert told.outcome is None
    assert told.decline is not None
    assert told.decline.processor_code == "4001"


async def test_a_debit_that_was_pending_all_along_has_failed(braintree: Braintree) -> None:
    """It passes through "submitted" within the call that makes it: nobody was told of a success."""
    history = [
        event("SETTLEMENT_DECLINED", "2027-03-04T12:00:00Z"),
        event("SETTLEMENT_PENDING", "2027-03-01T12:00:02Z"),
        event("SUBMITTED_FOR_SETTLEMENT", "2027-03-01T12:00:01Z"),
    ]
    shape = transaction("SETTLEMENT_DECLINED", statusHistory=history)
    told = await braintree.told(SETTLEMENT_DECLINED, global_id(CHARGE_ID), node(shape))
    assert told.kind is EventKind.CHARGE_FAILED
    assert isinstance(told.outcome, Declined)


async def test_a_charge_that_braintree_repeats_by_itself(braintree: Braintree) -> None:
    content = xml("transaction_retried", "<transaction><id>1xa2b3</id></transaction>")
    told = await braintree.told(content, global_id(CHARGE_ID), node(transaction()))
    assert told.kind is EventKind.CHARGE_SUCCEEDED


async def test_a_refund_that_failed(braintree: Braintree) -> None:
    content = xml("refund_failed", "<transaction><id>9yx8w7</id></transaction>")
    told = await braintree.told(content, global_id(REFUND_ID), node(refund("PROCESSOR_DECLINED")))
    assert told.kind is EventKind.REFUND_FAILED
    assert told.refund is not None
    assert isinstance(told.refund.outcome, RefundFailed)
    assert (told.refund.reference, told.processor_id) == (shapes.REFUND_REFERENCE, CHARGE_ID)
    assert braintree.asked[0] == {"legacyId": "9yx8w7", "type": "REFUND"}


OPENED, WON_AT = datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 3, 9, 12, tzinfo=UTC)
WITHDRAWN = MoneyMoved(Money(-1050, "eur"), "opened", OPENED)


@pytest.mark.parametrize(
    ("kind", "shape", "stage", "moves", "gone"),
    [
        ("dispute_opened", dispute(), DisputeStage.FUNDS_WITHDRAWN, (WITHDRAWN,), 1050),
        ("dispute_disputed", dispute("DISPUTED"), DisputeStage.FUNDS_WITHDRAWN, (WITHDRAWN,), 1050),
        ("dispute_under_review", dispute("UNDER_REVIEW"), DisputeStage.FUNDS_WITHDRAWN, (WITHDRAWN,), 1050),
        ("dispute_lost", dispute("LOST"), DisputeStage.LOST, (WITHDRAWN,), 1050),
        ("dispute_accepted", dispute("ACCEPTED"), DisputeStage.LOST, (WITHDRAWN,), 1050),
        ("dispute_auto_accepted", dispute("AUTO_ACCEPTED"), DisputeStage.LOST, (WITHDRAWN,), 1050),
        ("dispute_expired", dispute("EXPIRED"), DisputeStage.LOST, (WITHDRAWN,), 1050),
        (
            "dispute_won",
            dispute("WON"),
            DisputeStage.WON,
            (WITHDRAWN, MoneyMoved(Money(1050, "eur"), "won", WON_AT)),
            0,
        ),
        (
            "dispute_won",
            dispute("WON", amountWon={"value": "9.50", "currencyCode": "EUR"}),
            DisputeStage.PARTLY_LOST,
            (WITHDRAWN, MoneyMoved(Money(950, "eur"), "won", WON_AT)),
            100,
        ),
        ("dispute_opened", dispute(amountDisputed=None), DisputeStage.OPENED, (), 0),
        ("dispute_opened", dispute(kind="RETRIEVAL"), DisputeStage.INQUIRY, (), 0),
        ("dispute_expired", dispute("EXPIRED", kind="RETRIEVAL"), DisputeStage.CLOSED, (), 0),
        ("dispute_opened", dispute(kind="PRE_ARBITRATION"), DisputeStage.FUNDS_WITHDRAWN, (WITHDRAWN,), 1050),
    ],
)
async def test_a_dispute(
    braintree: Braintree, kind: str, shape: Any, stage: DisputeStage, moves: tuple[MoneyMoved, ...], gone: int
) -> None:
    content = xml(kind, "<dispute><id>4d5e6f</id></dispute>")
    told = await braintree.told(content, global_id(DISPUTE_ID), node(shape))
    assert told.kind == f"dispute.{stage}"
    found = told.dispute
    assert found is not None
    assert (found.stage, found.moves, found.withdrawn) == (stage, moves, Money(gone, "eur"))
    assert (found.processor_id, found.charge_id, found.amount) == (DISPUTE_ID, CHARGE_ID, WHOLE)
    assert (found.reason, found.evidence_due_by) == ("fraud", datetime(2027, 3, 20, tzinfo=UTC))
    assert told.occurred_at == (OPENED if shape["status"] == "OPEN" else WON_AT)
    assert braintree.asked[0] == {"legacyId": "4d5e6f", "type": "DISPUTE"}


REVOKED = "payment_method_revoked_by_customer"


async def test_a_payer_cancels_at_paypal(braintree: Braintree) -> None:
    subject = f"<paypal-account><token>madeup</token><global-id>{TOKEN}</global-id></paypal-account>"
    told = await braintree.told(xml(REVOKED, subject))
    assert (told.kind, told.token) == (EventKind.METHOD_REVOKED, Secret(TOKEN))
    assert braintree.sent == []


async def test_one_that_is_named_by_its_short_id_alone(braintree: Braintree) -> None:
    content = xml(REVOKED, "<venmo-account><token>madeup</token></venmo-account>")
    told = await braintree.told(content, global_id(TOKEN))
    assert told.token == Secret(TOKEN)
    assert braintree.asked == [{"legacyId": "madeup", "type": "PAYMENT_METHOD"}]
    gone = await braintree.told(content, errors("NOT_FOUND"))
    assert gone.kind is EventKind.IGNORED


@pytest.mark.parametrize(
    "kind", ["check", "transaction_disbursed", "account_updater_daily_report", "a_kind_of_tomorrow"]
)
async def test_what_means_nothing_to_us_is_named(braintree: Braintree, kind: str) -> None:
    told = await braintree.told(xml(kind, "<anything/>"))
    assert (told.kind, told.detail) == (EventKind.IGNORED, kind)
    assert braintree.sent == []


@pytest.mark.parametrize("changed", [{"orderId": "shop-17"}, {"orderId": None}, {"merchantAccountId": "acme_chf"}])
async def test_payments_of_others_are_ignored(braintree: Braintree, changed: dict[str, Any]) -> None:
    shape = transaction("SETTLED", statusHistory=went("SUBMITTED_FOR_SETTLEMENT", "SETTLED"), **changed)
    told = await braintree.told(SETTLED, global_id(CHARGE_ID), node(shape))
    assert told.kind is EventKind.IGNORED
    assert told.detail


async def test_a_connected_merchants_notice_is_named_as_such(braintree: Braintree) -> None:
    content = SETTLED.replace(b"<subject>", b"<source-merchant-id>other</source-merchant-id><subject>")
    told = await braintree.told(content)
    assert (told.kind, told.account_ref) == (EventKind.IGNORED, "other")


@pytest.mark.parametrize("said", [node(None), errors("NOT_FOUND"), errors("INTERNAL")])
async def test_what_does_not_show_yet_is_asked_for_again(braintree: Braintree, said: Any) -> None:
    with pytest.raises(OutcomeUnknownError):
        await braintree.told(SETTLED, global_id(CHARGE_ID), said)


async def test_a_notice_that_names_nothing(braintree: Braintree) -> None:
    for content in (xml("transaction_settled", "<other/>"), xml("dispute_won", "<dispute/>"), xml(REVOKED, "")):
        with pytest.raises(DeliveryMalformedError):
            await braintree.told(content)


async def test_a_void_in_the_control_panel_is_told_as_a_refund(braintree: Braintree) -> None:
    history = went("SUBMITTED_FOR_SETTLEMENT", "VOIDED")
    history[0]["source"] = "CONTROL_PANEL"
    told = await braintree.told(SETTLED, global_id(CHARGE_ID), node(transaction("VOIDED", statusHistory=history)))
    assert told.kind is EventKind.REFUND_SUCCEEDED
    assert told.refund is not None
    assert isinstance(told.refund.outcome, RefundSucceeded)
    assert told.refund.external
