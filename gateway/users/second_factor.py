"""The second factor: time-based codes (RFC 6238), six digits, thirty seconds, each used once."""

from __future__ import annotations

import hmac
from typing import Final

import pyotp

from db import sql
from db.encryption import Keyring
from db.engine import DB
from gateway.accounts.audit import SET, Author

ISSUER: Final = "Tollbridge"
STEP_S: Final = 30
DRIFT: Final = (0, -1, 1)
"""Steps that a phone's clock may be off, the likeliest first."""

KEEP: Final = """
    update tollbridge.console_user set totp_secret = $2, totp_step = 0 where id = $1 and not totp_confirmed
"""
FACTOR: Final = """
    select totp_secret, totp_confirmed, totp_step, extract(epoch from clock_timestamp())::float8 as now
    from tollbridge.console_user where id = $1
"""
# Of two equal codes at the same time one counts (RFC 6238, 5.2).
USE: Final = """
    update tollbridge.console_user set totp_step = $2 where id = $1 and totp_step < $2 and totp_secret = $3 returning id
"""
CONFIRM: Final = """
    update tollbridge.console_user set totp_confirmed = true where id = $1 and not totp_confirmed returning id
"""
RESET: Final = """
    update tollbridge.console_user set totp_secret = null, totp_confirmed = false, totp_step = 0
    where id = $1 returning id
"""


async def secret_to_enrol(keyring: Keyring, user: str) -> str:
    """The secret that is to be confirmed by a first code: the one begun with, else a new one; empty for a user who
    has confirmed one."""
    async with DB.transaction():
        row = await sql.row(f"{FACTOR} for update", user)
        if row is None or row["totp_confirmed"]:
            return ""
        if row["totp_secret"] is not None:
            return _open(keyring, user, row["totp_secret"])
        secret = pyotp.random_base32()
        await sql.rows(KEEP, user, keyring.encrypt(secret.encode(), **_place(user)))
        return secret


def address_of(secret: str, email: str) -> str:
    """What a phone reads from a picture: otpauth://totp/…"""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


async def use_code(keyring: Keyring, user: str, code: str) -> bool:
    """Whether the code is right, now, and was not used before. A first right one confirms the secret."""
    row = await sql.row(FACTOR, user)
    digits = "".join(code.split())
    if row is None or row["totp_secret"] is None or not digits.isascii() or len(digits) != 6:
        return False
    totp, now = pyotp.TOTP(_open(keyring, user, row["totp_secret"])), int(row["now"] // STEP_S)
    for step in (now + drift for drift in DRIFT):
        if hmac.compare_digest(totp.generate_otp(step), digits):
            return await _used(user, step, row["totp_secret"])
    return False


async def _used(user: str, step: int, sealed: bytes) -> bool:
    async with DB.transaction():
        if not await sql.value(USE, user, step, sealed):
            return False
        if await sql.value(CONFIRM, user):
            await Author(user).note(None, "console_user.second_factor", user, after={"totp": SET})
    return True


async def reset(by: Author, user: str) -> None:
    """Forget it, in the caller's transaction: another one can be set up. For a phone that was lost."""
    if await sql.value(RESET, user):
        await by.note(None, "console_user.second_factor_reset", user, before={"totp": SET}, after={"totp": None})


def _open(keyring: Keyring, user: str, sealed: bytes) -> str:
    return keyring.decrypt(sealed, **_place(user)).decode()


def _place(user: str) -> dict[str, str]:
    return {"table": "console_user", "column": "totp_secret", "row": user}
