"""Users beside two accounts."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.sign_in import From
from tests.api import conftest as of_api

api, keyring, served = of_api.api, of_api.keyring, of_api.served

BY = Author("test")
PASSWORD = "made up words for a test"
ANOTHER = "other made up words"
PLACE = From("192.0.2.1", "made up")


async def somebody(email: str, roles: Mapping[str, Role], password: str = "") -> str:
    """A user (the id) with a role in each of these accounts, and with a password that whoever runs the gateway gave."""
    user = await users.add(BY, email, email.partition("@")[0])
    for account, role in roles.items():
        await users.give_role(BY, user.id, account, role)
    if password:
        await users.set_password(BY, user.id, password)
    return user.id
