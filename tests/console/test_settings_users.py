"""Users in the settings: what an admin may do to somebody, and that nobody reaches from one account into another."""

from __future__ import annotations

import asyncio
import re

import httpx
import msgspec
import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.users import administering, users
from gateway.users.administering import Acting
from gateway.users.errors import NotYoursError
from gateway.users.sessions import living_sessions
from tests.api.conftest import BY
from tests.console.conftest import Console, somebody
from tests.support.staff import Person, text_of

PATH = "/settings/users"
PROVEN = "update tollbridge.console_user set password = 'made up' where id = $1"


async def _invite(person: Person, email: str, role: str = "viewer", reason: str = "") -> httpx.Response:
    return await person.post(f"{PATH}/invite", {"email": email, "name": "Bo", "role": role, "reason": reason})


async def _roles(email: str) -> dict[str, Role]:
    return (await users.by_email(email)).roles


async def _elsewhere(console: Console, role: Role = Role.VIEWER, *, proven: bool = True) -> str:
    """Somebody with a role in the other account."""
    user = await users.add(Author(BY), "bo@example.com", "Bo")
    await users.give_role(Author(BY), user.id, console.api.theirs.id, role)
    if proven:
        await sql.rows(PROVEN, user.id)
    return user.id


async def _here_too(console: Console) -> str:
    user = await _elsewhere(console)
    await users.give_role(Author(BY), user, console.api.ours.id, Role.VIEWER)
    return user


async def test_the_list_tells_roles_of_this_account_alone(console: Console) -> None:
    await _here_too(console)
    said = text_of(await console[Role.ADMIN].get(PATH))
    assert "bo@example.com" in said
    assert "Works in other accounts too" in said
    assert "theirs" not in said


async def test_an_invitation_is_shown_once_and_opens(console: Console) -> None:
    answer = await _invite(console[Role.ADMIN], "Bo@Example.com", "finance", "she joined")
    secret = re.search(r"/console/welcome#([\w-]+)", answer.text)
    assert secret is not None
    assert await users.accept(secret[1], "made up words for a test")
    assert await _roles("bo@example.com") == {"ours": Role.FINANCE}
    assert secret[1] not in (await console[Role.ADMIN].get(PATH)).text
    wanted = "select reason from tollbridge.audit_log where action = 'console_role.set' and account = $1 and actor = $2"
    assert await sql.value(wanted, console.api.ours.id, console[Role.ADMIN].user) == "she joined"


@pytest.fixture
async def without_passwords(console: Console, monkeypatch: pytest.MonkeyPatch) -> Person:
    """An admin where people sign in through an identity provider alone."""
    changed = {"oidc_issuer": "https://id.example", "oidc_name": "Acme", "oidc_only": True}
    runtime = console.api.runtime
    monkeypatch.setattr(runtime, "settings", msgspec.structs.replace(runtime.settings, **changed))
    await sql.rows("update tollbridge.console_session set manner = 'oidc'")
    return console[Role.ADMIN]


async def _invitations() -> int:
    wanted = "select count(*) from tollbridge.console_user where invitation_hash is not null"
    return int(await sql.value(wanted))


async def test_where_passwords_are_off_nobody_gets_a_link(console: Console, without_passwords: Person) -> None:
    answer = await _invite(without_passwords, "bo@example.com", "finance")
    assert answer.status_code == 303
    page = await without_passwords.get(answer.headers["location"])
    assert "They sign in through the identity provider" in text_of(page)
    assert await _roles("bo@example.com") == {"ours": Role.FINANCE}
    bo = await users.by_email("bo@example.com")
    refused = await without_passwords.post(f"{PATH}/{bo.id}/link")
    assert (refused.status_code, "a link would open nothing" in text_of(refused)) == (403, True)
    page = await without_passwords.get(PATH)
    assert (f"{bo.id}/do/disable" in page.text, f"{bo.id}/link" in page.text) == (True, False)
    assert "Somebody new signs in through Acme" in text_of(page)
    assert await _invitations() == 0


