"""One's own page: another password, where one is signed in, and in which browser, in plain words."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.console.browsers import browser_of
from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.passwords import matches
from gateway.users.sessions import Manner, Stage, living_sessions, open_session
from tests.api.conftest import BY
from tests.console.conftest import Console
from tests.support.staff import Person, text_of

OLD, NEW = "made up words for a test", "other made up words for it"
KEPT = "select password from tollbridge.console_user where id = $1"
NOTED = "select action, object, after from tollbridge.audit_log where actor = $1 order by action, object"


@pytest.fixture
async def ada(console: Console) -> Person:
    """Somebody with a password, signed in here and elsewhere."""
    person = console[Role.VIEWER]
    await sql.rows("update tollbridge.console_user set password = 'x' where id = $1", person.user)
    kept = await living_sessions(person.user)
    await users.set_password(Author(BY), person.user, OLD)
    await sql.rows("update tollbridge.console_session set ended_at = null where id = $1", kept[0]["id"])
    await open_session(person.user, Stage.COMPLETE, Manner.PASSWORD)
    return person


async def _change(person: Person, old: str = OLD, new: str = NEW, again: str = "") -> httpx.Response:
    return await person.post("/console/me/password", {"old": old, "password": new, "again": again or new})


async def _opens(person: Person, password: str) -> bool:
    return await matches(await sql.value(KEPT, person.user), password)


async def test_another_password_ends_the_other_sessions_and_is_in_the_audit_log(ada: Person) -> None:
    link = await users.invite(Author(BY), ada.user)
    elsewhere = next(one["id"] for one in await living_sessions(ada.user))
    done = await _change(ada)
    assert (done.status_code, done.headers["location"]) == (303, "/console/me?said=password_changed")
    assert (await _opens(ada, NEW), await _opens(ada, OLD)) == (True, False)
    assert (await ada.get("/console/me")).status_code == 200
    assert len(await living_sessions(ada.user)) == 1
    noted = [tuple(row) for row in await sql.rows(NOTED, ada.user)]
    assert ("console_user.password", ada.user, '{"password": "(set)"}') in noted
    assert ("console_session.end", elsewhere, None) in noted
    with pytest.raises(Exception, match="has been used or has expired"):
        await users.accept(link.secret, OLD)


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "said"),
    [
        ("not the old one", NEW, "", 401, "not your present password"),
        (OLD, NEW, "something else entirely", 400, "The two passwords differ"),
        (OLD, "short", "", 400, "must have 12 to 256 letters"),
        (OLD, "viewer@example.com", "", 400, "must not be made of your name"),
    ],
)
async def test_what_is_wrong_changes_nothing(
    ada: Person, old: str, new: str, again: str, status: int, said: str
) -> None:
    answer = await _change(ada, old, new, again)
    assert (answer.status_code, said in text_of(answer)) == (status, True), text_of(answer)
    assert new not in answer.text.replace("viewer@example.com", "")
    assert await _opens(ada, OLD)
    assert len(await living_sessions(ada.user)) == 2


async def test_an_old_password_is_guessed_a_few_times_alone(ada: Person) -> None:
    answers = [await _change(ada, f"a guess, number {n}") for n in range(8)]
    assert {one.status_code for one in answers} == {401}
    assert (await _change(ada)).status_code == 429
    assert await _opens(ada, OLD)


async def test_a_password_that_was_changed_meanwhile_is_not_changed_by_the_old_one(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(password: str) -> str:
        await sql.rows("update tollbridge.console_user set password = 'another' where id = $1", ada.user)
        return password

    monkeypatch.setattr("gateway.users.own_password.hashed", slowly)
    assert (await _change(ada)).status_code == 401
    assert await sql.value(KEPT, ada.user) == "another"


async def test_there_is_no_form_where_no_password_opens_anything(
    console: Console, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "/me/password" in (await ada.get("/console/me")).text
    assert "/me/password" not in (await console[Role.FINANCE].get("/console/me")).text
    assert (await _change(console[Role.FINANCE], "")).status_code == 401
    changed = {"oidc_issuer": "https://id.example", "oidc_name": "Acme", "oidc_only": True}
    runtime = console.api.runtime
    monkeypatch.setattr(runtime, "settings", msgspec.structs.replace(runtime.settings, **changed))
    await sql.rows("update tollbridge.console_session set manner = 'oidc'")
    assert "/me/password" not in (await ada.get("/console/me")).text
    assert (await _change(ada)).status_code == 401
    assert await _opens(ada, OLD)


CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/130.0.0.0", "Edge on Windows"),
        (PHONE, "Safari on an iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.0 Safari/605.1.15", "Safari on a Mac"),
        ("Mozilla/5.0 (Windows NT 10.0)", "a browser on Windows"),
        ("python-httpx/0.27", "a program that is no known browser"),
        ("", "an unnamed browser"),
    ],
)
def test_a_browser_is_named_as_far_as_it_says(agent: str, said: str) -> None:
    assert browser_of(agent) == said


async def test_where_one_is_signed_in_is_said_in_plain_words(console: Console) -> None:
    person = console[Role.VIEWER]
    await sql.rows("update tollbridge.console_session set agent = $1 where console_user = $2", CHROME, person.user)
    page = await person.get("/console/me")
    assert "Chrome on Windows" in text_of(page)
    assert "AppleWebKit" not in text_of(page)
