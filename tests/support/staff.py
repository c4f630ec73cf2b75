"""Somebody at the console: signed in, with the cookie and the forms that a browser would send."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.sessions import Manner, Stage, csrf_of, open_session
from tests.support.shop import BY
from tests.support.world import World

COOKIE = "tollbridge"
HERE = {"sec-fetch-site": "same-origin"}


@dataclass
class Person:
    """Somebody who is signed in, and the account, by its name, whose pages they look at; below `origin`, where the
    client has no address of its own."""

    http: httpx.AsyncClient
    user: str
    token: str
    account: str
    origin: str = ""

    @property
    def csrf(self) -> str:
        return csrf_of(self.token)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A page of the account, or of the console where `path` begins with /console."""
        return await self.http.get(self.at(path), headers=self.cookie() | headers)

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """What a form of the account's page posts."""
        given = {"csrf": self.csrf, **(fields or {})}
        return await self.http.post(self.at(path), data=given, headers=self.cookie() | HERE | headers)

    def at(self, path: str) -> str:
        """The address of a page."""
        return self.origin + (path if path.startswith("/console") else f"/console/a/{self.account}{path}")

    def cookie(self) -> dict[str, str]:
        return {"cookie": f"{COOKIE}={self.token}"}


async def enlist(email: str, roles: Mapping[str, Role], stage: Stage = Stage.COMPLETE) -> tuple[str, str]:
    """Somebody with a role in each of these accounts, by its id, who signs in: their id, and their session's token."""
    user = await users.add(BY, email, email.partition("@")[0])
    for account, role in roles.items():
        await users.give_role(BY, user.id, account, role)
    return user.id, (await open_session(user.id, stage, Manner.PASSWORD)).token


async def clerk(world: World, role: Role = Role.FINANCE, name: str = "") -> Person:
    """Somebody at the console of the first shop of a world."""
    found = await enlist(f"{name or role}@example.com", {world.shop.account: role})
    return Person(world.http, *found, world.shop.name, world.gateway_url)


def text_of(answer: httpx.Response) -> str:
    """What a page says, without its marks, in one line."""
    bare = re.sub(r"<(script|style|head)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())
