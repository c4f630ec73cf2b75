"""What a connection to Adyen may be configured with, and that nothing secret shows."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
import respx

from processors.adyen.client import AdyenAdapter
from processors.adyen.config import OPTIONAL_OPTIONS, OPTIONS, settings
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import ConfigurationError, OutcomeUnknownError, RefusedError
from processors.outcome import Unknown
from tests.processors.adyen import shapes
from tests.processors.adyen.shapes import (
    API_KEY,
    CLIENT_KEY,
    CREDENTIALS,
    HMAC_KEY,
    TOKEN,
    charge_request,
    make_adapter,
    paid,
)

LIVE = {"environment": "live", "live_prefix": "1797a841fbb37ca7-Example", "client_key": "live_MADEUP"}


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://checkout-test.adyen.com"),
        (LIVE, "https://1797a841fbb37ca7-Example-checkout-live.adyenpayments.com/checkout"),
        ({"base_url": "https://proxy.example/adyen"}, "https://proxy.example/adyen"),
        (LIVE | {"live_prefix": "", "base_url": "https://proxy.example"}, "https://proxy.example"),
    ],
)
def test_where_the_api_is(options: dict[str, str], url: str) -> None:
    assert settings(shapes.OPTIONS | options).base_url == url


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"environment": ""}, "environment"),
        ({"environment": "staging"}, "environment"),
        ({"account": " "}, "account"),
        (LIVE | {"live_prefix": ""}, "live_prefix"),
        (LIVE | {"live_prefix": "evil.example/"}, "live_prefix"),
        ({"base_url": "ftp://adyen.example"}, "base_url"),
        ({"client_key": ""}, "client_key"),
        ({"client_key": "live_MADEUP"}, "client_key"),
        (LIVE | {"client_key": "test_MADEUP"}, "client_key"),
        ({"client_environment": "live-us"}, "client_environment"),
        ({"mode": "redirect"}, "mode"),
        ({"channel": "TV"}, "channel"),
        ({"country": "Netherlands"}, "country"),
        ({"payment_method_type": "scheme,ideal"}, "payment_method_type"),
    ],
)
def test_an_option_that_can_not_work_is_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make_adapter(options=options)


@pytest.mark.parametrize(
    "field", ["api_key", "hmac_key", "previous_hmac_key", "token_hmac_key", "previous_token_hmac_key"]
)
@pytest.mark.parametrize("value", ["", "with space\n", "zz" * 32, "ab"])
def test_a_credential_that_can_not_work_is_named(field: str, value: str) -> None:
    if field == "api_key" and value in ("zz" * 32, "ab"):
        return
    with pytest.raises(ConfigurationError, match=field) as refused:
        make_adapter(credentials=CREDENTIALS | {field: value})
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize("field", ["api_key", "hmac_key"])
def test_a_credential_that_is_missing_is_named(field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        make_adapter(credentials={name: value for name, value in CREDENTIALS.items() if name != field})


def test_the_account_is_where_the_gateway_looks_for_it() -> None:
    """It compares each notice's receiver with this option."""
    assert "account" in OPTIONS
    assert "base_url" in OPTIONAL_OPTIONS


async def test_a_check_names_the_account(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post("/paymentMethods", json={"merchantAccount": shapes.ACCOUNT}).respond(200, json={"paymentMethods": []})
    adyen.get("https://management-test.adyen.com/v3/merchants/ExampleShopECOM/webhooks").respond(403)
    assert (await adapter.check(WEBHOOK_URL)).account == shapes.ACCOUNT


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(403, "901", ConfigurationError), (401, "000", RefusedError), (403, "010", RefusedError)],
)
async def test_a_check_that_fails(
    adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, code: str, error: type[Exception]
) -> None:
    adyen.post("/paymentMethods").respond(status, json={"errorCode": code})
    with pytest.raises(error):
        await adapter.check(WEBHOOK_URL)


async def test_a_page_is_no_check(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post("/paymentMethods").respond(200, text="<html>Welcome</html>")
    with pytest.raises(OutcomeUnknownError):
        await adapter.check(WEBHOOK_URL)


async def test_another_kind_of_method_is_another_connection(adyen: respx.MockRouter) -> None:
    adapter = make_adapter(options={"payment_method_type": "sepadirectdebit"})
    assert b'"type":"sepadirectdebit"' in adapter.prepare_charge(charge_request()).body


async def test_nothing_secret_shows(
    adyen: respx.MockRouter, adapter: AdyenAdapter, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    adyen.post("/payments").mock(side_effect=[httpx.ReadTimeout(API_KEY), httpx.Response(200, json=paid())])
    call = adapter.prepare_charge(charge_request())
    outcomes: list[Any] = [await adapter.charge(call), await adapter.charge(call)]
    adyen.get("/storedPaymentMethods").respond(500, text=TOKEN)
    with pytest.raises(OutcomeUnknownError) as failed:
        await adapter.method_state(shapes.METHOD)
    shown = [caplog.text, *capsys.readouterr(), repr(adapter), repr(call), repr(outcomes), repr(failed.value)]
    shown += [repr(one) for one in vars(adapter).values()]
    assert isinstance(outcomes[0], Unknown)
    for secret in (API_KEY, HMAC_KEY, TOKEN, shapes.SHOPPER, CLIENT_KEY, bytes.fromhex(HMAC_KEY).hex()):
        assert secret not in "".join(shown)


async def test_no_reports_are_read(adapter: AdyenAdapter) -> None:
    assert not adapter.capabilities.settlement_files
    assert await adapter.settlements(shapes.NOON.date()) == ()
    with pytest.raises(RefusedError):
        await adapter.settlement("settlement_detail_report_batch_1.csv")
