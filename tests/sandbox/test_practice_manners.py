"""The manners of the practice processor: keys, look-ups, limits, outages, and what it refuses to be told."""

from __future__ import annotations

import asyncio
import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.practice import PracticeProcessor
from gateway.sandbox.practice.kinds import MAGIC_AMOUNTS, TokenKind
from gateway.sandbox.practice.manner import MANNERS, Delays, Manner
from tests.sandbox.practice import DAY, KEY, Merchant


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"like": "nobody"}, "there is no manner 'nobody'; there are practice, adyen"),
        ({"lookups": "none"}, "manner have no 'lookups'; known: like"),
        ({"lookup": "sometimes"}, "sometimes"),
        ({"decimals": {"EUR": 9}}, "<= 4"),
        ({"minimum": {"eur": 1}}, "regex"),
        ({"rates": {"USD": "0"}}, "the rate of USD is a positive decimal number"),
        ({"delays": {"pending_s": 1}}, "pending_s"),
        ({"key_window_s": 0}, ">= 1"),
    ],
)
async def test_a_manner_that_makes_no_sense(merchant: Merchant, changed: dict[str, Any], says: str) -> None:
    answer = await merchant.control("/manner", {"api_key": KEY} | changed, 400)
    assert says in answer["error"]["message"]
    assert merchant.account.manner == Manner()


async def test_a_manner_and_then_one_thing_different(merchant: Merchant) -> None:
    await merchant.control("/manner", {"api_key": KEY, "like": "gocardless", "charge_after_days": 0})
    await merchant.control("/manner", {"api_key": KEY, "lookup": "by_id"})
    shown = (await merchant.get("/account"))["manner"]
    assert (shown["like"], shown["collection"], shown["charge_after_days"]) == ("gocardless", "debit", 0)
    assert shown["lookup"] == "by_id"
    assert merchant.processor.account("another").manner == Manner()


@pytest.mark.parametrize("body", [{"pending_delay_s": -1}, {"delay_s": 1}, {"refund_delay_s": "soon"}])
async def test_settings_that_make_no_sense(merchant: Merchant, body: dict[str, Any]) -> None:
    assert "settings" in (await merchant.control("/settings", body, 400))["error"]["message"]


# Idempotency


async def twice(merchant: Merchant, between: Any = None, status: int = 201) -> tuple[Any, Any]:
    """The same charge, pending at first, sent twice under one key."""
    body = {"method": merchant.token("pending_then_ok"), "reference": "in_1.1", "key": "same"}
    first = await merchant.charge(**body)
    merchant.processor.advance(DAY if between is None else between)
    return first, await merchant.charge(**body, status=status)


async def test_the_same_answer_again(merchant: Merchant) -> None:
    first, again = await twice(merchant)
    assert again == first
    assert merchant.status(first) == "succeeded"


async def test_the_object_in_its_current_state(merchant: Merchant) -> None:
    merchant.manner(idempotency="current_state")
    first, again = await twice(merchant, status=200)
    assert (first["status"], again["status"], again["id"]) == ("pending", "succeeded", first["id"])


async def test_a_conflict_that_names_the_first(merchant: Merchant) -> None:
    merchant.manner(idempotency="conflict_with_id")
    first, again = await twice(merchant, status=409)
    assert again["error"]["code"] == "idempotency_conflict"
    assert again["error"]["conflicting_id"] == first["id"]


@pytest.mark.parametrize("effect", ["error_after", "error_before"])
async def test_an_error_lets_the_same_key_run_again(merchant: Merchant, effect: str) -> None:
    """So one reference can have two payments, where references may be used twice."""
    merchant.manner(idempotency="runs_again_after_error", unique_reference=False)
    merchant.processor.faults.add(effect, path="/v1/charges")
    body = {"method": merchant.token(), "reference": "in_1.1", "key": "same"}
    await merchant.charge(**body, status=500)
    made = await merchant.charge(**body)
    assert await merchant.charge(**body) == made, "a 2xx is kept"
    assert len(merchant.processor.captures()) == (2 if effect == "error_after" else 1)