async def test_where_passwords_are_off_an_earlier_link_is_void_with_the_role(
    console: Console, without_passwords: Person
) -> None:
    user = await _elsewhere(console, proven=False)
    await users.invite(Author(BY), user)
    await users.take_role(Author(BY), user, console.api.theirs.id)
    assert (await _invite(without_passwords, "bo@example.com")).status_code == 303
    assert (await _roles("bo@example.com"), await _invitations()) == ({"ours": Role.VIEWER}, 0)


async def test_a_change_of_role_has_a_reason(console: Console) -> None:
    admin, viewer = console[Role.ADMIN], console[Role.VIEWER]
    form = (await admin.get(PATH)).text.partition(f'action="/console/a/ours{PATH}/{viewer.user}/role"')[2]
    assert 'name="reason"' in form.partition("</form>")[0]
    await admin.post(f"{PATH}/{viewer.user}/role", {"role": "finance", "reason": "she joined finance"})
    wanted = "select reason from tollbridge.audit_log where action = 'console_role.set' and object = $1 and actor = $2"
    assert await sql.value(wanted, viewer.user, admin.user) == "she joined finance"


@pytest.mark.parametrize(
    ("what", "action"),
    [
        ("do/end-sessions", "console_session.end"),
        ("do/reset-second-factor", "console_user.second_factor_reset"),
        ("do/disable", "console_user.disable"),
        ("link", "console_user.invite"),
        ("remove", "console_role.take"),
    ],
)
async def test_whatever_is_done_to_somebody_has_a_reason(console: Console, what: str, action: str) -> None:
    admin, viewer = console[Role.ADMIN], console[Role.VIEWER]
    assert f'formaction="/console/a/ours{PATH}/{viewer.user}/do/end-sessions"' in (await admin.get(PATH)).text
    await admin.post(f"{PATH}/{viewer.user}/{what}", {"role": "viewer", "reason": "a lost laptop"})
    told = await sql.rows("select action from tollbridge.audit_log where reason = 'a lost laptop'")
    assert {row["action"] for row in told} == {action}


async def test_what_was_typed_for_a_role_stays_where_it_can_be_mended(console: Console) -> None:
    admin = console[Role.ADMIN]
    refused = await admin.post(f"{PATH}/{admin.user}/role", {"role": "viewer", "reason": "I go elsewhere"})
    chosen = refused.text.partition(f'form="of-{admin.user}"')[2].partition("</select>")[0]
    assert (refused.status_code, '<option value="viewer" selected>' in chosen) == (400, True)
    form = refused.text.partition(f'action="/console/a/ours{PATH}/{admin.user}/role"')[2].partition("</form>")[0]
    assert 'value="I go elsewhere"' in form


async def test_somebody_who_works_elsewhere_gets_a_role_and_no_link(console: Console) -> None:
    await _elsewhere(console)
    answer = await _invite(console[Role.ADMIN], "bo@example.com")
    assert answer.status_code == 303
    assert await _roles("bo@example.com") == {"ours": Role.VIEWER, "theirs": Role.VIEWER}


async def test_a_link_of_another_account_leads_nobody_in_here(console: Console) -> None:
    user = await _elsewhere(console, proven=False)
    await users.invite(Author(BY), user)
    answer = await _invite(console[Role.ADMIN], "bo@example.com")
    assert (answer.status_code, "has not signed in yet" in text_of(answer)) == (403, True)
    assert await _roles("bo@example.com") == {"theirs": Role.VIEWER}


async def test_an_open_link_of_another_account_is_void_with_the_role(console: Console) -> None:
    link = await users.invite(Author(BY), await _elsewhere(console))
    await _invite(console[Role.ADMIN], "bo@example.com")
    with pytest.raises(Exception, match="has been used or has expired"):
        await users.accept(link.secret, "made up words for a test")


