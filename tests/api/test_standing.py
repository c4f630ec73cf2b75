"""What operators read: how far the walks have come, which processors are silent, and the numbers of both."""

from __future__ import annotations

import pytest

from db import sql
from db.states import Walk
from tests.api.conftest import Api
from tests.api.seed import NOW, seed


@pytest.mark.parametrize("kind", ["finance", "admin"])
async def test_every_walk_of_ones_own_account_is_shown(api: Api, kind: str) -> None:
    await seed(api.runtime, api.ours.id)
    await seed(api.runtime, api.theirs.id)
    shown = (await api.get("/v1/catch_up", kind)).json()["data"]
    assert {one["walk"] for one in shown} == set(Walk) - {Walk.NOTICES, Walk.THIN_EVENTS}, (
        "its processor tells everything by itself, and nobody reports usage"
    )
    assert {one["state"] for one in shown} == {"waiting"}


async def test_a_walk_says_since_when_it_fails_and_of_what(api: Api) -> None:
    await api.get("/v1/catch_up", "finance")
    await sql.rows(
        """update tollbridge.catch_up set began_at = $2, failing_since = $2, failures = 3, error = 'refused'
           where account = $1 and walk = 'events'""",
        api.ours.id,
        NOW,
    )
    shown = {one["walk"]: one for one in (await api.get("/v1/catch_up", "finance")).json()["data"]}
    assert shown["events"]["state"] == "failing"
    assert (shown["events"]["error"], shown["events"]["failures"]) == ("refused", 3)
    assert shown["events"]["failing_since"] == shown["events"]["running_since"] == int(NOW.timestamp())
    assert "tollbridge_catch_up_failing 1.0" in (await api.http.get("/metrics")).text


async def test_a_walk_of_a_connection_is_shown_by_its_name(api: Api) -> None:
    ours = await seed(api.runtime, api.ours.id)
    await sql.rows("update tollbridge.connection set adapter = 'practice_braintree' where id = $1", ours.connection)
    shown = (await api.get("/v1/catch_up", "admin")).json()["data"]
    assert [one["connection"] for one in shown if one["walk"] == "notices"] == ["practice"]


async def test_an_open_circuit_is_shown_and_counted(api: Api) -> None:
    ours = await seed(api.runtime, api.ours.id)
    assert "tollbridge_circuits_open 0.0" in (await api.http.get("/metrics")).text
    await sql.rows(
        """insert into tollbridge.circuit (connection, account, failures, failing_since, failed_at, opened_at, probe_at)
           values ($1, $2, 5, $3, $3, $3, $3)""",
        ours.connection,
        api.ours.id,
        NOW,
    )
    [shown] = (await api.get("/v1/connections", "admin")).json()["data"]
    at = int(NOW.timestamp())
    told = {"state": "open", "failures": 5, "failing_since": at, "opened": at, "next_probe": at}
    assert shown["circuit"] == told
    text = (await api.http.get("/metrics")).text
    assert "tollbridge_circuits_open 1.0" in text
    assert ours.connection not in text
