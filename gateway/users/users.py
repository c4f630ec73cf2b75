"""Users of the console: made with a role in an account, invited by a link, disabled but never deleted, since the audit
log names them for ever.

We send no mail: whoever makes a user hands the link over. It is shown once, works once, and for three days. Whoever
hands it over had it: of a link, of the password that was chosen by it, and of a user who is disabled, the account is
kept whose admin did that (`…_from`; empty: whoever runs the gateway), for `administering` to judge by.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.engine import DB
from db.ids import new_id
from gateway.accounts.audit import SET, Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.keys import digest
from gateway.clock import business_now
from gateway.domain.roles import Action, Role, allows
from gateway.users import second_factor, sessions
from gateway.users.errors import InvitationError
from gateway.users.passwords import hashed, refuse_weak
from processors.values import Unprinted

INVITED_S: Final = 3 * 86_400.0
EMAIL: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,188}")

INSERT: Final = """
    insert into tollbridge.console_user (id, email, name, created_at) values ($1, $2, $3, $4)
    on conflict (email) do nothing returning id
"""
COLUMNS: Final = """
    u.id, u.email, u.name, u.password <> '' as has_password, u.totp_secret is not null as has_second_factor,
    u.oidc_subject <> '' as has_oidc, coalesce(u.invited_until > clock_timestamp(), false) as invited, u.created_at,
    u.disabled_at, u.password_from, u.invited_from, u.disabled_from,
    coalesce((select jsonb_object_agg(a.name, r.role) from tollbridge.console_role r
              join tollbridge.account a on a.id = r.account where r.console_user = u.id), '{}'::jsonb) as roles
"""
BY_EMAIL: Final = f"select {COLUMNS} from tollbridge.console_user u where u.email = $1"  # noqa: S608
BY_ID: Final = f"select {COLUMNS} from tollbridge.console_user u where u.id = $1"  # noqa: S608
LISTED: Final = f"""
    select {COLUMNS} from tollbridge.console_user u
    where $1 = '' or exists (select 1 from tollbridge.console_role r where r.console_user = u.id and r.account = $1)
    order by u.email
"""  # noqa: S608
ABLE: Final = f"""
    select {COLUMNS} from tollbridge.console_user u
    where u.disabled_at is null and exists (
        select 1 from tollbridge.console_role r
        where r.console_user = u.id and r.account = $1 and r.role = any($2::text[]))
    order by u.email
"""  # noqa: S608
SET_ROLE: Final = """
    insert into tollbridge.console_role (console_user, account, role) values ($1, $2, $3)
    on conflict (console_user, account) do update set role = excluded.role
"""
TAKE_ROLE: Final = "delete from tollbridge.console_role where console_user = $1 and account = $2 returning role"
LOCK: Final = "select id from tollbridge.console_user where id = $1 for update"
ROLE: Final = "select role from tollbridge.console_role where console_user = $1 and account = $2"
INVITE: Final = """
    update tollbridge.console_user
    set invitation_hash = $2, invited_until = clock_timestamp() + make_interval(secs => $3), invited_from = $4
    where id = $1
"""
VOID: Final = """
    update tollbridge.console_user set invitation_hash = null, invited_until = null, invited_from = ''
    where id = $1 and invitation_hash is not null returning id
"""
INVITED: Final = """
    select id, email, name from tollbridge.console_user
    where invitation_hash = $1 and invited_until > clock_timestamp() and disabled_at is null
"""
ACCEPT: Final = """
    update tollbridge.console_user
    set password = $2, password_from = invited_from, codes_wrong = 0,
        invitation_hash = null, invited_until = null, invited_from = ''
    where invitation_hash = $1 and invited_until > clock_timestamp() and disabled_at is null returning id
"""
CHOOSE: Final = """
    update tollbridge.console_user set password = $2, password_from = '', codes_wrong = 0 where id = $1
