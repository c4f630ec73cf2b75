"""What stands between the console and a hostile page, and who finds what."""

from __future__ import annotations

import html
import re

import pytest

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import seed
from tests.console.conftest import Console, text_of

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"


async def test_a_browser_runs_nothing_but_ours(console: Console) -> None:
    page = await console[Role.VIEWER].get("/invoices")
    assert page.headers["content-security-policy"].startswith(POLICY)
    assert page.headers["cache-control"] == "no-store"
    assert "style=" not in page.text
    assert " onclick" not in page.text


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
    for origin, status in (("http://test", 303), ("http://evil.example", 403), ("", 403)):
        headers = {"cookie": f"tollbridge={person.token}", "origin": origin}
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


async def test_a_secret_of_a_form_that_was_changed_does_not_come_back(console: Console) -> None:
    admin = console[Role.ADMIN]
    for secret in ("whsec_made_up_1", "whsec_made_up_2"):
        answer = await admin.post("/settings/account/secrets", {"secret": secret, "once": "form-1"})
    assert (answer.status_code, "made_up" in answer.text) == (422, False)
