"""Access tokens: one, kept, renewed once after a 401 and by one call at a time; and nowhere to be read."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode

import httpx
import pytest
import respx
import structlog

from processors.checked import Proved, Unseen, Wrong
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import ConfigurationError, OutcomeUnknownError, RefusedError
from processors.outcome import NotSent, Rejected, Succeeded
from processors.paypal.notices import NEEDED
from processors.values import Secret
from tests.processors.paypal.conftest import (
    CLIENT_SECRET,
    OPTIONS,
    TOKEN,
    WEBHOOK_ID,
    PayPal,
    charge_request,
    make_adapter,
    token_answer,
)
from tests.processors.paypal.shapes import ACCOUNT, capture, error, order

OAUTH = "/v1/oauth2/token"
ORDERS = "/v2/checkout/orders"
WEBHOOK = f"/v1/notifications/webhooks/{WEBHOOK_ID}"
PAID = (201, order(capture()))


async def test_a_token_is_asked_for_once_with_the_apps_credentials(paypal: PayPal) -> None:
    await paypal.charge(PAID)
    await paypal.charge(PAID)
    (asked,) = paypal.sent("POST", OAUTH)
    assert asked.content == b"grant_type=client_credentials"
    expected = b64encode(f"{OPTIONS['client_id']}:{CLIENT_SECRET}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {expected}"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_401_moved_nothing_and_the_same_bytes_go_out_with_a_new_token(paypal: PayPal) -> None:
    paypal.says("POST", OAUTH, token_answer("A21-old"), token_answer("A21-new"))
    assert isinstance(await paypal.charge((401, {"error": "invalid_token"}), PAID), Succeeded)
    first, second = paypal.sent("POST", ORDERS)
    assert (first.content, first.headers["paypal-request-id"]) == (second.content, second.headers["paypal-request-id"])
    assert [one.headers["authorization"] for one in (first, second)] == ["Bearer A21-old", "Bearer A21-new"]


async def test_a_second_401_is_final(paypal: PayPal) -> None:
    outcome = await paypal.charge((401, error(name="AUTHENTICATION_FAILURE")))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "AUTHENTICATION_FAILURE"
    assert len(paypal.sent("POST", ORDERS)) == len(paypal.sent("POST", OAUTH)) == 2


async def test_a_token_is_renewed_before_its_end(paypal: PayPal, monkeypatch: pytest.MonkeyPatch) -> None:
    paypal.says("POST", OAUTH, token_answer(expires_in=3600))
    await paypal.charge(PAID)
    began = time.monotonic()
    monkeypatch.setattr("processors.paypal.tokens.time.monotonic", lambda: began + 3541)
    await paypal.charge(PAID)
    assert len(paypal.sent("POST", OAUTH)) == 2


async def test_calls_at_once_share_one_renewal(paypal: PayPal) -> None:
    await paypal.charge(PAID)

    async def renewed(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return httpx.Response(200, json=token_answer("A21-new")[1])

    async def only_the_new_one(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        is_new = request.headers["authorization"] == "Bearer A21-new"
        return httpx.Response(201, json=PAID[1]) if is_new else httpx.Response(401)

    renewal = paypal.router.route(method="POST", path=OAUTH).mock(side_effect=renewed)
    paypal.router.route(method="POST", path=ORDERS).mock(side_effect=only_the_new_one)
    call = paypal.adapter.prepare_charge(charge_request())
    outcomes = await asyncio.gather(*(paypal.adapter.charge(call) for _ in range(5)))
    assert {type(one) for one in outcomes} == {Succeeded}
    assert renewal.call_count == 2  # the first token, and one for all five


@pytest.mark.parametrize(
    "answer",
    [(500, b""), (503, b""), (200, b"no token"), httpx.ReadTimeout("x"), httpx.ConnectError("x"), (429, b"")],
    ids=str,
)
async def test_without_a_token_nothing_was_sent(paypal: PayPal, answer: object) -> None:
    paypal.says("POST", OAUTH, answer)
    assert isinstance(await paypal.charge(PAID), NotSent)
    assert not paypal.sent("POST", ORDERS)


async def test_credentials_that_paypal_does_not_take(paypal: PayPal) -> None:
    paypal.says("POST", OAUTH, (401, {"error": "invalid_client", "error_description": "Client Authentication failed"}))
    assert (await paypal.charge(PAID)).code == "invalid_client"
    with pytest.raises(RefusedError) as caught:
        await paypal.adapter.check(WEBHOOK_URL)
    assert caught.value.status == 401


# The connection


def webhook(*events: str, url: str = WEBHOOK_URL) -> dict[str, object]:
    return {"id": WEBHOOK_ID, "url": url, "event_types": [{"name": one} for one in events]}


@pytest.mark.parametrize("events", [["*"], sorted(NEEDED), [*sorted(NEEDED), "INVOICING.INVOICE.PAID"]])
async def test_the_check_proves_the_credentials_and_the_webhook(paypal: PayPal, events: list[str]) -> None:
    paypal.says("GET", WEBHOOK, (200, webhook(*events)))
    checked = await paypal.adapter.check(WEBHOOK_URL)
    assert checked.account == ACCOUNT
    assert [type(one) for one in checked.findings] == [Proved, Unseen, Proved]


@pytest.mark.parametrize(
    ("answer", "says", "to_do"),
    [
        ((404, error("INVALID_RESOURCE_ID", "INVALID_RESOURCE_ID")), "no webhook", "webhook_id"),
        ((200, webhook("*", url="https://elsewhere.example/")), "goes to https://elsewhere.example/", WEBHOOK_URL),
        ((200, webhook(*(NEEDED - {"PAYMENT.CAPTURE.REVERSED"}))), "leaves out PAYMENT.CAPTURE.REVERSED", "select"),
        ((200, webhook()), "leaves out CUSTOMER.DISPUTE.CREATED", "select"),
    ],
)
async def test_a_webhook_by_which_nothing_or_too_little_comes(
    paypal: PayPal, answer: tuple[int, object], says: str, to_do: str
) -> None:
    paypal.says("GET", WEBHOOK, answer)
    found = (await paypal.adapter.check(WEBHOOK_URL)).findings[-1]
    assert isinstance(found, Wrong)
    assert says in found.text
    assert to_do in found.to_do


async def test_a_webhook_that_was_not_asked_for_proves_nothing(paypal: PayPal) -> None:
    paypal.says("GET", WEBHOOK, (200, {**webhook("*"), "id": "8KT"}))
    with pytest.raises(OutcomeUnknownError):
        await paypal.adapter.check(WEBHOOK_URL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("environment", ""),
        ("environment", "sandbox"),
        ("account", ""),
        ("account", "merchant@example.com"),
        ("client_id", ""),
        ("webhook_id", ""),
        ("webhook_id", "WEBHOOK_ID"),
        ("base_url", "ftp://paypal.example"),
    ],
)
async def test_an_option_that_cannot_work_is_named(paypal: PayPal, field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        make_adapter(httpx.AsyncClient(), **{field: value})


@pytest.mark.parametrize("secrets", [{}, {"client_secret": ""}, {"client_secret": "line\nbreak"}], ids=str)
async def test_an_empty_secret_is_refused(paypal: PayPal, secrets: dict[str, str]) -> None:
    made = {name: Secret(value) for name, value in secrets.items()}
    with pytest.raises(ConfigurationError, match="client_secret"):
        type(paypal.adapter).from_config(made, OPTIONS, httpx.AsyncClient(), lambda: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"environment": "live"}, "https://api-m.paypal.com"),
        ({"environment": "live", "base_url": "http://127.0.0.1:1/paypal"}, "http://127.0.0.1:1/paypal"),
    ],
    ids=str,
)
async def test_the_environment_chooses_the_host(options: dict[str, str], host: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        with respx.mock(base_url=host) as router:
            token = router.post("/v1/oauth2/token").respond(json=token_answer()[1])
            router.get(WEBHOOK).respond(json={"id": WEBHOOK_ID})
            await make_adapter(http, **options).check(WEBHOOK_URL)
            assert token.called


async def test_no_secret_shows_anywhere(paypal: PayPal) -> None:
    with structlog.testing.capture_logs() as logs:
        outcomes = [await paypal.charge(answer) for answer in (PAID, (500, b""), (401, error("X")), (422, error("Y")))]
    shown = repr(
        (paypal.adapter, outcomes, logs, vars(paypal.adapter), paypal.adapter.prepare_charge(charge_request()))
    )
    for secret in (CLIENT_SECRET, TOKEN, "8kk8451t"):
        assert secret not in shown
