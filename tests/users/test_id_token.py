"""What an ID token proves by itself; whole sign-ins stand in tests/console/test_oidc.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from gateway.users.id_token import Expected, Identity, IdTokenError, UnknownKeyError, identity_of, read_keys

NOW = 1_800_000_000
EXPECTED = Expected("https://id.example", "us", "nonce")
CLAIMS = {"iss": "https://id.example", "aud": "us", "sub": "s", "nonce": "nonce", "iat": NOW, "exp": NOW + 60}
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OCT = OctKey.generate_key(256, {"kid": "oct"})
KEYS = KeySet([RSA, EC, OCT])


def _token(key: Any, algorithm: str, kid: str, **claims: Any) -> str:
    payload = json.dumps(CLAIMS | claims).encode()
    return jws.serialize_compact({"alg": algorithm, "kid": kid}, payload, key, algorithms=[algorithm])


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (RSA, "RS512"), (EC, "ES256")])
def test_signatures_of_two_keys_are_taken(key: Any, algorithm: str) -> None:
    assert identity_of(_token(key, algorithm, key.kid), KEYS, EXPECTED, NOW) == Identity("https://id.example", "s")


def test_a_shared_secret_is_not_even_where_the_issuer_shows_it() -> None:
    with pytest.raises(IdTokenError):
        identity_of(_token(OCT, "HS256", "oct"), KEYS, EXPECTED, NOW)


def test_a_key_that_is_not_shown_may_be_a_new_one() -> None:
    with pytest.raises(UnknownKeyError):
        identity_of(_token(RSA, "RS256", "new"), KEYS, EXPECTED, NOW)


def test_clocks_may_differ_a_little() -> None:
    for at in (NOW - 59, NOW + 119):
        assert identity_of(_token(RSA, "RS256", "rsa"), KEYS, EXPECTED, at)
    for at in (NOW - 61, NOW + 121):
        with pytest.raises(IdTokenError):
            identity_of(_token(RSA, "RS256", "rsa"), KEYS, EXPECTED, at)


@pytest.mark.parametrize(
    ("told", "email"),
    [
        ("Ada@Example.com", "ada@example.com"),
        ("\u212aim@example.com", "\u212aim@example.com"),
        (["a@b.example"], ""),
        ("ada\0@example.com", ""),
        ("ada\ud800@example.com", ""),
    ],
)
def test_no_letter_becomes_another_one(told: Any, email: str) -> None:
    token = _token(RSA, "RS256", "rsa", email=told, email_verified=True)
    assert identity_of(token, KEYS, EXPECTED, NOW).email == email


@pytest.mark.parametrize("token", ["", "a.b.c", "a.b", "\ud800", "e30.e30.e30"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(IdTokenError):
        identity_of(token, KEYS, EXPECTED, NOW)


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1]}', b'{"keys": [{"kty": "RSA"}]}']
)
def test_what_are_no_keys(document: bytes) -> None:
    with pytest.raises(IdTokenError):
        read_keys(document)


@pytest.mark.parametrize("claims", [{"sub": "ada\0"}, {"sub": "ada\ud800"}, {"nonce": "nonce\ud800"}])
def test_what_no_column_can_hold_is_nobody(claims: dict[str, str]) -> None:
    with pytest.raises(IdTokenError):
        identity_of(_token(RSA, "RS256", "rsa", **claims), KEYS, EXPECTED, NOW)
