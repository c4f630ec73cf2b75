"""A real worker delivers events in a lane of its own; and what is old of them is purged."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from db import sql
from db.engine import DB
from db.outbox import Announcement, announce
from gateway.accounts import webhook_endpoints
from gateway.accounts.audit import Author
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.clock import business_now
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.workers.purge import purge
from tests.support.inbox import KEYRING, add_account
from tests.support.merchant import Merchant
from tests.support.serving import open_door
from tests.workers.conftest import SETTINGS, until, worker

PRIVATE = msgspec.structs.replace(SETTINGS, outbound_private=True)


async def told(account: str, *steps: str, ago: timedelta = timedelta(0)) -> None:
    facts = [Announcement("tollbridge.invoice.overdue", step, {"id": "in_1"}) for step in steps]
    async with DB.transaction():
        await announce(account, "invoice", "in_1", facts, await business_now() - ago)


async def endpoint(account: str, url: str, settings: Settings = PRIVATE) -> str:
    runtime = Runtime(settings, KEYRING, None)  # type: ignore[arg-type]  # it calls no processor
    made, secret = await webhook_endpoints.add(runtime, Author("test"), account, EndpointChange(url=url))
    del made
    return secret.reveal()


async def test_what_is_announced_arrives(database: str) -> None:
    account = await add_account()
    async with open_door() as door, worker(PRIVATE):
        door.app = merchant = Merchant()
        merchant.secret = await endpoint(account, door.url)
        await told(account, *map(str, range(30)))

        async def all_of_them() -> bool:
            return len({event["id"] for event in merchant.told}) == 30

        await until(all_of_them)
    assert len(merchant.tries) == 30, "each of them once"


async def test_a_lost_wake_up_is_found_by_the_sweep(database: str) -> None:
    account = await add_account()
    async with open_door() as door:
        door.app = merchant = Merchant()
        merchant.secret = await endpoint(account, door.url)
        await told(account, "1")
        await sql.rows("delete from tollbridge_queue.pgqueuer")
        async with worker(PRIVATE):

            async def arrived() -> bool:
                return bool(merchant.told)

            await until(arrived)


async def test_events_are_purged_with_their_deliveries_and_the_count_goes_on(runtime: Runtime) -> None:
    account = await add_account()
    await endpoint(account, "http://127.0.0.1:1/")
    await told(account, "old", ago=timedelta(days=36))
    await told(account, "young", ago=timedelta(days=34))
    await purge(runtime, await business_now())
    assert [row["step"] for row in await sql.rows("select step from tollbridge.outbound_event")] == ["young"]
    assert await sql.value("select count(*) from tollbridge.event_delivery") == 1
    await told(account, "new")
    assert await sql.value("select max(sequence) from tollbridge.outbound_event") == 3
