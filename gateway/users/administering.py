"""What an admin of some accounts may do to users, so that no admin reaches into an account of another's.

Users are of no account. Whoever could set the password of somebody who works elsewhere too would be in there, so links,
second factors and disabling are for admins of all that the user works in. The reverse holds as well: a link that
another account's admin has handed out must not lead into this one, neither before it was used nor after, since that
admin had it. Nobody gets a role here while such a link is the only proof of who they are, or is what their password was
chosen by, and an open one is void once they get it. Whoever runs the gateway stands above this (`tollbridge users`):
whom they have disabled, no admin enables.

An account keeps an admin who can sign in; its row is locked while that is looked at, so that two who take each
other's role don't both succeed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from db import sql
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.domain.roles import ORDER, Role
from gateway.users import users
from gateway.users.errors import NotYoursError
from gateway.users.users import Invitation, User, only_of

LOCK_ACCOUNT: Final = "select id from tollbridge.account where id = $1 for no key update"
ADMIN_OF: Final = """
    select a.id, a.name from tollbridge.console_role r join tollbridge.account a on a.id = r.account
    where r.console_user = $1 and r.role = 'admin'
"""
# Somebody who was invited may never come; whoever acts is there.
OTHER_ADMIN: Final = """
    select exists (
        select 1 from tollbridge.console_role r join tollbridge.console_user u on u.id = r.console_user
        where r.account = $1 and r.role = 'admin' and r.console_user <> $2 and u.disabled_at is null
          and (u.password <> '' or u.oidc_subject <> '' or u.id = $3))
