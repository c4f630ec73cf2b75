"""Set-ups at Mollie: a customer, a first payment, and the mandate that comes of it; its state, and its end."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.mollie.client import MollieAdapter
from processors.values import (
    Card,
    MethodState,
    PaymentMethodReference,
    Secret,
    SetupCompletion,
    SetupFailed,
    SetupPending,
    SetupReady,
)
from tests.processors.mollie.shapes import (
    BASE,
    CUSTOMER,
    HOOK,
    MANDATE,
    METHOD,
    PAYMENT,
    Json,
    adapter,
    first,
    mandate,
    page,
    problem,
    setup_request,
)

MANDATES = f"{BASE}/customers/{CUSTOMER}/mandates"
COMPLETION = SetupCompletion(PAYMENT, "complete:stp_1")


async def begun(mollie: MollieAdapter, answer: Json | None = None, **changed: Any) -> tuple[Any, list[httpx.Request]]:
    with respx.mock:
        customers = respx.post(f"{BASE}/customers").respond(201, json={"id": CUSTOMER, "mode": "test"})
        payments = respx.post(f"{BASE}/payments").respond(201, json=answer or first("open"))
        session = await mollie.begin_setup(setup_request(**changed))
    return session, [customers.calls.last.request, payments.calls.last.request]


async def completed(http: httpx.AsyncClient, shown: Json, *mandates: Json) -> Any:
    with respx.mock(assert_all_called=False) as mocked:
        mocked.get(f"{BASE}/payments/{PAYMENT}").respond(json=shown)
        mocked.get(url__startswith=MANDATES).respond(json=page("mandates", *mandates))
        return await adapter(http).complete_setup(COMPLETION)


async def test_a_set_up_is_a_customer_and_a_first_payment(http: httpx.AsyncClient) -> None:
    session, (customer, payment) = await begun(adapter(http))
    assert (session.processor_ref, session.redirect_url) == (PAYMENT, "https://www.mollie.example/checkout/made1up")
    assert json.loads(customer.content) == {"metadata": {"stripe_customer": "cus_1", "tollbridge_reference": "pms_1"}}
    assert json.loads(payment.content) == {
        "amount": {"currency": "EUR", "value": "0.00"},
        "customerId": CUSTOMER,
        "description": "pms_1",
        "sequenceType": "first",
        "redirectUrl": "https://shop.example/back",
        "webhookUrl": HOOK,
        "metadata": {"tollbridge_reference": "pms_1"},
    }


async def test_each_of_the_two_calls_has_its_own_key_and_the_same_again(http: httpx.AsyncClient) -> None:
    _, once = await begun(adapter(http))
    _, again = await begun(adapter(http))
    keys = [one.headers["idempotency-key"] for one in once]
    assert keys == [one.headers["idempotency-key"] for one in again]
    assert len(set(keys)) == 2
    assert [one.content for one in once] == [one.content for one in again]


@pytest.mark.parametrize(
    ("options", "currency", "value", "method"),
    [
        ({}, "jpy", "0", None),
        ({"first_payment_method": "creditcard"}, "eur", "0.00", "creditcard"),
        ({"first_payment_method": "creditcard, paypal"}, "eur", "0.00", ["creditcard", "paypal"]),
        ({"first_payment_method": "ideal"}, "eur", "0.01", "ideal"),
        ({"first_payment_method": "creditcard,bancontact"}, "eur", "0.01", ["creditcard", "bancontact"]),
        ({"first_payment_method": "creditcard", "first_payment_amount": "0.01"}, "jpy", "1", "creditcard"),
        ({"first_payment_amount": "1"}, "eur", "1.00", None),
    ],
)
async def test_what_the_first_payment_is_of(
    http: httpx.AsyncClient, options: dict[str, str], currency: str, value: str, method: object
) -> None:
    _, (_, request) = await begun(adapter(http, options), currency=currency)
    body = json.loads(request.content)
    assert (body["amount"]["value"], body.get("method")) == (value, method)


@pytest.mark.parametrize(("locale", "sent"), [("nl-NL", "nl_NL"), ("en_US", "en_US"), ("en", None), ("xx-XX", None)])
async def test_a_language_that_mollies_pages_speak(http: httpx.AsyncClient, locale: str, sent: str | None) -> None:
    _, (_, request) = await begun(adapter(http), locale=locale)
    assert json.loads(request.content).get("locale") == sent


@pytest.mark.parametrize("changed", [{"return_url": ""}, {"currency": "kwd"}])
async def test_what_mollie_would_refuse_makes_no_customer(http: httpx.AsyncClient, changed: dict[str, str]) -> None:
    with respx.mock, pytest.raises(RefusedError):
        await adapter(http).begin_setup(setup_request(**changed))


@pytest.mark.parametrize(
    "answer",
    [
        first("open", _links={}),
        first("open", metadata={"tollbridge_reference": "pms_2"}),
        first("open", sequenceType="oneoff"),
        first("open", mode="live"),
        first("open", profileId="pfl_another"),
    ],
)
async def test_an_answer_that_is_not_this_set_ups(http: httpx.AsyncClient, answer: Json) -> None:
    with pytest.raises(OutcomeUnknownError):
        await begun(adapter(http), answer)


async def test_nobody_there(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.post(f"{BASE}/customers").mock(side_effect=httpx.ConnectError("refused"))
        with pytest.raises(NotSentError):
            await adapter(http).begin_setup(setup_request())


@pytest.mark.parametrize(
    ("shown", "card"),
    [
        (mandate(), Card("visa", "6787", 3, 2030, "Visa •••• 6787", "fp_1")),
        (
            mandate(details={"cardNumber": "1234", "cardLabel": "American Express"}),
            Card("amex", "1234", label="American Express •••• 1234"),
        ),
        (
            mandate(method="directdebit", details={"consumerAccount": "NL55INGB0000004321", "consumerName": "A"}),
            Card("sepa_debit", "4321", label="IBAN •••• 4321"),
        ),
        (mandate(method="paypal", details={"consumerAccount": "a@example.com"}), Card("paypal", label="PayPal")),
    ],
)
async def test_a_mandate_that_can_be_charged(http: httpx.AsyncClient, shown: Json, card: Card) -> None:
    assert await completed(http, first(), shown) == SetupReady(METHOD, card)


async def test_the_mandate_that_the_payment_names_is_the_one(http: httpx.AsyncClient) -> None:
    older = mandate(id="mdt_older", createdAt="2027-01-01T00:00:00+00:00")
    made = await completed(http, first(), older, mandate())
    assert made.method.token == Secret(MANDATE)


async def test_where_the_payment_names_none_the_first_is_the_one(http: httpx.AsyncClient) -> None:
    later = mandate(id="mdt_later", createdAt="2027-04-01T00:00:00+00:00")
    unnamed = first(mandateId=None)
    assert await completed(http, unnamed, later, mandate()) == await completed(http, unnamed, mandate())


@pytest.mark.parametrize(
    ("shown", "mandates"),
    [(first("open"), []), (first("pending"), []), (first(), []), (first(), [mandate("pending")])],
)
async def test_not_done_yet(http: httpx.AsyncClient, shown: Json, mandates: list[Json]) -> None:
    assert await completed(http, shown, *mandates) == SetupPending()


@pytest.mark.parametrize(
    ("shown", "mandates", "code"),
    [
        (first("canceled"), [], "canceled"),
        (first("expired"), [], "expired"),
        (first("failed"), [], "failed"),
        (first("failed", details={"failureReason": "card_expired"}), [], "card_expired"),
        (first(), [mandate("invalid")], "mandate_invalid"),
    ],
)
async def test_there_will_be_no_method(http: httpx.AsyncClient, shown: Json, mandates: list[Json], code: str) -> None:
    made = await completed(http, shown, *mandates)
    assert isinstance(made, SetupFailed)
    assert made.code == code


async def test_a_set_up_that_mollie_does_not_know(http: httpx.AsyncClient) -> None:
    with respx.mock:
        respx.get(f"{BASE}/payments/{PAYMENT}").respond(404, json=problem(404, "No payment", title="Not Found"))
        with pytest.raises(RefusedError) as caught:
            await adapter(http).complete_setup(COMPLETION)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (httpx.Response(200, json=mandate()), MethodState.ACTIVE),
        (httpx.Response(200, json=mandate("pending")), MethodState.PENDING),
        (httpx.Response(200, json=mandate("invalid")), MethodState.REVOKED),
        (httpx.Response(200, json=mandate("something_new")), MethodState.UNKNOWN),
        (httpx.Response(404, json={}), MethodState.REVOKED),
        (httpx.Response(410, json={}), MethodState.REVOKED),
    ],
)
async def test_the_state_of_a_mandate(http: httpx.AsyncClient, answer: httpx.Response, state: MethodState) -> None:
    with respx.mock:
        respx.get(f"{MANDATES}/{MANDATE}").mock(return_value=answer)
        assert await adapter(http).method_state(METHOD) is state


async def test_another_mandate_is_not_taken_for_it(http: httpx.AsyncClient) -> None:
    for shown in (mandate(id="mdt_another"), mandate(mode="live")):
        with respx.mock:
            respx.get(f"{MANDATES}/{MANDATE}").respond(json=shown)
            with pytest.raises(OutcomeUnknownError):
                await adapter(http).method_state(METHOD)


async def test_a_mandate_without_its_customer_can_be_neither_asked_for_nor_deleted(http: httpx.AsyncClient) -> None:
    alone = PaymentMethodReference(Secret(MANDATE))
    with respx.mock:
        assert await adapter(http).method_state(alone) is MethodState.UNKNOWN
        with pytest.raises(RefusedError):
            await adapter(http).revoke_method(alone, "revoke:1")


@pytest.mark.parametrize("status", [204, 404, 410])
async def test_a_mandate_is_deleted_or_was_before(http: httpx.AsyncClient, status: int) -> None:
    with respx.mock:
        route = respx.delete(f"{MANDATES}/{MANDATE}").respond(status)
        await adapter(http).revoke_method(METHOD, "revoke:1")
    assert route.call_count == 1


@pytest.mark.parametrize("status", [401, 422, 429, 500])
async def test_a_mandate_that_is_not_deleted(http: httpx.AsyncClient, status: int) -> None:
    with respx.mock:
        respx.delete(f"{MANDATES}/{MANDATE}").respond(status)
        with pytest.raises(CallError):
            await adapter(http).revoke_method(METHOD, "revoke:1")
