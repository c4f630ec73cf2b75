"""A connection to Mollie: what it can't be made of, what proves its key, and that nothing secret shows."""

from __future__ import annotations

import traceback

import httpx
import pytest
import respx
import structlog

from processors.checked import Proved, Unseen, Wrong
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import ConfigurationError, OutcomeUnknownError, RefusedError
from processors.events import EventKind
from processors.mollie.client import MollieAdapter
from tests.processors.mollie.shapes import (
    API_KEY,
    BASE,
    CUSTOMER,
    MANDATE,
    PROFILE,
    WEBHOOK_SECRET,
    adapter,
    charge_request,
    query,
)


@pytest.mark.parametrize("value", ["", "  ", "test_with\nbreak", "test_ümlaut", "access_made_up"])
def test_a_key_that_is_none(http: httpx.AsyncClient, value: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        adapter(http, credentials={"api_key": value})


def test_a_key_that_is_missing(http: httpx.AsyncClient) -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        adapter(http, credentials={})


@pytest.mark.parametrize("value", ["", " ", "a b"])
def test_an_empty_webhook_secret_signs_for_nobody(http: httpx.AsyncClient, value: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook_secret"):
        adapter(http, credentials={"api_key": API_KEY, "webhook_secret": value})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"environment": ""}, "environment"),
        ({"environment": "sandbox"}, "environment"),
        ({"environment": "live"}, "environment"),
        ({"webhook_url": ""}, "webhook_url"),
        ({"webhook_url": "nonsense"}, "webhook_url"),
        ({"webhook_url": "https://user:pass@a.example/"}, "webhook_url"),
        ({"account": "org_1"}, "account"),
        ({"first_payment_method": "Credit card"}, "first_payment_method"),
        ({"first_payment_amount": "one"}, "first_payment_amount"),
        ({"first_payment_amount": "-1"}, "first_payment_amount"),
        ({"base_url": "ftp://a.example"}, "base_url"),
    ],
)
def test_an_option_that_is_wrong_is_named(http: httpx.AsyncClient, options: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        adapter(http, options)


def test_a_live_connection_is_told_over_https_alone(http: httpx.AsyncClient) -> None:
    live = {"api_key": "live_made_up_key"}
    with pytest.raises(ConfigurationError, match="webhook_url"):
        adapter(http, {"environment": "live", "webhook_url": "http://a.example/hook"}, live)
    adapter(http, {"environment": "live"}, live)
    adapter(http, {"webhook_url": "http://a.example/hook"})


async def test_the_base_url_can_be_another(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get("http://127.0.0.1:9/v2/profiles/me").respond(json={"id": PROFILE})
        assert (await adapter(http, {"base_url": "http://127.0.0.1:9/"}).check(WEBHOOK_URL)).account == PROFILE


async def test_the_key_names_its_profile(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(f"{BASE}/profiles/me").respond(json={"id": "pfl_another"})
        assert (await adapter(http, {"account": ""}).check(WEBHOOK_URL)).account == "pfl_another"
        with pytest.raises(ConfigurationError, match="account"):
            await adapter(http).check(WEBHOOK_URL)


@pytest.mark.parametrize(
    ("webhook_url", "credentials", "found"),
    [
        (WEBHOOK_URL, {}, [Proved, Proved]),
        ("https://elsewhere.example/", {}, [Proved, Wrong]),
        (WEBHOOK_URL, {"webhook_secret": WEBHOOK_SECRET}, [Proved, Proved, Unseen]),
    ],
)
async def test_the_address_that_payments_name_is_compared_with_ours(
    http: httpx.AsyncClient, webhook_url: str, credentials: dict[str, str], found: list[type]
) -> None:
    with respx.mock:
        respx.get(f"{BASE}/profiles/me").respond(json={"id": PROFILE})
        made = adapter(http, {"webhook_url": webhook_url}, {"api_key": API_KEY, **credentials})
        assert [type(one) for one in (await made.check(WEBHOOK_URL)).findings] == found


@pytest.mark.parametrize(("status", "error"), [(401, RefusedError), (200, OutcomeUnknownError)])
async def test_a_key_that_proves_nothing(http: httpx.AsyncClient, status: int, error: type[Exception]) -> None:
    with respx.mock:
        respx.get(f"{BASE}/profiles/me").respond(status, json={})
        with pytest.raises(error):
            await adapter(http).check(WEBHOOK_URL)


async def test_mollie_has_no_settlement_files_for_a_profile(http: httpx.AsyncClient) -> None:
    assert await adapter(http).settlements(query().since.date()) == ()  # type: ignore[union-attr]
    with pytest.raises(RefusedError):
        await adapter(http).settlement("stl_1")


def test_every_kind_of_event_is_told_polled_or_impossible() -> None:
    declared = MollieAdapter.capabilities
    assert not declared.events & declared.polled_events
    impossible = {kind.value for kind in declared.impossible_events}
    assert {kind.value for kind in EventKind if kind.startswith(("method.", "account."))} < impossible


async def test_nothing_secret_shows(http: httpx.AsyncClient) -> None:
    mollie = adapter(http, credentials={"api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET})
    call = mollie.prepare_charge(charge_request())
    answer = {"title": "Unprocessable Entity", "detail": f"{MANDATE} of {CUSTOMER}", "field": MANDATE * 9}
    with respx.mock, structlog.testing.capture_logs() as logged:
        respx.post(f"{BASE}/payments").respond(422, json=answer)
        respx.get(url__startswith=f"{BASE}/customers").respond(404, json=answer)
        outcomes = [await mollie.charge(call), await mollie.lookup_charge(query())]
        with pytest.raises(RefusedError) as caught:
            await mollie.list_refunds(f"{MANDATE}/{CUSTOMER}")
    texts = [repr(mollie), repr(call), *map(repr, outcomes), *map(repr, logged)]
    texts.append("".join(traceback.format_exception(caught.value)))
    for text in texts:
        assert not [one for one in (API_KEY, WEBHOOK_SECRET, MANDATE, CUSTOMER) if one in text], text
