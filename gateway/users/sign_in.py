"""Signing in with a password, and then with a code. What is wrong is never said, and each try counts before it is
looked at.

With `TOLLBRIDGE_CONSOLE_SECOND_FACTOR=required`, which is the default, somebody without one is led to set one up
before anything else opens.
"""

from __future__ import annotations

from typing import Final

import structlog

from db import sql
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.runtime import Runtime
from gateway.users import throttle
from gateway.users.errors import PasswordsOffError, WrongError
from gateway.users.passwords import matches
from gateway.users.second_factor import use_code
from gateway.users.sessions import Manner, Opened, Session, Stage, advance_session, open_session
from processors.values import Unprinted

log = structlog.get_logger()

WRONG: Final = "The mail address or the password is wrong."
WRONG_CODE: Final = "The code is wrong, or was used already. A new one comes every 30 seconds."

USER: Final = """
    select id, password from tollbridge.console_user where email = $1 and disabled_at is null
"""
# Nobody changes it before the session is there: whoever does so after that ends it.
STILL: Final = """
    select totp_secret is not null as has_code from tollbridge.console_user
    where id = $1 and password = $2 and disabled_at is null for share
"""


class From(Unprinted, frozen=True):
    """Where somebody signs in: their browser, and the address that it calls from."""

    address: str = ""
    agent: str = ""


async def with_password(runtime: Runtime, email: str, password: str, place: From) -> Opened:
    """A session, mostly one that lacks a code yet. Raises WrongError, ThrottledError, PasswordsOffError."""
    if runtime.settings.oidc_only:
        raise PasswordsOffError
    email = email.strip().lower()
    await throttle.count_try(email, place.address)
    row = await sql.row(USER, email)
    if not await matches(row["password"] if row else "", password) or row is None:
        raise _wrong(place)
    async with DB.transaction():
        # Hashing takes its time, and longer where many stand in line.
        still = await sql.row(STILL, row["id"], row["password"])
        if still is None:
            raise _wrong(place)
        opened = await enter(runtime, row["id"], Manner.PASSWORD, place, has_code=still["has_code"])
    await throttle.forgive(email, place.address)
    return opened


def _wrong(place: From) -> WrongError:
    log.warning("sign_in_refused", address=place.address)
    return WrongError(WRONG)


async def enter(runtime: Runtime, user: str, manner: Manner, place: From, *, has_code: bool = False) -> Opened:
    """A session for somebody who has proven to be this user, at the stage where they are now."""
    stage = _stage(runtime, manner, has_code=has_code)
    opened = await open_session(user, stage, manner, agent=place.agent, address=place.address)
    if stage is Stage.COMPLETE:
        await note_signing_in(user, opened.id, manner)
    return opened


def _stage(runtime: Runtime, manner: Manner, *, has_code: bool) -> Stage:
    """An issuer of identities has asked for its own second factor."""
    if manner is Manner.OIDC:
        return Stage.COMPLETE
    if has_code:
        return Stage.CODE
    required = runtime.settings.console_second_factor == "required"
    return Stage.ENROL if required else Stage.COMPLETE


async def with_code(runtime: Runtime, session: Session, code: str, place: From) -> Opened:
    """The session, complete. Raises WrongError, CodesSpentError, ThrottledError."""
    await _heed(runtime, session, code, place)
    opened = await advance_session(session, Stage.COMPLETE)
    if opened is None:
        raise WrongError(WRONG_CODE)
    await note_signing_in(session.user, session.id, session.manner)
    return opened


async def set_factor_up(runtime: Runtime, session: Session, code: str, place: From) -> None:
    """The first code of somebody who is signed in: from now on one is asked for. Raises WrongError, ThrottledError."""
    await _heed(runtime, session, code, place)


async def _heed(runtime: Runtime, session: Session, code: str, place: From) -> None:
    await throttle.count_try(session.user, place.address)
    if not await use_code(runtime.keyring, session, code):
        log.warning("sign_in_code_refused", user=session.user, address=place.address)
        raise WrongError(WRONG_CODE)
    await throttle.forgive(session.user, place.address)


async def note_signing_in(user: str, session: str, manner: Manner) -> None:
    """Signing in changes nothing, and is in the audit log all the same: of what was done then one wants to know."""
    async with DB.transaction():
        await Author(user).note(None, "console_session.open", session, after={"manner": manner})
