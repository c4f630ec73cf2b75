"""Users, their roles and invitations, and what of it stands in the audit log."""

from __future__ import annotations

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.domain.roles import Action, Role
from gateway.users import users
from gateway.users.errors import InvitationError
from gateway.users.sessions import Manner, Stage, find_session, open_session
from tests.api.conftest import Api

BY = Author("test")
PASSWORD = "made up words for a test"


async def test_a_mail_address_is_one_user(api: Api) -> None:
    first = await users.add(BY, "Ada@Example.com ", "Ada")
    assert (await users.add(BY, "ada@example.com", "Somebody")).id == first.id
    assert first.email == "ada@example.com"


@pytest.mark.parametrize("email", ["", "ada", "@example.com", "ada @example.com", "a\0@b", "ada@" + "x" * 300])
async def test_what_is_no_mail_address(api: Api, email: str) -> None:
    with pytest.raises(FieldError):
        await users.add(BY, email, "Ada")


async def test_roles_are_of_one_account(api: Api) -> None:
    ada = await users.add(BY, "ada@example.com", "Ada")
    await users.give_role(BY, ada.id, api.ours.id, Role.VIEWER)
    await users.give_role(BY, ada.id, api.ours.id, Role.ADMIN)
    assert [u.email for u in await users.listed(api.ours.id)] == ["ada@example.com"]
    assert await users.listed(api.theirs.id) == []
    assert (await users.by_id(ada.id)).roles == {"ours": Role.ADMIN}
    with pytest.raises(NotThereError):
        await users.take_role(BY, ada.id, api.theirs.id)


async def test_who_may_do_what_in_an_account(api: Api) -> None:
    people = {role: await users.add(BY, f"{role}@example.com", role) for role in Role}
    for role, one in people.items():
        await users.give_role(BY, one.id, api.ours.id, role)
        await users.give_role(BY, one.id, api.theirs.id, Role.VIEWER)
    await users.disable(BY, people[Role.FINANCE].id)
    able = await users.who_may(api.ours.id, Action.HANDLE_CASES)
    assert [one.email for one in able] == ["admin@example.com", "support@example.com"]
    assert await users.who_may(api.theirs.id, Action.HANDLE_CASES) == []


async def test_what_is_done_with_users_is_in_the_log_and_no_secret_is(api: Api) -> None:
    ada = await users.add(BY, "ada@example.com", "Ada")
    await users.give_role(BY, ada.id, api.ours.id, Role.FINANCE)
    invitation = await users.invite(BY, ada.id)
    await users.accept(invitation.secret, PASSWORD)
    rows = await sql.rows("select * from tollbridge.audit_log where object = $1 order by created_at, id", ada.id)
    assert [row["action"] for row in rows] == [
        "console_user.create",
        "console_role.set",
        "console_user.invite",
        "console_user.password",
    ]
    assert [row["actor"] for row in rows] == ["test", "test", "test", ada.id]
    assert invitation.secret not in str(rows)
    assert PASSWORD not in str(rows)


async def test_another_password_ends_every_session(api: Api) -> None:
    ada = await users.add(BY, "ada@example.com", "Ada")
    opened = await open_session(ada.id, Stage.COMPLETE, Manner.PASSWORD)
    assert await find_session(opened.token)
    await users.set_password(BY, ada.id, PASSWORD)
    assert await find_session(opened.token) is None


async def test_a_later_invitation_voids_the_one_before(api: Api) -> None:
    ada = await users.add(BY, "ada@example.com", "Ada")
    first = await users.invite(BY, ada.id)
    await users.invite(BY, ada.id)
    with pytest.raises(InvitationError):
        await users.accept(first.secret, PASSWORD)


async def test_a_disabled_user_is_invited_by_no_link_from_before(api: Api) -> None:
    ada = await users.add(BY, "ada@example.com", "Ada")
    invitation = await users.invite(BY, ada.id)
    await users.disable(BY, ada.id)
    with pytest.raises(InvitationError):
        await users.accept(invitation.secret, PASSWORD)
