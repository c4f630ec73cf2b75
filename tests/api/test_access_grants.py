"""Access that somebody grants by hand, over rows alone: at once, until its end, and taken back once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from db import sql
from gateway.clock import business_now, move_clock
from tests.api.conftest import Api, problem
from tests.api.seed import NOW
from tests.api.test_access import shown, subscribed

HOUR = timedelta(hours=1)


async def grant(api: Api, **body: Any) -> Any:
    until = int((await business_now() + HOUR).timestamp())
    told = {"reason": "promised", "until": until} | body
    return await api.post("/v1/subscriptions/sub_1/access_grants", told, "finance")


async def test_a_grant_opens_it_at_once_and_ends_by_itself(api: Api) -> None:
    await subscribed(api, state="due")
    assert (await shown(api))["state"] == "pending_first_payment"
    made = (await grant(api)).json()
    assert (made["stands"], made["reason"], made["after_end"]) == (True, "promised", False)
    assert made["granted_by"].startswith("key_")
    opened = await shown(api)
    assert (opened["granted"], opened["reason"], opened["closes_at"]) == (True, "granted_by_hand", made["until"])
    audit = await sql.row("select * from tollbridge.audit_log where action = 'subscription.access_granted'")
    assert audit is not None
    assert (audit["object"], audit["reason"], audit["actor"]) == ("sub_1", "promised", made["granted_by"])

    await move_clock(timedelta(hours=1, seconds=1))
    over = await shown(api)
    assert (over["state"], over["reason"], over["since"]) == (
        "pending_first_payment",
        "first_invoice_due",
        made["until"],
    )
    [listed] = (await api.get("/v1/subscriptions/sub_1/access_grants", "server")).json()["data"]
    assert (listed["id"], listed["stands"]) == (made["id"], False)


async def test_a_grant_is_taken_back_once(api: Api) -> None:
    await subscribed(api, state="due")
    made = (await grant(api)).json()["id"]
    path = f"/v1/subscriptions/sub_1/access_grants/{made}/revoke"
    revoked = (await api.post(path, {"reason": "did not come"}, "finance")).json()
    assert (revoked["stands"], revoked["revoked_by"]) == (False, revoked["granted_by"])
    assert not (await shown(api))["granted"]
    assert problem(await api.post(path, {"reason": "again"}, "finance"))[:2] == (409, "state_conflict")
    told = await sql.rows("select type, data from tollbridge.outbound_event order by sequence")
    assert [row["type"].rpartition(".")[2] for row in told] == ["access_opened", "access_closed"]
    assert '"granted_by_hand"' in told[0]["data"]
    assert '"first_invoice_due"' in told[1]["data"]


async def test_what_can_not_be_granted(api: Api) -> None:
    await subscribed(api, ended_at=NOW)
    assert problem(await grant(api))[:2] == (409, "state_conflict")
    assert problem(await grant(api, until=1))[2] == "until"
    assert (await grant(api, after_end=True)).status_code == 201
    assert (await shown(api))["reason"] == "granted_by_hand"
    elsewhere = await api.post(
        "/v1/subscriptions/sub_x/access_grants", {"reason": "r", "until": 4_000_000_000}, "finance"
    )
    assert problem(elsewhere)[:2] == (404, "not_found")
