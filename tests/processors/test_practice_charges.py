"""Charges through the practice adapter: every outcome, every fault, look-ups, and bytes that stay the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from gateway.sandbox.practice.kinds import (
    ACCOUNT_LOCKED,
    AUTHENTICATION_FAILED,
    CAPTURE_FAILED,
    DECLINES,
    METHOD_REVOKED,
    TokenKind,
)
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import MoneyError, RefusedError
from processors.money import Money
from processors.outcome import (
    Advice,
    Canceled,
    DeclineClass,
    Declined,
    Found,
    LookupFailed,
    NotFound,
    NotSent,
    Pending,
    Rejected,
    RequiresAction,
    Succeeded,
    Unknown,
)
from processors.practice import mapping
from processors.practice.mapping import decline
from processors.practice.wire import ApiRefusal
from processors.values import ChargeQuery, MethodState, PaymentMethodReference, Secret
from tests.processors.conftest import API_KEY, START, Practice, make_adapter

DAY = 86400


async def test_a_charge_that_works(practice: Practice) -> None:
    outcome = await practice.charge("ok")
    (charge,) = practice.account.captures()
    assert outcome == Succeeded(charge.id, Money(1000, "eur"), START)
    assert (charge.amount, charge.currency, charge.status, charge.reference) == (1000, "EUR", "succeeded", "in_1.1")
    assert charge.captured == 1000
    assert charge.metadata == {"invoice": "in_1"}


@pytest.mark.parametrize(
    ("kind", "decline_class", "advice"),
    [
        ("decline_insufficient_funds", DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ("decline_do_not_honor", DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
        ("decline_lost_stolen", DeclineClass.LOST_STOLEN, Advice.NEVER),
        ("decline_expired", DeclineClass.EXPIRED, Advice.NEW_PAYMENT_METHOD),
    ],
)
async def test_a_decline(practice: Practice, kind: str, decline_class: DeclineClass, advice: Advice) -> None:
    outcome = await practice.charge(kind)
    assert isinstance(outcome, Declined)
    assert (outcome.decline.decline_class, outcome.decline.advice) == (decline_class, advice)
    assert practice.processor.captures() == []


@pytest.mark.parametrize(
    ("refusal", "decline_class", "advice"),
    [
        (ApiRefusal("a_code_of_tomorrow"), DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
        (ApiRefusal("do_not_honor", network_advice="03"), DeclineClass.DO_NOT_HONOR, Advice.NEVER),
        (ApiRefusal("insufficient_funds", network_advice="21"), DeclineClass.INSUFFICIENT_FUNDS, Advice.NEVER),
        (ApiRefusal("do_not_honor", "stolen, never try again"), DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
    ],
)
def test_codes_decide_and_the_networks_advice_outranks_them(
    refusal: ApiRefusal, decline_class: DeclineClass, advice: Advice
) -> None:
    mapped = decline(refusal)
    assert (mapped.decline_class, mapped.advice) == (decline_class, advice)
    assert (mapped.processor_code, mapped.network_advice) == (refusal.code, refusal.network_advice)


def test_the_servers_declines_are_all_in_the_table() -> None:
    told = {
        refusal.code
        for refusal in (*DECLINES.values(), METHOD_REVOKED, ACCOUNT_LOCKED, AUTHENTICATION_FAILED, CAPTURE_FAILED)
    }
    assert told == set(mapping.DECLINES.classes)


async def test_declines_that_end(practice: Practice) -> None:
    token = practice.processor.create_method(API_KEY, "soft_then_ok", declines=2).token
    outcomes = [await practice.charge(reference=f"in_1.{n}", token=token) for n in (1, 2, 3)]
    assert [type(one) for one in outcomes] == [Declined, Declined, Succeeded]


@pytest.mark.parametrize(("kind", "end"), [("pending_then_ok", Succeeded), ("pending_then_fail", Declined)])
async def test_a_pending_charge_settles_by_the_clock(practice: Practice, kind: str, end: type[Any]) -> None:
    outcome = await practice.charge(kind)
    assert isinstance(outcome, Pending)
    assert outcome.expected_by == START + timedelta(days=1)
    query = ChargeQuery("in_1.1", outcome.processor_id)
    practice.processor.advance(DAY - 1)
    assert await practice.adapter.lookup_charge(query) == Found(outcome)
    practice.processor.advance(1)
    found = await practice.adapter.lookup_charge(query)
    assert isinstance(found, Found)
    assert isinstance(found.outcome, end)
    if isinstance(found.outcome, Succeeded):
        assert found.outcome.occurred_at == START + timedelta(days=1)


async def test_a_year_in_one_step_settles_at_its_own_day(practice: Practice) -> None:
    await practice.charge("pending_then_ok")
    practice.processor.advance(365 * DAY)
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)
    assert found.outcome.occurred_at == START + timedelta(days=1)


@pytest.mark.parametrize(("result", "end"), [("confirm", Succeeded), ("fail", Declined)])
async def test_a_charge_that_needs_the_payer(practice: Practice, result: str, end: type[Any]) -> None:
    outcome = await practice.charge("requires_action")
    assert isinstance(outcome, RequiresAction)
    assert "Confirm" in (await practice.http.get(outcome.url)).text
    await practice.http.post(outcome.url, data={"result": result})
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    assert isinstance(found, Found)
    assert isinstance(found.outcome, end)
    if isinstance(found.outcome, Declined):
        assert found.outcome.decline.decline_class is DeclineClass.AUTHENTICATION_REQUIRED


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kind": "reject"}, "method_not_chargeable"),
        ({"amount": Money(99, "eur")}, "amount_too_small"),
        ({"token": "ptok_of_nobody"}, "method_not_found"),
        ({"description": "x" * 501}, "invalid_request"),
    ],
)
async def test_a_request_that_is_refused(practice: Practice, changed: dict[str, Any], code: str) -> None:
    outcome = await practice.charge(**changed)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert practice.account.charges == {}


async def test_a_refusal_is_not_remembered_under_its_key(practice: Practice) -> None:
    token = practice.processor.create_method(API_KEY, "reject").token
    assert isinstance(await practice.charge(token=token), Rejected)
    practice.account.methods[token].kind = TokenKind.OK
    assert isinstance(await practice.charge(token=token), Succeeded)


async def test_a_wrong_api_key(practice: Practice) -> None:
    stranger = make_adapter(practice.http, practice.base_url, practice.account.id, "practice_test_key_2")
    with pytest.raises(RefusedError) as caught:
        await stranger.check(WEBHOOK_URL)
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")
    outcome = await stranger.charge(stranger.prepare_charge(practice.request()))
    assert isinstance(outcome, Rejected)


# Faults: what each means for money, and whether money was taken


@pytest.mark.parametrize(
    ("effect", "status", "kind", "captured"),
    [
        ("error_before", 500, Unknown, 0),
        ("error_before", 503, Unknown, 0),
        ("error_after", 500, Unknown, 1),
        ("error_after", 503, Unknown, 1),
        ("error_before", 429, NotSent, 0),
        ("lost_before", 500, Unknown, 0),
        ("lost_after", 500, Unknown, 1),
    ],
)
async def test_a_fault(practice: Practice, effect: str, status: int, kind: type[Any], captured: int) -> None:
    practice.processor.faults.add(effect, method="POST", path="/v1/charges", status=status, delay_s=9)
    outcome = await practice.charge()
    assert type(outcome) is kind
    assert len(practice.account.captures()) == captured
    if isinstance(outcome, NotSent):
        assert outcome.retry_after == timedelta(seconds=9)


async def test_no_answer_in_time(practice: Practice) -> None:
    practice.adapter._api._transport._total_s = 0.1
    practice.processor.faults.add("delay_after", path="/v1/charges", delay_s=0.5)
    assert isinstance(await practice.charge(), Unknown)
    assert len(practice.account.captures()) == 1


async def test_a_server_that_is_down(practice: Practice) -> None:
    nobody = make_adapter(practice.http, "http://127.0.0.1:1", practice.account.id)
    assert isinstance(await nobody.charge(nobody.prepare_charge(practice.request())), NotSent)
    assert isinstance(await nobody.lookup_charge(ChargeQuery("in_1.1")), LookupFailed)


@pytest.mark.parametrize("effect", ["error_before", "error_after", "lost_before", "lost_after"])
async def test_the_same_bytes_under_the_same_key_settle_an_unknown(practice: Practice, effect: str) -> None:
    call = practice.adapter.prepare_charge(practice.request())
    practice.processor.faults.add(effect, path="/v1/charges")
    assert isinstance(await practice.adapter.charge(call), Unknown)
    replayed = await practice.adapter.charge(call)
    assert isinstance(replayed, Succeeded)
    assert [charge.id for charge in practice.account.captures()] == [replayed.processor_id]
    first, second = practice.charges_sent()
    assert (first.idempotency_key, first.body) == (second.idempotency_key, second.body) == ("key-in_1.1", call.body)


@pytest.mark.parametrize("effect", ["error_after", "lost_after"])
async def test_a_lookup_settles_an_unknown_that_happened(practice: Practice, effect: str) -> None:
    practice.processor.faults.add(effect, path="/v1/charges")
    await practice.charge()
    found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1"))
    (charge,) = practice.account.captures()
    assert found == Found(Succeeded(charge.id, Money(1000, "eur"), START))


async def test_a_lookup_settles_an_unknown_that_did_not_happen(practice: Practice) -> None:
    practice.processor.faults.add("lost_before", path="/v1/charges")
    await practice.charge()
    assert await practice.adapter.lookup_charge(ChargeQuery("in_1.1")) == NotFound(conclusive=True)


async def test_a_lookup_that_lags_stays_inside_the_declared_lag(practice: Practice) -> None:
    lag = practice.adapter.capabilities.lookup_lag
    practice.processor.faults.add("hidden", path="/v1/charges", delay_s=lag.total_seconds())
    practice.processor.faults.add("lost_after", path="/v1/charges")
    assert isinstance(await practice.charge(), Unknown)
    (charge,) = practice.account.captures()
    for query in (ChargeQuery("in_1.1"), ChargeQuery("in_1.1", charge.id)):
        assert isinstance(await practice.adapter.lookup_charge(query), NotFound)
    practice.processor.advance(lag.total_seconds())
    for query in (ChargeQuery("in_1.1"), ChargeQuery("in_1.1", charge.id)):
        assert isinstance(await practice.adapter.lookup_charge(query), Found)


@pytest.mark.parametrize("effect", ["error_before", "lost_before"])
async def test_a_lookup_that_fails_says_nothing(practice: Practice, effect: str) -> None:
    await practice.charge()
    practice.processor.faults.add(effect, method="GET", path="/v1/charges")
    assert isinstance(await practice.adapter.lookup_charge(ChargeQuery("in_1.1")), LookupFailed)


async def test_faults_play_as_a_sequence(practice: Practice) -> None:
    practice.processor.faults.add("error_before", path="/v1/charges", status=429, times=2)
    practice.processor.faults.add("lost_before", path="/v1/charges")
    call = practice.adapter.prepare_charge(practice.request())
    outcomes = [type(await practice.adapter.charge(call)) for _ in range(5)]
    assert outcomes == [NotSent, NotSent, Unknown, Succeeded, Succeeded]
    assert len(practice.account.captures()) == 1


# Keys, references, bytes


def test_bytes_do_not_depend_on_the_order_of_metadata(practice: Practice) -> None:
    one = practice.request(token="ptok_1", metadata={"a": "1", "b": "2"})
    other = practice.request(token="ptok_1", metadata={"b": "2", "a": "1"})
    assert practice.adapter.prepare_charge(one) == practice.adapter.prepare_charge(other)


def test_prepared_bytes_are_fixed_for_ever(practice: Practice) -> None:
    """Stored calls are replayed by later versions: a change here breaks the keys of calls under way."""
    call = practice.adapter.prepare_charge(practice.request(token="ptok_1"))
    assert call.body == (
        b'{"amount":1000,"currency":"EUR","description":"Invoice in_1","metadata":{"invoice":"in_1"},'
        b'"method":"ptok_1","reference":"in_1.1"}'
    )
    assert call.headers == (("content-type", "application/json"), ("idempotency-key", "key-in_1.1"))


def test_a_prepared_call_holds_no_credentials(practice: Practice) -> None:
    call = practice.adapter.prepare_charge(practice.request())
    assert API_KEY not in repr(msgspec.to_builtins(call)) + call.body.decode()


async def test_a_replay_gives_the_first_answer_even_when_the_charge_moved_on(practice: Practice) -> None:
    call = practice.adapter.prepare_charge(practice.request("pending_then_ok"))
    first = await practice.adapter.charge(call)
    practice.processor.advance(DAY)
    assert await practice.adapter.charge(call) == first
    assert len(practice.account.charges) == 1


async def test_the_same_key_with_other_bytes_is_unknown_never_rejected(practice: Practice) -> None:
    """A charge exists under that key: calling it rejected would allow a second one."""
    await practice.charge()
    outcome = await practice.charge(amount=Money(2000, "eur"))
    assert isinstance(outcome, Unknown)
    assert "idempotency_mismatch" in outcome.reason
    assert len(practice.account.captures()) == 1


async def test_a_known_reference_under_another_key_is_unknown_and_can_be_looked_up(practice: Practice) -> None:
    await practice.charge()
    outcome = await practice.charge(idempotency_key="key-other")
    assert isinstance(outcome, Unknown)
    assert "reference_exists" in outcome.reason
    assert isinstance(await practice.adapter.lookup_charge(ChargeQuery("in_1.1")), Found)
    assert len(practice.account.captures()) == 1


async def test_a_key_that_the_processor_forgot_still_charges_once(practice: Practice) -> None:
    call = practice.adapter.prepare_charge(practice.request())
    await practice.adapter.charge(call)
    practice.processor.advance(practice.adapter.capabilities.idempotency.window.total_seconds())
    assert isinstance(await practice.adapter.charge(call), Unknown)
    assert len(practice.account.captures()) == 1


@pytest.mark.parametrize("amount", [0, -100])
def test_nothing_or_less_is_not_charged(practice: Practice, amount: int) -> None:
    with pytest.raises(MoneyError):
        practice.adapter.prepare_charge(practice.request(amount=Money(amount, "eur")))


@pytest.mark.parametrize(
    ("amount", "sent"),
    [
        (Money(150000, "isk"), 1500),
        (Money(150000, "ugx"), 1500),
        (Money(1500, "jpy"), 1500),
        (Money(1500, "huf"), 1500),
        (Money(1500, "bhd"), 1500),
        (Money(1500, "mga"), 150000),
    ],
)
async def test_currencies_in_the_processors_units(practice: Practice, amount: Money, sent: int) -> None:
    outcome = await practice.charge(amount=amount)
    assert practice.charges_sent()[0].params["amount"] == sent
    assert isinstance(outcome, Succeeded)
    assert outcome.captured == amount


@pytest.mark.parametrize("currency", ["eur", "jpy", "bhd", "isk", "ugx", "mga"])
async def test_the_declared_minimum_is_the_processors(practice: Practice, currency: str) -> None:
    minimum = practice.adapter.capabilities.amounts.minimum[currency]
    assert isinstance(await practice.charge(amount=Money(minimum, currency)), Succeeded)
    if currency not in ("jpy", "isk", "ugx", "mga"):  # one whole unit is the least that can be said of these at all
        outcome = await practice.charge(reference="in_1.2", amount=Money(minimum - 1, currency))
        assert isinstance(outcome, Rejected)


# Answers that must not be believed


class Liar(httpx.AsyncBaseTransport):
    """Changes fields of the charge in each answer."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed
        self.inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        body = msgspec.json.decode(await answer.aread())
        for charge in body.get("data", [body]):
            charge.update(self.changed)
        await answer.aclose()
        return httpx.Response(answer.status_code, json=body)