async def test_somebody_made_and_left_elsewhere_gets_another_link(console: Console) -> None:
    user = await _elsewhere(console, proven=False)
    kept = await users.invite(Author(BY), user)
    await users.take_role(Author(BY), user, console.api.theirs.id)
    assert "/console/welcome#" in (await _invite(console[Role.ADMIN], "bo@example.com")).text
    with pytest.raises(Exception, match="has been used or has expired"):
        await users.accept(kept.secret, "made up words for a test")


async def test_more_is_not_given_to_somebody_unproven_who_works_elsewhere(console: Console) -> None:
    user = await _elsewhere(console, proven=False)
    await users.give_role(Author(BY), user, console.api.ours.id, Role.SUPPORT)
    for role, status in (("admin", 403), ("viewer", 303)):
        answer = await console[Role.ADMIN].post(f"{PATH}/{user}/role", {"role": role})
        assert answer.status_code == status
    assert (await _roles("bo@example.com"))["ours"] is Role.VIEWER


async def test_how_somebody_of_others_signs_in_is_not_for_an_admin_here(console: Console) -> None:
    user = await _here_too(console)
    before = await sql.row("select * from tollbridge.console_user where id = $1", user)
    for what in ("link", "do/disable", "do/reset-second-factor", "do/end-sessions"):
        answer = await console[Role.ADMIN].post(f"{PATH}/{user}/{what}")
        assert (answer.status_code, "where you are no admin" in text_of(answer)) == (403, True), what
    assert await sql.row("select * from tollbridge.console_user where id = $1", user) == before


async def test_it_is_for_somebody_who_is_admin_in_all_their_accounts(console: Console) -> None:
    user = await _here_too(console)
    admin = {console.api.ours.id: Role.ADMIN, console.api.theirs.id: Role.ADMIN}
    both = await somebody(console.api, "both@example.com", admin)
    assert (await both.post(f"{PATH}/{user}/do/disable")).status_code == 303
    assert (await users.by_id(user)).disabled_at is not None
    assert (await both.post(f"{PATH}/{user}/do/enable")).status_code == 303
    assert "/console/welcome#" in (await both.post(f"{PATH}/{user}/link")).text


async def test_an_admin_ends_the_sessions_of_somebody_of_theirs(console: Console) -> None:
    admin, viewer = console[Role.ADMIN], console[Role.VIEWER]
    ended = (await living_sessions(viewer.user))[0]["id"]
    answer = await admin.post(f"{PATH}/{viewer.user}/do/end-sessions")
    assert "signed out everywhere" in text_of(await admin.get(answer.headers["location"]))
    assert (await viewer.get("/invoices")).status_code == 303
    wanted = "select actor from tollbridge.audit_log where action = 'console_session.end' and object = $1"
    assert await sql.value(wanted, ended) == admin.user


async def test_whom_whoever_runs_the_gateway_has_disabled_no_admin_enables(console: Console) -> None:
    admin, viewer = console[Role.ADMIN], console[Role.VIEWER]
    await users.disable(Author(BY), viewer.user)
    page = await admin.get(PATH)
    assert (f"{viewer.user}/do/enable" in page.text, "has disabled them" in text_of(page)) == (False, True)
    refused = await admin.post(f"{PATH}/{viewer.user}/do/enable")
    assert (refused.status_code, "Whoever runs the gateway can enable them" in text_of(refused)) == (403, True)
    await users.enable(Author(BY), viewer.user)
    await admin.post(f"{PATH}/{viewer.user}/do/disable")
    assert f"{viewer.user}/do/enable" in (await admin.get(PATH)).text


async def test_a_password_by_a_link_of_another_accounts_admin_is_told_with_who_can_help(console: Console) -> None:
    user = await _elsewhere(console, proven=False)
    link = await users.invite(Author(BY), user, console.api.theirs.id)
    await users.accept(link.secret, "made up words for a test")
    answer = await _invite(console[Role.ADMIN], "bo@example.com")
    assert (answer.status_code, "whoever runs the gateway (`tollbridge users add`)" in text_of(answer)) == (403, True)
    assert await _roles("bo@example.com") == {"theirs": Role.VIEWER}


