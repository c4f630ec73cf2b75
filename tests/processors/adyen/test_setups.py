"""Set-ups at Adyen: a session, and the method that it stored, however much was lost on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
from msgspec.structs import replace

from processors.adyen.client import AdyenAdapter
from processors.errors import CallError, OutcomeUnknownError, RefusedError
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
from tests.processors.adyen.shapes import (
    ACCOUNT,
    CLIENT_KEY,
    METHOD,
    SHOPPER,
    TOKEN,
    examples,
    make_adapter,
    stored,
)

REQUEST = SetupRequest(
    reference="cs_made_up_1",
    idempotency_key="stp_1",
    currency="eur",
    return_url="https://shop.example/return",
    locale="nl-NL",
    customer="cus_made_up",
)
REF = f"CS451F2AB1ED897A94:{SHOPPER}"
MADE: dict[str, Any] = {
    "id": "CS451F2AB1ED897A94",
    "sessionData": "Ab02b4c0!made-up",
    "expiresAt": "2027-03-01T14:00:00+01:00",
    "merchantAccount": ACCOUNT,
    "reference": "cs_made_up_1",
}
QUERY = {"merchantAccount": ACCOUNT, "shopperReference": SHOPPER}


def listed(*methods: dict[str, Any]) -> dict[str, Any]:
    return {**QUERY, "storedPaymentMethods": list(methods)}


def completion(**client: str) -> SetupCompletion:
    return SetupCompletion(REF, "complete:1", client)


async def test_an_embedded_set_up(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post("/sessions").respond(201, json=MADE)
    session = await adapter.begin_setup(REQUEST)
    assert json.loads(adyen.calls.last.request.content) == {
        "merchantAccount": ACCOUNT,
        "reference": "cs_made_up_1",
        "amount": {"value": 0, "currency": "EUR"},
        "returnUrl": "https://shop.example/return",
        "shopperReference": SHOPPER,
        "shopperInteraction": "Ecommerce",
        "recurringProcessingModel": "Subscription",
        "storePaymentMethodMode": "enabled",
        "mode": "embedded",
        "channel": "Web",
        "allowedPaymentMethods": ["scheme"],
        "metadata": {"stripe_customer": "cus_made_up"},
        "shopperLocale": "nl-NL",
    }
    assert adyen.calls.last.request.headers["idempotency-key"] == "stp_1"
    assert session.client == {
        "setup": REF,
        "session_id": "CS451F2AB1ED897A94",
        "session_data": "Ab02b4c0!made-up",
        "client_key": CLIENT_KEY,
        "environment": "test",
    }
    assert (session.processor_ref, session.redirect_url) == (REF, "")
    assert session.expires_at == datetime(2027, 3, 1, 13, tzinfo=UTC)


async def test_a_hosted_set_up(adyen: respx.MockRouter) -> None:
    made = {**MADE, "url": "https://eu.adyenlink.example/made-up"}
    adyen.post("/sessions").respond(201, json=made)
    async with httpx.AsyncClient() as http:
        session = await make_adapter(http, options={"mode": "hosted", "client_key": "", "country": "NL"}).begin_setup(
            REQUEST
        )
    sent = json.loads(adyen.calls.last.request.content)
    assert (sent["mode"], sent["countryCode"]) == ("hosted", "NL")
    assert session.redirect_url == "https://eu.adyenlink.example/made-up"
    assert "session_data" not in session.client


async def test_a_payer_who_is_no_customer_yet(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post("/sessions").respond(201, json=MADE)
    await adapter.begin_setup(replace(REQUEST, customer="", locale=""))
    sent = json.loads(adyen.calls.last.request.content)
    assert sent["shopperReference"] == "cs_made_up_1.stp_1"
    assert not {"metadata", "shopperLocale", "countryCode"} & set(sent)


@pytest.mark.parametrize(
    "answer",
    [
        MADE | {"sessionData": ""},
        MADE | {"merchantAccount": "AnotherShop"},
        MADE | {"reference": "cs_another"},
        {"sessionData": "made-up"},
    ],
)
async def test_an_answer_that_opens_nothing(adyen: respx.MockRouter, adapter: AdyenAdapter, answer: Any) -> None:
    adyen.post("/sessions").respond(201, json=answer)
    with pytest.raises(OutcomeUnknownError):
        await adapter.begin_setup(REQUEST)


async def test_a_session_that_adyen_refuses(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.post("/sessions").respond(422, json={"errorCode": "14_030", "message": "Return URL is missing."})
    with pytest.raises(RefusedError) as refused:
        await adapter.begin_setup(replace(REQUEST, return_url=""))
    assert refused.value.code == "14_030"


@pytest.mark.parametrize("client", [{}, {"sessionResult": "made-up"}])
async def test_what_is_stored_completes_a_set_up_without_a_webhook(
    adyen: respx.MockRouter, adapter: AdyenAdapter, client: dict[str, str]
) -> None:
    adyen.get("/storedPaymentMethods", params=QUERY).respond(200, json=listed(stored()))
    ready = SetupReady(METHOD, Card("mastercard", "4444", 3, 2030, "mastercard •••• 4444"))
    assert await adapter.complete_setup(completion(**client)) == ready
    assert await adapter.complete_setup(completion()) == ready


async def test_the_same_method_at_each_look(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    """Should one session ever store two, the first stays the one, in whatever order they are listed."""
    first = stored("TKNFIRST", createdAt="2027-03-01T12:00:00+01:00")
    second = stored("TKNAGAIN", createdAt="2027-03-01T12:05:00+01:00")
    for answer in ([first], [second, first], [first, second]):
        adyen.get("/storedPaymentMethods").respond(200, json=listed(*answer))
        made = await adapter.complete_setup(completion())
        assert isinstance(made, SetupReady)
        assert made.method.token.reveal() == "TKNFIRST"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("completed", SetupPending()),
        ("paymentPending", SetupPending()),
        ("active", SetupPending()),
        ("something_new", SetupPending()),
        ("refused", SetupFailed("refused", "The set-up is refused.")),
        ("canceled", SetupFailed("canceled", "The set-up is canceled.")),
        ("expired", SetupFailed("expired", "The set-up is expired.")),
    ],
)
async def test_what_the_browser_was_given_says_how_it_ended(
    adyen: respx.MockRouter, adapter: AdyenAdapter, status: str, result: Any
) -> None:
    adyen.get("/storedPaymentMethods").respond(200, json=listed())
    shown = adyen.get("/sessions/CS451F2AB1ED897A94", params={"sessionResult": "X3XtfGC9!a+b/c="})
    shown.respond(200, json={"id": "CS451F2AB1ED897A94", "status": status})
    assert await adapter.complete_setup(completion(sessionResult="X3XtfGC9!a+b/c=")) == result


async def test_a_payer_who_has_not_come_back_is_waited_for(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    adyen.get("/storedPaymentMethods").respond(422, json={"errorCode": "800", "message": "Contract not found"})
    assert await adapter.complete_setup(completion()) == SetupPending()


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_result_that_adyen_does_not_know_says_nothing(
    adyen: respx.MockRouter, adapter: AdyenAdapter, status: int
) -> None:
    adyen.get("/storedPaymentMethods").respond(200, json=listed())
    adyen.get(path="/sessions/CS451F2AB1ED897A94").respond(status, json={"errorCode": "702"})
    assert await adapter.complete_setup(completion(sessionResult="forged")) == SetupPending()


@pytest.mark.parametrize(
    ("methods", "session"),
    [
        (httpx.Response(403, json={"errorCode": "010"}), httpx.Response(500)),
        (httpx.Response(500), httpx.Response(500)),
        (httpx.Response(200, json=listed(stored()) | {"shopperReference": "cus_another"}), httpx.Response(500)),
        (httpx.Response(200, json=listed(stored()) | {"merchantAccount": "AnotherShop"}), httpx.Response(500)),
        (httpx.Response(200, json=listed()), httpx.Response(401, json={"errorCode": "000"})),
        (httpx.Response(200, json=listed()), httpx.Response(200, json={"id": "CSANOTHER", "status": "expired"})),
    ],
)
async def test_a_look_that_failed_is_no_answer(
    adyen: respx.MockRouter, adapter: AdyenAdapter, methods: httpx.Response, session: httpx.Response
) -> None:
    adyen.get("/storedPaymentMethods").mock(return_value=methods)
    adyen.get(path="/sessions/CS451F2AB1ED897A94").mock(return_value=session)
    with pytest.raises(CallError):
        await adapter.complete_setup(completion(sessionResult="made-up"))


async def test_a_reference_of_no_set_up(adapter: AdyenAdapter) -> None:
    with pytest.raises(RefusedError) as refused:
        await adapter.complete_setup(SetupCompletion("nonsense", "complete:1"))
    assert refused.value.status == 404


async def test_the_official_list_is_understood(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    shown = examples("CheckoutService-v72.json.gz")["get-storedPaymentMethods-success-200"] | QUERY
    adyen.get("/storedPaymentMethods").respond(200, json=shown)
    made = await adapter.complete_setup(completion())
    assert isinstance(made, SetupReady)
    assert made.card == Card("visa", "1111", 10, 2030, "visa •••• 1111")


@pytest.mark.parametrize(
    ("methods", "state"),
    [
        ([stored()], MethodState.ACTIVE),
        ([stored("TKNANOTHER"), stored()], MethodState.ACTIVE),
        ([stored(expiryMonth="03", expiryYear="27")], MethodState.ACTIVE),
        ([stored(expiryMonth="02", expiryYear="2027")], MethodState.EXPIRED),
        ([stored(expiryMonth="", expiryYear="")], MethodState.ACTIVE),
        ([stored(expiryMonth="13", expiryYear="20")], MethodState.ACTIVE),
        ([stored("TKNANOTHER")], MethodState.REVOKED),
        ([], MethodState.REVOKED),
    ],
)
async def test_how_a_method_stands(
    adyen: respx.MockRouter, adapter: AdyenAdapter, methods: list[dict[str, Any]], state: MethodState
) -> None:
    adyen.get("/storedPaymentMethods", params=QUERY).respond(200, json=listed(*methods))
    assert await adapter.method_state(METHOD) is state


async def test_a_method_of_an_unknown_shopper(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    method = PaymentMethodReference(Secret(TOKEN))
    assert await adapter.method_state(method) is MethodState.UNKNOWN
    with pytest.raises(RefusedError):
        await adapter.revoke_method(method, "revoke:1")
    assert len(adyen.calls) == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(204, None), (422, {"errorCode": "803"}), (422, {"errorCode": "800"}), (404, {"errorCode": "702"})],
)
async def test_a_method_is_deleted_and_one_that_is_gone_is_too(
    adyen: respx.MockRouter, adapter: AdyenAdapter, status: int, body: Any
) -> None:
    adyen.delete(f"/storedPaymentMethods/{TOKEN}", params=QUERY).mock(
        return_value=httpx.Response(status, json=body) if body else httpx.Response(status)
    )
    await adapter.revoke_method(METHOD, "revoke:1")


@pytest.mark.parametrize("answer", [httpx.Response(404, text="nginx"), httpx.Response(403), httpx.Response(500)])
async def test_a_method_that_was_not_deleted(
    adyen: respx.MockRouter, adapter: AdyenAdapter, answer: httpx.Response
) -> None:
    adyen.delete(path=f"/storedPaymentMethods/{TOKEN}").mock(return_value=answer)
    with pytest.raises(CallError):
        await adapter.revoke_method(METHOD, "revoke:1")
