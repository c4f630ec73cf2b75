"""What an organization sees with its token: its own, in plain words, and nothing else of anybody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from db import sql
from gateway.workers.purge import purge
from tests.api.conftest import ORIGIN, Api, problem
from tests.api.seed import NOW, add_invoice, insert

PAGE = "https://invoice.stripe.example/i/1"
SHOWN: dict[str, Any] = {"id": "in_1", "created": 1, "hosted_invoice_url": PAGE, "invoice_pdf": f"{PAGE}/pdf"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def _subscribed(account: str, customer: str, *subscriptions: str) -> None:
    """A customer with subscriptions, each with an open hosted invoice of its own."""
    await insert("customer", account=account, id=customer, created_at=NOW)
    for name in subscriptions:
        await insert("subscription", account=account, id=name, customer=customer, status="active", created_at=NOW)
        await add_invoice(
            account,
            f"in_of_{name}",
            customer=customer,
            subscription=name,
            number=f"N-{name}",
            state="due",
            status="open",
            collector="hosted",
            currency="eur",
            total=1190,
            amount_due=1190,
            amount_remaining=1190,
            due_date=datetime.now(UTC) + timedelta(days=3),
            snapshot=SHOWN | {"lines": {"data": [{"period": {"start": 1, "end": 4102444800}}]}},
            read_at=NOW,
        )


@pytest.fixture
async def organization(api: Api) -> Api:
    """Two subscriptions of one organization, one of another, and one of another account's."""
    await _subscribed(api.ours.id, "cus_a", "sub_a1", "sub_a2")
    await _subscribed(api.ours.id, "cus_b", "sub_b")
    await _subscribed(api.theirs.id, "cus_a", "sub_theirs")
    return api


async def _token(api: Api, **body: Any) -> dict[str, Any]:
    made = await api.post("/v1/organization_tokens", {"customer": "cus_a"} | body, scope="server")
    assert made.status_code == 200, made.text
    return dict(made.json())


async def _get(api: Api, token: str, path: str, **params: Any) -> httpx.Response:
    return await api.http.get(f"/v1/organization{path}", params=params, headers={"authorization": f"Bearer {token}"})


async def test_a_token_shows_its_organization_alone(organization: Api) -> None:
    token = (await _token(organization))["token"]
    invoices = (await _get(organization, token, "/invoices")).json()["data"]
    assert {one["id"] for one in invoices} == {"in_of_sub_a1", "in_of_sub_a2"}
    found = {(one["status"], one["pay"], one["hosted_invoice_url"], one["invoice_pdf"]) for one in invoices}
    assert found == {("open", "hosted_page", PAGE, f"{PAGE}/pdf")}
    subscriptions = (await _get(organization, token, "/subscriptions")).json()["data"]
    assert {one["id"]: one["next_invoice_at"] for one in subscriptions} == {"sub_a1": 4102444800, "sub_a2": 4102444800}
    for path in (
        "/invoices/in_of_sub_b",
        "/invoices/in_of_sub_theirs",
        "/subscriptions/sub_b",
        "/subscriptions/sub_no",
    ):
        assert problem(await _get(organization, token, path))[:2] == (404, "not_found"), path


async def test_a_token_of_one_subscription_shows_no_other(organization: Api) -> None:
    token = (await _token(organization, subscription="sub_a1"))["token"]
    for path in ("/invoices", "/subscriptions"):
        answer = await _get(organization, token, path)
        assert len(answer.json()["data"]) == 1
        assert "sub_a2" not in answer.text
    for path in ("/invoices/in_of_sub_a2", "/subscriptions/sub_a2"):
        assert problem(await _get(organization, token, path))[:2] == (404, "not_found"), path
    assert problem(await _get(organization, token, "/invoices", subscription="sub_a2"))[:2] == (404, "not_found")
    # Stripe's portal would show the other one.
    headers = {"authorization": f"Bearer {token}"}
    refused = await organization.http.post("/v1/organization/portal_sessions", json={}, headers=headers)
    assert problem(refused)[:2] == (409, "state_conflict")
    await organization.post(f"/v1/accounts/{organization.ours.id}", {"portal_url": "https://portal.example/login"})
    led = await organization.http.post("/v1/organization/portal_sessions", json={}, headers=headers)
    assert led.json()["url"] == "https://portal.example/login"


@pytest.mark.parametrize("of", [{"customer": "cus_no"}, {"subscription": "sub_b"}, {"subscription": "sub_theirs"}])
async def test_no_token_for_what_is_not_the_customers(organization: Api, of: dict[str, str]) -> None:
    made = await organization.post("/v1/organization_tokens", {"customer": "cus_a"} | of, scope="server")
    assert problem(made)[:2] == (404, "not_found")


@pytest.mark.parametrize("seconds", [0, 59, 3601, 86400])
async def test_it_lives_an_hour_at_most(organization: Api, seconds: int) -> None:
    body = {"customer": "cus_a", "expires_in_s": seconds}
    made = await organization.post("/v1/organization_tokens", body, scope="server")
    assert problem(made) == (400, "invalid_request", "expires_in_s")


