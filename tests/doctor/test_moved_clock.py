"""The sandbox's clock is moved by weeks at once: nothing has waited for longer than there was somebody to do it."""

from __future__ import annotations

from datetime import timedelta

from db import sql
from gateway.clock import business_now, move_clock
from gateway.doctor import queues
from gateway.doctor.patient import patient
from gateway.domain.doctor import Finding, Level
from tests.api import conftest as of_api
from tests.api.conftest import Api
from tests.api.seed import insert

api, keyring, served = of_api.api, of_api.keyring, of_api.served

STOOD = "update tollbridge.business_clock set moved_at = clock_timestamp() - interval '25 hours'"


async def late(api: Api) -> dict[str, Finding]:
    found = await queues.look(await patient(api.runtime, api.ours.id))
    return {f"{one.check} {one.concerns}".strip(): one for one in found if one.level is not Level.OK}


async def add_delivery(api: Api) -> None:
    await insert(
        "delivery", id="dlv_1", account=api.ours.id, source="stripe", kind="x", body=b"sealed", state="stored",
        received_at=await business_now(),
    )  # fmt: skip


async def test_what_a_moved_clock_made_due_is_not_late_yet(api: Api) -> None:
    await add_delivery(api)
    assert await late(api) == {}
    await move_clock(timedelta(days=41))
    assert await late(api) == {}


async def test_what_stands_still_after_the_clock_was_moved_is_late_since_then(api: Api) -> None:
    await add_delivery(api)
    await late(api)  # the walks begin to be
    await move_clock(timedelta(days=41))
    await sql.rows(STOOD)
    found = await late(api)
    assert found["queue.inbox"].level is Level.WRONG
    assert "the first for 25 h" in found["queue.inbox"].what
    assert "25 h behind" in found["catch_up credit_notes"].what
