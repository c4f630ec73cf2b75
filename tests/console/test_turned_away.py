"""What somebody reads who is turned away: why, and the way back."""

from __future__ import annotations

import pytest

from db import sql
from gateway.domain.roles import Role
from tests.console.conftest import Console
from tests.support.staff import HERE, Person, text_of

FORM = "http://test/console/a/ours/invoices/in_1"
BACK = "%2Fconsole%2Fa%2Fours%2Finvoices%2Fin_1"


async def _over(console: Console) -> Person:
    """Somebody whose session has ended, and whose browser does not know it."""
    await sql.rows("update tollbridge.console_session set seen_at = seen_at - interval '30 days'")
    return console[Role.FINANCE]


async def test_a_form_of_a_session_that_has_ended_leads_back_to_its_page_and_says_why(console: Console) -> None:
    person = await _over(console)
    answer = await person.post("/invoices/in_1/pause", {"reason": "x"}, referer=FORM)
    assert answer.headers["location"] == f"/console/sign-in?next={BACK}&said=form_not_sent"
    page = await console.http.get(answer.headers["location"])
    assert "nothing of the form was done" in text_of(page)
    assert 'name="next" value="/console/a/ours/invoices/in_1"' in page.text


@pytest.mark.parametrize("referer", ["", "https://evil.example/", "http://test/v1/invoices", "http://test//x"])
async def test_nobody_is_led_back_to_a_page_that_is_not_ours(console: Console, referer: str) -> None:
    person = await _over(console)
    answer = await person.post("/invoices/in_1/pause", **({"referer": referer} if referer else {}))
    assert answer.headers["location"] == "/console/sign-in?said=form_not_sent"


async def test_a_page_of_a_session_that_has_ended_says_so(console: Console) -> None:
    person = await _over(console)
    answer = await person.get("/invoices/in_1")
    assert answer.headers["location"] == f"/console/sign-in?next={BACK}&said=session_over"
    part = await person.get("/refunds/rfd_1/progress", **{"hx-request": "true", "hx-current-url": FORM})
    assert part.headers["hx-redirect"] == f"/console/sign-in?next={BACK}&said=session_over"
    assert "Your session has ended" in text_of(await console.http.get(answer.headers["location"]))


async def test_who_was_never_signed_in_is_told_of_no_session(console: Console) -> None:
    answer = await console.http.get("/console/a/ours/invoices/in_1")
    assert answer.headers["location"] == f"/console/sign-in?next={BACK}"


async def test_a_form_from_before_signing_in_again_leads_back_to_its_page(console: Console) -> None:
    answer = await console[Role.FINANCE].post("/invoices/in_1/pause", {"csrf": "made up"}, referer=FORM)
    assert answer.status_code == 403
    assert "This form is out of date" in text_of(answer)
    assert 'href="/console/a/ours/invoices/in_1"' in answer.text
    assert "scope" not in text_of(answer)


async def test_a_role_that_does_not_allow_a_page_is_named_among_the_pages(console: Console) -> None:
    answer = await console[Role.VIEWER].get("/settings/users")
    text = text_of(answer)
    assert (answer.status_code, "Your role does not allow this" in text) == (403, True)
    assert "This needs the role admin in this account" in text
    assert "yours is viewer" in text
    assert "scope" not in text
    assert 'href="/console/a/ours/invoices"' in answer.text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/invoices/in_nope", "This account has no invoice in_nope"),
        ("/nopage", "There is no page /console/a/ours/nopage"),
        ("/nopage/below", "There is no page /console/a/ours/nopage/below"),
        ("/invoices/in_1/nopage/below", "There is no such page"),
    ],
)
async def test_what_is_not_there_is_said_in_words_as_a_page(console: Console, path: str, said: str) -> None:
    answer = await console[Role.VIEWER].get(path)
    text = text_of(answer)
    assert (answer.status_code, said in text) == (404, True), text
    assert "object" not in text
    assert answer.headers["content-security-policy"]
    if path != "/invoices/in_1/nopage/below":
        assert 'href="/console/a/ours/invoices"' in answer.text


async def test_a_page_that_is_posted_to_by_hand_is_refused_as_a_page(console: Console) -> None:
    person = console[Role.VIEWER]
    headers = {"cookie": f"tollbridge={person.token}"} | HERE
    answer = await console.http.post("/console/a/ours/invoices", data={"csrf": person.csrf}, headers=headers)
    assert answer.status_code == 405
    assert answer.headers["content-type"].startswith("text/html")


async def test_the_api_still_answers_in_json(console: Console) -> None:
    answer = await console.http.get("/v1/nowhere/at/all")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:tollbridge:error:not_found")
