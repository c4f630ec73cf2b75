"""Ways in that are open: passwords that somebody else chose or has replaced, admins of other accounts, addresses
without end."""

from __future__ import annotations

import time
from contextlib import suppress

import pyotp
import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.readers.audit import Wanted, find_entries
from gateway.users import oidc, second_factor, sign_in, staff, throttle, users
from gateway.users.errors import NotYoursError, ThrottledError, WrongError
from gateway.users.id_token import Identity
from gateway.users.sessions import Manner, Stage, find_session, open_session
from gateway.users.sign_in import From
from gateway.users.staff import Acting
from tests.api.conftest import Api

BY = Author("test")
PASSWORD = "made up words for a test"
ANOTHER = "other made up words"
PLACE = From("192.0.2.1", "made up")


async def _user(email: str, roles: dict[str, Role], password: str = "") -> str:
    user = await users.add(BY, email, email.partition("@")[0])
    for account, role in roles.items():
        await users.give_role(BY, user.id, account, role)
    if password:
        await users.set_password(BY, user.id, password)
    return user.id


async def _admin(api: Api, email: str, *accounts: str) -> tuple[Author, Acting]:
    """Somebody who administers these accounts (ids), at work in the first of them."""
    user = await _user(email, dict.fromkeys(accounts, Role.ADMIN), ANOTHER)
    names = {api.ours.id: "ours", api.theirs.id: "theirs"}
    return Author(user), Acting(user, accounts[0], frozenset(names[one] for one in accounts))


async def test_a_password_that_was_changed_while_it_was_looked_at_opens_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing takes its time, and longer where many stand in line: whoever changes the password ends sessions that
    there are, and not the one that is about to begin by the old one."""
    user = await _user("ada@example.com", {api.ours.id: Role.FINANCE}, PASSWORD)

    async def slowly(_kept: str, _password: str) -> bool:
        await users.set_password(BY, user, ANOTHER)
        return True

    monkeypatch.setattr(sign_in, "matches", slowly)
    with pytest.raises(WrongError):
        await sign_in.with_password(api.runtime, "ada@example.com", PASSWORD, PLACE)
    assert await sql.rows("select id from tollbridge.console_session where ended_at is null") == []


@pytest.mark.usefixtures("database")
async def test_one_host_is_one_address_however_many_it_has() -> None:
    """A host has 2^64 addresses of IPv6 at least (RFC 6177): each a new one, it would be throttled by none."""
    for n in range(throttle.BY_ADDRESS):
        await throttle.count_try(f"user{n}@example.com", f"2001:db8:1:2::{n:x}")
    with pytest.raises(ThrottledError):
        await throttle.count_try("ada@example.com", "2001:db8:1:2:ffff::1")


@pytest.mark.usefixtures("database")
async def test_one_host_shuts_nobody_out_however_many_addresses_it_has() -> None:
    for n in range(throttle.BY_MAIL + 1):
        with suppress(ThrottledError):
            await throttle.count_try("ada@example.com", f"2001:db8:1:2::{n:x}")
    await throttle.count_try("ada@example.com", "198.51.100.1")


async def test_who_was_an_admin_elsewhere_a_moment_ago_lets_nobody_in_there(api: Api) -> None:
    """As in the account itself (`NO_ADMIN`): a request that came in before the other account's role was taken."""
    bo = await _user("bo@example.com", {api.ours.id: Role.VIEWER, api.theirs.id: Role.FINANCE}, PASSWORD)
    by, acting = await _admin(api, "eve@example.com", api.ours.id, api.theirs.id)
    await users.take_role(BY, acting.user, api.theirs.id)
    with pytest.raises(NotYoursError):
        await staff.new_link(by, acting, bo)
    with pytest.raises(NotYoursError):
        await staff.act(by, acting, bo, "reset-second-factor")


async def test_a_link_that_another_accounts_admin_has_used_leads_nobody_in_here(api: Api) -> None:
    """An open link of another account's admin is no proof of who somebody is (`UNPROVEN`). That admin had it, so that
    it is none after it was used either."""
    eve, in_theirs = await _admin(api, "eve@example.com", api.theirs.id)
    _, link = await staff.enlist(eve, in_theirs, "bo@example.com", "Bo", Role.VIEWER)
    assert link is not None
    await users.accept(link.secret, "words that eve has made up")

    ada, in_ours = await _admin(api, "ada@example.com", api.ours.id)
    with suppress(NotYoursError):
        await staff.enlist(ada, in_ours, "bo@example.com", "Bo", Role.FINANCE)
    opened = await sign_in.with_password(api.runtime, "bo@example.com", "words that eve has made up", PLACE)
    session = await find_session(opened.token)
    assert session is not None
    assert [seat.name for seat in session.seats] == ["theirs"]


async def test_a_password_from_before_is_over_with_the_first_sign_in_through_the_issuer(api: Api) -> None:
    """An open link is void then, since "somebody has proven to be this user": so is what was chosen by it."""
    eve, in_theirs = await _admin(api, "eve@example.com", api.theirs.id)
    _, link = await staff.enlist(eve, in_theirs, "bo@example.com", "Bo", Role.VIEWER)
    assert link is not None
    await users.accept(link.secret, "words that eve has made up")
    kept = await open_session((await users.by_email("bo@example.com")).id, Stage.COMPLETE, Manner.PASSWORD)

    await oidc._user(Identity("https://issuer.example", "subject-of-bo", "bo@example.com"))

    with pytest.raises(WrongError):
        await sign_in.with_password(api.runtime, "bo@example.com", "words that eve has made up", PLACE)
    assert await find_session(kept.token) is None


async def test_why_somebody_gets_a_role_here_is_not_told_in_another_account(api: Api) -> None:
    bo = await _user("bo@example.com", {api.theirs.id: Role.VIEWER}, PASSWORD)
    await users.invite(BY, bo)
    ada, in_ours = await _admin(api, "ada@example.com", api.ours.id)
    ada.reason = "he leaves them for us"
    await staff.enlist(ada, in_ours, "bo@example.com", "Bo", Role.FINANCE)
    seen = (await find_entries(api.theirs.id, Wanted(), limit=100)).data
    assert [one.action for one in seen if one.reason == ada.reason or one.actor == ada.name] == []


async def test_codes_are_not_guessed_for_ever(api: Api) -> None:
    """Whoever knows the password has 40 guesses in each quarter of an hour, and three codes in a million are right: in
    a month almost every third thief is in. NIST SP 800-63B-4, 3.2.2: at most 100 wrong ones in a row."""
    user = await _user("ada@example.com", {api.ours.id: Role.FINANCE}, PASSWORD)
    secret = await second_factor.secret_to_enrol(api.runtime.keyring, user)
    assert await second_factor.use_code(api.runtime.keyring, user, pyotp.TOTP(secret).at(int(time.time()) - 30))
    opened = await sign_in.with_password(api.runtime, "ada@example.com", PASSWORD, PLACE)
    session = await find_session(opened.token)
    assert session is not None
    for _ in range(101):
        await sql.rows("delete from tollbridge.console_throttle")  # another quarter of an hour
        with suppress(WrongError, ThrottledError):
            await sign_in.with_code(api.runtime, session, "000000", PLACE)
    await sql.rows("delete from tollbridge.console_throttle")
    with pytest.raises((WrongError, ThrottledError)):
        await sign_in.with_code(api.runtime, session, pyotp.TOTP(secret).now(), PLACE)