async def test_an_error_instead_of_a_kept_answer_frees_no_key(merchant: Merchant) -> None:
    merchant.manner(idempotency="runs_again_after_error", unique_reference=False)
    body = {"method": merchant.token(), "reference": "in_1.1", "key": "same"}
    made = await merchant.charge(**body)
    merchant.processor.faults.add("error_after", path="/v1/charges")
    await merchant.charge(**body, status=500)
    assert await merchant.charge(**body) == made


async def test_an_error_after_the_effect_is_no_second_charge_elsewhere(merchant: Merchant) -> None:
    merchant.processor.faults.add("error_after", path="/v1/charges")
    body = {"method": merchant.token(), "reference": "in_1.1", "key": "same"}
    await merchant.charge(**body, status=500)
    await merchant.charge(**body)
    assert len(merchant.processor.captures()) == 1


async def test_a_key_lives_as_long_as_its_window(merchant: Merchant) -> None:
    merchant.manner(key_window_s=3600, unique_reference=False)
    first, again = await twice(merchant, 3599)
    assert again["id"] == first["id"]
    merchant.processor.advance(1)
    third = await merchant.charge(method=first["method"], reference="in_1.1", key="same")
    assert third["id"] != first["id"]


async def test_the_key_in_the_body(merchant: Merchant) -> None:
    misplaced = {"idempotency_key": "in-the-body"}
    assert (await merchant.charge(status=400, **misplaced))["error"]["code"] == "idempotency_key_misplaced"
    merchant.manner(key_place="body")
    first, again = await twice(merchant)
    assert again == first
    assert len(merchant.account.charges) == 1


@pytest.mark.parametrize(("in_flight", "statuses"), [("refused", [201, 409]), ("waits", [201, 201])])
async def test_a_key_whose_first_call_is_under_way(merchant: Merchant, in_flight: str, statuses: list[int]) -> None:
    merchant.manner(key_in_flight=in_flight)
    body = {"amount": 1000, "currency": "EUR", "method": merchant.token(), "reference": "in_1.1"}
    headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "same"}
    merchant.account.replies.begin(
        "same",
        "POST /v1/charges",
        merchant.http.build_request("POST", "/v1/charges", json=body).content,
        merchant.processor.now(),
    )

    async def send() -> int:
        return (await merchant.http.post("/v1/charges", json=body, headers=headers)).status_code

    second = asyncio.create_task(send())
    await asyncio.sleep(0.05)
    assert second.done() is (in_flight == "refused")
    merchant.account.replies.end("same", None)  # the first has failed
    assert [await send(), await second] == statuses


# Look-ups


@pytest.mark.parametrize(
    ("lookup", "by_id", "by_reference", "scan"),
    [("by_reference", 200, 200, 400), ("by_id", 200, 405, 405), ("scan", 200, 400, 200), ("none", 405, 405, 405)],
)
async def test_how_a_charge_is_found(merchant: Merchant, lookup: str, by_id: int, by_reference: int, scan: int) -> None:
    merchant.manner(lookup=lookup)
    charge = await merchant.charge(reference="in_1.1")
    await merchant.get(f"/charges/{charge['id']}", by_id)
    await merchant.get("/charges?reference=in_1.1", by_reference)
    await merchant.get(f"/charges?customer={charge['customer']}", scan)


async def test_a_scan_goes_page_by_page_and_by_customer(merchant: Merchant) -> None:
    merchant.manner(lookup="scan", unique_reference=False)
    method = merchant.token()
    made = [(await merchant.charge(method=method, reference="in_1.1"))["id"] for _ in range(3)]
    await merchant.charge()
    customer = merchant.account.methods[method].customer
    first = await merchant.get(f"/charges?customer={customer}&limit=2")
    rest = await merchant.get(f"/charges?customer={customer}&limit=2&starting_after={first['data'][-1]['id']}")
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    later = merchant.processor.now() + 1
    assert (await merchant.get(f"/charges?created_from={later}"))["data"] == []
    await merchant.get("/charges?limit=0", 400)


