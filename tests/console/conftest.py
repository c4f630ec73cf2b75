"""The console's pages over the application in the test's own loop: two accounts, and somebody of every role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import pytest

from gateway.domain.roles import Role
from gateway.users.sessions import Stage
from tests.api import conftest as of_api
from tests.api.conftest import Api
from tests.support.staff import Person, enlist

api, keyring, served = of_api.api, of_api.keyring, of_api.served


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
    return Person(api.http, *await enlist(email, roles, stage), api.ours.name)


@pytest.fixture
async def console(api: Api) -> Console:
    people = {role: await somebody(api, f"{role}@example.com", {api.ours.id: role}) for role in Role}
    return Console(api, people)
