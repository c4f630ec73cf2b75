"""The second factor: time-based codes (RFC 6238), six digits, thirty seconds, each used once.

A secret is the session's in which it is shown, until a first code has confirmed it: what somebody was shown who knew
the password, and went away, is never the owner's.

Wrong codes in a row are counted, however long that takes. From the hundredth on none is looked at, until an admin takes
the second factor away or the password is another one (NIST SP 800-63B-4, 3.2.2).
"""

from __future__ import annotations

import hmac
from typing import Final

import pyotp

from db import sql
from db.encryption import Keyring
from db.engine import DB
from gateway.accounts.audit import SET, Author
from gateway.users.errors import CodesSpentError
from gateway.users.sessions import Session

ISSUER: Final = "Tollbridge"
STEP_S: Final = 30
DRIFT: Final = (0, -1, 1)
"""Steps that a phone's clock may be off, the likeliest first."""
MOST_WRONG: Final = 100

FACTOR: Final = """
    select u.totp_secret as own, s.totp_secret as begun, extract(epoch from clock_timestamp())::float8 as now
    from tollbridge.console_session s join tollbridge.console_user u on u.id = s.console_user
    where s.id = $1 and s.ended_at is null
"""
BEGIN: Final = "update tollbridge.console_session set totp_secret = $2 where id = $1"
# Counted before it is looked at, so that codes at the same time count too.
COUNT: Final = """
    update tollbridge.console_user set codes_wrong = codes_wrong + 1 where id = $1 and codes_wrong < $2
    returning codes_wrong
"""
# Of two equal codes at the same time one counts (RFC 6238, 5.2).
USE: Final = """
    update tollbridge.console_user set totp_step = $2, codes_wrong = 0
    where id = $1 and totp_step < $2 and totp_secret = $3 returning id
"""
CONFIRM: Final = """
    update tollbridge.console_user set totp_secret = $2, totp_step = $3
    where id = $1 and totp_secret is null returning id
"""
RESET: Final = """
    update tollbridge.console_user set totp_secret = null, totp_step = 0, codes_wrong = 0 where id = $1 returning id
"""


async def secret_to_enrol(keyring: Keyring, session: Session) -> str:
    """The secret that a first code in this session is to confirm; empty for a user who has one."""
    async with DB.transaction():
        row = await sql.row(f"{FACTOR} for update of s", session.id)
        if row is None or row["own"] is not None:
            return ""
        if row["begun"] is not None:
            return keyring.decrypt(row["begun"], **_of_session(session)).decode()
        secret = pyotp.random_base32()
        await sql.rows(BEGIN, session.id, keyring.encrypt(secret.encode(), **_of_session(session)))
        return secret


def address_of(secret: str, email: str) -> str:
    """What a phone reads from a picture: otpauth://totp/…"""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


async def use_code(keyring: Keyring, session: Session, code: str) -> bool:
    """Whether the code is right, now, and was not used before; a first one confirms the secret that the session has
    shown. Raises CodesSpentError."""
    row = await sql.row(FACTOR, session.id)
    if row is None:
        return False
    if row["own"] is not None:
        secret = keyring.decrypt(row["own"], **_of_user(session)).decode()
        return await _used(session.user, row["own"], secret, code, row["now"])
    if row["begun"] is None:
        return False
    secret = keyring.decrypt(row["begun"], **_of_session(session)).decode()
    return await _confirmed(keyring, session, secret, code, row["now"])


async def _used(user: str, sealed: bytes, secret: str, code: str, now: float) -> bool:
    wrong = await sql.value(COUNT, user, MOST_WRONG)
    if wrong is None:
        raise CodesSpentError
    step = _step(secret, code, now)
    if step is not None and await sql.value(USE, user, step, sealed):
        return True
    if wrong == MOST_WRONG:
        async with DB.transaction():
            await Author(user).note(None, "console_user.codes_spent", user, after={"codes_wrong": wrong})
    return False


async def _confirmed(keyring: Keyring, session: Session, secret: str, code: str, now: float) -> bool:
    step = _step(secret, code, now)
    if step is None:
        return False
    async with DB.transaction():
        sealed = keyring.encrypt(secret.encode(), **_of_user(session))
        if not await sql.value(CONFIRM, session.user, sealed, step):
            return False
        await sql.rows(BEGIN, session.id, None)
        await Author(session.user).note(None, "console_user.second_factor", session.user, after={"totp": SET})
    return True


def _step(secret: str, code: str, now: float) -> int | None:
    """The time step whose code it is."""
    totp, digits = pyotp.TOTP(secret), "".join(code.split())
    if not digits.isascii() or len(digits) != 6:
        return None
    steps = (int(now // STEP_S) + drift for drift in DRIFT)
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), digits)), None)


async def reset(by: Author, user: str) -> None:
    """Forget it, in the caller's transaction: another one can be set up. For a phone that was lost."""
    if await sql.value(RESET, user):
        await by.note(None, "console_user.second_factor_reset", user, before={"totp": SET}, after={"totp": None})


def _of_user(session: Session) -> dict[str, str]:
    return {"table": "console_user", "column": "totp_secret", "row": session.user}


def _of_session(session: Session) -> dict[str, str]:
    return {"table": "console_session", "column": "totp_secret", "row": session.id}
