"""What is found by asking alone: five lists, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.events import EventKind, Polled, ProcessorEvent
from processors.outcome import Declined, Pending, Succeeded
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import Braintree
from tests.processors.braintree.shapes import (
    declined,
    dispute,
    errors,
    listed,
    refund,
    rejected,
    transaction,
    went,
)

SINCE = datetime(2027, 2, 28, 23, 30, 15, tzinfo=UTC)
OURS = {"merchantAccountId": {"in": ["acme_eur", "acme_jpy", "acme_kwd", "acme_usd"]}}
AFTER = {"greaterThanOrEqualTo": "2027-02-28T23:30:15.000000Z"}


async def poll(braintree: Braintree, *says: Any, cursor: str = "") -> Polled:
    braintree.says += says
    return await braintree.adapter.poll(SINCE, cursor)


async def everything(braintree: Braintree) -> list[ProcessorEvent]:
    found, cursor = list((page := await poll(braintree)).events), page.cursor
    while cursor:
        page = await poll(braintree, cursor=cursor)
        found, cursor = [*found, *page.events], page.cursor
    return found


async def test_every_list_is_read_to_its_end(braintree: Braintree) -> None:
    voided = transaction("VOIDED", statusHistory=went("SUBMITTED_FOR_SETTLEMENT", "VOIDED"))
    settled = transaction("SETTLED", statusHistory=went("SUBMITTED_FOR_SETTLEMENT", "SETTLED"))
    braintree.says += [
        listed("transactions", transaction(), declined("2001"), after="c1"),
        listed("transactions", transaction("SETTLEMENT_PENDING")),
        listed("transactions", settled),
        listed("transactions", voided),
        listed("refunds", refund(), refund("SETTLEMENT_PENDING"), refund("FAILED")),
        listed("disputes", dispute()),
    ]
    found = await everything(braintree)
    assert [one.kind for one in found] == [
        EventKind.CHARGE_SUCCEEDED,
        EventKind.CHARGE_FAILED,
        EventKind.CHARGE_PENDING,
        EventKind.CHARGE_SETTLED,
        EventKind.REFUND_SUCCEEDED,
        EventKind.REFUND_SUCCEEDED,
        EventKind.REFUND_CREATED,
        EventKind.REFUND_FAILED,
        EventKind.DISPUTE_FUNDS_WITHDRAWN,
    ]
    assert {one.account_ref for one in found} == {"acme"}
    assert [type(one.outcome) for one in found[:3]] == [Succeeded, Declined, Pending]
    assert braintree.asked == [
        {"input": {**OURS, "createdAt": AFTER}, "first": 50},
        {"input": {**OURS, "createdAt": AFTER}, "first": 50, "after": "c1"},
        {"input": {**OURS, "statusTransition": {"settledAt": AFTER}}, "first": 50},
        {"input": {**OURS, "statusTransition": {"voidedAt": AFTER}}, "first": 50},
        {"input": {**OURS, "createdAt": AFTER}, "first": 50},
        {"input": {"effectiveDate": {"greaterThanOrEqualTo": "2027-02-28"}, "transaction": OURS}, "first": 50},
    ]


async def test_the_same_page_says_the_same(braintree: Braintree) -> None:
    page = listed("transactions", transaction(), declined("2001"))
    assert await poll(braintree, page) == await poll(braintree, page)


async def test_a_refund_made_in_the_control_panel(braintree: Braintree) -> None:
    theirs = refund(source="CONTROL_PANEL", orderId=shapes.REFERENCE)
    page = await poll(braintree, listed("refunds", theirs), cursor="refunds:")
    (found,) = page.events
    assert found.refund is not None
    assert (found.refund.external, found.refund.reference) == (True, "")
    assert (found.reference, found.processor_id) == (shapes.REFERENCE, shapes.CHARGE_ID)


async def test_what_is_none_of_ours_is_left_out(braintree: Braintree) -> None:
    others = [transaction(orderId="shop-17"), transaction(merchantAccountId="x"), rejected("DUPLICATE")]
    assert (await poll(braintree, listed("transactions", *others))).events == ()
    theirs = refund(refundedTransaction={"id": "b3RoZXI", "orderId": "shop-17", "merchantAccountId": "acme_eur"})
    page = await poll(braintree, listed("refunds", theirs, refund(refundedTransaction=None)), cursor="refunds:")
    assert page.events == ()


@pytest.mark.parametrize(
    ("said", "cursor", "error"),
    [
        (errors("INTERNAL"), "", OutcomeUnknownError),
        (errors("RESOURCE_LIMIT"), "settled:", NotSentError),
        (errors("AUTHENTICATION"), "disputes:", RefusedError),
        (httpx.ReadTimeout("late"), "", OutcomeUnknownError),
        (listed("transactions", transaction(), after="c1"), "charges:c1", OutcomeUnknownError),
        (listed("refunds"), "", OutcomeUnknownError),
    ],
)
async def test_a_poll_that_fails_found_nothing(
    braintree: Braintree, said: Any, cursor: str, error: type[CallError]
) -> None:
    with pytest.raises(error):
        await poll(braintree, said, cursor=cursor)


async def test_a_cursor_of_nobodys_is_refused(braintree: Braintree) -> None:
    with pytest.raises(RefusedError):
        await poll(braintree, cursor="elsewhere:c1")
    assert braintree.sent == []


async def test_no_settlement_files(braintree: Braintree) -> None:
    assert await braintree.adapter.settlements(SINCE.date()) == ()
    with pytest.raises(RefusedError):
        await braintree.adapter.settlement("file_1")