async def test_an_expired_one_opens_nothing(organization: Api) -> None:
    token = (await _token(organization))["token"]
    await sql.rows("update tollbridge.organization_token set expires_at = clock_timestamp()")
    assert problem(await _get(organization, token, "/invoices"))[:2] == (401, "unauthenticated")
    page = await organization.http.post("/organization", data={"token": token})
    assert (page.status_code, "has expired" in page.text) == (401, True)


async def test_a_processors_customer_is_not_sent_to_stripes_page(organization: Api) -> None:
    await sql.rows("update tollbridge.invoice set collector = null, state = 'needs_payment_method'")
    token = (await _token(organization))["token"]
    answer = await _get(organization, token, "/invoices")
    assert {(one["pay"], one["hosted_invoice_url"]) for one in answer.json()["data"]} == {("payment_method", None)}
    page = await organization.http.post("/organization", data={"token": token})
    assert "Give a payment method" in page.text
    assert f'href="{PAGE}"' not in page.text


async def test_drafts_are_not_shown(organization: Api) -> None:
    await sql.rows("update tollbridge.invoice set status = 'draft', state = 'draft' where id = 'in_of_sub_a1'")
    token = (await _token(organization))["token"]
    assert [one["id"] for one in (await _get(organization, token, "/invoices")).json()["data"]] == ["in_of_sub_a2"]
    assert problem(await _get(organization, token, "/invoices/in_of_sub_a1"))[:2] == (404, "not_found")


async def test_a_browser_of_a_configured_origin_may_ask(organization: Api) -> None:
    token = (await _token(organization))["token"]
    headers = {"authorization": f"Bearer {token}", "origin": ORIGIN}
    answer = await organization.http.get("/v1/organization/invoices", headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_the_page_is_plain_html_and_leads_on(organization: Api) -> None:
    made = await _token(organization, return_url="https://market.example/account")
    assert made["url"].endswith(f"/organization#{made['token']}")
    entry = await organization.http.get("/organization")
    assert (entry.status_code, made["token"] in entry.text) == (200, False)
    page = await organization.http.post("/organization", data={"token": made["token"]})
    assert page.status_code == 200
    for shown in ("N-sub_a1", "N-sub_a2", "11.90 EUR", "Due on", f'href="{PAGE}"', f"{PAGE}/pdf", "Next invoice on"):
        assert shown in page.text, shown
    assert "sub_b" not in page.text
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["form-action"], policy["frame-ancestors"]) == ("'none'", "'self'", ORIGIN)
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")
    await organization.post(f"/v1/accounts/{organization.ours.id}", {"portal_url": "https://portal.example/?a=1&b=2"})
    led = await organization.http.post("/organization/portal", data={"token": made["token"]})
    assert 'content="0;url=https://portal.example/?a=1&amp;b=2"' in led.text


async def test_what_stands_on_an_invoice_is_text(organization: Api) -> None:
    await sql.rows("update tollbridge.invoice set number = '<script>1</script>' where id = 'in_of_sub_a1'")
    page = await organization.http.post("/organization", data={"token": (await _token(organization))["token"]})
    assert "&lt;script&gt;1" in page.text
    assert "<script>1" not in page.text


@pytest.mark.parametrize(("path", "place"), [("/invoices", "in_of_sub_b"), ("/subscriptions", "sub_b")])
async def test_a_page_begins_behind_nothing_that_is_anothers(organization: Api, path: str, place: str) -> None:
    """It would tell that there is such a one, and how old it is."""
    token = (await _token(organization))["token"]
    answer = await _get(organization, token, path, starting_after=place)
    assert problem(answer) == (400, "invalid_request", "starting_after")


async def test_many_invoices_come_page_by_page(organization: Api) -> None:
    for n in range(30):
        values = {"customer": "cus_a", "status": "paid", "state": "paid", "currency": "eur", "snapshot": SHOWN}
        await add_invoice(organization.ours.id, f"in_old_{n:02}", at=NOW - timedelta(days=n + 1), **values)
    token = (await _token(organization))["token"]
    first = await organization.http.post("/organization", data={"token": token})
    assert "Older invoices" in first.text
    older = await organization.http.post("/organization", data={"token": token, "starting_after": "in_old_22"})
    assert ("in_old_23" in older.text, "in_old_22<" in older.text, "Older invoices" in older.text) == (
        True,
        False,
        False,
    )


async def test_a_token_is_kept_as_a_hash_alone(organization: Api) -> None:
    token = (await _token(organization))["token"]
    kept = await sql.rows("select t::text as row from tollbridge.organization_token t")
    kept += await sql.rows("select t::text as row from tollbridge.idempotent_reply t")
    assert not [row for row in kept if token in row["row"] or token.encode().hex() in row["row"]]


async def test_what_has_expired_is_purged_a_day_later(organization: Api) -> None:
    await _token(organization)
    lives = (await _token(organization))["id"]
    await sql.rows(
        "update tollbridge.organization_token set expires_at = expires_at - interval '2 days' where id <> $1", lives
    )
    await purge(organization.runtime, datetime.now(UTC))
    assert [row["id"] for row in await sql.rows("select id from tollbridge.organization_token")] == [lives]