"""
# Whoever runs the gateway has the last word, also on somebody whom an admin has disabled.
DISABLE: Final = """
    update tollbridge.console_user
    set disabled_at = coalesce(disabled_at, $2), disabled_from = $3,
        invitation_hash = null, invited_until = null, invited_from = ''
    where id = $1 and (disabled_at is null or ($3 = '' and disabled_from <> '')) returning id
"""
ENABLE: Final = """
    update tollbridge.console_user set disabled_at = null, disabled_from = ''
    where id = $1 and disabled_at is not null returning id
"""


class User(msgspec.Struct, frozen=True):
    """What may be shown of a user. `roles`: by the account's name."""

    id: str
    email: str
    name: str
    has_password: bool
    has_second_factor: bool
    has_oidc: bool
    invited: bool
    roles: dict[str, Role]
    created_at: datetime
    disabled_at: datetime | None
    password_from: str
    invited_from: str
    disabled_from: str

    @property
    def waits(self) -> bool:
        """Whether nobody has proven yet to be this user."""
        return not (self.has_password or self.has_oidc)

    @property
    def signs_in_with(self) -> str:
        """How, in words."""
        if self.waits:
            return "nothing yet: an invitation is open" if self.invited else "nothing yet"
        ways = {"a password": self.has_password, "a code": self.has_second_factor, "OpenID Connect": self.has_oidc}
        return ", ".join(way for way, has in ways.items() if has)


class Invitation(Unprinted, frozen=True):
    """The secret of a link; it is seen once."""

    user: str
    secret: str

    def link(self, base_url: str) -> str:
        """Where it leads. Browsers keep what stands behind the `#` to themselves."""
        return f"{base_url}/console/welcome#{self.secret}"


async def add(by: Author, email: str, name: str) -> User:
    """A new user, or the one that has this mail address. Raises FieldError."""
    email, name = email.strip().lower(), name.strip()
    if not EMAIL.fullmatch(email):
        raise FieldError("email", "must be a mail address, as ada@example.com")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise FieldError("name", "must have 1 to 100 letters")
    async with DB.transaction():
        made = await sql.value(INSERT, new_id("usr"), email, name, await business_now())
        if made is not None:
            await by.note(None, "console_user.create", made, name=email, after={"email": email, "name": name})
        return await by_email(email)


async def by_email(email: str) -> User:
    """Raises NotThereError."""
    row = await sql.row(BY_EMAIL, email.strip().lower())
    if row is None:
        raise NotThereError("user", email)
    return _shown(row)


async def by_id(user: str) -> User:
    """Raises NotThereError."""
    row = await sql.row(BY_ID, user)
    if row is None:
        raise NotThereError("user", user)
    return _shown(row)


async def locked(user: str) -> User:
    """The same, and nobody else changes the user or their roles while the caller's transaction lasts."""
    await sql.row(LOCK, user)
    return await by_id(user)


async def listed(account: str = "") -> list[User]:
    """The users that have a role in an account, or all."""
    return [_shown(row) for row in await sql.rows(LISTED, account)]


async def who_may(account: str, action: Action) -> list[User]:
    """Who can sign in and may do that in the account."""
    return [_shown(row) for row in await sql.rows(ABLE, account, [role for role in Role if allows(role, action)])]


async def role_in(account: str, user: str) -> Role | None:
    """What the user may do in the account (its id); None where they have no role."""
    found = await sql.value(ROLE, user, account)
    return None if found is None else Role(found)


async def give_role(by: Author, user: str, account: str, role: Role) -> None:
    """Another role, or a first one, in an account: an open link that another account's admin has had is void then."""
    async with DB.transaction():
        found = await locked(user)
        before = await role_in(account, user)
        if before == role:
            return
        if before is None and found.invited_from not in ("", account):
            await void_invitation(user)
        await sql.rows(SET_ROLE, user, account, role)
        await by.note(account, "console_role.set", user, before={"role": before}, after={"role": role})