@pytest.mark.parametrize(
    "changed",
    [
        {"account": "pa_another"},
        {"reference": "in_2.1"},
        {"amount": 999},
        {"currency": "USD"},
        {"currency": "XXX"},
        {"status": "captured"},
        {"amount_captured": 0},
        {"amount_captured": "1000"},
        {"id": None},
    ],
)
async def test_an_answer_that_is_not_ours_is_unknown(practice: Practice, changed: dict[str, Any]) -> None:
    async with httpx.AsyncClient(transport=Liar(**changed)) as http:
        liar = make_adapter(http, practice.base_url, practice.account.id)
        assert isinstance(await liar.charge(liar.prepare_charge(practice.request())), Unknown)
        if "amount" not in changed and changed.get("currency") != "USD":
            assert isinstance(await liar.lookup_charge(ChargeQuery("in_1.1")), LookupFailed)


async def test_less_captured_than_asked_is_told_as_it_is(practice: Practice) -> None:
    async with httpx.AsyncClient(transport=Liar(amount_captured=600)) as http:
        liar = make_adapter(http, practice.base_url, practice.account.id)
        outcome = await liar.charge(liar.prepare_charge(practice.request()))
    assert isinstance(outcome, Succeeded)
    assert outcome.captured == Money(600, "eur")


