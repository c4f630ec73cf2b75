"""A small issuer of identities (OpenID Connect) on this machine, with a key of its own.

It plays the browser's part too: `visit` is what happens at its page. What is wrong with it is said by its fields.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from litestar import Litestar, Request, Response, get, post

CLIENT = "tollbridge-of-a-test"
SECRET = "a made up client secret"


@dataclass
class LocalIssuer:
    """`claims` go over those of every ID token, `None` takes one out; `header` over its header; `key` signs."""

    url: str = ""
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    shown: list[Any] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    """What the address for users tells."""
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Which of its addresses were asked."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown = [self.key]

    def visit(self, address: str, **more: str) -> dict[str, str]:
        """Somebody allows it at the issuer's page: what the browser is sent back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.url} | more

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        said = {"iss": self.url, "sub": "subject-1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        said |= {"email": "ada@example.com", "email_verified": True} | self.claims
        claims = {name: value for name, value in said.items() if value is not None}
        header = {"alg": "RS256", "kid": "one"} | self.header
        if header["alg"] in ("none", "HS256"):
            signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
            # The public key as if it were a shared secret.
            secret = self.key.as_pem(private=False)
            mac = hmac.digest(secret, signed.encode(), "sha256") if header["alg"] == "HS256" else b""
            return f"{signed}.{_part(mac)}"
        return jwt.encode(header, claims, self.key, algorithms=[header["alg"]])

    def app(self) -> Litestar:
        @get("/.well-known/openid-configuration")
        async def discovery() -> dict[str, Any]:
            self.asked.append("discovery")
            pages = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in pages.items()} | self.metadata

        @get("/keys")
        async def keys() -> Any:
            self.asked.append("keys")
            return KeySet(self.shown).as_dict(private=False)

        @post("/token", status_code=200)
        async def token(request: Request[Any, Any, Any]) -> Response[Any]:
            self.asked.append("token")
            fields = dict(parse_qsl((await request.body()).decode()))
            begun = self.codes.pop(fields.get("code", ""), None)
            if begun is None or not self._proven(request, fields, begun):
                return Response({"error": "invalid_grant"}, status_code=400)
            return Response(
                {"id_token": self.id_token(begun["nonce"]), "access_token": "made-up", "token_type": "Bearer"}
            )

        @get("/userinfo")
        async def userinfo(request: Request[Any, Any, Any]) -> dict[str, Any]:
            assert request.headers["authorization"] == "Bearer made-up"
            return self.told

        return Litestar([discovery, keys, token, userinfo], openapi_config=None)

    def _proven(self, request: Request[Any, Any, Any], fields: dict[str, str], begun: dict[str, str]) -> bool:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(fields["code_verifier"].encode()).digest())
        pair = urlencode({CLIENT: SECRET}).replace("=", ":", 1)
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return (
            challenge.rstrip(b"=").decode() == begun["code_challenge"]
            and fields["redirect_uri"] == begun["redirect_uri"]
            and request.headers.get("authorization") == basic
        )


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
