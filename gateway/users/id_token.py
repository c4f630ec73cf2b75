"""What an issuer's ID token proves, or that it proves nothing (OpenID Connect Core 1.0, 3.1.3.7). Pure.

Signed with the issuer's own key by an algorithm of two keys: `none` and those of a shared secret are not on the list,
so that a public key can't be taken for a secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from processors.values import Unprinted

ALGORITHMS: Final = tuple(f"{family}{size}" for family in ("RS", "PS", "ES") for size in (256, 384, 512))
LEEWAY_S: Final = 60
"""So far apart may the issuer's clock and ours be."""
LONGEST: Final = 255
"""Of a subject (Core 1.0, 2)."""


class IdTokenError(Exception):
    """It proves nothing; the message names no value of it."""


class UnknownKeyError(IdTokenError):
    """It is signed with a key that we have not seen: the issuer may have rolled its keys."""


class Expected(Unprinted, frozen=True):
    """Whose token, for whom, and of which sign-in."""

    issuer: str
    client_id: str
    nonce: str


class Identity(Unprinted, frozen=True):
    """Who the issuer says somebody is. `email` is empty where it does not vouch for one."""

    issuer: str
    subject: str
    email: str = ""


def read_keys(document: bytes) -> KeySet:
    """The issuer's keys; raises IdTokenError."""
    try:
        return KeySet.import_key_set(msgspec.json.decode(document))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise IdTokenError(f"the issuer's keys can't be read ({type(error).__name__})") from None


def identity_of(token: str, keys: KeySet, expected: Expected, now: int) -> Identity:
    """Whom a token is about; raises IdTokenError, and of that UnknownKeyError."""
    claims = _claims(token, keys)
    registry = jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True},
    )
    try:
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise IdTokenError(f"a claim does not hold: {error}"[:200]) from None
    _refuse_others(claims, expected)
    return Identity(expected.issuer, claims["sub"], verified_mail(claims))


def verified_mail(claims: Mapping[str, Any]) -> str:
    """The mail address that the issuer vouches for: only a plain true counts.

    One of other letters than ASCII's is taken as it stands: in lower case some of them become ASCII's, and so somebody
    else's address.
    """
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True or not email.isprintable():
        return ""
    return email.strip().lower() if email.isascii() else email.strip()


def _claims(token: str, keys: KeySet) -> dict[str, Any]:
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except InvalidKeyIdError:
        raise UnknownKeyError("it is signed with a key that the issuer does not show") from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise IdTokenError(f"it can't be verified ({type(error).__name__})") from None


def _refuse_others(claims: Mapping[str, Any], expected: Expected) -> None:
    """What the registry leaves open: for whom among several it was issued, and that this sign-in asked for it."""
    audience, party = claims["aud"], claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise IdTokenError("it is for several, and does not say who asked for it")
    if party is not None and party != expected.client_id:
        raise IdTokenError("another one asked for it")
    nonce = claims["nonce"] if isinstance(claims["nonce"], str) else ""
    if not nonce.isascii() or not hmac.compare_digest(nonce, expected.nonce):
        raise IdTokenError("it was issued for another sign-in")
    if not 0 < len(claims["sub"]) <= LONGEST or not claims["sub"].isprintable():
        raise IdTokenError("its subject is empty, too long, or holds what can't be kept")
