"""The issuer of identities, as this process knows it: what its discovery document says, its keys, and its answers.

Both documents are kept for an hour; keys are asked for again at once where a token is signed with one that is not among
them, but not more than once a minute (OpenID Connect Core 1.0, 10.1.1; Discovery 1.0).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import msgspec
from joserfc.jwk import KeySet

from gateway.settings import Settings
from gateway.users.errors import IdentityError, IssuerAwayError
from gateway.users.id_token import (
    Expected,
    Identity,
    IdTokenError,
    UnknownKeyError,
    identity_of,
    read_keys,
    verified_mail,
)
from processors.errors import CallError, ConfigurationError, RefusedError
from processors.transport import Answer, Transport
from processors.values import PreparedCall, Unprinted

TIMEOUT_S: Final = 10.0
KEPT_S: Final = 3_600.0
ASKED_AGAIN_S: Final = 60.0
RESTS_S: Final = 5.0
"""After an answer that was none, however many people wait at the door."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"
T = TypeVar("T")
FORM: Final = (("content-type", "application/x-www-form-urlencoded"),)


class Metadata(msgspec.Struct, frozen=True):
    """What we use of a discovery document. Without methods it is client_secret_basic (Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(Unprinted, frozen=True):
    """The answer to a code."""

    id_token: str
    access_token: str = ""


class _Error(msgspec.Struct, frozen=True):
    error: str = ""


class Issuer:
    """One per process. Raises IssuerAwayError wherever it can't be asked."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._failed: tuple[float, IssuerAwayError] | None = None

    async def metadata(self) -> Metadata:
        """Its discovery document."""
        kept, failed = self._metadata, self._failed
        if kept is not None and time.monotonic() - kept[0] < KEPT_S:
            return kept[1]
        if failed is not None and time.monotonic() - failed[0] < RESTS_S:
            raise IssuerAwayError(failed[1].reason)
        try:
            found = await self._discovered()
        except IssuerAwayError as error:
            self._failed = (time.monotonic(), error)
            raise
        self._metadata = (time.monotonic(), found)
        return found

    async def _discovered(self) -> Metadata:
        configured = self._settings.oidc_issuer.rstrip("/")
        answer = await self._asked("discovery", PreparedCall("GET", configured + WELL_KNOWN, (), b""))
        found = _decoded(answer.body, Metadata, "its discovery document can't be read")
        if found.issuer.rstrip("/") != configured:
            raise IssuerAwayError("its discovery document is another issuer's")
        return found

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """The tokens for a code; raises IdentityError where it is refused."""
        metadata = await self.metadata()
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        fields["code_verifier"] = verifier
        client_id, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret
        auth: dict[str, str] = {}
        if secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # Both are form-encoded first (RFC 6749, 2.3.1).
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
            auth["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            fields |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        call = PreparedCall("POST", metadata.token_endpoint, FORM, urlencode(fields).encode())
        try:
            answer = await self._sent("token", call, auth)
        except RefusedError as error:
            raise IdentityError(f"the code was refused: {error}") from None
        except (CallError, ConfigurationError) as error:
            raise IssuerAwayError(str(error)) from None
        return _decoded(answer.body, Tokens, "its answer to a code can't be read")

    async def identity(self, tokens: Tokens, nonce: str, now: int) -> Identity:
        """Whom it vouches for; raises IdentityError. Where the ID token tells no mail address, it is asked for."""
        metadata = await self.metadata()
        expected = Expected(metadata.issuer, self._settings.oidc_client_id, nonce)
        try:
            try:
                found = identity_of(tokens.id_token, await self.keys(), expected, now)
            except UnknownKeyError:
                found = identity_of(tokens.id_token, await self.keys(again=True), expected, now)
        except IdTokenError as error:
            raise IdentityError(f"ID token: {error}") from None
        if found.email or not (metadata.userinfo_endpoint and tokens.access_token):
            return found
        return await self._with_mail(found, metadata.userinfo_endpoint, tokens.access_token)

    async def keys(self, *, again: bool = False) -> KeySet:
        """The keys it signs with; `again`: it may have others by now."""
        kept, now = self._keys, time.monotonic()
        if kept is not None and now - kept[0] < (ASKED_AGAIN_S if again else KEPT_S):
            return kept[1]
        answer = await self._asked("keys", PreparedCall("GET", (await self.metadata()).jwks_uri, (), b""))
        try:
            found = read_keys(answer.body)
        except IdTokenError as error:
            raise IssuerAwayError(str(error)) from None
        self._keys = (now, found)
        return found

    async def _with_mail(self, found: Identity, endpoint: str, access_token: str) -> Identity:
        answer = await self._asked("userinfo", PreparedCall("GET", endpoint, (), b""), _bearer(access_token))
        claims = _decoded(answer.body, dict[str, Any], "what it tells of a user can't be read")
        # What is told of somebody else is not used (Core 1.0, 5.3.2).
        if claims.get("sub") != found.subject:
            return found
        return msgspec.structs.replace(found, email=verified_mail(claims))

    async def _asked(self, what: str, call: PreparedCall, auth: Mapping[str, str] | None = None) -> Answer:
        try:
            return await self._sent(what, call, auth or {})
        except (CallError, ConfigurationError) as error:
            raise IssuerAwayError(str(error)) from None

    async def _sent(self, what: str, call: PreparedCall, auth: Mapping[str, str]) -> Answer:
        """`call.path` is a whole address here; without TLS only where the issuer itself is."""
        address = urlsplit(call.path)
        if address.scheme != "https" and not self._settings.oidc_issuer.startswith("http://"):
            raise ConfigurationError(f"the issuer's address for {what} is not https://")
        path = (address.path or "/") + (f"?{address.query}" if address.query else "")
        transport = Transport(self._http, f"{address.scheme}://{address.netloc}", TIMEOUT_S, read_code=_code_of_refusal)
        return await transport.send(msgspec.structs.replace(call, path=path), auth, template=f"issuer's {what}")


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _code_of_refusal(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _decoded(body: bytes, kind: type[T], otherwise: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise IssuerAwayError(otherwise) from None