async def take_role(by: Author, user: str, account: str) -> None:
    """No role any more: the account is not to be found for this user from now on. Raises NotThereError."""
    async with DB.transaction():
        before = await sql.value(TAKE_ROLE, user, account)
        if before is None:
            raise NotThereError("user", user)
        await by.note(account, "console_role.take", user, before={"role": before}, after={"role": None})


async def invite(by: Author, user: str, account: str = "") -> Invitation:
    """A link by which the user chooses a password; an earlier one is void. `account`: whose admin hands it over."""
    secret = secrets.token_urlsafe(32)
    async with DB.transaction():
        await sql.rows(INVITE, user, digest(secret), INVITED_S, account)
        await by.note(None, "console_user.invite", user, after={"invitation": SET})
    return Invitation(user, secret)


async def void_invitation(user: str) -> None:
    """A link that is still open opens nothing any more; in the caller's transaction. It may be another account's, to
    which nobody tells who gave a role elsewhere, and why."""
    if await sql.value(VOID, user):
        by, gone = Author("tollbridge"), {"invitation": None}
        await by.note(None, "console_user.invitation_void", user, before={"invitation": SET}, after=gone)


async def invited(secret: str) -> asyncpg.Record:
    """Whom a link invites: `id`, `email`, `name`. Raises InvitationError."""
    row = await sql.row(INVITED, digest(secret))
    if row is None:
        raise InvitationError
    return row


async def accept(secret: str, password: str) -> str:
    """Choose the password of an invitation: the user. Sessions from before end. Raises InvitationError, FieldError."""
    row = await invited(secret)
    refuse_weak(password, row["email"], row["name"])
    kept = await hashed(password)
    async with DB.transaction():
        user = await sql.value(ACCEPT, digest(secret), kept)
        if user is None:
            raise InvitationError
        await _changed(Author(user), user)
    return str(user)


async def set_password(by: Author, user: str, password: str) -> None:
    """For a user without a link, from the command line. Raises FieldError."""
    found = await by_id(user)
    refuse_weak(password, found.email, found.name)
    kept = await hashed(password)
    async with DB.transaction():
        await sql.rows(CHOOSE, user, kept)
        await _changed(by, user)


async def _changed(by: Author, user: str) -> None:
    await by.note(None, "console_user.password", user, after={"password": SET})
    await sessions.end_sessions(user)


async def reset_second_factor(by: Author, user: str) -> None:
    """For a phone that was lost; whoever is signed in is so no longer."""
    async with DB.transaction():
        await second_factor.reset(by, user)
        await sessions.end_sessions(user)


async def sign_out(by: Author, user: str, session: str = "", *, but: str = "") -> None:
    """A session of the user's ends, or all of them `but` one; each is in the audit log."""
    async with DB.transaction():
        for ended in await sessions.end_sessions(user, session, but=but):
            await by.note(None, "console_session.end", ended)


async def disable(by: Author, user: str, account: str = "") -> None:
    """Nothing opens any more, now. `account`: whose admin does it. Raises NotThereError."""
    await by_id(user)
    async with DB.transaction():
        if await sql.value(DISABLE, user, await business_now(), account):
            await sessions.end_sessions(user)
            await by.note(None, "console_user.disable", user)


async def enable(by: Author, user: str) -> None:
    """As before it was disabled. Raises NotThereError."""
    await by_id(user)
    async with DB.transaction():
        if await sql.value(ENABLE, user):
            await by.note(None, "console_user.enable", user)


def only_of(user: User, accounts: Collection[str]) -> bool:
    """Whether all that the user may do is in these accounts, by name: else it is not for their admins to let
    somebody else in as that user."""
    return set(user.roles) <= set(accounts)


def _shown(row: asyncpg.Record) -> User:
    return User(**{**dict(row), "roles": msgspec.json.decode(row["roles"], type=dict[str, Role])})
