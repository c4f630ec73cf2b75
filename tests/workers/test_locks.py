"""Locks are taken in one order everywhere, so that nobody waits crosswise."""

from __future__ import annotations

import asyncio

from db import cases
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.cases import CaseClosedError, close_case
from tests.database import connected
from tests.support.inbox import add_account, add_invoice
from tests.workers.conftest import until

CASE = "select id from tollbridge.review_case"
CLOSE = "update tollbridge.review_case set state = 'closed', closed_at = now() where id = $1"
WAITING = "select exists (select 1 from pg_stat_activity where wait_event_type = 'Lock')"


async def test_closing_a_case_lets_the_turn_that_closes_it_go_first(database: str) -> None:
    account = await add_account()
    await add_invoice(account, "in_1")
    async with connected(database) as turn, connected(database) as witness:
        now = await witness.fetchval("select now()")
        async with DB.transaction():
            await cases.open_case(account, "advance_failed", "in_1", reason="r", action="a", now=now, invoice="in_1")
        case = await witness.fetchval(CASE)
        async with turn.transaction():
            await turn.execute("update tollbridge.invoice set seen = poked where id = 'in_1'")
            closing = asyncio.create_task(close_case(Author("test"), account, case, "seen"))

            async def waits() -> bool:
                return bool(await witness.fetchval(WAITING))

            await until(waits)
            await turn.execute(
                "update tollbridge.review_case set state = 'closed', closed_at = now() where id = $1", case
            )
        try:
            await closing
        except CaseClosedError:
            return
        raise AssertionError("it was closed already")
