"""`sandbox clock --advance`: a running worker is given the time for each day's work before the next day comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest

from db import sql
from db.encryption import Keyring, generate_key
from gateway.accounts import accounts
from gateway.accounts.audit import Author
from gateway.cli import sandbox as module
from gateway.cli.sandbox import MOST_LOOKS, advance
from gateway.clock import business_now
from gateway.sandbox import practice, stripe
from processors.values import Secret
from tests.api.seed import add_invoice, insert
from tests.support.serving import open_door

DAY = timedelta(days=1)
BEAT = "insert into tollbridge.worker (id, started_at, beat_at) values ('wrk_1', $1, clock_timestamp() - $2::interval)"
ALIVE, DEAD = timedelta(), timedelta(minutes=5)


@pytest.fixture
async def urls(database: str) -> AsyncIterator[list[str]]:
    """Both sandboxes, and an account."""
    keyring = Keyring.parse(f"test:{generate_key()}", generate_key())
    await accounts.add(keyring, Author("test"), "shop", Secret("sk_test_made_up"))
    async with open_door() as one, open_door() as other:
        one.app, other.app = (
            stripe.create_app(stripe.StripeSandbox()),
            practice.create_app(practice.PracticeProcessor()),
        )
        yield [one.url, other.url]


def at_each_look(monkeypatch: pytest.MonkeyPatch, does: Callable[[int], Awaitable[None]]) -> list[int]:
    """What happens between two looks at the workers, instead of some time; the looks so far."""
    looks: list[int] = []

    async def sleep(_: float) -> None:
        looks.append(len(looks) + 1)
        await does(looks[-1])

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    return looks


async def nothing(_: int) -> None:
    """A worker that never gets anything done, or none."""


async def test_each_day_waits_for_the_work_of_the_day_before(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    began, account, days = await business_now(), await sql.value("select id from tollbridge.account"), []
    await sql.rows(BEAT, began, ALIVE)
    await add_invoice(account, "in_1", due_at=began + DAY)

    async def work(look: int) -> None:
        if look % 3 == 0:
            days.append(round((await business_now() - began) / DAY))
            await sql.rows("update tollbridge.invoice set due_at = due_at + interval '1 day'")

    at_each_look(monkeypatch, work)
    moved = await advance(urls, 3 * DAY, waiting=True)
    assert days == [1, 2, 3]
    assert moved["advanced_s"] == 3 * 86_400


@pytest.mark.parametrize("kind", ["delivery", "subscription", "invoice", "session"])
async def test_whatever_a_worker_has_to_do_is_waited_for(
    urls: list[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    now, account = await business_now(), await sql.value("select id from tollbridge.account")
    await sql.rows(BEAT, now, ALIVE)
    if kind == "delivery":
        told = {"source": "stripe", "kind": "invoice.paid", "body": b"{}", "state": "stored"}
        await insert("delivery", id="dlv_1", account=account, received_at=now, **told)
        done = "delete from tollbridge.delivery"
    elif kind == "session":
        session = {"client_reference": "r", "client_secret_hash": b"h", "client_secret": b"s", "request": "{}"}
        times = {"expires_at": now + DAY, "created_at": now, "due_at": now}
        await insert("checkout_session", id="cs_1", account=account, state="open", **session, **times)
        done = "update tollbridge.checkout_session set due_at = null"
    else:
        await insert(kind, id="x_1", account=account, poked=1, created_at=now)
        done = f"update tollbridge.{kind} set seen = poked"

    async def work(look: int) -> None:
        if look == 5:
            await sql.rows(done)

    looks = at_each_look(monkeypatch, work)
    await advance(urls, DAY, waiting=True)
    assert len(looks) == 5


@pytest.mark.parametrize(
    ("beat", "looks"), [(DEAD, 2), (ALIVE, 2 * MOST_LOOKS)], ids=["no worker", "one that is stuck"]
)
async def test_nobody_is_waited_for_in_vain(
    urls: list[str], monkeypatch: pytest.MonkeyPatch, beat: timedelta, looks: int
) -> None:
    await sql.rows(BEAT, await business_now(), beat)
    await add_invoice(await sql.value("select id from tollbridge.account"), "in_1", poked=1)
    seen = at_each_look(monkeypatch, nothing)
    await advance(urls, 2 * DAY, waiting=True)
    assert len(seen) == looks
