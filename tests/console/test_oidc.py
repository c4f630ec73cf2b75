"""Signing in through an issuer of identities: who comes in, and everything that lets nobody in."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
from joserfc.jwk import RSAKey

from db import sql
from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.settings import SettingsError, load_settings
from gateway.users import users
from gateway.users.issuer import Issuer
from tests.api.conftest import BY, Api
from tests.console.conftest import Console
from tests.support.issuer import CLIENT, SECRET, LocalIssuer
from tests.support.serving import Door, open_door
from tests.support.staff import HERE, text_of

REFUSED = "That did not sign you in."
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
ANOTHER = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


@dataclass
class Browser:
    """One browser: the cookies that it was given."""

    api: Api
    issuer: LocalIssuer
    jar: dict[str, str]

    async def get(self, path: str, **query: str) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = await self.api.http.get(f"/console{path}", params=query, headers={"cookie": cookies})
        for line in answer.headers.get_list("set-cookie"):
            if found := re.match(r"([^=]+)=([^;]*)", line):
                self.jar[found[1]] = found[2].strip('"')
        return answer

    async def leave(self, wanted: str = "") -> str:
        """To the issuer: the address of its page."""
        begun = await self.get("/sign-in/oidc", **({"next": wanted} if wanted else {}))
        assert begun.status_code == 303, text_of(begun)
        return begun.headers["location"]

    async def sign_in(self, wanted: str = "", **back: str) -> httpx.Response:
        """There and back."""
        return await self.get("/sign-in/oidc/back", **self.issuer.visit(await self.leave(wanted), **back))


@pytest.fixture(scope="module")
async def door() -> AsyncIterator[Door]:
    async with open_door() as opened:
        yield opened


@pytest.fixture
async def browser(api: Api, door: Door) -> AsyncIterator[Browser]:
    """A browser, an issuer that the application trusts, and Ada, who has a role in an account."""
    issuer, state = LocalIssuer(door.url, KEY), api.app.state
    before = state.runtime.settings
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    await users.give_role(Author(BY), user.id, api.ours.id, Role.FINANCE)
    door.app = issuer.app()
    told = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "oidc_name": "Acme"}
    state.runtime.settings = msgspec.structs.replace(before, **told)
    state.issuer = Issuer(state.runtime.settings, state.runtime.http)
    try:
        yield Browser(api, issuer, {})
    finally:
        state.runtime.settings, state.issuer = before, None


def only_by_it(api: Api) -> None:
    api.runtime.settings = msgspec.structs.replace(api.runtime.settings, oidc_only=True)


async def _refused(browser: Browser, answer: httpx.Response, said: str = REFUSED) -> None:
    """On the sign-in page, in plain words, and nobody is signed in."""
    assert said in text_of(answer)
    assert "Sign in with Acme" in text_of(answer)
    assert not await sql.rows("select 1 from tollbridge.console_session")
    assert not browser.jar.get("tollbridge")


async def test_somebody_signs_in_and_is_known_from_then_on(browser: Browser) -> None:
    answer = await browser.sign_in("/console/a/ours/invoices")
    assert answer.headers["location"] == "/console/a/ours/invoices", text_of(answer)
    assert (await browser.get("/a/ours/invoices")).status_code == 200
    # Another mail address there is the same person here.
    browser.issuer.claims = {"email": "ada@elsewhere.example", "email_verified": False}
    assert (await Browser(browser.api, browser.issuer, {}).sign_in()).status_code == 303
    actions = await sql.rows("select action from tollbridge.audit_log where actor like 'usr_%' order by created_at")
    assert [row["action"] for row in actions] == [
        "console_user.identified",
        "console_session.open",
        "console_session.open",
    ]


async def test_an_invitation_is_over_with_the_first_sign_in(browser: Browser) -> None:
    user = await users.by_email("ada@example.com")
    assert user.waits
    invitation = await users.invite(Author(BY), user.id)
    await browser.sign_in()
    assert not (await users.by_id(user.id)).waits
    fields = {"invitation": invitation.secret, "password": "made up words", "again": "made up words"}
    assert (await browser.api.http.post("/console/welcome", data=fields, headers=HERE)).status_code == 401


NOW = int(time.time())
CLAIMS: dict[str, dict[str, Any]] = {
    "of another issuer": {"iss": "https://evil.example"},
    "for another client": {"aud": "another"},
    "for several, and nobody's": {"aud": [CLIENT, "another"]},
    "that another asked for": {"aud": [CLIENT, "another"], "azp": "another"},
    "that is over": {"exp": NOW - 600, "iat": NOW - 900},
    "without an end": {"exp": None},
    "of tomorrow": {"iat": NOW + 86_400},
    "without a time": {"iat": None},
    "with another nonce": {"nonce": "another"},
    "without a nonce": {"nonce": None},
    "with a nonce among others": {"nonce": ["another"]},
    "of nobody": {"sub": None},
    "of an empty subject": {"sub": ""},
    "with a mail that is not verified": {"email_verified": False},
    "with a mail that is nearly verified": {"email_verified": "true"},
    "that says nothing of the mail": {"email_verified": None},
    "of somebody who has no user": {"email": "eve@example.com"},
}


async def test_a_token_that_proves_nothing(browser: Browser) -> None:
    for name, browser.issuer.claims in CLAIMS.items():
        answer = await browser.sign_in()
        assert REFUSED in text_of(answer), f"a token {name} signs in"
        await _refused(browser, answer)
    assert not (await users.by_email("ada@example.com")).has_oidc
    assert not await sql.rows("select 1 from tollbridge.console_user where email like 'eve%'")


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_an_algorithm_without_a_private_key_proves_nothing(browser: Browser, algorithm: str) -> None:
    browser.issuer.header = {"alg": algorithm}
    await _refused(browser, await browser.sign_in())


async def test_another_key_of_the_same_name_proves_nothing(browser: Browser) -> None:
    browser.issuer.key = ANOTHER
    await _refused(browser, await browser.sign_in())


async def test_a_key_that_came_later_is_asked_for(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    await browser.sign_in()
    browser.issuer.header, browser.issuer.key = {"kid": "two"}, RSAKey.generate_key(2048, {"kid": "two"})
    browser.issuer.shown = [browser.issuer.key]
    refused = await browser.sign_in()
    assert REFUSED in text_of(refused), "not again at once: a stranger could have us ask all day"
    monkeypatch.setattr("gateway.users.issuer.ASKED_AGAIN_S", 0.0)
    assert (await browser.sign_in()).status_code == 303
    assert browser.issuer.asked.count("discovery") == 1


async def test_another_browser_signs_nobody_in(browser: Browser) -> None:
    back = browser.issuer.visit(await browser.leave())
    victim = Browser(browser.api, browser.issuer, {})
    await _refused(victim, await victim.get("/sign-in/oidc/back", **back))
    await victim.leave()
    await _refused(victim, await victim.get("/sign-in/oidc/back", **back))
    assert "token" not in browser.issuer.asked


async def test_what_comes_back_wrong(browser: Browser) -> None:
    for back in ({"state": "another"}, {"code": ""}, {"error": "access_denied"}, {"iss": "https://another.example"}):
        await _refused(browser, await browser.sign_in(**back))
    assert "token" not in browser.issuer.asked


async def test_a_code_works_once(browser: Browser) -> None:
    back = browser.issuer.visit(await browser.leave())
    again = Browser(browser.api, browser.issuer, dict(browser.jar))
    assert (await browser.get("/sign-in/oidc/back", **back)).status_code == 303
    assert REFUSED in text_of(await again.get("/sign-in/oidc/back", **back))
    assert REFUSED in text_of(await browser.get("/sign-in/oidc/back", **back)), "the cookie was for one answer"


async def test_a_sign_in_that_took_too_long(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.users.oidc.PENDING_S", -1)
    await _refused(browser, await browser.sign_in())


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_disabled_user(browser: Browser, is_known: bool) -> None:
    user = await users.by_email("ada@example.com")
    if is_known:
        await browser.sign_in()
    await users.disable(Author(BY), user.id)
    await sql.rows("delete from tollbridge.console_session")
    stranger = Browser(browser.api, browser.issuer, {})
    await _refused(stranger, await stranger.sign_in())


async def test_a_mail_address_of_somebody_with_another_subject(browser: Browser) -> None:
    await browser.sign_in()
    await sql.rows("delete from tollbridge.console_session")
    browser.issuer.claims = {"sub": "subject-2"}
    stranger = Browser(browser.api, browser.issuer, {})
    await _refused(stranger, await stranger.sign_in())


async def test_a_mail_address_that_is_told_elsewhere(browser: Browser) -> None:
    browser.issuer.claims = {"email": None, "email_verified": None}
    browser.issuer.metadata = {"userinfo_endpoint": f"{browser.issuer.url}/userinfo"}
    browser.issuer.told = {"sub": "another", "email": "ada@example.com", "email_verified": True}
    await _refused(browser, await browser.sign_in())
    browser.issuer.told["sub"] = "subject-1"
    assert (await browser.sign_in()).status_code == 303


async def test_an_issuer_that_is_away(browser: Browser) -> None:
    back = browser.issuer.visit(await browser.leave())
    issuer = browser.api.app.state.issuer
    issuer._metadata = (
        issuer._metadata[0],
        msgspec.structs.replace(issuer._metadata[1], token_endpoint="http://127.0.0.1:1/"),
    )
    answer = await browser.get("/sign-in/oidc/back", **back)
    await _refused(browser, answer, "can't be reached")
    assert answer.status_code == 503
    browser.api.app.state.issuer = Issuer(
        msgspec.structs.replace(browser.api.runtime.settings, oidc_issuer="http://127.0.0.1:1"),
        browser.api.runtime.http,
    )
    await _refused(browser, await browser.get("/sign-in/oidc"), "can't be reached")


async def test_a_discovery_document_of_another_issuer(browser: Browser) -> None:
    browser.issuer.metadata = {"issuer": "https://evil.example"}
    await _refused(browser, await browser.get("/sign-in/oidc"), "can't be reached")


async def test_the_cookie_is_nobodys_to_read(browser: Browser) -> None:
    address = await browser.leave()
    state = re.search(r"state=([^&]+)", address)[1]  # type: ignore[index]
    assert state not in browser.jar["tollbridge-oidc"]


LIVING = "select 1 from tollbridge.console_session where console_user = $1 and ended_at is null"


async def test_without_passwords_there_is_one_way_in(browser: Browser, console: Console) -> None:
    await users.set_password(Author(BY), (await users.by_email("ada@example.com")).id, "made up words for it")
    person = console[Role.ADMIN]
    only_by_it(browser.api)
    assert "Password" not in text_of(await browser.get("/sign-in"))
    fields = {"email": "ada@example.com", "password": "made up words for it"}
    refused = await browser.api.http.post("/console/sign-in", data=fields, headers=HERE)
    assert (refused.status_code, "Passwords are turned off" in text_of(refused)) == (401, True)
    assert (await person.get("/invoices")).status_code == 303, "who came by a password is out"
    assert await sql.rows(LIVING, person.user) == [], "and stays so, whatever is set later"
    assert (await browser.sign_in()).status_code == 303
    assert (await browser.get("/a/ours/invoices")).status_code == 200


async def test_without_an_issuer_there_is_no_such_page(api: Api) -> None:
    assert (await api.http.get("/console/sign-in/oidc")).status_code == 404
    assert "Or with a password" not in (await api.http.get("/console/sign-in")).text


@pytest.mark.parametrize(
    "given",
    [
        {"OIDC_ONLY": "true"},
        {"OIDC_ISSUER": "https://id.example"},
        {"OIDC_ISSUER": "http://id.example", "OIDC_CLIENT_ID": "x"},
        {"OIDC_ISSUER": "id.example", "OIDC_CLIENT_ID": "x"},
    ],
)
def test_half_an_issuer_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="OIDC"):
        load_settings({f"TOLLBRIDGE_{name}": value for name, value in given.items()})