async def test_a_look_up_that_lags(merchant: Merchant) -> None:
    merchant.manner(lookup_lag_s=600)
    charge = await merchant.charge(reference="in_1.1")
    merchant.processor.advance(599)
    await merchant.get(f"/charges/{charge['id']}", 404)
    assert (await merchant.get("/charges?reference=in_1.1"))["data"] == []
    merchant.processor.advance(1)
    assert len((await merchant.get("/charges?reference=in_1.1"))["data"]) == 1


async def test_two_payments_under_one_reference(merchant: Merchant) -> None:
    await merchant.charge(reference="in_1.1")
    await merchant.charge(reference="in_1.1", status=409)
    merchant.manner(unique_reference=False)
    await merchant.charge(reference="in_1.1")
    assert len((await merchant.get("/charges?reference=in_1.1"))["data"]) == 2


# Limits


@pytest.mark.parametrize(
    ("manner", "charge", "code"),
    [
        ({"minimum": {"EUR": 5000}}, {"amount": 4999}, "amount_too_small"),
        ({"maximum": {"EUR": 5000}}, {"amount": 5001}, "amount_too_large"),
        ({"currencies": ["GBP"]}, {"amount": 5000}, "currency_not_supported"),
        ({"decimals": {"HUF": 0}}, {"amount": 0, "currency": "HUF"}, "invalid_request"),
        ({"decimals": {"CLP": 2}}, {"amount": 99, "currency": "CLP"}, "amount_too_small"),
    ],
)
async def test_what_is_too_small_too_large_or_foreign(
    merchant: Merchant, manner: dict[str, Any], charge: dict[str, Any], code: str
) -> None:
    merchant.manner(**manner)
    refused = await merchant.charge(status=400 if code == "invalid_request" else 422, **charge)
    assert refused["error"]["code"] == code


async def test_another_table_of_decimals(merchant: Merchant) -> None:
    await merchant.charge(amount=1, currency="HUF", status=422)
    merchant.manner(decimals={"HUF": 0})
    await merchant.charge(amount=1, currency="HUF")


async def test_too_many_calls_in_a_second(merchant: Merchant) -> None:
    merchant.manner(rate_limit=2)
    headers = {"authorization": f"Bearer {KEY}"}
    answers = [await merchant.http.get("/v1/account", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "1"
    merchant.account.calls_at.extendleft([merchant.account.calls_at.popleft() - 2])
    await merchant.get("/account")


async def test_an_outage_is_a_span_of_sandbox_time(merchant: Merchant) -> None:
    await merchant.control("/outages", {"api_key": KEY, "after_s": 60, "for_s": 3600})
    await merchant.charge()
    merchant.processor.advance(60)
    assert (await merchant.charge(status=503))["error"]["code"] == "out_of_service"
    assert len(merchant.account.charges) == 1
    merchant.processor.advance(3600)
    await merchant.charge()
    await merchant.control("/outages", {"api_key": KEY, "for_s": 0}, 400)


class Pickler(pickle.Pickler):
    """The timers hold the whole processor; its other parts are the kit's affair."""

    def persistent_id(self, obj: Any) -> str | None:
        return "processor" if isinstance(obj, PracticeProcessor) else None


class Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: str) -> str:
        return pid


@pytest.mark.parametrize("like", MANNERS)
async def test_an_account_can_be_pickled_with_its_timers(merchant: Merchant, like: str) -> None:
    merchant.manner(like=like)
    charge = await merchant.charge("late_failure_then_paid")
    merchant.processor.advance(5 * DAY)
    file = io.BytesIO()
    Pickler(file).dump((merchant.processor.accounts, merchant.processor.clock._heap))
    accounts, timers = Unpickler(io.BytesIO(file.getvalue())).load()
    assert accounts[KEY].charges[charge["id"]] == merchant.account.charges[charge["id"]]
    assert accounts[KEY].manner == merchant.account.manner
    assert len(timers) == 1


def test_the_readme_names_every_manner_field_kind_and_delay() -> None:
    text = Path("gateway/sandbox/practice/README.md").read_text()
    names = {*MANNERS, *Manner.__struct_fields__, *Delays.__struct_fields__}
    names |= {kind for kind in TokenKind if not kind.startswith("decline_")}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
    for amount, kind in MAGIC_AMOUNTS.items():
        assert str(amount) in text or kind.startswith("decline_"), amount
