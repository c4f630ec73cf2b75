"""Set-ups, what comes of them after lost answers too, and stored methods."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.values import (
    Card,
    MethodState,
    PaymentMethodReference,
    Secret,
    SetupCompletion,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
)
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import Braintree
from tests.processors.braintree.shapes import CUSTOMER, TOKEN, data, errors, held, method, node

REQUEST = SetupRequest("pms_01made", "key", "eur", customer="cus_Made")
NONCE = "tokencc_made_up_nonce"
METHOD = PaymentMethodReference(Secret(TOKEN), Secret(CUSTOMER))
CARD = Card("visa", "1111", 9, 2031, "visa •••• 1111", "a1b2c3")


def vaulted(shape: Any, **verification: Any) -> Any:
    return data(vaultPaymentMethod={"paymentMethod": shape, "verification": verification or None})


async def complete(braintree: Braintree, *says: Any, nonce: str = NONCE) -> Any:
    braintree.says += says
    client = {"payment_method_id": nonce} if nonce else {}
    return await braintree.adapter.complete_setup(SetupCompletion(f"eur:{CUSTOMER}", "key", client))


async def test_a_set_up_is_a_customer_and_a_client_token(braintree: Braintree) -> None:
    braintree.says += [
        data(createCustomer={"customer": {"id": CUSTOMER}}),
        data(createClientToken={"clientToken": "made_up_client_token"}),
    ]
    session = await braintree.adapter.begin_setup(REQUEST)
    assert session.processor_ref == f"eur:{CUSTOMER}"
    assert dict(session.client) == {"client_token": "made_up_client_token"}
    assert braintree.asked == [
        {"input": {"customer": {"company": "pms_01made", "lastName": "cus_Made"}}},
        {"input": {"clientToken": {"customerId": CUSTOMER, "merchantAccountId": "acme_eur"}}},
    ]
    assert "made_up_client_token" not in repr(session)


async def test_a_currency_without_an_account_is_refused(braintree: Braintree) -> None:
    with pytest.raises(RefusedError, match="chf"):
        await braintree.adapter.begin_setup(SetupRequest("pms_01made", "key", "chf"))
    assert braintree.sent == []


async def test_the_single_use_id_is_vaulted(braintree: Braintree) -> None:
    assert await complete(braintree, held(), vaulted(method())) == SetupReady(METHOD, CARD)
    assert braintree.asked[1] == {
        "input": {"paymentMethodId": NONCE, "customerId": CUSTOMER, "verificationMerchantAccountId": "acme_eur"}
    }


async def test_each_look_gives_the_method_that_came_first(braintree: Braintree) -> None:
    later = method(id="bGF0ZXI", createdAt="2027-03-01T13:00:00Z")
    assert await complete(braintree, held(later, method())) == SetupReady(METHOD, CARD)
    assert braintree.operations == ["Methods"]


async def test_a_lost_answer_loses_nothing(braintree: Braintree) -> None:
    with pytest.raises(OutcomeUnknownError):
        await complete(braintree, held(), httpx.ReadTimeout("late"))
    assert await complete(braintree, held(method())) == SetupReady(METHOD, CARD)


async def test_a_single_use_id_that_another_look_has_consumed(braintree: Braintree) -> None:
    consumed = errors("VALIDATION", "93107", ["input", "paymentMethodId"])
    assert await complete(braintree, held(), consumed, held(method())) == SetupReady(METHOD, CARD)


async def test_one_that_nobody_knows_has_failed(braintree: Braintree) -> None:
    consumed = errors("VALIDATION", "93107", ["input", "paymentMethodId"])
    result = await complete(braintree, held(), consumed, held())
    assert isinstance(result, SetupFailed)
    assert result.code == "93107"


async def test_without_one_the_payer_is_not_done(braintree: Braintree) -> None:
    assert await complete(braintree, held(), nonce="") == SetupPending()


@pytest.mark.parametrize(
    ("verification", "expected"),
    [
        ({"status": "PENDING"}, SetupPending()),
        (
            {"status": "PROCESSOR_DECLINED", "processorResponse": {"legacyCode": "2000", "message": "Do Not Honor"}},
            SetupFailed("2000", "Do Not Honor"),
        ),
        (
            {"status": "GATEWAY_REJECTED", "gatewayRejectionReason": "CVV"},
            SetupFailed("CVV", "The payment method could not be verified."),
        ),
    ],
)
async def test_a_method_that_is_not_verified(braintree: Braintree, verification: Any, expected: Any) -> None:
    assert await complete(braintree, held(), vaulted(None, **verification)) == expected


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ((errors("AUTHENTICATION"),), RefusedError),
        ((errors("NOT_FOUND"),), RefusedError),
        ((held(), errors("AUTHORIZATION")), RefusedError),
        ((held(), errors("INTERNAL")), OutcomeUnknownError),
        ((held(), vaulted(None)), OutcomeUnknownError),
        ((held(), vaulted(method(usage="SINGLE_USE"))), OutcomeUnknownError),
        ((errors("RESOURCE_LIMIT"),), NotSentError),
        ((httpx.ConnectError("no"),), NotSentError),
        (({},), OutcomeUnknownError),
    ],
)
async def test_a_set_up_that_can_not_be_asked_for(
    braintree: Braintree, says: tuple[Any, ...], error: type[CallError]
) -> None:
    with pytest.raises(error):
        await complete(braintree, *says)


@pytest.mark.parametrize(
    ("details", "card"),
    [
        (
            {"__typename": "PayPalAccountDetails", "email": "a@example.com", "payerId": "P1"},
            ("", "a@example.com", "P1"),
        ),
        ({"__typename": "VenmoAccountDetails", "username": "made-up", "venmoUserId": "V1"}, ("", "made-up", "V1")),
        ({"__typename": "SEPADirectDebitAccountDetails", "last4": "3000"}, ("", "3000", "")),
        ({"__typename": "CreditCardDetails", "brandCode": "AMERICAN_EXPRESS", "last4": "0005"}, ("amex", "", "")),
        (None, ("", "", "")),
    ],
)
async def test_what_is_shown_of_a_method(braintree: Braintree, details: Any, card: tuple[str, str, str]) -> None:
    ready = await complete(braintree, held(method(details=details)))
    brand, label, fingerprint = card
    assert (ready.card.brand, ready.card.fingerprint) == (brand, fingerprint)
    assert label in ready.card.label


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (node({"id": TOKEN, "usage": "MULTI_USE"}), MethodState.ACTIVE),
        (node(None), MethodState.REVOKED),
        (errors("NOT_FOUND"), MethodState.REVOKED),
    ],
)
async def test_the_state_of_a_method(braintree: Braintree, said: Any, state: MethodState) -> None:
    braintree.says += [said]
    assert await braintree.adapter.method_state(METHOD) is state


async def test_a_method_is_deleted_and_one_that_is_gone_too(braintree: Braintree) -> None:
    braintree.says += [data(deletePaymentMethodFromVault={"__typename": "Payload"}), errors("NOT_FOUND")]
    await braintree.adapter.revoke_method(METHOD, "key")
    await braintree.adapter.revoke_method(METHOD, "key")
    assert braintree.asked == [{"input": {"paymentMethodId": TOKEN}}] * 2


async def test_a_method_that_can_not_be_deleted(braintree: Braintree) -> None:
    braintree.says += [errors("AUTHORIZATION")]
    with pytest.raises(RefusedError):
        await braintree.adapter.revoke_method(METHOD, "key")
    assert shapes.PRIVATE not in repr(braintree.adapter)
