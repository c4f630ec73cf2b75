"""Collecting a payment method: the adapter's set-ups, the payer's page, and how they can end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.sandbox.practice import TokenKind
from processors.checked import Finding, Proved, Wrong
from processors.conformance.subject import WEBHOOK_URL
from processors.errors import RefusedError
from processors.outcome import Succeeded
from processors.values import Card, SetupCompletion, SetupFailed, SetupPending, SetupReady, SetupRequest, SetupSession
from tests.processors.conftest import API_KEY, START, WEBHOOK_SECRET, Practice

RETURN_URL = "https://shop.example/return?order=1"


async def begin(practice: Practice, **changed: Any) -> SetupSession:
    fields = {"reference": "cs_1", "idempotency_key": "setup-1", "currency": "eur", "return_url": RETURN_URL}
    return await practice.adapter.begin_setup(SetupRequest(**(fields | changed)))


async def test_from_the_page_to_a_charge(practice: Practice) -> None:
    session = await begin(practice)
    assert session.expires_at == START + timedelta(days=1)
    assert await practice.adapter.complete_setup(SetupCompletion(session.processor_ref, "key")) == SetupPending()
    page = await practice.http.get(session.redirect_url)
    assert 'value="ok"' in page.text
    chosen = await practice.http.post(session.redirect_url, data={"token_kind": "ok"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, f"{RETURN_URL}&setup={session.processor_ref}")
    result = await practice.adapter.complete_setup(SetupCompletion(session.processor_ref, "key"))
    assert isinstance(result, SetupReady)
    assert result.card == Card("visa", "4242", 12, 2040, "visa •••• 4242", result.card.fingerprint)
    assert result.card.fingerprint
    assert isinstance(await practice.charge(token=result.method.token.reveal()), Succeeded)


async def test_asking_again_gives_the_same_method(practice: Practice) -> None:
    session = await begin(practice)
    practice.processor.complete_setup(session.processor_ref, TokenKind.OK)
    results = [await practice.adapter.complete_setup(SetupCompletion(session.processor_ref, "key")) for _ in range(2)]
    assert results[0] == results[1]
    assert len(practice.account.methods) == 1


async def test_the_same_key_opens_one_setup(practice: Practice) -> None:
    assert await begin(practice) == await begin(practice)
    assert len(practice.account.setups) == 1


@pytest.mark.parametrize(("kind", "code"), [("setup_fails", "card_not_supported"), ("", "payer_canceled")])
async def test_a_setup_that_fails(practice: Practice, kind: str, code: str) -> None:
    session = await begin(practice)
    await practice.http.post(session.redirect_url, data={"token_kind": kind})
    result = await practice.adapter.complete_setup(SetupCompletion(session.processor_ref, "key"))
    assert isinstance(result, SetupFailed)
    assert result.code == code
    assert practice.account.methods == {}


async def test_a_setup_expires_on_the_sandbox_clock(practice: Practice) -> None:
    session = await begin(practice)
    practice.processor.advance(86400)
    result = await practice.adapter.complete_setup(SetupCompletion(session.processor_ref, "key"))
    assert isinstance(result, SetupFailed)
    assert result.code == "expired"
    late = await practice.http.post(session.redirect_url, data={"token_kind": "ok"})
    assert late.status_code == 409


@pytest.mark.parametrize("key", ["client_token", "api_key"])
async def test_the_payer_types_a_card_without_a_page(practice: Practice, key: str) -> None:
    session = await begin(practice)
    bearer = session.client["client_token"] if key == "client_token" else API_KEY
    url = f"{practice.base_url}/v1/setups/{session.processor_ref}/complete"
    answer = await practice.http.post(
        url, json={"token_kind": "soft_then_ok", "declines": 3}, headers={"authorization": f"Bearer {bearer}"}
    )
    assert answer.json()["status"] == "completed"
    (method,) = practice.account.methods.values()
    assert method.declines_left == 3
    again = await practice.http.post(url, json={"token_kind": "ok"}, headers={"authorization": f"Bearer {bearer}"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "setup_closed")


@pytest.mark.parametrize("bearer", ["nobody", "practice_test_key_2", "pct_0"])
async def test_a_stranger_completes_nothing(practice: Practice, bearer: str) -> None:
    practice.processor.account("practice_test_key_2")
    session = await begin(practice)
    url = f"{practice.base_url}/v1/setups/{session.processor_ref}/complete"
    answer = await practice.http.post(url, json={"token_kind": "ok"}, headers={"authorization": f"Bearer {bearer}"})
    assert answer.status_code == 404


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://shop.example", "//shop.example"])
async def test_a_return_url_that_no_browser_should_follow(practice: Practice, url: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await begin(practice, return_url=url)
    assert caught.value.code == "return_url_invalid"


async def test_a_setup_that_is_not_there(practice: Practice) -> None:
    with pytest.raises(RefusedError) as caught:
        await practice.adapter.complete_setup(SetupCompletion("pset_0", "key"))
    assert caught.value.code == "setup_not_found"
    with pytest.raises(RefusedError):
        await practice.adapter.complete_setup(SetupCompletion("../account", "key"))


async def test_check_names_the_account(practice: Practice) -> None:
    assert (await practice.adapter.check(WEBHOOK_URL)).account == practice.account.id


async def test_check_sees_where_notifications_go(practice: Practice) -> None:
    async def found() -> Finding:
        return (await practice.adapter.check(WEBHOOK_URL)).findings[-1]

    practice.processor.set_webhook(API_KEY, "", "")
    assert isinstance(await found(), Wrong)
    practice.processor.set_webhook(API_KEY, "https://elsewhere.example/", WEBHOOK_SECRET)
    assert "https://elsewhere.example/" in (await found()).text
    practice.processor.set_webhook(API_KEY, WEBHOOK_URL, WEBHOOK_SECRET, add=True)
    assert isinstance(await found(), Proved)
