"""Two accounts with the same ids at Stripe: what is told of the one touches nothing of the other."""

from __future__ import annotations

import httpx
import pytest

from db import sql
from db.engine import DB
from db.outbox import Announcement, announce
from gateway.clock import business_now
from gateway.domain.news_types import NewsType
from gateway.inbox.route import Router
from gateway.inbox.table import subscribed
from gateway.runtime import Runtime
from tests.api.seed import NOW, insert
from tests.inbox.test_table import FAMILIES
from tests.support.inbox import SECRET, add_account, add_invoice, deliveries, signed, snapshot, stored
from tests.support.tenants import rows_of

EVENT = snapshot("invoice.finalized", {"id": "in_1", "object": "invoice"}, event="evt_1")
OTHERS_SECRET = "whsec_the_other_one"


async def two() -> tuple[str, str]:
    """Two accounts, each with an invoice, a subscription and a customer of the same ids."""
    made = (await add_account("acme"), await add_account("zeta", OTHERS_SECRET))
    for account in made:
        await insert("customer", account=account, id="cus_1", created_at=NOW)
        await insert("subscription", account=account, id="sub_1", customer="cus_1", status="active", created_at=NOW)
        snapshot_ = b'{"id":"in_1","created":1,"payments":{"data":[{"payment":{"type":"payment_intent",'
        snapshot_ += b'"payment_intent":{"id":"pi_1","status":"requires_payment_method"}}}]}}'
        await add_invoice(account, "in_1", subscription="sub_1", snapshot=snapshot_)
    return made


async def test_a_body_that_one_accounts_secret_signs_is_refused_at_anothers_address(http: httpx.AsyncClient) -> None:
    ours, _ = await two()
    for name, secret, status in (("zeta", SECRET, 400), ("acme", OTHERS_SECRET, 400), ("acme", SECRET, 200)):
        header = {"stripe-signature": signed(EVENT, secret)}
        answer = await http.post(f"/webhooks/stripe/{name}", content=EVENT, headers=header)
        assert answer.status_code == status, (name, answer.text)
    assert [row["account"] for row in await deliveries()] == [ours]


async def test_the_same_event_at_two_accounts_is_two(http: httpx.AsyncClient) -> None:
    await two()
    for name, secret in (("acme", SECRET), ("zeta", OTHERS_SECRET)):
        header = {"stripe-signature": signed(EVENT, secret)}
        assert (await http.post(f"/webhooks/stripe/{name}", content=EVENT, headers=header)).status_code == 200
    assert len({row["account"] for row in await deliveries()}) == 2


async def test_events_about_ids_that_another_account_has_too_touch_only_ones_own(runtime: Runtime) -> None:
    ours, theirs = await two()
    before, own = await rows_of(theirs), await rows_of(ours)
    bodies = [snapshot(kind, thing) for kind, _, thing, _ in FAMILIES]
    await Router(runtime).route(await stored(ours, *bodies))
    ends = {row["state"] for row in await deliveries()}
    assert await rows_of(theirs) == before
    assert (await rows_of(ours))["invoice"] != own["invoice"]
    assert ends <= {"done", "ignored"}, "what must be asked was in our own mirror"


def test_the_families_above_are_all_that_is_heeded() -> None:
    kinds = {kind for kind, *_ in FAMILIES}
    rare = {kind for kind in subscribed() if kind not in kinds}
    assert rare <= {
        "charge.captured",
        "charge.expired",
        "charge.updated",
        "payment_intent.amount_capturable_updated",
        "payment_intent.partially_funded",
    }


@pytest.mark.parametrize("about", ["in_1", "sub_1"])
async def test_only_an_accounts_own_endpoints_are_told(runtime: Runtime, about: str) -> None:
    ours, theirs = await two()
    for account in (ours, theirs):
        await insert("webhook_endpoint", id=f"we_{account}", account=account, url="https://192.0.43.8/", created_at=NOW)
    before = await rows_of(theirs)
    async with DB.transaction():
        told = Announcement(NewsType.OVERDUE, "1", {"object": "invoice", "id": about})
        await announce(ours, "invoice", about, [told], await business_now())
    wanted = await sql.rows("select endpoint from tollbridge.event_delivery")
    assert [row["endpoint"] for row in wanted] == [f"we_{ours}"]
    assert await rows_of(theirs) == before
