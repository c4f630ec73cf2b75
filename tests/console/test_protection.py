"""What stands between the console and a hostile page, and who finds what."""

from __future__ import annotations

import msgspec
import pytest

from gateway.console.protection import cookie, cookie_for
from gateway.domain.roles import Role
from tests.console.conftest import Console

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
