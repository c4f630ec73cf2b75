"""What a connection can't do without, what `check` finds, what is declared, and what shows nowhere."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import structlog
from graphql import parse

from processors.braintree import documents
from processors.braintree.client import BraintreeAdapter
from processors.checked import Proved, Unseen
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import ConfigurationError, OutcomeUnknownError, ProcessorError, RefusedError
from processors.events import EventKind
from processors.values import ChargeQuery, Secret
from tests.processors.braintree import shapes
from tests.processors.braintree.conftest import CREDENTIALS, OPTIONS, START, Braintree, request
from tests.processors.braintree.shapes import charged, data, errors, rejected, transaction


def make(credentials: dict[str, str] | None = None, **options: str) -> BraintreeAdapter:
    secrets = CREDENTIALS if credentials is None else {name: Secret(value) for name, value in credentials.items()}
    return BraintreeAdapter.from_config(secrets, OPTIONS | options, httpx.AsyncClient(), lambda: START)


@pytest.mark.parametrize("field", BraintreeAdapter.credential_fields)
@pytest.mark.parametrize("value", [None, "", " ", "a b", "a:b", "ключ"])
def test_each_half_of_the_key_is_wanted(field: str, value: str | None) -> None:
    given = {name: secret.reveal() for name, secret in CREDENTIALS.items()} | {field: value}
    with pytest.raises(ConfigurationError, match=field):
        make({name: text for name, text in given.items() if text is not None})


@pytest.mark.parametrize("field", BraintreeAdapter.option_fields)
def test_each_option_is_wanted(field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        make(**{field: ""})


@pytest.mark.parametrize(
    "text",
    [
        "eur",
        "eur=",
        "=acme",
        "EUR=acme",
        "eur=acme,",
        "eur=acme, usd=acme2",
        "eur=acme;usd=acme2",
        "eur=acme,eur=acme2",
        "eur=acme,usd=acme",
        "zzz=acme",
        "eur=a/b",
        "eur=acme=x",
    ],
)
def test_the_merchant_accounts_are_read_strictly(text: str) -> None:
    with pytest.raises(ConfigurationError, match="merchant_accounts"):
        make(merchant_accounts=text)


@pytest.mark.parametrize(("environment", "host"), [("test", "payments.sandbox."), ("live", "payments.")])
async def test_the_environment_chooses_the_host(environment: str, host: str) -> None:
    asked: list[httpx.URL] = []

    def answer(sent: httpx.Request) -> httpx.Response:
        asked.append(sent.url)
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), trust_env=False) as http:
        adapter = BraintreeAdapter.from_config(CREDENTIALS, OPTIONS | {"environment": environment}, http, lambda: START)
        await adapter.lookup_charge(ChargeQuery("in_1Made.1"))
    assert [str(url) for url in asked] == [f"https://{host}braintree-api.com/graphql"]


def test_no_other_environment_and_no_odd_url() -> None:
    with pytest.raises(ConfigurationError, match="environment"):
        make(environment="production")
    with pytest.raises(ConfigurationError, match="base_url"):
        make(base_url="https://user:password@braintree.example")


def viewer(merchant: str = "acme", **accounts: str) -> Any:
    held = {"acme_eur": "EUR", "acme_jpy": "JPY", "acme_kwd": "KWD", "acme_usd": "USD"} | accounts
    nodes = [{"node": {"id": one, "currencyCode": code, "status": "ACTIVE"}} for one, code in held.items() if code]
    page = {"hasNextPage": False, "endCursor": None}
    return data(viewer={"merchant": {"id": merchant, "merchantAccounts": {"edges": nodes, "pageInfo": page}}})


async def test_a_check_names_the_merchant(braintree: Braintree) -> None:
    braintree.says += [viewer()]
    checked = await braintree.adapter.check(WEBHOOK_URL)
    assert checked.account == "acme"
    assert [type(one) for one in checked.findings] == [Proved, Unseen]
    assert "Check URL" in checked.try_it


@pytest.mark.parametrize(
    ("said", "error", "says"),
    [
        (viewer("somebody"), ConfigurationError, "account: the API key is that of somebody"),
        (viewer(acme_eur=""), ConfigurationError, "merchant_accounts: the merchant has no account acme_eur"),
        (viewer(acme_eur="USD"), ConfigurationError, "merchant_accounts: acme_eur takes USD"),
        (errors("AUTHENTICATION"), RefusedError, "AUTHENTICATION"),
        (errors("INTERNAL"), OutcomeUnknownError, "INTERNAL"),
    ],
)
async def test_a_check_that_finds_something(
    braintree: Braintree, said: Any, error: type[ProcessorError], says: str
) -> None:
    braintree.says += [said]
    with pytest.raises(error, match=re.escape(says)):
        await braintree.adapter.check(WEBHOOK_URL)


def test_every_kind_of_event_is_accounted_for() -> None:
    declared = BraintreeAdapter.capabilities
    assert not declared.events & declared.polled_events
    assert declared.events | declared.polled_events | declared.impossible_events == frozenset(EventKind)


def test_each_document_can_be_parsed() -> None:
    found = [text for name, text in vars(documents).items() if re.fullmatch(r"[A-Z_]+", name) and name[0] != "_"]
    assert len(found) >= 18
    for text in found:
        parse(text)


@pytest.mark.parametrize(
    "said",
    [
        charged(transaction()),
        charged(rejected("FRAUD")),
        errors("AUTHENTICATION"),
        errors("INTERNAL"),
        httpx.ReadTimeout(shapes.PRIVATE),
        httpx.Response(500, content=shapes.PRIVATE.encode()),
    ],
)
async def test_nothing_secret_shows(braintree: Braintree, said: Any) -> None:
    with structlog.testing.capture_logs() as logged:
        outcome = await braintree.charge(said)
    shown = f"{outcome!r} {logged!r} {braintree.adapter!r} {vars(braintree.adapter)!r}"
    shown += repr(braintree.adapter.prepare_charge(request()))
    for secret in (shapes.PRIVATE, shapes.TOKEN, shapes.CUSTOMER, "bWFkZV91cF9wdWJsaWNfa2V5"):
        assert secret not in shown
