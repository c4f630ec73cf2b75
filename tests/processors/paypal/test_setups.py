"""Set-ups: a setup token, the payer's approval, a payment token; and methods that live or are gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from processors.errors import OutcomeUnknownError, RefusedError
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
from tests.processors.paypal.conftest import PayPal
from tests.processors.paypal.shapes import CUSTOMER, HOST, SETUP, VAULT_ID, error, payment_token, setup_token

SETUP_TOKENS, PAYMENT_TOKENS = "/v3/vault/setup-tokens", "/v3/vault/payment-tokens"
METHOD = PaymentMethodReference(Secret(VAULT_ID), Secret(CUSTOMER))
READY = SetupReady(METHOD, Card(label="PayPal payer@example.com", fingerprint="VYYFH3WJ4JPJQ"))


def setup_request(**changed: str) -> SetupRequest:
    fields = {"reference": "pms_1", "idempotency_key": "setup-key", "currency": "usd", "locale": "de_DE"}
    return SetupRequest(**(fields | {"return_url": "https://shop.example/back", "customer": "cus_1"} | changed))


async def complete(paypal: PayPal, status: str | None, *answers: Any) -> Any:
    shown = (404, error(name="RESOURCE_NOT_FOUND")) if status is None else (200, setup_token(status))
    paypal.says("GET", f"{SETUP_TOKENS}/{SETUP}", shown)
    paypal.says("POST", PAYMENT_TOKENS, *answers)
    return await paypal.adapter.complete_setup(SetupCompletion(SETUP, "complete:stp_1"))


async def test_a_setup_is_begun(paypal: PayPal) -> None:
    paypal.says("POST", SETUP_TOKENS, (201, setup_token()))
    session = await paypal.adapter.begin_setup(setup_request())
    assert session.processor_ref == SETUP
    assert session.redirect_url == f"{HOST}/agreements/approve?approval_session_id={SETUP}"
    assert dict(session.client) == {"setup_token": SETUP, "client_id": "made-up-client-id"}
    (request,) = paypal.sent("POST", SETUP_TOKENS)
    assert request.headers["paypal-request-id"] == "setup-key"
    assert json.loads(request.content)["payment_source"]["paypal"] == {
        "description": "Subscription payments",
        "usage_type": "MERCHANT",
        "customer_type": "CONSUMER",
        "usage_pattern": "SUBSCRIPTION_PREPAID",
        "permit_multiple_payment_tokens": True,
        "experience_context": {
            "return_url": "https://shop.example/back",
            "cancel_url": "https://shop.example/back",
            "shipping_preference": "NO_SHIPPING",
            "locale": "de-DE",
        },
    }


async def test_a_setup_without_an_address_or_with_no_known_language(paypal: PayPal) -> None:
    paypal.says("POST", SETUP_TOKENS, (200, setup_token()))
    await paypal.adapter.begin_setup(setup_request(return_url="", locale="Deutsch"))
    (request,) = paypal.sent("POST", SETUP_TOKENS)
    wallet = json.loads(request.content)["payment_source"]["paypal"]
    assert wallet["experience_context"] == {"shipping_preference": "NO_SHIPPING"}


@pytest.mark.parametrize("status", ["CREATED", "PAYER_ACTION_REQUIRED"])
async def test_a_payer_who_is_not_done(paypal: PayPal, status: str) -> None:
    assert await complete(paypal, status, (500, b"")) == SetupPending()
    assert not paypal.sent("POST", PAYMENT_TOKENS)


async def test_an_approved_setup_becomes_a_method(paypal: PayPal) -> None:
    assert await complete(paypal, "APPROVED", (201, payment_token())) == READY
    (request,) = paypal.sent("POST", PAYMENT_TOKENS)
    assert request.headers["paypal-request-id"] == "complete:stp_1"
    assert json.loads(request.content) == {"payment_source": {"token": {"id": SETUP, "type": "SETUP_TOKEN"}}}


async def test_completing_again_after_a_lost_answer_gives_the_same_method(paypal: PayPal) -> None:
    with pytest.raises(OutcomeUnknownError):
        await complete(paypal, "APPROVED", (500, b""))
    assert await complete(paypal, "VAULTED", (200, payment_token())) == READY
    first, second = paypal.sent("POST", PAYMENT_TOKENS)
    assert first.headers["paypal-request-id"] == second.headers["paypal-request-id"]


async def test_a_setup_token_that_does_not_show_any_more_may_still_be_made_a_method(paypal: PayPal) -> None:
    assert await complete(paypal, None, (200, payment_token())) == READY


async def test_after_the_keys_time_the_customers_only_token_is_the_one(paypal: PayPal) -> None:
    listed = paypal.says("GET", PAYMENT_TOKENS, (200, {"payment_tokens": [payment_token()]}))
    assert await complete(paypal, "VAULTED", (422, error("SETUP_TOKEN_ALREADY_USED"))) == READY
    assert listed.calls[0].request.url.params["customer_id"] == CUSTOMER


@pytest.mark.parametrize(
    ("status", "tokens"),
    [
        ("VAULTED", []),
        ("VAULTED", [payment_token(), payment_token(id="another1")]),
        ("APPROVED", [payment_token()]),
    ],
    ids=["none is stored", "nobody knows which", "a token of before"],
)
async def test_a_setup_of_which_nothing_comes(paypal: PayPal, status: str, tokens: list[Any]) -> None:
    paypal.says("GET", PAYMENT_TOKENS, (200, {"payment_tokens": tokens}))
    failed = await complete(paypal, status, (422, error("INVALID_SETUP_TOKEN")))
    assert isinstance(failed, SetupFailed)
    assert failed.code == "INVALID_SETUP_TOKEN"


async def test_a_setup_that_paypal_does_not_know(paypal: PayPal) -> None:
    failed = await complete(paypal, None, (404, error("TOKEN_NOT_FOUND", "RESOURCE_NOT_FOUND")))
    assert isinstance(failed, SetupFailed)


async def test_an_approval_that_paypal_still_waits_for(paypal: PayPal) -> None:
    assert await complete(paypal, "APPROVED", (422, error("PAYER_ACTION_REQUIRED"))) == SetupPending()


async def test_an_account_that_may_not_vault_is_told(paypal: PayPal) -> None:
    with pytest.raises(RefusedError, match="NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE"):
        await complete(paypal, "APPROVED", (403, error("NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE")))


async def test_a_card_in_the_vault_is_shown_as_one(paypal: PayPal) -> None:
    card = {"card": {"brand": "VISA", "last_digits": "1111", "expiry": "2030-02"}}
    made = await complete(paypal, "APPROVED", (201, payment_token(payment_source=card)))
    assert made.card == Card("visa", "1111", 2, 2030, "Visa •••• 1111")


# Stored methods


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((200, payment_token()), MethodState.ACTIVE),
        ((404, error(name="RESOURCE_NOT_FOUND")), MethodState.REVOKED),
    ],
)
async def test_the_state_of_a_method(paypal: PayPal, answer: Any, state: MethodState) -> None:
    paypal.says("GET", f"{PAYMENT_TOKENS}/{VAULT_ID}", answer)
    assert await paypal.adapter.method_state(METHOD) is state


@pytest.mark.parametrize("answer", [(204, b""), (404, error(name="RESOURCE_NOT_FOUND"))], ids=["deleted", "gone"])
async def test_a_method_is_deleted(paypal: PayPal, answer: Any) -> None:
    deleted = paypal.says("DELETE", f"{PAYMENT_TOKENS}/{VAULT_ID}", answer)
    await paypal.adapter.revoke_method(METHOD, "revoke:pm_1")
    assert deleted.called


async def test_a_deletion_that_fails_is_told(paypal: PayPal) -> None:
    paypal.says("DELETE", f"{PAYMENT_TOKENS}/{VAULT_ID}", (403, error("PERMISSION_DENIED")))
    with pytest.raises(RefusedError):
        await paypal.adapter.revoke_method(METHOD, "revoke:pm_1")


async def test_a_legacy_agreement_is_in_no_vault(paypal: PayPal) -> None:
    agreement = PaymentMethodReference(Secret("B-50V812176H0783741"))
    assert await paypal.adapter.method_state(agreement) is MethodState.UNKNOWN
    with pytest.raises(RefusedError):
        await paypal.adapter.revoke_method(agreement, "revoke:pm_1")
    assert not paypal.router.calls
