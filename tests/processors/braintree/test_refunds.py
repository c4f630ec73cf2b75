"""Refunds at Braintree: as refunds, as voids before settlement, refused, looked for and listed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from processors.braintree import returns
from processors.errors import MoneyError, RefusedError
from processors.events import RefundState
from processors.money import Money
from processors.outcome import (
    LookupFailed,
    NotFound,
    NotSent,
    RefundFailed,
    RefundFound,
    RefundPending,
    RefundRefusal,
    RefundRefused,
    RefundSucceeded,
    Unknown,
)
from processors.values import RefundQuery
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import Braintree, refund_request
from tests.processors.braintree.shapes import (
    CHARGE_ID,
    REFUND_ID,
    UNSETTLED,
    data,
    errors,
    event,
    listed,
    node,
    refund,
    transaction,
    went,
)

WHOLE, PART = Money(1050, "eur"), Money(350, "eur")
AT = datetime(2027, 3, 1, 12, tzinfo=UTC)
VOIDED = transaction("VOIDED", statusHistory=went("AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT", "VOIDED"))
VOID_AT = datetime(2027, 3, 1, 14, tzinfo=UTC)


def made(shape: Any) -> Any:
    return data(refundTransaction={"refund": shape})


def reversed_to(shape: Any) -> Any:
    return data(reverseTransaction={"reversal": shape})


def by_staff() -> Any:
    history = went("SUBMITTED_FOR_SETTLEMENT", "VOIDED")
    history[0]["source"] = "CONTROL_PANEL"
    return transaction("VOIDED", statusHistory=history)


async def test_what_is_sent(braintree: Braintree) -> None:
    outcome = await braintree.refund(made(refund()))
    assert outcome == RefundSucceeded(REFUND_ID, WHOLE, AT)
    assert braintree.asked == [
        {
            "input": {
                "transactionId": CHARGE_ID,
                "apiRequestKey": "6b2d8b63-9b5f-5e9f-a068-1e0a4d2e3f23",
                "refund": {"amount": "10.50", "orderId": "rfd_01made"},
            }
        }
    ]


async def test_a_part(braintree: Braintree) -> None:
    shape = refund(amount={"value": "3.50", "currencyCode": "EUR"})
    assert await braintree.refund(made(shape), amount=PART) == RefundSucceeded(REFUND_ID, PART, AT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("SETTLED", RefundSucceeded),
        ("SETTLEMENT_PENDING", RefundPending),
        ("AUTHORIZED", RefundPending),
        ("PROCESSOR_DECLINED", RefundFailed),
        ("FAILED", RefundFailed),
        ("SETTLEMENT_DECLINED", RefundFailed),
        ("VOIDED", RefundFailed),
        ("A_STATUS_OF_TOMORROW", Unknown),
    ],
)
async def test_each_status(braintree: Braintree, status: str, kind: type) -> None:
    assert isinstance(await braintree.refund(made(refund(status))), kind)


async def test_a_failure_says_why(braintree: Braintree) -> None:
    told = event("PROCESSOR_DECLINED", processorResponse={"legacyCode": "2065", "message": "Too late"})
    outcome = await braintree.refund(made(refund("PROCESSOR_DECLINED", statusHistory=[told])))
    assert outcome == RefundFailed(REFUND_ID, WHOLE, "2065", "Too late")


async def test_all_of_an_unsettled_charge_is_voided(braintree: Braintree) -> None:
    outcome = await braintree.refund(UNSETTLED, node(transaction()), reversed_to(VOIDED))
    assert outcome == RefundSucceeded(CHARGE_ID, WHOLE, VOID_AT)
    assert braintree.operations == ["Refund", "Transaction", "Reverse"]
    assert braintree.asked[2] == {"input": {"transactionId": CHARGE_ID}}


async def test_one_that_settles_at_that_moment_is_refunded(braintree: Braintree) -> None:
    shape = refund(orderId=shapes.REFERENCE)
    outcome = await braintree.refund(UNSETTLED, node(transaction()), reversed_to(shape))
    assert outcome == RefundSucceeded(REFUND_ID, WHOLE, AT)


async def test_a_part_of_an_unsettled_charge_waits(braintree: Braintree) -> None:
    outcome = await braintree.refund(UNSETTLED, node(transaction()), amount=PART)
    assert isinstance(outcome, NotSent)
    assert (outcome.answered, outcome.retry_after) == (True, returns.SETTLES_WITHIN)
    assert braintree.operations == ["Refund", "Transaction"]


@pytest.mark.parametrize("status", ["SETTLING", "SETTLED"])
async def test_so_does_one_that_is_settling(braintree: Braintree, status: str) -> None:
    outcome = await braintree.refund(UNSETTLED, node(transaction(status)))
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == returns.MOVING_ON


async def test_a_void_of_which_no_answer_came_is_found_when_sent_again(braintree: Braintree) -> None:
    assert await braintree.refund(UNSETTLED, node(VOIDED)) == RefundSucceeded(CHARGE_ID, WHOLE, VOID_AT)


@pytest.mark.parametrize("status", ["SETTLEMENT_DECLINED", "PROCESSOR_DECLINED", "VOIDED", "AUTHORIZATION_EXPIRED"])
async def test_a_charge_that_took_nothing_gives_nothing_back(braintree: Braintree, status: str) -> None:
    outcome = await braintree.refund(UNSETTLED, node(transaction(status)))
    assert isinstance(outcome, RefundRefused)
    assert outcome.reason is RefundRefusal.NOT_CAPTURED


async def test_nor_does_one_that_staff_voided(braintree: Braintree) -> None:
    outcome = await braintree.refund(UNSETTLED, node(by_staff()))
    assert isinstance(outcome, RefundRefused)


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ((httpx.ReadTimeout("late"),), NotSent),
        ((errors("INTERNAL"),), NotSent),
        ((node(transaction()), httpx.ReadTimeout("late")), Unknown),
        ((node(transaction()), httpx.Response(502)), Unknown),
        ((node(transaction()), httpx.ConnectError("no")), NotSent),
        ((node(transaction()), errors("VALIDATION", "91504", ["input", "transactionId"])), NotSent),
        ((node(transaction()), reversed_to(transaction("SETTLED"))), Unknown),
        ((node(transaction()), reversed_to(VOIDED | {"id": "b3RoZXI"})), Unknown),
        ((node(transaction()), reversed_to({"__typename": "Dispute"})), Unknown),
        ((node(transaction()), reversed_to(None)), Unknown),
    ],
)
async def test_a_void_that_goes_wrong(braintree: Braintree, says: tuple[Any, ...], kind: type) -> None:
    assert isinstance(await braintree.refund(UNSETTLED, *says), kind)


@pytest.mark.parametrize(("code", "reason"), [one for one in returns.REFUSALS.items() if one[0].isdigit()])
async def test_a_refund_that_is_refused(braintree: Braintree, code: str, reason: RefundRefusal) -> None:
    outcome = await braintree.refund(errors("VALIDATION", code, ["input", "transactionId"]))
    assert isinstance(outcome, RefundRefused)
    assert (outcome.reason, outcome.code) == (reason, code)


@pytest.mark.parametrize("said", [errors("AUTHENTICATION"), errors("NOT_FOUND"), errors("VALIDATION", "91598")])
async def test_one_that_is_refused_otherwise(braintree: Braintree, said: Any) -> None:
    outcome = await braintree.refund(said)
    assert isinstance(outcome, RefundRefused)
    assert outcome.reason is RefundRefusal.OTHER


@pytest.mark.parametrize(
    "said",
    [
        errors("VALIDATION", None, ["input", "apiRequestKey"]),
        errors("INTERNAL"),
        {},
        data(refundTransaction=None),
        made(refund(orderId="rfd_other")),
        made(refund(amount={"value": "10.49", "currencyCode": "EUR"})),
        made(refund(refundedTransaction={"id": "b3RoZXI"})),
        made(refund(refundedTransaction=None)),
        httpx.ReadTimeout("late"),
        httpx.Response(500),
    ],
)
async def test_after_these_nobody_knows(braintree: Braintree, said: Any) -> None:
    assert isinstance(await braintree.refund(said), Unknown)


@pytest.mark.parametrize("said", [errors("RESOURCE_LIMIT"), httpx.Response(429), httpx.ConnectError("no")])
async def test_what_is_turned_away_is_not_sent(braintree: Braintree, said: Any) -> None:
    assert isinstance(await braintree.refund(said), NotSent)


async def test_what_can_not_be_refunded_is_not_sent(braintree: Braintree) -> None:
    for money in (Money(0, "eur"), Money(-1, "eur"), Money(1, "zzz")):
        with pytest.raises(MoneyError):
            braintree.adapter.prepare_refund(refund_request(amount=money))
    with pytest.raises(RefusedError):
        braintree.adapter.prepare_refund(refund_request(charge_id="a/../b"))
    assert braintree.adapter.prepare_refund(refund_request()) == braintree.adapter.prepare_refund(refund_request())


async def look(braintree: Braintree, *says: Any, by_id: str = "") -> Any:
    braintree.says += says
    return await braintree.adapter.lookup_refund(RefundQuery(shapes.REFUND_REFERENCE, CHARGE_ID, by_id))


async def test_a_refund_is_found_by_its_id_or_our_reference(braintree: Braintree) -> None:
    found = RefundFound(RefundSucceeded(REFUND_ID, WHOLE, AT))
    assert await look(braintree, node(refund()), by_id=REFUND_ID) == found
    assert await look(braintree, listed("refunds", refund())) == found
    assert braintree.asked[1] == {"input": {"orderId": {"is": "rfd_01made"}}, "first": 50}


async def test_so_is_a_void(braintree: Braintree) -> None:
    found = RefundFound(RefundSucceeded(CHARGE_ID, WHOLE, VOID_AT))
    assert await look(braintree, node(VOIDED), by_id=CHARGE_ID) == found
    assert await look(braintree, listed("refunds"), node(VOIDED)) == found


@pytest.mark.parametrize(
    "says",
    [(listed("refunds"), node(transaction())), (listed("refunds"), node(by_staff())), (listed("refunds"), node(None))],
)
async def test_one_that_does_not_show_proves_nothing(braintree: Braintree, says: tuple[Any, ...]) -> None:
    assert await look(braintree, *says) == NotFound(conclusive=False)


async def test_an_id_that_nothing_has(braintree: Braintree) -> None:
    assert await look(braintree, errors("NOT_FOUND"), by_id=REFUND_ID) == NotFound(conclusive=False)


@pytest.mark.parametrize(
    ("said", "by_id"),
    [
        (listed("refunds", refund(), refund(id="b3RoZXI")), ""),
        (listed("refunds", refund(refundedTransaction={"id": "b3RoZXI"})), ""),
        (node(refund(orderId="rfd_other")), REFUND_ID),
        (node(transaction()), CHARGE_ID),
        (node({"__typename": "Customer", "id": "b3RoZXI"}), REFUND_ID),
        (errors("INTERNAL"), ""),
        (httpx.ReadTimeout("late"), REFUND_ID),
    ],
)
async def test_a_look_up_that_fails_says_so(braintree: Braintree, said: Any, by_id: str) -> None:
    assert isinstance(await look(braintree, said, by_id=by_id), LookupFailed)


async def test_all_refunds_of_a_charge_and_who_made_them(braintree: Braintree) -> None:
    """Staff's carry the reference of the charge, which is none of a refund's."""
    theirs = refund(id="b3RoZXI", orderId=shapes.REFERENCE, source="CONTROL_PANEL")
    braintree.says += [node(transaction("SETTLED", refunds=[refund(), theirs]))]
    ours, other = await braintree.adapter.list_refunds(CHARGE_ID)
    assert (ours.reference, ours.external, ours.charge_id) == (shapes.REFUND_REFERENCE, False, CHARGE_ID)
    assert (other.reference, other.external, other.processor_id) == ("", True, "b3RoZXI")


@pytest.mark.parametrize(("shape", "external"), [(VOIDED, False), (by_staff(), True)])
async def test_a_void_is_listed_as_one(braintree: Braintree, shape: Any, external: bool) -> None:
    braintree.says += [node(shape | {"refunds": []})]
    (found,) = await braintree.adapter.list_refunds(CHARGE_ID)
    assert isinstance(found, RefundState)
    assert (found.processor_id, found.charge_id, found.amount, found.external) == (
        CHARGE_ID,
        CHARGE_ID,
        WHOLE,
        external,
    )


async def test_of_no_charge_nothing_is_listed(braintree: Braintree) -> None:
    braintree.says += [node(None)]
    with pytest.raises(RefusedError):
        await braintree.adapter.list_refunds(CHARGE_ID)
