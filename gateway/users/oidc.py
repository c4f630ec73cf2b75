"""Signing in through an issuer of identities: OpenID Connect's authorization code flow, with PKCE.

What is to come back is kept by the browser that went there, in a cookie that only we can read: so a code that somebody
else obtained signs nobody in here (state), nor does an ID token of another sign-in (nonce), and a code that was seen on
its way is worth nothing without its verifier.

A user is known by issuer and subject. The first time it is found by a mail address that the issuer vouches for, among
those who have no subject yet, and what opened a session as this user before opens none any more. Nobody becomes a user
by signing in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from typing import Final
from urllib.parse import urlencode

import asyncpg
import msgspec
import structlog

from db import sql
from db.encryption import EncryptionError, Keyring
from db.engine import DB
from gateway.accounts.audit import SET, Author
from gateway.runtime import Runtime
from gateway.users import throttle
from gateway.users.errors import IdentityError, IssuerAwayError
from gateway.users.id_token import Identity
from gateway.users.issuer import Issuer
from gateway.users.sessions import Manner, Opened, end_sessions
from gateway.users.sign_in import From, enter
from processors.transport import safe_code
from processors.values import Unprinted

log = structlog.get_logger()

PENDING_S: Final = 600
"""From the sign-in page to the issuer's and back."""
SCOPE: Final = "openid email"
LONGEST_CODE: Final = 4_096

KNOWN: Final = """
    select id, disabled_at is not null as disabled from tollbridge.console_user
    where oidc_issuer = $1 and oidc_subject = $2
"""
# Somebody has proven to be this user: a password from before was chosen by a link that somebody else had as well, and
# such a link that is still open would choose another.
FIRST: Final = """
    with before as (
        select id, password <> '' as has_password, totp_secret is not null as has_code from tollbridge.console_user
        where email = $3 and oidc_subject = '' and disabled_at is null for update)
    update tollbridge.console_user u
    set oidc_issuer = $1, oidc_subject = $2, password = '', password_from = '', totp_secret = null, totp_step = 0,
        codes_wrong = 0, invitation_hash = null, invited_until = null, invited_from = ''
    from before where u.id = before.id returning u.id, before.has_password, before.has_code
"""


class Begun(Unprinted, frozen=True):
    """Where the browser goes, and what it keeps meanwhile."""

    address: str
    cookie: str


class Back(Unprinted, frozen=True):
    """What the issuer sends the browser back with."""

    code: str = ""
    state: str = ""
    error: str = ""
    iss: str = ""


class Entered(Unprinted, frozen=True):
    """Signed in, and which page was wanted."""

    opened: Opened
    wanted: str


class _Pending(Unprinted, frozen=True):
    state: str
    nonce: str
    verifier: str
    wanted: str
    until: int


async def begin(runtime: Runtime, issuer: Issuer, redirect_uri: str, wanted: str) -> Begun:
    """A sign-in that begins in this browser. Raises IssuerAwayError."""
    try:
        metadata = await issuer.metadata()
    except IssuerAwayError as error:
        log.warning("issuer_away", reason=error.reason)
        raise
    until = int(time.time()) + PENDING_S
    pending = _Pending(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), wanted, until)
    challenge = hashlib.sha256(pending.verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": runtime.settings.oidc_client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPE,
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    mark = "&" if "?" in metadata.authorization_endpoint else "?"
    return Begun(f"{metadata.authorization_endpoint}{mark}{urlencode(asked)}", _sealed(runtime.keyring, pending))


async def finish(runtime: Runtime, issuer: Issuer, redirect_uri: str, cookie: str, back: Back, place: From) -> Entered:
    """A session for whom the issuer vouches. Raises IdentityError, IssuerAwayError, ThrottledError."""
    await throttle.count_from(place.address)
    try:
        pending = _opened(runtime.keyring, cookie)
        await _refuse_foreign(issuer, pending, back)
        tokens = await issuer.redeem(back.code, pending.verifier, redirect_uri)
        identity = await issuer.identity(tokens, pending.nonce, int(time.time()))
        user = await _user(identity)
    except (IdentityError, IssuerAwayError) as error:
        log.warning("sign_in_refused", manner=Manner.OIDC, reason=error.reason, address=place.address)
        raise
    return Entered(await enter(runtime, user, Manner.OIDC, place), pending.wanted)


async def _refuse_foreign(issuer: Issuer, pending: _Pending, back: Back) -> None:
    """Raises IdentityError for what does not belong to the sign-in that began in this browser."""
    if not hmac.compare_digest(back.state.encode(), pending.state.encode()):
        raise IdentityError("the state is of another sign-in")
    if back.error:
        raise IdentityError(f"the issuer refused: {safe_code(back.error)}")
    if not 0 < len(back.code) <= LONGEST_CODE:
        raise IdentityError("no code came back")
    # RFC 9207: told where an issuer tells it.
    if back.iss and back.iss != (await issuer.metadata()).issuer:
        raise IdentityError("the answer is another issuer's")


async def _user(identity: Identity) -> str:
    """The user of an identity; raises IdentityError."""
    row = await sql.row(KNOWN, identity.issuer, identity.subject)
    if row is not None:
        if row["disabled"]:
            raise IdentityError("the user is disabled")
        return str(row["id"])
    if not identity.email:
        raise IdentityError("the subject is not known, and the issuer vouches for no mail address")
    try:
        async with DB.transaction():
            row = await sql.row(FIRST, identity.issuer, identity.subject, identity.email)
            if row is None:
                raise IdentityError("nobody who could sign in so has this mail address")
            await end_sessions(row["id"])
            await _identified(identity, row)
    except asyncpg.UniqueViolationError:
        raise IdentityError("the subject became another user's at this moment") from None
    return str(row["id"])


async def _identified(identity: Identity, row: asyncpg.Record) -> None:
    gone = {name: SET for name, had in (("password", row["has_password"]), ("totp", row["has_code"])) if had}
    after = {"oidc_issuer": identity.issuer, "oidc_subject": identity.subject, **dict.fromkeys(gone)}
    await Author(row["id"]).note(None, "console_user.identified", row["id"], before=gone or None, after=after)


def _sealed(keyring: Keyring, pending: _Pending) -> str:
    sealed = keyring.encrypt(msgspec.json.encode(pending), table="console_user", column="oidc", row="pending")
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _opened(keyring: Keyring, cookie: str) -> _Pending:
    try:
        sealed = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
        plain = keyring.decrypt(sealed, table="console_user", column="oidc", row="pending")
        pending = msgspec.json.decode(plain, type=_Pending)
    except (EncryptionError, binascii.Error, ValueError, msgspec.DecodeError):
        raise IdentityError("no sign-in began in this browser") from None
    if pending.until < time.time():
        raise IdentityError("the sign-in took too long")
    return pending
