"""Who can sign in to the console of an installation to try things out: an admin, and somebody else of finance, since
nobody approves what they have asked for themselves. Their passwords are made up and printed.

Production's people are made by `tollbridge users`.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from gateway.accounts.errors import NotThereError
from gateway.cli.context import author
from gateway.cli.home import read_notes, write_notes
from gateway.domain.roles import Role
from gateway.users import users
from processors.values import Unprinted

SECOND_FACTOR: Final = "TOLLBRIDGE_CONSOLE_SECOND_FACTOR"
PASSWORDS: Final = "console_passwords"
ROLES: Final = (Role.ADMIN, Role.FINANCE)


class Person(Unprinted, frozen=True):
    """Somebody who can sign in."""

    email: str
    password: str
    role: Role


async def introduce(home: Path, account: str) -> tuple[Person, ...]:
    """Each of them with their role in an account, made where they are missing. They keep their passwords between runs,
    in the notes of the home."""
    known = read_notes(home).get(PASSWORDS, {})
    people = [await _person(role, known.get(role, ""), account) for role in ROLES]
    write_notes(home, **{PASSWORDS: {one.role: one.password for one in people}})
    return tuple(people)


async def _person(role: Role, password: str, account: str) -> Person:
    email = f"{role}@example.com"
    try:
        user = await users.by_email(email)
    except NotThereError:
        user, password = await users.add(author("dev"), email, role.capitalize()), ""
    if not password:
        password = secrets.token_urlsafe(12)
        await users.set_password(author("dev"), user.id, password)
    await users.give_role(author("dev"), user.id, account, role)
    return Person(email, password, role)


def shown(people: tuple[Person, ...]) -> dict[str, str]:
    """A line for each, for a terminal."""
    return {f"console, {one.role}": f"{one.email}, password {one.password}" for one in people}
