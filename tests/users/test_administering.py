"""What an admin of one account may do to users, and how far that reaches into others."""

from __future__ import annotations

import pytest

from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.readers.audit import Wanted, find_entries
from gateway.users import administering, sign_in, users
from gateway.users.administering import Acting
from gateway.users.errors import InvitationError, NotYoursError
from gateway.users.sessions import find_session
from tests.api.conftest import Api
from tests.users.conftest import ANOTHER, BY, PASSWORD, PLACE, somebody

EVES = "words that eve has made up"


async def _admin(email: str, *accounts: str) -> tuple[Author, Acting]:
    """Somebody who administers these accounts (ids), at work in the first of them."""
    user = await somebody(email, dict.fromkeys(accounts, Role.ADMIN), ANOTHER)
    return Author(user), Acting(user, accounts[0])


async def _link(admin: tuple[Author, Acting]) -> str:
    """Bo has a role in the account of this admin, who keeps the link to themselves."""
    _, link = await administering.enlist(*admin, "bo@example.com", "Bo", Role.VIEWER, by_link=True)
    assert link is not None
    return link.secret


async def _bo() -> str:
    return (await users.by_email("bo@example.com")).id


async def test_who_was_an_admin_elsewhere_a_moment_ago_lets_nobody_in_there(api: Api) -> None:
    """As in the account itself (`NO_ADMIN`): a request that came in before the other account's role was taken."""
    bo = await somebody("bo@example.com", {api.ours.id: Role.VIEWER, api.theirs.id: Role.FINANCE}, PASSWORD)
    by, acting = await _admin("eve@example.com", api.ours.id, api.theirs.id)
    await users.take_role(BY, acting.user, api.theirs.id)
    with pytest.raises(NotYoursError):
        await administering.new_link(by, acting, bo, by_link=True)
    with pytest.raises(NotYoursError):
        await administering.act(by, acting, bo, "reset-second-factor")


@pytest.mark.parametrize("stays_there", [True, False])
async def test_a_link_that_another_accounts_admin_has_used_leads_nobody_in_here(api: Api, stays_there: bool) -> None:
    """An open link of another account's admin is no proof of who somebody is (`UNPROVEN`). That admin had it, so that
    it is none after it was used either."""
    eve = await _admin("eve@example.com", api.theirs.id)
    await users.accept(await _link(eve), EVES)
    if not stays_there:
        await administering.remove(*eve, await _bo())

    ada = await _admin("ada@example.com", api.ours.id)
    with pytest.raises(NotYoursError, match="tollbridge users add"):
        await administering.enlist(*ada, "bo@example.com", "Bo", Role.FINANCE, by_link=True)
    opened = await sign_in.with_password(api.runtime, "bo@example.com", EVES, PLACE)
    session = await find_session(opened.token)
    assert session is not None
    assert [seat.name for seat in session.seats] == (["theirs"] if stays_there else [])


async def test_nor_does_it_lead_to_more_where_whoever_runs_the_gateway_gave_a_role(api: Api) -> None:
    await users.accept(await _link(await _admin("eve@example.com", api.theirs.id)), EVES)
    await users.give_role(BY, await _bo(), api.ours.id, Role.SUPPORT)
    ada = await _admin("ada@example.com", api.ours.id)
    with pytest.raises(NotYoursError):
        await administering.change_role(*ada, await _bo(), Role.ADMIN)
    await administering.change_role(*ada, await _bo(), Role.VIEWER)
    assert (await users.by_id(await _bo())).roles == {"ours": Role.VIEWER, "theirs": Role.VIEWER}


async def test_an_admin_of_both_accounts_may_and_so_may_one_where_another_password_was_given(api: Api) -> None:
    await users.accept(await _link(await _admin("eve@example.com", api.theirs.id)), EVES)
    both = await _admin("both@example.com", api.ours.id, api.theirs.id)
    await administering.enlist(*both, "bo@example.com", "Bo", Role.VIEWER, by_link=True)
    await administering.remove(*both, await _bo())
    await users.set_password(BY, await _bo(), PASSWORD)
    ada = await _admin("ada@example.com", api.ours.id)
    await administering.enlist(*ada, "bo@example.com", "Bo", Role.FINANCE, by_link=True)
    assert (await users.by_id(await _bo())).roles == {"ours": Role.FINANCE, "theirs": Role.VIEWER}


async def test_an_open_link_of_another_accounts_admin_is_void_with_a_role_here_whoever_gives_it(api: Api) -> None:
    eve = await _admin("eve@example.com", api.theirs.id)
    bo = await somebody("bo@example.com", {api.theirs.id: Role.VIEWER}, PASSWORD)
    ada = await _admin("ada@example.com", api.ours.id)
    for given_by_admin in (True, False):
        link = await administering.new_link(*eve, bo, by_link=True)
        await administering.remove(*eve, bo)
        if given_by_admin:
            await administering.enlist(*ada, "bo@example.com", "Bo", Role.FINANCE, by_link=True)
        else:
            await users.give_role(BY, bo, api.ours.id, Role.FINANCE)
        with pytest.raises(InvitationError):
            await users.accept(link.secret, EVES)
        await users.take_role(BY, bo, api.ours.id)
        await users.give_role(BY, bo, api.theirs.id, Role.VIEWER)


async def test_why_somebody_gets_a_role_here_is_not_told_in_another_account(api: Api) -> None:
    bo = await somebody("bo@example.com", {api.theirs.id: Role.VIEWER}, PASSWORD)
    await users.invite(BY, bo)
    ada, in_ours = await _admin("ada@example.com", api.ours.id)
    ada.reason = "he leaves them for us"
    await administering.enlist(ada, in_ours, "bo@example.com", "Bo", Role.FINANCE, by_link=True)
    seen = (await find_entries(api.theirs.id, Wanted(), limit=100)).data
    assert [one.action for one in seen if one.reason == ada.reason or one.actor == ada.name] == []
    assert [one.who for one in seen if one.action == "console_user.invitation_void"] == ["tollbridge"]


@pytest.mark.parametrize("first_an_admin", [True, False])
async def test_whom_whoever_runs_the_gateway_has_disabled_no_admin_enables(api: Api, first_an_admin: bool) -> None:
    bo = await somebody("bo@example.com", {api.ours.id: Role.VIEWER}, PASSWORD)
    ada = await _admin("ada@example.com", api.ours.id)
    if first_an_admin:
        await administering.act(*ada, bo, "disable")
    await users.disable(BY, bo)
    with pytest.raises(NotYoursError, match="Whoever runs the gateway can enable them"):
        await administering.act(*ada, bo, "enable")
    assert (await users.by_id(bo)).disabled_at is not None
    await users.enable(BY, bo)
    await administering.act(*ada, bo, "disable")
    await administering.act(*ada, bo, "enable")
    assert (await users.by_id(bo)).disabled_at is None
