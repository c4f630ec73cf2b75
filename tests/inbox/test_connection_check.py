"""The check of a connection: its credentials, where its notifications go, and whether any came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.accounts import accounts, connections
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.accounts.connections import Connection, ConnectionChange
from gateway.accounts.errors import CheckFailedError, NotThereError
from gateway.inbox.connection_check import ConnectionCheck, check
from gateway.runtime import Runtime
from gateway.sandbox.practice import PracticeProcessor, create_app
from processors.checked import About, Checked, Proved, Unseen, Wrong
from processors.errors import NotSentError, OutcomeUnknownError
from processors.practice.client import PracticeAdapter
from processors.values import Secret
from tests.db.rows import insert
from tests.support.serving import serving

BY = Author("test:ada", "because")
KEY = "hush_key"
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def account(runtime: Runtime) -> Account:
    return await accounts.add(runtime.keyring, BY, "eu", Secret("sk_test_4711"))


@pytest.fixture
async def processor() -> AsyncIterator[tuple[PracticeProcessor, str]]:
    processor = PracticeProcessor()
    async with serving(create_app(processor)) as url:
        yield processor, url


async def connect(
    runtime: Runtime, account: Account, processor: tuple[PracticeProcessor, str], adapter: str = "practice"
) -> Connection:
    credentials = {"api_key": Secret(KEY), "webhook_secret": Secret("hush_secret")}
    if adapter == "practice_mollie":
        del credentials["webhook_secret"]
    options = {"base_url": processor[1], "account": processor[0].account(KEY).id}
    change = ConnectionChange(credentials=credentials, options=options)
    return await connections.add(runtime, BY, account.id, "practice", adapter, change)


async def delivered(connection: Connection, kind: str = "charge.succeeded", state: str = "done", hour: int = 0) -> None:
    await insert(
        "delivery",
        id=f"dlv_{kind}_{state}_{hour}",
        account=connection.account,
        source=connection.id,
        kind=kind,
        body=b"",
        state=state,
        reason="because" if state in ("ignored", "parked") else "",
        received_at=NOW + timedelta(hours=hour),
    )


def kinds(checked: ConnectionCheck) -> dict[About, type]:
    return {one.about: type(one) for one in checked.findings}


async def test_a_new_connection_says_where_notifications_must_go(
    runtime: Runtime, account: Account, processor: tuple[PracticeProcessor, str]
) -> None:
    added = await connect(runtime, account, processor)
    checked = await check(runtime, account.id, "practice")
    assert (checked.id, checked.reference) == (added.id, processor[0].account(KEY).id)
    assert kinds(checked) == {About.CREDENTIALS: Proved, About.WEBHOOK: Wrong, About.NOTIFICATIONS: Unseen}
    assert (checked.ok, checked.last_notification) == (False, None)
    assert checked.webhook_url == f"{runtime.settings.base_url}/webhooks/eu/practice"
    processor[0].set_webhook(KEY, checked.webhook_url, "hush_secret")
    again = await check(runtime, account.id, added.id)
    assert (again.ok, kinds(again)[About.WEBHOOK]) == (True, Proved)
    assert "hush" not in repr(again)


async def test_the_latest_notification_is_the_strongest_proof(
    runtime: Runtime, account: Account, processor: tuple[PracticeProcessor, str]
) -> None:
    added = await connect(runtime, account, processor)
    await delivered(added, hour=1)
    await delivered(added, "note.added", "ignored", hour=2)
    await delivered(added, "polled:refund.created", hour=3)
    checked = await check(runtime, account.id, added.id)
    assert checked.last_notification == NOW + timedelta(hours=2)
    assert kinds(checked)[About.NOTIFICATIONS] is Proved


async def test_a_ping_of_anybodys_proves_nothing(
    runtime: Runtime, account: Account, processor: tuple[PracticeProcessor, str]
) -> None:
    added = await connect(runtime, account, processor, "practice_mollie")
    await delivered(added, "ping", "ignored", hour=2)
    await delivered(added, "ping", "stored", hour=3)
    assert kinds(await check(runtime, account.id, added.id))[About.NOTIFICATIONS] is Unseen
    await delivered(added, "ping", "done", hour=1)
    assert (await check(runtime, account.id, added.id)).last_notification == NOW + timedelta(hours=1)


async def test_credentials_of_another_account_fail(
    runtime: Runtime, account: Account, processor: tuple[PracticeProcessor, str]
) -> None:
    added = await connect(runtime, account, processor)
    other = ConnectionChange(options={"account": "pa_other"})
    await connections.update(runtime, BY, account.id, added.id, other)
    with pytest.raises(CheckFailedError, match="practice"):
        await check(runtime, account.id, "practice")
    with pytest.raises(NotThereError):
        await check(runtime, account.id, "nobody")
    anew = {name: Secret("another_secret") for name in added.credentials}
    nowhere = ConnectionChange(credentials=anew, options={"base_url": "http://127.0.0.1:1"})
    await connections.update(runtime, BY, account.id, added.id, nowhere)
    with pytest.raises(NotSentError):
        await check(runtime, account.id, "practice")


class NeverAnswers(PracticeAdapter):
    capabilities = replace(PracticeAdapter.capabilities, call_timeout=timedelta(milliseconds=1))

    async def check(self, webhook_url: str) -> Checked:
        await asyncio.Event().wait()
        raise AssertionError("nobody set it")


async def test_a_check_ends_though_its_adapter_does_not(
    runtime: Runtime,
    account: Account,
    processor: tuple[PracticeProcessor, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await connect(runtime, account, processor)
    monkeypatch.setattr("gateway.connections.adapter_class", lambda _name: NeverAnswers)
    with pytest.raises(OutcomeUnknownError, match="no answer within"):
        await asyncio.wait_for(check(runtime, account.id, "practice"), 30)
