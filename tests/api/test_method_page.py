"""Our page for a payer: the same bytes for everybody, and nothing that may come from elsewhere."""

from __future__ import annotations

from tests.api.conftest import Api


async def test_the_page_is_the_same_for_every_session_and_none(api: Api) -> None:
    pages = [await api.http.get(f"/payment_methods/{name}") for name in ("pms_1", "pms_2", "<b>")]
    assert {page.status_code for page in pages} == {200}
    assert len({page.text for page in pages}) == 1


async def test_a_browser_runs_nothing_in_it_but_its_own_script(api: Api) -> None:
    page = await api.http.get("/payment_methods/pms_1")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["frame-ancestors"], policy["connect-src"]) == ("'none'", "'none'", "'self'")
    for source in ("script-src", "style-src"):
        assert policy[source].startswith("'sha256-")
        assert "unsafe" not in policy[source]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "http://" not in page.text
    assert "https://" not in page.text
