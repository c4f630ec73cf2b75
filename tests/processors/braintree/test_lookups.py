"""Charges that are looked for: by reference and id, several under one, and duplicates that stand for another."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from processors.outcome import Canceled, Declined, Found, LookupFailed, NotFound, Pending, Rejected, Succeeded
from processors.values import ChargeQuery
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import Braintree
from tests.processors.braintree.shapes import declined, errors, listed, node, rejected, transaction

OTHER = "dHJhbnNhY3Rpb25fb3RoZXI"


async def look(braintree: Braintree, *says: Any, by_id: str = "") -> Any:
    braintree.says += says
    return await braintree.adapter.lookup_charge(ChargeQuery(shapes.REFERENCE, by_id))


async def test_by_our_reference(braintree: Braintree) -> None:
    found = await look(braintree, listed("transactions", transaction()))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)
    assert found.also == ()
    assert braintree.asked == [{"input": {"orderId": {"is": "in_1Made.1"}}, "first": 50}]


async def test_by_its_id(braintree: Braintree) -> None:
    found = await look(braintree, node(transaction("SETTLEMENT_PENDING")), by_id=shapes.CHARGE_ID)
    assert found == Found(Pending(shapes.CHARGE_ID))
    assert braintree.asked == [{"id": shapes.CHARGE_ID}]


@pytest.mark.parametrize("said", [node(None), errors("NOT_FOUND", node=None)])
async def test_an_id_that_nothing_has(braintree: Braintree, said: Any) -> None:
    assert await look(braintree, said, by_id=shapes.CHARGE_ID) == NotFound(conclusive=False)


async def test_to_find_none_proves_nothing(braintree: Braintree) -> None:
    assert await look(braintree, listed("transactions")) == NotFound(conclusive=False)


async def test_of_several_money_goes_first_and_each_is_told(braintree: Braintree) -> None:
    shown = [declined("2001"), transaction(id=OTHER), transaction("SETTLED", id=f"{OTHER}2")]
    found = await look(braintree, listed("transactions", *shown))
    assert isinstance(found, Found)
    assert [getattr(one, "processor_id", "") for one in (found.outcome, *found.also)] == [
        OTHER,
        f"{OTHER}2",
        shapes.CHARGE_ID,
    ]
    assert isinstance(found.also[1], Declined)


async def test_a_duplicate_beside_its_original_says_nothing(braintree: Braintree) -> None:
    duplicate = rejected("DUPLICATE", duplicateOf={"id": OTHER, "orderId": shapes.REFERENCE})
    original = transaction(id=OTHER)
    found = await look(braintree, listed("transactions", duplicate, original), node(original))
    assert isinstance(found, Found)
    assert found.also == ()
    assert isinstance(found.outcome, Succeeded)


async def test_a_duplicate_alone_leads_to_its_original(braintree: Braintree) -> None:
    duplicate = rejected("DUPLICATE", duplicateOf={"id": OTHER, "orderId": shapes.REFERENCE})
    found = await look(braintree, listed("transactions", duplicate), node(transaction(id=OTHER)))
    assert isinstance(found, Found)
    assert found.outcome.processor_id == OTHER  # type: ignore[union-attr]


async def test_a_duplicate_of_another_payment_took_nothing(braintree: Braintree) -> None:
    duplicate = rejected("DUPLICATE", duplicateOf={"id": OTHER, "orderId": "shop-17"})
    found = await look(braintree, listed("transactions", duplicate))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Rejected)


async def test_what_was_voided_took_nothing(braintree: Braintree) -> None:
    assert await look(braintree, listed("transactions", transaction("VOIDED"))) == Found(Canceled(shapes.CHARGE_ID))


@pytest.mark.parametrize(
    "said",
    [
        listed("transactions", transaction(orderId="in_2Other.1")),
        listed("transactions", transaction(merchantAccountId="somebody_elses")),
        listed("transactions", transaction(), after="cursor"),
        listed("transactions", transaction("A_STATUS_OF_TOMORROW")),
        listed("transactions", transaction(amount={"value": "1.005", "currencyCode": "EUR"})),
        errors("AUTHENTICATION"),
        errors("RESOURCE_LIMIT"),
        errors("INTERNAL"),
        {"data": {"search": None}},
        httpx.ConnectError("no"),
        httpx.ReadTimeout("late"),
        httpx.Response(500),
        httpx.Response(429),
    ],
)
async def test_a_look_up_that_fails_says_so(braintree: Braintree, said: Any) -> None:
    assert isinstance(await look(braintree, said), LookupFailed)


async def test_an_id_that_is_none_is_not_asked_for(braintree: Braintree) -> None:
    assert isinstance(await look(braintree, by_id='"}) { id }'), LookupFailed)
    assert braintree.sent == []


async def test_a_charge_is_not_withdrawn(braintree: Braintree) -> None:
    found = await braintree.adapter.cancel_charge(ChargeQuery(shapes.REFERENCE), "key")
    assert isinstance(found, LookupFailed)
    assert braintree.sent == []
