"""Any bytes under any signature: nothing is stored unless it is verified, nothing twice, and all of it ends."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import sql
from gateway.accounts import connections
from gateway.accounts.audit import Author
from gateway.clock import business_now
from gateway.inbox.deliveries import MOST_BEGUN, lost_deliveries
from gateway.inbox.route import Router
from gateway.runtime import Runtime
from processors.values import Secret
from tests.inbox.bodies import ANY_TEXT, PRACTICE, STRIPE, damaged, encoded
from tests.support.inbox import (
    SECRET,
    add_account,
    add_attempt,
    add_invoice,
    add_method,
    deliveries,
    forward,
    signed,
    snapshot,
)

STRIPE_URL, PRACTICE_URL = "/webhooks/stripe/acme", "/webhooks/acme/practice-eu"
PRACTICE_SECRET = "practice_webhook_made_up"
HEADERS = {STRIPE_URL: "stripe-signature", PRACTICE_URL: "practice-signature"}
SECRETS = {STRIPE_URL: SECRET, PRACTICE_URL: PRACTICE_SECRET}
BODIES = {STRIPE_URL: STRIPE, PRACTICE_URL: PRACTICE}
URLS = pytest.mark.parametrize("url", [STRIPE_URL, PRACTICE_URL])
EVERYTHING: Any = {"suppress_health_check": list(HealthCheck), "deadline": None, "database": None}
QUICK: Any = {"max_examples": 20, "derandomize": True, **EVERYTHING}
LONG: Any = {"max_examples": 800, **EVERYTHING}

EVENT = snapshot("invoice.paid", {"id": "in_1", "object": "invoice"}, event="evt_signed")
NOTICE = encoded({"events": [{"id": "1", "type": "note.added", "account": "pa_1", "created": 1, "data": {}}]})


def v1(body: bytes, secret: str, stamp: int) -> str:
    return hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()


def wrong_headers(body: bytes, secret: str) -> st.SearchStrategy[list[str]]:
    """Headers that do not sign these bytes now: none, several, of another secret or time, without sense."""
    now = int(time.time())
    other = v1(body, "whsec_other", now)
    good = f"t={now},v1={v1(body, secret, now)}"
    return st.one_of(
        st.just([]),
        st.lists(ANY_TEXT, min_size=1, max_size=2),
        st.just([good, good]),
        st.integers(1, 40).map(lambda n: [f"t={now}" + f",v1={other}" * n]),
        st.sampled_from([0, -(10**9), now - 301, now + 310, 10**11, 2**63]).map(
            lambda at: [f"t={at},v1={v1(body, secret, at)}"]
        ),
        st.sampled_from(["", "0", "t=", ",", "v1=", "t=1,t=2", f"t={now},v1=", f"t={now},v1=é", f"t=+{now},v1={other}"])
        .map(lambda header: [header]),
        st.integers(0, 63).map(lambda n: [f"t={now},v1={other[:n]}"]),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_outside() -> Iterator[None]:
    with respx.mock(assert_all_called=False) as outside:
        outside.route().mock(side_effect=httpx.ConnectError("nobody is there"))
        yield


@pytest.fixture
async def account(runtime: Runtime) -> str:
    """An account with a connection, an invoice and an attempt that notices may be about."""
    account = await add_account()
    made = await connections.add(
        runtime,
        Author("test"),
        account,
        "practice-eu",
        "practice",
        connections.ConnectionChange(
            credentials={"api_key": Secret("practice_made_up"), "webhook_secret": Secret(PRACTICE_SECRET)},
            options={"base_url": "http://127.0.0.1:1", "account": "pa_1"},
        ),
    )
    await add_invoice(account, "in_1")
    await add_attempt(account, made.id, await add_method(account, made.id), "in_1")
    return account


async def send(http: httpx.AsyncClient, url: str, body: bytes, headers: list[str]) -> httpx.Response:
    name = HEADERS[url].encode()
    return await http.post(url, content=body, headers=[(name, h.encode("utf-8", "replace")) for h in headers])


async def unverified(http: httpx.AsyncClient, url: str, data: st.DataObject) -> None:
    body = data.draw(BODIES[url])
    answer = await send(http, url, body, data.draw(wrong_headers(body, SECRETS[url])))
    assert 400 <= answer.status_code < 500, answer.text
    assert await deliveries() == []
    assert await sql.rows("select 1 from tollbridge_queue.pgqueuer") == []


async def tampered(http: httpx.AsyncClient, url: str, data: st.DataObject) -> None:
    body = EVENT if url == STRIPE_URL else NOTICE
    other = data.draw(damaged(body).filter(lambda changed: changed != body))
    assert (await send(http, url, other, [signed(body, SECRETS[url])])).status_code == 400
    assert await deliveries() == []


async def verified(http: httpx.AsyncClient, runtime: Runtime, url: str, data: st.DataObject) -> None:
    body = data.draw(BODIES[url])
    before = {row["id"] for row in await deliveries()}
    answers = [await send(http, url, body, [signed(body, SECRETS[url])]) for _ in range(2)]
    statuses = {answer.status_code for answer in answers}
    assert statuses in ({200}, {400}), answers[0].text
    new = [row for row in await deliveries() if row["id"] not in before]
    if statuses == {400}:
        assert new == []
    keys = [(row["source"], row["delivery_key"]) for row in await deliveries() if row["delivery_key"]]
    assert len(keys) == len(set(keys))
    await all_end(runtime)


async def all_end(runtime: Runtime) -> None:
    """Route what is stored, and what fails again and again, until it ends."""
    for _ in range(MOST_BEGUN + 1):
        stored = [row["id"] for row in await deliveries() if row["state"] == "stored"]
        if not stored:
            break
        await Router(runtime).route(stored)
        await forward(timedelta(days=1))
        assert set(await lost_deliveries(await business_now(), 1000)) <= set(stored)
    rows = await deliveries()
    assert {row["state"] for row in rows} <= {"done", "ignored", "parked"}
    parked = {row["id"] for row in rows if row["state"] == "parked"}
    cases = {row["subject"] for row in await sql.rows("select subject from tollbridge.review_case")}
    assert parked <= cases


@URLS
@settings(**QUICK)
@given(data=st.data())
async def test_what_is_not_verified_leaves_nothing(
    http: httpx.AsyncClient, account: str, url: str, data: st.DataObject
) -> None:
    await unverified(http, url, data)


@URLS
@settings(**QUICK)
@given(data=st.data())
async def test_what_was_changed_on_the_way_leaves_nothing(
    http: httpx.AsyncClient, account: str, url: str, data: st.DataObject
) -> None:
    await tampered(http, url, data)


@URLS
@settings(**QUICK)
@given(data=st.data())
async def test_what_is_verified_is_stored_once_and_ends(
    http: httpx.AsyncClient, runtime: Runtime, account: str, url: str, data: st.DataObject
) -> None:
    await verified(http, runtime, url, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@URLS
@settings(**LONG)
@given(data=st.data())
async def test_at_length(
    http: httpx.AsyncClient, runtime: Runtime, account: str, url: str, data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        await verified(http, runtime, url, data)
        return
    # What earlier examples stored has ended; the tables are emptied so that nothing new can hide among it.
    await sql.rows("truncate tollbridge.delivery, tollbridge_queue.pgqueuer")
    await (unverified if data.draw(st.booleans()) else tampered)(http, url, data)
