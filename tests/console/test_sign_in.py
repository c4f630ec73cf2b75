"""Signing in: what opens a session, what doesn't, and that nobody learns from it who is there."""

from __future__ import annotations

import re
import time

import httpx
import msgspec
import pyotp
import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.console.sign_in import inside
from gateway.domain.roles import Role
from gateway.users import users
from tests.api.conftest import BY, Api
from tests.console.conftest import Console
from tests.support.staff import HERE, text_of

PASSWORD = "made up words for a test"
ANOTHER = "other made up words"
HOME = "/console"


async def _user(api: Api, email: str = "ada@example.com") -> str:
    user = await users.add(Author(BY), email, "Ada")
    await users.give_role(Author(BY), user.id, api.ours.id, Role.FINANCE)
    await users.set_password(Author(BY), user.id, PASSWORD)
    return user.id


async def _post(api: Api, path: str, cookie: str = "", **fields: str) -> httpx.Response:
    headers = HERE | ({"cookie": f"tollbridge={cookie}"} if cookie else {})
    return await api.http.post(HOME + path, data=fields, headers=headers)


async def _page(api: Api, path: str, cookie: str) -> httpx.Response:
    return await api.http.get(HOME + path, headers={"cookie": f"tollbridge={cookie}"})


def _cookie(answer: httpx.Response) -> str:
    found = re.search(r"tollbridge=([^;]*)", answer.headers.get("set-cookie", ""))
    return found[1] if found else ""


def _field(answer: httpx.Response, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', answer.text)
    assert found is not None, answer.text
    return found[1]


async def _enrolled(api: Api) -> tuple[str, str]:
    """Somebody with a second factor: the cookie of the session in which it was set up, and its secret."""
    await _user(api)
    return await _enrol(api)


async def _enrol(api: Api) -> tuple[str, str]:
    cookie = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD))
    page = await _page(api, "/sign-in/enrol", cookie)
    secret = _secret(page)
    code = pyotp.TOTP(secret).at(int(time.time()) - 30)
    done = await _post(api, "/sign-in/enrol", cookie, csrf=_field(page, "csrf"), code=code)
    assert done.status_code == 303, text_of(done)
    return _cookie(done), secret


def _secret(page: httpx.Response) -> str:
    found = re.search(r"<code>([A-Z2-7]+)</code>", page.text)
    assert found is not None, text_of(page)
    return found[1]


async def test_a_first_sign_in_sets_the_second_factor_up(api: Api) -> None:
    cookie, _ = await _enrolled(api)
    home = await _page(api, "", cookie)
    assert home.status_code == 303, text_of(home)
    assert home.headers["location"] == "/console/a/ours"


async def test_the_next_one_needs_a_code_and_each_code_counts_once(api: Api) -> None:
    _, secret = await _enrolled(api)
    code = pyotp.TOTP(secret).now()
    for expected in (303, 401):
        first = await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD)
        assert first.headers["location"] == "/console/sign-in/code"
        page = await _page(api, "/sign-in/code", _cookie(first))
        done = await _post(api, "/sign-in/code", _cookie(first), csrf=_field(page, "csrf"), code=code)
        assert done.status_code == expected
    assert "was used already" in text_of(done)


async def test_who_sets_a_second_factor_up_is_in_the_audit_log_once(api: Api) -> None:
    _, secret = await _enrolled(api)
    assert await _set_up(api) == 1
    first = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD))
    csrf = _field(await _page(api, "/sign-in/code", first), "csrf")
    done = await _post(api, "/sign-in/code", first, csrf=csrf, code=pyotp.TOTP(secret).now())
    assert (done.status_code, await _set_up(api)) == (303, 1)


async def _set_up(api: Api) -> int:
    ada = await users.by_email("ada@example.com")
    wanted = "select actor, after from tollbridge.audit_log where object = $1 and action = 'console_user.second_factor'"
    found = [tuple(row) for row in await sql.rows(wanted, ada.id)]
    assert set(found) <= {(ada.id, '{"totp": "(set)"}')}
    return len(found)