"""
ELSEWHERE: Final = "They work in other accounts too, where you are no admin: whoever runs the gateway can do this."
UNPROVEN: Final = (
    "This person was invited to another account and has not signed in yet. Give them a role here once they have."
)
NOT_OURS: Final = (
    "This person chose their password by a link that an admin of another account had handed out, who may know it. "
    "Somebody who is admin there too can give them a role here, or whoever runs the gateway (`tollbridge users add`)."
)
DISABLED: Final = "This person is disabled. Whoever runs the gateway can enable them."
NO_ADMIN: Final = "You are no admin of this account any more."
ONESELF: Final = "Nobody does this to themselves: ask another admin, or whoever runs the gateway."
LAST: Final = "This is the last admin of the account who can sign in. Make somebody else one first."


class Acting(msgspec.Struct, frozen=True):
    """An admin at work in an account (its id)."""

    user: str
    account: str


class Reach(msgspec.Struct, frozen=True):
    """The accounts of which somebody is an admin: their names by their ids."""

    names: dict[str, str]

    def owns(self, user: User) -> bool:
        """Whether all that the user may do is in these accounts."""
        return only_of(user, self.names.values())

    def enables(self, user: User) -> bool:
        """Whether it was an admin of these accounts who disabled the user."""
        return user.disabled_from in self.names

    def excludes(self, account: str) -> bool:
        """Whether an admin of another account did something; whoever runs the gateway (empty) stands above."""
        return account != "" and account not in self.names


async def enlist(
    by: Author, acting: Acting, email: str, name: str, role: Role, *, by_link: bool
) -> tuple[User, Invitation | None]:
    """A role in the account for a new user, or for one who works elsewhere; with a link where they need one yet.

    `by_link`: whether passwords, which a link leads to, open anything here. Raises FieldError, NotYoursError.
    """
    async with DB.transaction():
        reach = await _begin(acting)
        known = await users.add(by, email, name or email.strip().partition("@")[0])
        user = await users.locked(known.id)
        if await users.role_in(acting.account, user.id) is not None:
            raise FieldError("email", "has a role here already: change it in the list")
        if user.disabled_at is not None and not (reach.owns(user) and reach.enables(user)):
            raise NotYoursError(DISABLED)
        await _give(by, acting, reach, user, role)
        link = await _invitation(by, acting, user, by_link=by_link)
        return await users.by_id(user.id), link


async def _invitation(by: Author, acting: Acting, user: User, *, by_link: bool) -> Invitation | None:
    """A link that somebody was given before is void from now on: by another one, or with nothing in its place."""
    if user.waits and by_link:
        return await users.invite(by, user.id, acting.account)
    if user.waits:
        await users.void_invitation(user.id)
    return None


async def change_role(by: Author, acting: Acting, user: str, role: Role) -> None:
    """Another role in the account. Raises NotThereError, NotYoursError, FieldError for its last admin."""
    async with DB.transaction():
        found, before, reach = await _of_account(acting, user)
        await _keep_an_admin(acting, user, before, role)
        if ORDER.index(role) > ORDER.index(before):
            await _give(by, acting, reach, found, role)
        else:
            await users.give_role(by, user, acting.account, role)


async def remove(by: Author, acting: Acting, user: str) -> None:
    """No role in the account any more. Raises NotThereError, FieldError for its last admin."""
    async with DB.transaction():
        _, before, _ = await _of_account(acting, user)
        await _keep_an_admin(acting, user, before, None)
        await users.take_role(by, user, acting.account)


async def new_link(by: Author, acting: Acting, user: str, *, by_link: bool) -> Invitation:
    """A link by which the user chooses another password; `by_link` as above. Raises NotThereError, NotYoursError."""
    async with DB.transaction():
        found, _ = await _owned(acting, user)
        if not by_link:
            raise NotYoursError("Passwords are turned off here: a link would open nothing.")
        if found.disabled_at is not None:
            raise NotYoursError("This person is disabled: a link would open nothing.")
        return await users.invite(by, user, acting.account)


async def disable(by: Author, acting: Acting, user: str) -> None:
    """Nothing opens any more, now. Raises NotThereError, NotYoursError."""
    async with DB.transaction():
        await _owned(acting, user)
        await users.disable(by, user, acting.account)


async def enable(by: Author, acting: Acting, user: str) -> None:
    """As before an admin disabled them. Raises NotThereError, NotYoursError."""
    async with DB.transaction():
        found, reach = await _owned(acting, user)
        if found.disabled_at is not None and not reach.enables(found):
            raise NotYoursError(DISABLED)
        await users.enable(by, user)


async def reset_second_factor(by: Author, acting: Acting, user: str) -> None:
    """For a phone that was lost. Raises NotThereError, NotYoursError."""
    async with DB.transaction():
        await _owned(acting, user)
        await users.reset_second_factor(by, user)


async def end_sessions(by: Author, acting: Acting, user: str) -> None:
    """Whoever is signed in as the user is so no longer. Raises NotThereError, NotYoursError."""
    async with DB.transaction():
        await _owned(acting, user)
        await users.sign_out(by, user)


Act = Callable[[Author, Acting, str], Awaitable[None]]
ACTS: Final[Mapping[str, Act]] = {
    "disable": disable,
    "enable": enable,
    "reset-second-factor": reset_second_factor,
    "end-sessions": end_sessions,
}


async def act(by: Author, acting: Acting, user: str, what: str) -> None:
    """One of ACTS. Raises NotThereError, NotYoursError."""
    if what not in ACTS:
        raise NotThereError("action", what)
    await ACTS[what](by, acting, user)


async def _give(by: Author, acting: Acting, reach: Reach, user: User, role: Role) -> None:
    if reach.excludes(user.password_from):
        raise NotYoursError(NOT_OURS)
    if not reach.owns(user):
        if user.waits:
            raise NotYoursError(UNPROVEN)
        await users.void_invitation(user.id)
    await users.give_role(by, user.id, acting.account, role)


async def _owned(acting: Acting, user: str) -> tuple[User, Reach]:
    found, _, reach = await _of_account(acting, user)
    if user == acting.user:
        raise NotYoursError(ONESELF)
    if not reach.owns(found):
        raise NotYoursError(ELSEWHERE)
    return found, reach


async def _of_account(acting: Acting, user: str) -> tuple[User, Role, Reach]:
    """A user who has a role in the account; account and user stay locked. Raises NotThereError."""
    reach = await _begin(acting)
    found = await users.locked(user)
    role = await users.role_in(acting.account, user)
    if role is None:
        raise NotThereError("user", user)
    return found, role, reach


async def _begin(acting: Acting) -> Reach:
    """Nobody else changes roles of the account meanwhile. Somebody may have done so since this one's page began, here
    or elsewhere."""
    await sql.row(LOCK_ACCOUNT, acting.account)
    reach = Reach({row["id"]: row["name"] for row in await sql.rows(ADMIN_OF, acting.user)})
    if acting.account not in reach.names:
        raise NotYoursError(NO_ADMIN)
    return reach


async def _keep_an_admin(acting: Acting, user: str, before: Role, after: Role | None) -> None:
    if before is not Role.ADMIN or after is Role.ADMIN:
        return
    if not await sql.value(OTHER_ADMIN, acting.account, user, acting.user):
        raise FieldError("role", LAST)