@pytest.mark.parametrize("processor_id", ["../methods/x", "..", "", "a/b", "a?b", "é"])
async def test_an_id_cannot_lead_to_another_path(practice: Practice, processor_id: str) -> None:
    if processor_id:
        found = await practice.adapter.lookup_charge(ChargeQuery("in_1.1", processor_id))
        assert isinstance(found, LookupFailed)
    assert practice.processor.calls.to("GET", "/v1/methods/x") == []


async def test_accounts_are_isolated(practice: Practice) -> None:
    outcome = await practice.charge()
    assert isinstance(outcome, Succeeded)
    other = practice.processor.account("practice_test_key_2")
    stranger = make_adapter(practice.http, practice.base_url, other.id, "practice_test_key_2")
    for query in (ChargeQuery("in_1.1"), ChargeQuery("in_1.1", outcome.processor_id)):
        assert isinstance(await stranger.lookup_charge(query), NotFound)
    (token,) = practice.account.methods
    assert isinstance(await stranger.charge(stranger.prepare_charge(practice.request(token=token))), Rejected)


# Cancelling


@pytest.mark.parametrize("kind", ["pending_then_ok", "requires_action"])
async def test_an_open_charge_is_canceled_once(practice: Practice, kind: str) -> None:
    await practice.charge(kind)
    query = ChargeQuery("in_1.1")
    for _ in range(2):
        found = await practice.adapter.cancel_charge(query, "cancel-in_1.1")
        assert isinstance(found, Found)
        assert isinstance(found.outcome, Canceled)
    practice.processor.advance(10 * DAY)
    assert practice.account.captures() == []


