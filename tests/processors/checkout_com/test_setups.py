"""Set-ups by a payment session, stored methods, and what a connection is configured with."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import httpx
import pytest
import respx

from processors.checkout_com.client import CheckoutComAdapter
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import CallError, ConfigurationError, OutcomeUnknownError, RefusedError
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
from tests.processors.checkout_com.shapes import (
    ACCOUNT,
    BASE,
    CREDENTIALS,
    INITIAL,
    OPTIONS,
    SECRET_KEY,
    TOKEN,
    action,
    listed,
    make_adapter,
    method,
    verification,
)

SESSION = '{"id":"ps_1","payment_session_token":"made-up-token","payment_session_secret":"pss_made_up","_links":{}}'


def setup(**changed: Any) -> SetupRequest:
    fields = {
        "reference": "cos_1",
        "idempotency_key": "stp_1",
        "currency": "eur",
        "return_url": "https://shop.example/r",
    }
    return SetupRequest(**(fields | changed))


async def test_a_session_of_nothing_for_later_charges(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.post("/payment-sessions").respond(201, text=SESSION)
    begun = await adapter.begin_setup(setup(locale="de-DE"))
    assert json.loads(checkout.calls.last.request.content) == {
        "amount": 0,
        "currency": "EUR",
        "reference": "stp_1",
        "payment_type": "Recurring",
        "billing": {"address": {"country": "DE"}},
        "success_url": "https://shop.example/r",
        "failure_url": "https://shop.example/r",
        "processing_channel_id": ACCOUNT,
        "3ds": {"enabled": True, "challenge_indicator": "challenge_requested_mandate"},
    }
    assert begun.processor_ref == "stp_1"
    assert begun.client == {"payment_session": SESSION, "environment": "sandbox", "locale": "de-DE"}


async def test_the_frontend_gets_the_public_key(checkout: respx.MockRouter) -> None:
    checkout.post("/payment-sessions").respond(201, text=SESSION)
    async with httpx.AsyncClient() as http:
        adapter = make_adapter(http, options=OPTIONS | {"public_key": "pk_sbox_made_up"})
        assert (await adapter.begin_setup(setup())).client["public_key"] == "pk_sbox_made_up"


async def test_a_session_names_where_the_payer_comes_back_to(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter
) -> None:
    with pytest.raises(RefusedError) as caught:
        await adapter.begin_setup(setup(return_url=""))
    assert caught.value.code == "return_url_missing"
    assert not checkout.calls


async def test_a_session_that_cannot_be_read(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.post("/payment-sessions").respond(201, json={"token": "x"})
    with pytest.raises(OutcomeUnknownError):
        await adapter.begin_setup(setup())


async def complete(adapter: CheckoutComAdapter, checkout: respx.MockRouter, *payments: Any, named: str = "") -> Any:
    checkout.get("/payments", params={"reference": "stp_1", "limit": "100"}).respond(json=listed(*payments))
    client = {"payment_id": named} if named else {}
    return await adapter.complete_setup(SetupCompletion("stp_1", "complete:1", client))


READY = SetupReady(method(), Card("amex", "1005", 6, 2030, "amex •••• 1005", "FP01"))


async def test_the_payment_leaves_the_method(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    shown = verification(customer={"id": "cus_madeup01"})
    for _ in range(2):
        assert await complete(adapter, checkout, shown) == READY


async def test_the_first_of_two_tabs_counts(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    later = verification(id="pay_later", requested_on="2027-03-01T13:00:00Z")
    result = await complete(adapter, checkout, later, verification(), verification("Declined", id="pay_declined"))
    assert isinstance(result, SetupReady)
    assert result.method.initial_payment == Secret(INITIAL)
    assert result.method.processor_customer is None


@pytest.mark.parametrize(
    "shown",
    [
        [],
        [verification("Pending", approved=False)],
        [verification("Declined", id="pay_declined")],
        [verification(source={"id": None})],
        [verification(source=None)],
        [verification(approved=False)],
        [verification("Captured", amount=1000)],
    ],
)
async def test_a_payer_who_is_not_done(adapter: CheckoutComAdapter, checkout: respx.MockRouter, shown: Any) -> None:
    assert await complete(adapter, checkout, *shown) == SetupPending()


async def test_a_decline_with_which_the_frontend_ended(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    refused = action("Card Verification", approved=False, response_code="20051", response_summary="Insufficient funds")
    checkout.get("/payments/pay_declined/actions").respond(json=[refused])
    shown = [verification("Declined", id=one) for one in ("pay_before", "pay_declined")]
    result = await complete(adapter, checkout, *shown, named="pay_declined")
    assert result == SetupFailed("20051", "Insufficient funds")


async def test_a_success_after_a_decline(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    declined = verification("Declined", id="pay_declined")
    assert isinstance(await complete(adapter, checkout, verification(), declined, named="pay_declined"), SetupReady)


async def test_a_payment_of_another_set_up(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    with pytest.raises(OutcomeUnknownError):
        await complete(adapter, checkout, verification(reference="stp_2"))


async def test_an_expiry_that_is_masked(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    source = {"id": TOKEN, "scheme": "Visa", "last4": "4242", "expiry_month": "****", "expiry_year": "2030"}
    result = await complete(adapter, checkout, verification(source=source))
    assert result.card == Card("visa", "4242", None, 2030, "visa •••• 4242")


@pytest.mark.parametrize(
    ("expiry", "state"),
    [
        ({"expiry_month": 3, "expiry_year": 2027}, MethodState.ACTIVE),
        ({"expiry_month": 2, "expiry_year": 2027}, MethodState.EXPIRED),
        ({"expiry_month": "****", "expiry_year": "****"}, MethodState.ACTIVE),
        ({}, MethodState.ACTIVE),
    ],
)
async def test_a_stored_card(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, expiry: Any, state: MethodState
) -> None:
    checkout.get(f"/instruments/{TOKEN}").respond(json={"id": TOKEN, "type": "card", **expiry})
    assert await adapter.method_state(method()) is state


async def test_a_card_that_is_gone(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    checkout.get(f"/instruments/{TOKEN}").respond(404)
    assert await adapter.method_state(method()) is MethodState.REVOKED


@pytest.mark.parametrize("status", [204, 404])
async def test_a_card_is_deleted(adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int) -> None:
    checkout.delete(f"/instruments/{TOKEN}").respond(status)
    await adapter.revoke_method(method(), "revoke:1")


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_card_that_cannot_be_asked_for(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, status: int
) -> None:
    checkout.route(path=f"/instruments/{TOKEN}").respond(status)
    with pytest.raises(CallError):
        await adapter.method_state(method())
    with pytest.raises(CallError):
        await adapter.revoke_method(method(), "revoke:1")


async def test_a_token_that_leads_elsewhere(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    with pytest.raises(RefusedError):
        await adapter.revoke_method(PaymentMethodReference(Secret("../payments")), "revoke:1")
    assert not checkout.calls


# The connection


async def test_the_check_asks_for_a_payment_that_nobody_made(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter
) -> None:
    route = checkout.get("/payments", params={"reference": "tollbridge-check"})
    route.side_effect = [httpx.Response(200, json=listed()), httpx.Response(401)]
    checkout.get("/workflows").respond(403)
    assert (await adapter.check(WEBHOOK_URL)).account == ACCOUNT
    with pytest.raises(RefusedError):
        await adapter.check(WEBHOOK_URL)


@pytest.mark.parametrize(
    ("options", "key", "host"),
    [
        ({}, SECRET_KEY, BASE),
        ({"prefix": "vkuhvk4v"}, SECRET_KEY, "https://vkuhvk4v.api.sandbox.checkout.com"),
        ({"environment": "live"}, "sk_made_up", "https://api.checkout.com"),
        ({"environment": "live", "prefix": "vkuhvk4v"}, "sk_made_up", "https://vkuhvk4v.api.checkout.com"),
        ({"base_url": "http://127.0.0.1:1/cko/"}, SECRET_KEY, "http://127.0.0.1:1/cko"),
    ],
)
async def test_where_calls_go(options: Any, key: str, host: str) -> None:
    with respx.mock() as router:
        route = router.get(f"{host}/payments").respond(json=listed())
        router.get(f"{host}/workflows").respond(403)
        async with httpx.AsyncClient() as http:
            await make_adapter(http, CREDENTIALS | {"secret_key": key}, OPTIONS | options).check(WEBHOOK_URL)
        assert route.called


@pytest.mark.parametrize(
    ("credentials", "options", "field"),
    [
        ({"secret_key": ""}, {}, "secret_key"),
        ({"secret_key": "sk_sbox_ä"}, {}, "secret_key"),
        ({"secret_key": "sk_made_up"}, {}, "secret_key"),
        ({}, {"environment": "live"}, "secret_key"),
        ({"signature_key": ""}, {}, "signature_key"),
        ({"signature_key": " "}, {}, "signature_key"),
        ({"previous_signature_key": ""}, {}, "previous_signature_key"),
        ({"webhook_authorization": ""}, {}, "webhook_authorization"),
        ({"webhook_authorization": "a\r\nb"}, {}, "webhook_authorization"),
        ({}, {"environment": ""}, "environment"),
        ({}, {"environment": "sandbox"}, "environment"),
        ({}, {"account": "channel"}, "account"),
        ({}, {"country": "Germany"}, "country"),
        ({}, {"prefix": "a.example/"}, "prefix"),
        ({}, {"public_key": SECRET_KEY}, "public_key"),
        ({}, {"base_url": "ftp://x"}, "base_url"),
    ],
)
async def test_a_connection_that_cannot_work(credentials: Any, options: Any, field: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(ConfigurationError, match=field) as caught:
            make_adapter(http, CREDENTIALS | credentials, OPTIONS | options)
    assert "made_up" not in str(caught.value)


@pytest.mark.parametrize("field", [*CREDENTIALS, *OPTIONS])
async def test_a_field_that_is_missing(field: str) -> None:
    credentials = {name: value for name, value in CREDENTIALS.items() if name != field}
    options = {name: value for name, value in OPTIONS.items() if name != field}
    async with httpx.AsyncClient() as http:
        with pytest.raises(ConfigurationError, match=field):
            make_adapter(http, credentials, options)


async def test_no_settlement_files(adapter: CheckoutComAdapter) -> None:
    assert await adapter.settlements(date(2027, 3, 1)) == ()
    with pytest.raises(RefusedError):
        await adapter.settlement("x")
