"""The connection itself, set-ups by billing request and hosted page, and the states of a mandate."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from processors.conformance.subject import WEBHOOK_URL
from processors.errors import CallError, ConfigurationError, NotSentError, OutcomeUnknownError, RefusedError
from processors.gocardless.client import GoCardlessAdapter
from processors.money import Money
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
from tests.processors.gocardless.conftest import (
    ACCOUNT,
    MANDATE,
    TOKEN,
    bank_account,
    error,
    make_adapter,
    mandate,
    one,
    used_key,
)

METHOD = PaymentMethodReference(Secret(MANDATE))
FLOW = {"authorisation_url": "https://pay.example/obauth/BRF1", "expires_at": "2026-11-27T09:30:00.000Z"}


def request(**changed: Any) -> SetupRequest:
    fields = {
        "reference": "pms_1",
        "idempotency_key": "key-pms_1",
        "currency": "gbp",
        "return_url": "https://shop.example/back",
        "locale": "de-AT",
        "customer": "cus_1",
    }
    return SetupRequest(**(fields | changed))


def billing_request(status: str = "pending", **changed: Any) -> dict[str, Any]:
    links = {"creditor": ACCOUNT, "customer": "CU123", "customer_bank_account": "BA123"}
    if status == "fulfilled":
        links["mandate_request_mandate"] = MANDATE
    shown = {"id": "BRQ123", "status": status, "links": links, "mandate_request": {"scheme": "bacs"}}
    return {**shown, "resources": {"customer_bank_account": bank_account()}, **changed}


# The connection


async def test_the_credentials_are_those_of_the_creditor(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get("/creditors/CR123").mock(return_value=one("creditors", {"id": ACCOUNT, "name": "Example Ltd"}))
    api.get("/webhooks").respond(403)
    assert (await adapter.check(WEBHOOK_URL)).account == ACCOUNT


@pytest.mark.parametrize("answer", [error("resource_not_found", 404), one("creditors", {"id": "CR999"})])
async def test_the_credentials_are_anothers(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: httpx.Response
) -> None:
    api.get("/creditors/CR123").mock(return_value=answer)
    with pytest.raises(ConfigurationError, match="account"):
        await adapter.check(WEBHOOK_URL)


@pytest.mark.parametrize("answer", [error("unauthorized", 401), httpx.Response(500), httpx.ConnectError("refused")])
async def test_the_credentials_can_not_be_checked(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.get("/creditors/CR123").mock(side_effect=[answer])
    with pytest.raises(CallError):
        await adapter.check(WEBHOOK_URL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("access_token", ""),
        ("access_token", "sandbox_with\nbreak"),
        ("access_token", "live_made_up"),
        ("webhook_secret", ""),
        ("webhook_secret", " "),
        ("previous_webhook_secret", ""),
        ("environment", ""),
        ("environment", "sandbox"),
        ("account", " "),
        ("base_url", "ftp://gocardless.example"),
    ],
)
async def test_a_connection_that_can_not_work(http: httpx.AsyncClient, field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        make_adapter(http, **{field: value})


async def test_a_token_of_the_sandbox_is_not_live(http: httpx.AsyncClient) -> None:
    with pytest.raises(ConfigurationError, match="live"):
        make_adapter(http, environment="live")


@pytest.mark.parametrize(
    ("changed", "host"),
    [
        ({}, "api-sandbox.gocardless.com"),
        ({"environment": "live", "access_token": "live_made_up"}, "api.gocardless.com"),
        ({"base_url": "https://gocardless.example/"}, "gocardless.example"),
    ],
)
async def test_the_environment_chooses_the_host(http: httpx.AsyncClient, changed: dict[str, str], host: str) -> None:
    with respx.mock(base_url=f"https://{host}") as api:
        api.get("/creditors/CR123").mock(return_value=one("creditors", {"id": ACCOUNT}))
        api.get("/webhooks").respond(403)
        assert (await make_adapter(http, **changed).check(WEBHOOK_URL)).account == ACCOUNT


# Set-ups


async def test_a_set_up_leads_to_the_hosted_page(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    asked = api.post("/billing_requests").mock(return_value=one("billing_requests", billing_request(), 201))
    opened = api.post("/billing_request_flows").mock(return_value=one("billing_request_flows", FLOW, 201))
    session = await adapter.begin_setup(request())
    assert (session.processor_ref, session.redirect_url) == ("BRQ123", "https://pay.example/obauth/BRF1")
    assert session.expires_at == datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    ours = {"tollbridge_reference": "pms_1", "stripe_customer": "cus_1"}
    assert json.loads(asked.calls.last.request.content)["billing_requests"] == {
        "links": {"creditor": "CR123"},
        "mandate_request": {"currency": "GBP", "scheme": "bacs", "verify": "recommended", "metadata": ours},
        "metadata": ours,
    }
    assert asked.calls.last.request.headers["idempotency-key"] == "key-pms_1"
    assert json.loads(opened.calls.last.request.content)["billing_request_flows"] == {
        "exit_uri": "https://shop.example/back",
        "redirect_uri": "https://shop.example/back",
        "language": "de",
        "links": {"billing_request": "BRQ123"},
    }


@pytest.mark.parametrize(
    ("currency", "scheme"),
    [
        ("gbp", "bacs"),
        ("eur", "sepa_core"),
        ("usd", "ach"),
        ("aud", "becs"),
        ("cad", "pad"),
        ("sek", "autogiro"),
        ("dkk", "betalingsservice"),
        ("nzd", "becs_nz"),
    ],
)
async def test_the_currency_chooses_the_scheme(
    adapter: GoCardlessAdapter, api: respx.MockRouter, currency: str, scheme: str
) -> None:
    asked = api.post("/billing_requests").mock(return_value=one("billing_requests", billing_request(), 201))
    api.post("/billing_request_flows").mock(return_value=one("billing_request_flows", FLOW, 201))
    await adapter.begin_setup(request(currency=currency, locale="xx", return_url="", customer=""))
    sent = json.loads(asked.calls.last.request.content)["billing_requests"]["mandate_request"]
    assert (sent["scheme"], sent["currency"]) == (scheme, currency.upper())


async def test_a_currency_without_a_bank_debit(adapter: GoCardlessAdapter) -> None:
    with pytest.raises(RefusedError, match="jpy"):
        await adapter.begin_setup(request(currency="jpy"))


async def test_a_lost_answer_makes_no_second_set_up(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    """A page is opened anew: one that nobody was sent to does nothing."""
    api.post("/billing_requests").mock(return_value=used_key("BRQ123"))
    api.get("/billing_requests/BRQ123").mock(return_value=one("billing_requests", billing_request()))
    opened = api.post("/billing_request_flows").mock(return_value=one("billing_request_flows", FLOW, 201))
    assert (await adapter.begin_setup(request())).processor_ref == "BRQ123"
    assert "idempotency-key" not in opened.calls.last.request.headers


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(500), OutcomeUnknownError),
        (httpx.ConnectError("refused"), NotSentError),
        (error("unauthorized", 401), RefusedError),
        (httpx.Response(201, json={}), OutcomeUnknownError),
    ],
)
@pytest.mark.parametrize("where", ["/billing_requests", "/billing_request_flows"])
async def test_a_set_up_that_fails(
    adapter: GoCardlessAdapter, api: respx.MockRouter, where: str, answer: Any, kind: type[CallError]
) -> None:
    if where == "/billing_request_flows":
        api.post("/billing_requests").mock(return_value=one("billing_requests", billing_request(), 201))
    api.post(where).mock(side_effect=[answer])
    with pytest.raises(kind):
        await adapter.begin_setup(request())


async def test_a_set_up_that_is_fulfilled(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    """It gives the same method at each look."""
    api.get("/billing_requests/BRQ123").mock(return_value=one("billing_requests", billing_request("fulfilled")))
    completion = SetupCompletion("BRQ123", "complete:1")
    ready = await adapter.complete_setup(completion)
    assert ready == SetupReady(
        PaymentMethodReference(Secret(MANDATE), Secret("CU123")),
        Card(brand="bacs", last4="11", label="EXAMPLE BANK •••• 11"),
    )
    assert await adapter.complete_setup(completion) == ready


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        (billing_request("pending"), SetupPending),
        (billing_request("ready_to_fulfil"), SetupPending),
        (billing_request("fulfilling"), SetupPending),
        (billing_request("fulfilled", links={"creditor": ACCOUNT}), SetupPending),
        (billing_request("of_tomorrow"), SetupPending),
        (billing_request("cancelled"), SetupFailed),
    ],
)
async def test_a_set_up_that_is_not_ready(
    adapter: GoCardlessAdapter, api: respx.MockRouter, shown: dict[str, Any], kind: type[Any]
) -> None:
    api.get("/billing_requests/BRQ123").mock(return_value=one("billing_requests", shown))
    assert isinstance(await adapter.complete_setup(SetupCompletion("BRQ123", "complete:1")), kind)


async def test_what_a_payer_has_agreed_to_at_most_is_kept(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    asked = {"scheme": "faster_payments", "currency": "GBP", "constraints": {"max_amount_per_payment": 5000}}
    shown = billing_request("fulfilled", mandate_request=asked)
    api.get("/billing_requests/BRQ123").mock(return_value=one("billing_requests", shown))
    ready = await adapter.complete_setup(SetupCompletion("BRQ123", "complete:1"))
    assert isinstance(ready, SetupReady)
    assert ready.card.charge_limit == Money(5000, "gbp")


async def test_a_set_up_of_another_creditor(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    shown = billing_request("fulfilled", links={"creditor": "CR9", "mandate_request_mandate": MANDATE})
    api.get("/billing_requests/BRQ123").mock(return_value=one("billing_requests", shown))
    with pytest.raises(CallError):
        await adapter.complete_setup(SetupCompletion("BRQ123", "complete:1"))


@pytest.mark.parametrize(
    ("account", "last4", "label", "fingerprint"),
    [
        (bank_account("1234", bank_account_token="bat_1"), "1234", "EXAMPLE BANK •••• 1234", "bat_1"),
        (bank_account("", bank_account_token=None), "", "EXAMPLE BANK", ""),
        (bank_account("11", bank_name=""), "11", "•••• 11", ""),
    ],
)
async def test_what_is_shown_of_a_bank_account(
    adapter: GoCardlessAdapter, api: respx.MockRouter, account: Any, last4: str, label: str, fingerprint: str
) -> None:
    shown = billing_request("fulfilled", resources={"customer_bank_account": account})
    api.get("/billing_requests/BRQ123").mock(return_value=one("billing_requests", shown))
    ready = await adapter.complete_setup(SetupCompletion("BRQ123", "complete:1"))
    assert isinstance(ready, SetupReady)
    assert (ready.card.last4, ready.card.label, ready.card.fingerprint) == (last4, label, fingerprint)


# Mandates


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (mandate("pending_customer_approval"), MethodState.ACTIVE),
        (mandate("pending_submission"), MethodState.ACTIVE),
        (mandate("submitted"), MethodState.ACTIVE),
        (mandate("active"), MethodState.ACTIVE),
        (mandate("suspended_by_payer"), MethodState.PENDING),
        (mandate("failed"), MethodState.REVOKED),
        (mandate("cancelled"), MethodState.REVOKED),
        (mandate("blocked"), MethodState.REVOKED),
        (mandate("expired"), MethodState.EXPIRED),
        (mandate("consumed"), MethodState.EXPIRED),
        (mandate("active", new_mandate="MD9"), MethodState.REVOKED),
        (mandate("of_tomorrow"), MethodState.UNKNOWN),
    ],
)
async def test_the_state_of_a_mandate(
    adapter: GoCardlessAdapter, api: respx.MockRouter, shown: dict[str, Any], state: MethodState
) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", shown))
    assert await adapter.method_state(METHOD) is state


async def test_a_mandate_that_is_not_there(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.get(f"/mandates/{MANDATE}").mock(return_value=error("resource_not_found", 404))
    assert await adapter.method_state(METHOD) is MethodState.REVOKED


async def test_a_mandate_is_cancelled_by_us(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    api.post(f"/mandates/{MANDATE}/actions/cancel").mock(return_value=one("mandates", mandate("cancelled")))
    assert await adapter.revoke_method(METHOD, "revoke:1") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("answer", "state", "gone"),
    [
        (error("cancellation_failed"), mandate("cancelled"), True),
        (error("cancellation_failed"), mandate("expired"), True),
        (error("cancellation_failed"), mandate("active"), False),
        (error("resource_not_found", 404), None, True),
    ],
)
async def test_a_mandate_that_is_gone_already(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: httpx.Response, state: Any, gone: bool
) -> None:
    api.post(f"/mandates/{MANDATE}/actions/cancel").mock(return_value=answer)
    api.get(f"/mandates/{MANDATE}").mock(return_value=one("mandates", state) if state else answer)
    if gone:
        await adapter.revoke_method(METHOD, "revoke:1")
    else:
        with pytest.raises(RefusedError):
            await adapter.revoke_method(METHOD, "revoke:1")


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.ConnectError("refused"), error("forbidden", 403)])
async def test_a_mandate_that_can_not_be_cancelled_now(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.post(f"/mandates/{MANDATE}/actions/cancel").mock(side_effect=[answer])
    with pytest.raises(CallError) as caught:
        await adapter.revoke_method(METHOD, "revoke:1")
    assert MANDATE not in str(caught.value)
    assert TOKEN not in str(caught.value)
