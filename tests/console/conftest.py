"""The console's pages over the application in the test's own loop: two accounts, and somebody of every role."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.sessions import Manner, Stage, csrf_of, open_session
from tests.api import conftest as of_api
from tests.api.conftest import BY, Api, Tenant

api, keyring, served = of_api.api, of_api.keyring, of_api.served

COOKIE = "tollbridge"
HERE = {"sec-fetch-site": "same-origin"}


@dataclass
class Person:
    """Somebody who is signed in, and the account whose pages they look at."""

    http: httpx.AsyncClient
    user: str
    token: str
    account: Tenant
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def csrf(self) -> str:
        return csrf_of(self.token)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A page of the account, or of the console where `path` begins with /console."""
        return await self.http.get(self._at(path), headers=self._cookie() | headers)

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """What a form of the account's page posts."""
        given = {"csrf": self.csrf, **(fields or {})}
        return await self.http.post(self._at(path), data=given, headers=self._cookie() | HERE | headers)

    def _at(self, path: str) -> str:
        return path if path.startswith("/console") else f"/console/a/{self.account.name}{path}"

    def _cookie(self) -> dict[str, str]:
        return {"cookie": f"{COOKIE}={self.token}"}


@dataclass
class Console:
    """The application's client, and people. `ours` is the account that they have a role in."""

    api: Api
    people: dict[Role, Person]

    def __getitem__(self, role: Role) -> Person:
        return self.people[role]

    @property
    def http(self) -> httpx.AsyncClient:
        return self.api.http


async def somebody(api: Api, email: str, roles: Mapping[str, Role], stage: Stage = Stage.COMPLETE) -> Person:
    """Signed in, with a role in each of these accounts."""
    user = await users.add(Author(BY), email, email.partition("@")[0])
    for account, role in roles.items():
        await users.give_role(Author(BY), user.id, account, role)
    opened = await open_session(user.id, stage, Manner.PASSWORD)
    return Person(api.http, user.id, opened.token, api.ours)


@pytest.fixture
async def console(api: Api) -> Console:
    people = {role: await somebody(api, f"{role}@example.com", {api.ours.id: role}) for role in Role}
    return Console(api, people)


def text_of(answer: httpx.Response) -> str:
    """What a page says, without its marks, in one line."""
    bare = re.sub(r"<(script|style|head)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())