async def test_a_charge_that_succeeded_is_not_canceled(practice: Practice) -> None:
    await practice.charge()
    found = await practice.adapter.cancel_charge(ChargeQuery("in_1.1"), "cancel-in_1.1")
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Succeeded)


async def test_a_charge_that_is_not_there_is_not_canceled(practice: Practice) -> None:
    found = await practice.adapter.cancel_charge(ChargeQuery("in_1.1"), "cancel-in_1.1")
    assert found == NotFound(conclusive=True)


async def test_a_cancel_whose_answer_is_lost_says_nothing(practice: Practice) -> None:
    await practice.charge("pending_then_ok")
    practice.processor.faults.add("lost_after", path="/v1/charges/*/cancel")
    query = ChargeQuery("in_1.1")
    assert isinstance(await practice.adapter.cancel_charge(query, "cancel-in_1.1"), LookupFailed)
    found = await practice.adapter.lookup_charge(query)
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Canceled)


# Payment methods


async def test_a_method_lives_and_is_revoked(practice: Practice) -> None:
    token = practice.processor.create_method(API_KEY, "ok").token
    method = PaymentMethodReference(Secret(token))
    assert await practice.adapter.method_state(method) is MethodState.ACTIVE
    for _ in range(2):  # one that is gone already is success
        await practice.adapter.revoke_method(method, "revoke-1")
    assert await practice.adapter.method_state(method) is MethodState.REVOKED
    outcome = await practice.charge(token=token)
    assert isinstance(outcome, Declined)
    assert outcome.decline.decline_class is DeclineClass.REVOKED


async def test_a_method_that_expired(practice: Practice) -> None:
    token = practice.processor.create_method(API_KEY, "decline_expired").token
    assert await practice.adapter.method_state(PaymentMethodReference(Secret(token))) is MethodState.EXPIRED


async def test_a_method_that_is_not_there(practice: Practice) -> None:
    nobody = PaymentMethodReference(Secret("ptok_0"))
    assert await practice.adapter.method_state(nobody) is MethodState.REVOKED
    await practice.adapter.revoke_method(nobody, "revoke-1")