async def test_somebody_of_another_account_is_not_to_be_found(console: Console) -> None:
    user = await _elsewhere(console)
    for what in ("role", "remove", "link", "do/disable", "do/enable", "do/reset-second-factor", "do/end-sessions"):
        answer = await console[Role.ADMIN].post(f"{PATH}/{user}/{what}", {"role": "viewer"} if what == "role" else {})
        assert answer.status_code == 404, what
    assert await _roles("bo@example.com") == {"theirs": Role.VIEWER}


async def test_nobody_changes_how_they_themselves_sign_in(console: Console) -> None:
    admin = console[Role.ADMIN]
    for what in ("link", "do/disable", "do/reset-second-factor", "do/end-sessions"):
        assert (await admin.post(f"{PATH}/{admin.user}/{what}")).status_code == 403, what
    assert (await admin.get(PATH)).status_code == 200


@pytest.mark.parametrize(("what", "fields"), [("role", {"role": "viewer"}), ("remove", {})])
async def test_the_last_admin_stays(console: Console, what: str, fields: dict[str, str]) -> None:
    admin = console[Role.ADMIN]
    other = await somebody(console.api, "other@example.com", {console.api.ours.id: Role.ADMIN})
    # Who was invited and never came does not count.
    refused = await admin.post(f"{PATH}/{admin.user}/{what}", fields)
    assert (refused.status_code, "last admin" in text_of(refused)) == (400, True)
    await sql.rows(PROVEN, other.user)
    assert (await admin.post(f"{PATH}/{admin.user}/{what}", fields)).status_code == 303
    assert (await other.post(f"{PATH}/{other.user}/{what}", fields)).status_code == 400


async def test_of_two_who_take_each_others_role_one_stays(console: Console) -> None:
    one = console[Role.ADMIN]
    other = await somebody(console.api, "other@example.com", {console.api.ours.id: Role.ADMIN})
    answers = await asyncio.gather(one.post(f"{PATH}/{other.user}/remove"), other.post(f"{PATH}/{one.user}/remove"))
    assert 303 in {answer.status_code for answer in answers}
    admins = "select count(*) from tollbridge.console_role where account = $1 and role = 'admin'"
    assert await sql.value(admins, console.api.ours.id) == 1


async def test_who_was_an_admin_a_moment_ago_gives_no_role(console: Console) -> None:
    # A request that has come in before the role was taken, and goes on after it.
    acting = Acting(console[Role.FINANCE].user, console.api.ours.id)
    with pytest.raises(NotYoursError):
        await administering.enlist(Author(BY), acting, "bo@example.com", "Bo", Role.ADMIN, by_link=True)
    with pytest.raises(NotYoursError):
        await administering.change_role(Author(BY), acting, acting.user, Role.ADMIN)


async def test_another_admin_may_be_taken_down(console: Console) -> None:
    other = await somebody(console.api, "other@example.com", {console.api.ours.id: Role.ADMIN})
    assert (await console[Role.ADMIN].post(f"{PATH}/{other.user}/role", {"role": "viewer"})).status_code == 303
    assert (await other.get(PATH)).status_code == 403


async def test_a_role_less_cannot_give_roles(console: Console) -> None:
    finance = console[Role.FINANCE]
    assert (await _invite(finance, "bo@example.com")).status_code == 403
    assert (await finance.post(f"{PATH}/{finance.user}/role", {"role": "admin"})).status_code == 403
    assert (await users.by_id(finance.user)).roles == {"ours": Role.FINANCE}


async def test_a_second_role_in_the_same_account_is_refused_at_the_field(console: Console) -> None:
    answer = await _invite(console[Role.ADMIN], "viewer@example.com", "admin")
    assert answer.status_code == 400
    assert re.search(r'id="email-wrong">Has a role here already', answer.text)
    assert await _roles("viewer@example.com") == {"ours": Role.VIEWER}
