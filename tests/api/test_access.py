"""The access gate over rows alone: nobody is asked, no worker works, and one statement answers."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from db import sql
from gateway.access import gate
from gateway.accounts import connections
from gateway.accounts.audit import Author
from gateway.clock import business_now, move_clock
from gateway.readers import access
from tests.api.conftest import Api, problem
from tests.api.seed import NOW, PRACTICE, add_invoice, insert

FIRST = {"subscription": "sub_1", "customer": "cus_1", "billing_reason": "subscription_create"}
HOUR = timedelta(hours=1)


async def subscribed(api: Api, id: str = "sub_1", *, state: str = "paid", **more: Any) -> None:
    """A subscription whose first invoice is in this state."""
    told = {"customer": "cus_1", "status": "active", "created_at": NOW} | more
    await insert("subscription", account=api.ours.id, id=id, **told)
    await add_invoice(api.ours.id, f"in_{id}", state=state, **FIRST | {"subscription": id})
    await gate.settle(api.ours.id, id, await business_now())


async def closing(api: Api, at: datetime) -> None:
    """A subscription that the clock closes then."""
    seen = {"access_seen_at": await business_now() - HOUR, "access_since": NOW, "access_changes": 1}
    told = {"access": "granted", "access_reason": "invoice_open", "access_invoice": "in_2", "access_closes_at": at}
    more = {"access_closing": "invoice_not_collected", "created_at": NOW}
    await insert("subscription", account=api.ours.id, id="sub_1", customer="cus_1", **told, **more, **seen)


async def shown(api: Api, subscription: str = "sub_1") -> dict[str, Any]:
    answer = await api.get(f"/v1/subscriptions/{subscription}/access", "server")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_answer(api: Api) -> None:
    await subscribed(api, products=["prod_1"])
    found = await shown(api)
    assert abs(found.pop("since") - (await business_now()).timestamp()) < 60
    assert found == {
        "object": "access",
        "subscription": "sub_1",
        "customer": "cus_1",
        "products": ["prod_1"],
        "state": "granted",
        "granted": True,
        "reason": "first_invoice_paid",
        "description": "its first invoice is paid, and nothing has closed it since",
        "invoice": "in_sub_1",
        "closes_at": None,
        "status": "active",
    }


@pytest.mark.parametrize("path", ["/v1/subscriptions/sub_1/access", "/v1/customers/cus_1/access?product=prod_1"])
async def test_one_statement_answers(api: Api, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await subscribed(api, products=["prod_1"])
    ask, asked = sql.rows, []

    async def rows(statement: str, *args: object) -> Any:
        asked.append(statement)
        return await ask(statement, *args)

    monkeypatch.setattr(sql, "rows", rows)
    assert (await api.get(path, "server")).json()["granted"]
    assert len(asked) == 2, "whose key it is, and the answer"


@pytest.mark.parametrize(("statement", "of"), [(access.OF_SUBSCRIPTION, "sub_7"), (access.OF_CUSTOMER, "cus_7")])
async def test_it_is_found_by_an_index(api: Api, statement: str, of: str) -> None:
    await sql.rows(
        """insert into tollbridge.subscription (account, id, customer, created_at)
           select $1, 'sub_' || n, 'cus_' || n, $2 from generate_series(1, 5000) n""",
        api.ours.id,
        NOW,
    )
    await sql.rows("analyze tollbridge.subscription")
    more = [""] if "$3" in statement else []
    plan = "\n".join(row[0] for row in await sql.rows(f"explain {statement}", api.ours.id, of, *more))
    assert "on subscription s" in plan
    assert "Seq Scan on subscription" not in plan, plan


async def test_whoever_works_it_out_at_once_tells_it_once(api: Api) -> None:
    await insert("subscription", account=api.ours.id, id="sub_1", customer="cus_1", created_at=NOW)
    await add_invoice(api.ours.id, "in_1", state="paid", **FIRST)
    now = await business_now()
    found = await asyncio.gather(*(gate.settle(api.ours.id, "sub_1", now) for _ in range(5)))
    assert {one and one.reason for one in found} == {"first_invoice_paid"}
    assert await sql.value("select count(*) from tollbridge.outbound_event") == 1
    assert await sql.value("select access_changes from tollbridge.subscription") == 1


async def test_by_customer_and_product(api: Api) -> None:
    await subscribed(api, "sub_1", products=["prod_a"], prices=["price_a"])
    await subscribed(api, "sub_2", products=["prod_b"], prices=["price_b", "price_c"], state="due")
    found = {}
    for product in ("", "prod_a", "price_a", "prod_b", "price_c", "prod_x"):
        answer = (await api.get("/v1/customers/cus_1/access", "finance", product=product)).json()
        found[product] = (
            answer["granted"],
            answer["state"],
            sorted(s["subscription"] for s in answer["subscriptions"]),
        )
    opened, waits = (True, "granted", ["sub_1"]), (False, "pending_first_payment", ["sub_2"])
    both = (True, "granted", ["sub_1", "sub_2"])
    assert found == {
        "": both, "prod_a": opened, "price_a": opened, "prod_b": waits, "price_c": waits, "prod_x": (False, None, []),
    }  # fmt: skip
    assert problem(await api.get("/v1/customers/cus_x/access", "server"))[:2] == (404, "not_found")


async def test_the_clock_closes_it_without_a_worker(api: Api) -> None:
    at = await business_now() + HOUR
    await closing(api, at)
    before = await shown(api)
    assert (before["state"], before["closes_at"]) == ("granted", int(at.timestamp()))
    await move_clock(timedelta(hours=1, seconds=1))
    after = await shown(api)
    assert (after["state"], after["granted"], after["reason"]) == ("suspended", False, "invoice_not_collected")
    assert (after["since"], after["closes_at"], after["invoice"]) == (int(at.timestamp()), None, "in_2")


@pytest.mark.parametrize("what", ["a processor does not answer", "one did not", "nobody works", "an account is locked"])
async def test_downtime_leaves_it_to_the_subscriptions_turn(api: Api, what: str) -> None:
    """Law 7: it postpones the end, by how much only a look at the invoice says."""
    now = await business_now()
    await closing(api, now - timedelta(seconds=1))
    assert not (await shown(api))["granted"]
    if what == "nobody works":
        beat = "insert into tollbridge.worker values ('w', now(), clock_timestamp() - interval '61 seconds')"
        await sql.rows(beat)
    elif what == "an account is locked":
        told = {"kind": "connection_locked", "subject": "con_1", "reason": "r", "action": "a", "state": "open"}
        await insert("review_case", id="cas_1", account=api.ours.id, opened_at=now, **told)
    else:
        until = None if what == "a processor does not answer" else now
        mine = (await connections.add(api.runtime, Author("test"), api.ours.id, "practice", "practice", PRACTICE)).id
        await insert("downtime", connection=mine, from_at=now - HOUR, until_at=until)
    assert (await shown(api))["granted"]


async def test_what_was_down_and_seen_to_postpones_nothing(api: Api) -> None:
    now = await business_now()
    await closing(api, now - timedelta(seconds=1))
    await insert("downtime", connection="", from_at=now - 4 * HOUR, until_at=now - 3 * HOUR)
    await insert("downtime", connection="con_theirs", from_at=now - HOUR, until_at=None)
    await sql.rows("insert into tollbridge.worker values ('w', now(), clock_timestamp())")
    assert not (await shown(api))["granted"]