@pytest.fixture
async def optional(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where nobody has to have a second factor: the cookie of somebody who signed in without."""
    changed = msgspec.structs.replace(api.runtime.settings, console_second_factor="optional")
    monkeypatch.setattr(api.runtime, "settings", changed)
    await _user(api)
    entered = await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD)
    assert entered.headers["location"] == "/console"
    return _cookie(entered)


async def _confirm(api: Api, cookie: str, page: httpx.Response, *, off_s: int = 0) -> httpx.Response:
    code = pyotp.TOTP(_secret(page)).at(int(time.time()) + off_s)
    return await _post(api, "/me/second-factor", cookie, csrf=_field(page, "csrf"), code=code)


async def test_who_may_do_without_a_second_factor_can_set_one_up(api: Api, optional: str) -> None:
    me = await _page(api, "/me", optional)
    assert 'href="/console/me/second-factor"' in me.text
    assert (await sql.value("select totp_secret from tollbridge.console_user")) is None
    page = await _page(api, "/me/second-factor", optional)
    wrong = await _confirm(api, optional, page, off_s=3_600)
    assert (wrong.status_code, "The code is wrong" in text_of(wrong), _secret(wrong)) == (401, True, _secret(page))
    assert await _set_up(api) == 0
    done = await _confirm(api, optional, page)
    assert (done.status_code, done.headers["location"]) == (303, "/console/me?said=second_factor")
    assert await _set_up(api) == 1
    again = await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD)
    assert again.headers["location"] == "/console/sign-in/code"


async def test_a_second_factor_is_not_replaced_by_whoever_is_signed_in(api: Api, optional: str) -> None:
    page = await _page(api, "/me/second-factor", optional)
    await _confirm(api, optional, page)
    me = await _page(api, "/me", optional)
    assert "/me/second-factor" not in me.text
    assert "To have it replaced" in text_of(me)
    kept = await sql.row("select totp_secret from tollbridge.console_user")
    assert (await _page(api, "/me/second-factor", optional)).headers["location"] == "/console/me"
    await _confirm(api, optional, page, off_s=30)
    assert await sql.row("select totp_secret from tollbridge.console_user") == kept


async def test_setting_one_up_is_tried_a_few_times_alone(api: Api, optional: str) -> None:
    page = await _page(api, "/me/second-factor", optional)
    answers = [await _confirm(api, optional, page, off_s=3_600) for _ in range(8)]
    assert {one.status_code for one in answers} == {401}
    assert (await _confirm(api, optional, page)).status_code == 429
    assert await _set_up(api) == 0


async def test_who_has_no_password_is_offered_no_second_factor(console: Console) -> None:
    assert "econd factor" not in (await console[Role.VIEWER].get("/console/me")).text


async def test_a_first_sign_in_elsewhere_ends_with_the_factor_that_was_set_up_meanwhile(api: Api) -> None:
    await _user(api)
    other = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD))
    csrf = _field(await _page(api, "/sign-in/enrol", other), "csrf")
    _, secret = await _enrol(api)
    page = await _page(api, "/sign-in/enrol", other)
    assert ("<img" in page.text, "is set up already" in text_of(page)) == (False, True)
    done = await _post(api, "/sign-in/enrol", other, csrf=csrf, code=pyotp.TOTP(secret).now())
    assert (done.status_code, await _set_up(api)) == (303, 1)


async def test_half_a_session_opens_no_page(api: Api) -> None:
    await _enrolled(api)
    half = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD))
    page = await _page(api, "/a/ours/invoices", half)
    assert (page.status_code, page.headers["location"]) == (303, "/console/sign-in/code")


async def test_a_completed_session_has_another_token(api: Api) -> None:
    _, secret = await _enrolled(api)
    first = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD))
    page = await _page(api, "/sign-in/code", first)
    csrf = _field(page, "csrf")
    done = await _post(api, "/sign-in/code", first, csrf=csrf, code=pyotp.TOTP(secret).now())
    assert _cookie(done) != first
    assert (await _page(api, "/me", first)).headers["location"].startswith("/console/sign-in?")


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
async def test_nothing_tells_whether_there_is_such_a_user(api: Api, email: str) -> None:
    await _user(api)
    answer = await _post(api, "/sign-in", email=email, password="another made up password")
    assert answer.status_code == 401
    assert "The mail address or the password is wrong." in text_of(answer)
    assert not _cookie(answer)


async def test_after_some_wrong_ones_the_right_one_is_not_looked_at(api: Api) -> None:
    await _user(api)
    answers = [await _post(api, "/sign-in", email="ada@example.com", password=f"wrong {n}") for n in range(8)]
    assert {one.status_code for one in answers} == {401}
    late = await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD)
    assert (late.status_code, _cookie(late)) == (429, "")


async def test_a_disabled_user_is_out_at_once(console: Console) -> None:
    person = console[Role.ADMIN]
    assert (await person.get("/invoices")).status_code == 200
    await users.disable(Author(BY), person.user)
    assert (await person.get("/invoices")).status_code == 303


async def test_signing_out_ends_the_session(console: Console) -> None:
    person = console[Role.VIEWER]
    out = await person.post("/console/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/console/sign-in?said=signed_out")
    assert (await person.get("/console/me")).headers["location"].startswith("/console/sign-in")


@pytest.mark.parametrize(
    "since", ["seen_at = now() - interval '61 minutes'", "expires_at = now() - interval '1 second'"]
)
async def test_a_session_ends_by_idleness_and_by_its_age(console: Console, since: str) -> None:
    await sql.rows(f"update tollbridge.console_session set {since}")
    assert (await console[Role.VIEWER].get("/console/me")).status_code == 303


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/v1/keys", "/console/..//evil.example", "/console\\evil"]
)
async def test_nobody_is_led_elsewhere(api: Api, elsewhere: str) -> None:
    await _enrolled(api)
    first = await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD, next=elsewhere)
    assert first.headers.get("location") == "/console/sign-in/code?next=%2Fconsole", text_of(first)


async def test_an_invitation_works_once(api: Api) -> None:
    user = await users.add(Author(BY), "new@example.com", "New")
    invitation = await users.invite(Author(BY), user.id)
    fields = {"invitation": invitation.secret, "password": PASSWORD, "again": PASSWORD}
    assert (await _post(api, "/welcome", **fields)).headers["location"] == "/console/sign-in?said=password"
    assert (await _post(api, "/welcome", **fields)).status_code == 401


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa", "ada@example.com ada"])
async def test_a_weak_password_is_refused(api: Api, weak: str) -> None:
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    invitation = await users.invite(Author(BY), user.id)
    answer = await _post(api, "/welcome", invitation=invitation.secret, password=weak, again=weak)
    assert (answer.status_code, "password" in text_of(answer)) == (400, True)


async def _shown(api: Api, password: str) -> str:
    """The secret on the page of somebody who signs in with a password and sets a second factor up."""
    cookie = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=password))
    return _secret(await _page(api, "/sign-in/enrol", cookie))


async def test_a_secret_that_a_thief_of_the_password_was_shown_is_not_the_owners(api: Api) -> None:
    """The thief changes nothing, so that nobody notices. What the owner sets up later must be seen by nobody else, or
    the second factor is the thief's for ever."""
    await _user(api)
    assert await _shown(api, PASSWORD) != await _shown(api, PASSWORD)


async def test_a_secret_that_was_begun_with_is_over_with_another_password(api: Api) -> None:
    """Another password is what one chooses where the old one is no secret any more."""
    user = await _user(api)
    seen = await _shown(api, PASSWORD)
    await users.set_password(Author(BY), user, ANOTHER)
    assert await _shown(api, ANOTHER) != seen


async def test_a_secret_that_was_shown_elsewhere_confirms_nothing(api: Api, optional: str) -> None:
    seen = _secret(await _page(api, "/me/second-factor", optional))
    owner = _cookie(await _post(api, "/sign-in", email="ada@example.com", password=PASSWORD))
    page = await _page(api, "/me/second-factor", owner)
    code = pyotp.TOTP(seen).now()
    refused = await _post(api, "/me/second-factor", owner, csrf=_field(page, "csrf"), code=code)
    assert (refused.status_code, await _set_up(api)) == (401, 0)
    assert (await _confirm(api, owner, page)).status_code == 303


@pytest.mark.parametrize(
    "wanted", ["/console/../payment_methods/x", "/console/%2e%2E/v1/keys", "/console/a/.%2e/../.."]
)
def test_nobody_is_led_out_of_the_console_by_dots(wanted: str) -> None:
    """Browsers take these for steps up (WHATWG URL, 4.4: double-dot path segments)."""
    assert inside(wanted) == "/console"
