"""What opens a session, and what no longer does: a password, a code, an issuer's word."""

from __future__ import annotations

import time

import pyotp
import pytest

from db import sql
from gateway.domain.roles import Role
from gateway.users import oidc, second_factor, sign_in, users
from gateway.users.errors import CodesSpentError, WrongError
from gateway.users.id_token import Identity
from gateway.users.sessions import Manner, Session, Stage, find_session, open_session
from tests.api.conftest import Api
from tests.users.conftest import ANOTHER, BY, PASSWORD, PLACE, somebody

SPENT = "select actor, after from tollbridge.audit_log where action = 'console_user.codes_spent'"


async def test_a_password_that_was_changed_while_it_was_looked_at_opens_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing takes its time, and longer where many stand in line: whoever changes the password ends sessions that
    there are, and not the one that is about to begin by the old one."""
    user = await somebody("ada@example.com", {api.ours.id: Role.FINANCE}, PASSWORD)

    async def slowly(_kept: str, _password: str) -> bool:
        await users.set_password(BY, user, ANOTHER)
        return True

    monkeypatch.setattr(sign_in, "matches", slowly)
    with pytest.raises(WrongError):
        await sign_in.with_password(api.runtime, "ada@example.com", PASSWORD, PLACE)
    assert await sql.rows("select id from tollbridge.console_session where ended_at is null") == []


async def test_what_opened_before_is_over_with_the_first_sign_in_through_the_issuer(api: Api) -> None:
    """Somebody has proven to be this user: the password was chosen by a link that somebody else had as well."""
    bo = await somebody("bo@example.com", {api.theirs.id: Role.VIEWER})
    await users.accept((await users.invite(BY, bo, api.theirs.id)).secret, PASSWORD)
    session, _ = await _with_second_factor(api, bo)
    kept = await open_session(bo, Stage.COMPLETE, Manner.PASSWORD)

    await oidc._user(Identity("https://issuer.example", "subject-of-bo", "bo@example.com"))

    with pytest.raises(WrongError):
        await sign_in.with_password(api.runtime, "bo@example.com", PASSWORD, PLACE)
    assert await find_session(kept.token) is None
    found = await users.by_id(bo)
    assert (found.signs_in_with, found.password_from) == ("OpenID Connect", "")
    noted = await sql.row("select * from tollbridge.audit_log where action = 'console_user.identified'")
    assert noted is not None
    assert noted["before"] == '{"totp": "(set)", "password": "(set)"}'
    again = await open_session(bo, Stage.COMPLETE, Manner.OIDC)
    await oidc._user(Identity("https://issuer.example", "subject-of-bo", "bo@example.com"))
    assert await find_session(again.token), "only the first one ends sessions"
    assert session.user == bo


async def test_codes_are_not_guessed_for_ever(api: Api) -> None:
    """Whoever knows the password has 40 guesses in each quarter of an hour, and three codes in a million are right: in
    a month almost every third thief is in. NIST SP 800-63B-4, 3.2.2: at most 100 wrong ones in a row."""
    session, secret = await _with_second_factor(api, await somebody("ada@example.com", {}, PASSWORD))
    await _guess(api, session, second_factor.MOST_WRONG)
    assert await sql.rows(SPENT) == [(session.user, '{"codes_wrong": 100}')]
    with pytest.raises(CodesSpentError):
        await sign_in.with_code(api.runtime, session, pyotp.TOTP(secret).now(), PLACE)
    assert len(await sql.rows(SPENT)) == 1


async def test_a_right_code_and_another_password_begin_the_count_anew(api: Api) -> None:
    user = await somebody("ada@example.com", {}, PASSWORD)
    session, secret = await _with_second_factor(api, user)
    await _guess(api, session, second_factor.MOST_WRONG - 1)
    assert await sign_in.with_code(api.runtime, session, pyotp.TOTP(secret).now(), PLACE)
    session = await _begun(api)
    await _guess(api, session, second_factor.MOST_WRONG)
    await users.set_password(BY, user, PASSWORD)
    session = await _begun(api)
    with pytest.raises(WrongError):
        await sign_in.with_code(api.runtime, session, "000000", PLACE)


async def test_a_second_factor_that_was_taken_away_counts_no_wrong_codes_any_more(api: Api) -> None:
    user = await somebody("ada@example.com", {}, PASSWORD)
    session, _ = await _with_second_factor(api, user)
    await _guess(api, session, second_factor.MOST_WRONG)
    await users.reset_second_factor(BY, user)
    session, secret = await _with_second_factor(api, user)
    assert await sign_in.with_code(api.runtime, session, pyotp.TOTP(secret).now(), PLACE)


async def _begun(api: Api) -> Session:
    """A session that lacks a code."""
    opened = await sign_in.with_password(api.runtime, "ada@example.com", PASSWORD, PLACE)
    session = await find_session(opened.token)
    assert session is not None
    assert session.stage is Stage.CODE
    return session


async def _with_second_factor(api: Api, user: str) -> tuple[Session, str]:
    """A session that lacks a code, of somebody who has set the second factor up in another one; and its secret."""
    first = await find_session((await open_session(user, Stage.ENROL, Manner.PASSWORD)).token)
    assert first is not None
    secret = await second_factor.secret_to_enrol(api.runtime.keyring, first)
    assert await second_factor.use_code(api.runtime.keyring, first, pyotp.TOTP(secret).at(int(time.time()) - 30))
    session = await find_session((await open_session(user, Stage.CODE, Manner.PASSWORD)).token)
    assert session is not None
    return session, secret


async def _guess(api: Api, session: Session, times: int) -> None:
    for _ in range(times):
        await sql.rows("delete from tollbridge.console_throttle")  # another quarter of an hour
        with pytest.raises(WrongError):
            await sign_in.with_code(api.runtime, session, "000000", PLACE)
    await sql.rows("delete from tollbridge.console_throttle")
