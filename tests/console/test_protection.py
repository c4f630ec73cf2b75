"""What stands between the console and a hostile page, and who finds what."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import msgspec
import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.api.observe import observed
from gateway.console.protection import cookie, cookie_for, refuse_foreign
from gateway.domain.roles import Role
from gateway.settings import Settings
from gateway.users import users
from tests.api.conftest import BY
from tests.api.seed import seed
from tests.console.conftest import Console
from tests.console.test_invoice import READ, RECORD, WIRE, one_open, receipts
from tests.support.staff import text_of

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"


async def test_a_browser_runs_nothing_but_ours(console: Console) -> None:
    page = await console[Role.VIEWER].get("/invoices")
    assert page.headers["content-security-policy"].startswith(POLICY)
    assert page.headers["cache-control"] == "no-store"
    assert "style=" not in page.text
    assert " onclick" not in page.text


@pytest.mark.parametrize(
    ("base_url", "value", "max_age_s", "wanted"),
    [
        ("https://billing.example.com", "made up", None, {"Secure"}),
        ("http://127.0.0.1:8250", "made up", None, set()),
        ("http://127.0.0.1:8250", "made up", 600, {"Max-Age=600"}),
        ("http://127.0.0.1:8250", "", 600, {"Max-Age=0"}),
        ("http://127.0.0.1:8250", "", None, {"Max-Age=0"}),
    ],
)
async def test_no_script_and_no_foreign_form_reads_or_sends_a_cookie(
    console: Console, base_url: str, value: str, max_age_s: int | None, wanted: set[str]
) -> None:
    settings = msgspec.structs.replace(console.api.runtime.settings, public_url=base_url)
    said = cookie(settings, "made-up", value, max_age_s).to_header(header="").strip()
    assert set(said.split("; ")[1:]) == {"HttpOnly", "Path=/", "SameSite=lax"} | wanted


async def test_over_tls_no_sibling_domain_sets_the_sessions_cookie(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = msgspec.structs.replace(console.api.runtime.settings, public_url="https://billing.example.com")
    monkeypatch.setattr(console.api.runtime, "settings", changed)
    assert cookie_for(changed, "made up").key == "__Host-tollbridge"
    assert (await console[Role.VIEWER].get("/invoices")).headers["location"].startswith("/console/sign-in")


async def test_a_form_of_another_site_is_refused(console: Console) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        refused = await console[Role.ADMIN].post("/console/sign-out", **headers)
        assert refused.status_code == 403


async def test_a_form_without_its_proof_is_refused(console: Console) -> None:
    for csrf in ("", "made up", console[Role.VIEWER].csrf):
        refused = await console[Role.ADMIN].post("/console/sign-out", {"csrf": csrf})
        assert refused.status_code == 403


async def test_an_old_browser_is_known_by_its_origin(console: Console) -> None:
    person = console[Role.VIEWER]
    for origin, host, status in (
        ("null", "", 403),
        ("null", "test", 403),
        ("http://evil.example", "test", 403),
        ("", "test", 403),
        ("http://test", "test", 303),
    ):
        headers = {"cookie": f"tollbridge={person.token}", "origin": origin, "host": host}
        answer = await console.http.post("/console/sign-out", data={"csrf": person.csrf}, headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize("name", ["theirs", "nowhere"])
async def test_another_account_is_not_to_be_found(console: Console, name: str) -> None:
    assert (await console[Role.ADMIN].get(f"/console/a/{name}/invoices")).status_code == 404


async def test_assets_are_kept_and_named_by_what_they_are(console: Console) -> None:
    page = await console.http.get("/console/sign-in")
    address = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    asset = await console.http.get(address)
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await console.http.get("/console/static/console.0000000000000000.css")).status_code == 404


async def test_what_is_refused_or_not_there_is_a_page_as_well_guarded(console: Console) -> None:
    refused = await console[Role.ADMIN].post("/console/sign-out", {"csrf": "made up"})
    missing = await console[Role.ADMIN].get("/console/nowhere/at/all")
    for answer, status in ((refused, 403), (missing, 404)):
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"].startswith(POLICY)
        assert answer.headers.get_list("cache-control") == ["no-store"]


async def test_an_address_that_no_column_can_hold(console: Console) -> None:
    for path in ("/refunds/%00", "/refunds?invoice=a%00b"):
        assert (await console[Role.VIEWER].get(path)).status_code == 400


async def test_a_part_of_a_page_leads_back_to_the_page(console: Console) -> None:
    headers = {"hx-request": "true", "hx-current-url": "http://test/console/a/ours/refunds/rfd_1?said=x"}
    answer = await console.http.get("/console/a/ours/refunds/rfd_1/progress", headers=headers)
    assert answer.headers["hx-redirect"] == "/console/sign-in?next=%2Fconsole%2Fa%2Fours%2Frefunds%2Frfd_1%3Fsaid%3Dx"


async def test_a_filter_that_nobody_set_is_no_condition(console: Console) -> None:
    for path in (
        "/webhooks?state=",
        "/events?delivery=&type=",
        "/invoices?state=&search=",
        "/reconciliations/none?kind=",
    ):
        assert (await console[Role.ADMIN].get(path)).status_code in (200, 404), path


async def test_a_form_that_was_changed_after_it_was_sent_comes_back_under_a_mark_of_its_own(console: Console) -> None:
    """The back button leads to the form as it was, its mark with it."""
    seeded = await seed(console.api.runtime, console.api.ours.id)
    finance, form = console[Role.FINANCE], {"invoice": seeded.invoice, "by": "amount", "once": "form-1"}
    assert (await finance.post("/refunds", form | {"amount": "1"})).status_code == 303
    from_page = {"referer": f"http://test/console/a/ours/refunds/new?invoice={seeded.invoice}"}
    answer = await finance.post("/refunds", form | {"amount": "2", "memo": "Sorry <for> it"}, **from_page)
    assert (answer.status_code, "Idempotency" in answer.text) == (422, False)
    assert "Amount 2" in text_of(answer)
    assert f'href="/console/a/ours/refunds/new?invoice={seeded.invoice}"' in answer.text
    assert await sql.value("select count(*) from tollbridge.refund where amount = 200") == 0

    found = re.findall(r'name="(\w+)" value="([^"]*)"', answer.text)
    fields = {name: html.unescape(value) for name, value in found if name != "viewport"}
    assert (fields.pop("csrf"), fields["once"] != "form-1") == (finance.csrf, True)
    assert (await finance.post("/refunds", fields)).status_code == 303
    assert await sql.value("select memo from tollbridge.refund where amount = 200") == "Sorry <for> it"


async def test_a_form_that_was_refused_can_be_mended_and_sent_again(console: Console) -> None:
    """What was due had changed, so nothing was recorded. The back button leads to the form; what is mended there is
    carried out."""
    await one_open(console)
    finance, wrong = console[Role.FINANCE], WIRE | {"due": "10000", "once": "form-1"}
    assert ((await finance.post(RECORD, wrong)).status_code, await receipts(console)) == (409, [])
    mended = await finance.post(RECORD, wrong | {"due": "11900"})
    assert (mended.status_code, await receipts(console)) == (303, [11900]), text_of(mended)


async def test_a_form_that_came_too_early_can_be_sent_again_as_it_is(console: Console) -> None:
    """“Stripe is about to be asked what the invoice is; ask again”: a reload of that page does."""
    await one_open(console, stale=True)
    finance, form = console[Role.FINANCE], WIRE | {"due": "11900", "once": "form-1"}
    early = await finance.post(RECORD, form)
    assert (early.status_code, "ask again" in text_of(early)) == (409, True)
    await sql.rows(READ)
    assert ((await finance.post(RECORD, form)).status_code, await receipts(console)) == (303, [11900])


async def test_a_secret_of_a_form_that_was_changed_does_not_come_back(console: Console) -> None:
    admin = console[Role.ADMIN]
    for secret in ("whsec_made_up_1", "whsec_made_up_2"):
        answer = await admin.post("/settings/account/secrets", {"secret": secret, "once": "form-1"})
    assert (answer.status_code, "made_up" in answer.text) == (422, False)


async def test_a_reply_that_is_kept_is_for_who_may_still_ask_for_it(console: Console) -> None:
    """The guard stands behind the replies that are kept: they hold keys, invitations' links and signing secrets."""
    admin = console[Role.ADMIN]
    fields = {"name": "shop", "scopes": "admin", "once": "one form"}
    made = await admin.post("/settings/keys", fields)
    secret = re.search(r"tb_test_[0-9a-f]{48}", made.text)
    assert secret is not None
    await users.give_role(Author(BY), admin.user, console.api.ours.id, Role.VIEWER)
    again = await admin.post("/settings/keys", fields)
    assert (again.status_code, secret[0] in again.text) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://["},
        {"sec-fetch-site": "same-origin", "hx-request": "true", "hx-current-url": "http://["},
        {"sec-fetch-site": "same-origin", "host": "["},
    ],
)
async def test_headers_that_are_no_address_are_a_page(console: Console, headers: dict[str, str]) -> None:
    answer = await console.http.post("/console/a/ours/refunds", data={"once": "x"}, headers=headers)
    assert answer.status_code < 500
    assert "content-security-policy" in answer.headers


async def test_a_form_of_the_same_host_without_tls_is_foreign() -> None:
    """Whoever sits in the network makes http://pay.example say what they like. (Browsers without Sec-Fetch-Site.)"""
    scope: Any = {"headers": [(b"origin", b"http://pay.example"), (b"host", b"pay.example")]}
    with pytest.raises(Exception, match="does not come from the console"):
        refuse_foreign(scope, Settings(public_url="https://pay.example"))


@pytest.mark.parametrize(
    ("public_url", "told"), [("https://pay.example", "max-age=31536000"), ("http://127.0.0.1:8250", None), ("", None)]
)
async def test_who_comes_over_tls_is_told_to_come_by_nothing_else(public_url: str, told: str | None) -> None:
    async def answering(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app: Any = observed(answering, Settings(public_url=public_url))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = await http.get("/console")
    assert answer.headers.get("strict-transport-security") == told
    assert answer.headers["x-content-type-options"] == "nosniff"
