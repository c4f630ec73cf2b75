"""One's own password, changed by whoever is signed in and knows it."""

from __future__ import annotations

from typing import Final

import structlog

from db import sql
from db.engine import DB
from gateway.accounts.audit import SET, Author
from gateway.runtime import Runtime
from gateway.users import throttle, users
from gateway.users.errors import PasswordsOffError, WrongError
from gateway.users.passwords import hashed, matches, refuse_weak
from gateway.users.sessions import Session
from gateway.users.sign_in import From

log = structlog.get_logger()

WRONG: Final = "That is not your present password."

KEPT: Final = "select password from tollbridge.console_user where id = $1"
# Hashing takes its time: whoever changed it meanwhile has the last word. By whose link the first was chosen stays
# known: whoever handed that out had it, and may be who changes it now.
CHANGE: Final = "update tollbridge.console_user set password = $3 where id = $1 and password = $2 returning id"


async def change_password(runtime: Runtime, session: Session, old: str, new: str, place: From) -> None:
    """From now on the new one opens, and nothing else that was open: other sessions end, a link is void. Each try
    counts before it is looked at. Raises WrongError, ThrottledError, PasswordsOffError, FieldError."""
    if runtime.settings.oidc_only:
        raise PasswordsOffError
    await throttle.count_try(session.user, place.address)
    kept = await sql.value(KEPT, session.user)
    if not await matches(kept, old):
        log.warning("password_change_refused", user=session.user, address=place.address)
        raise WrongError(WRONG)
    refuse_weak(new, session.email, session.name)
    made = await hashed(new)
    by = Author(session.user)
    async with DB.transaction():
        if not await sql.value(CHANGE, session.user, kept, made):
            raise WrongError(WRONG)
        await by.note(None, "console_user.password", session.user, after={"password": SET})
        await users.void_invitation(session.user)
        await users.sign_out(by, session.user, but=session.id)
    await throttle.forgive(session.user, place.address)
