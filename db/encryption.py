"""Secrets at rest: AES-256-GCM with keys that can be rotated, bound to the row they belong to.

    TOLLBRIDGE_ENCRYPTION_KEYS=2026b:BASE64,2026a:BASE64     the first encrypts, all decrypt; 32 bytes each
    TOLLBRIDGE_TOKEN_HASH_KEY=BASE64                         32 bytes, for the hashes of tokens alone

The associated data is "table.column:row", so a ciphertext that is copied to another row or column does not decrypt.
A value is stored as bytes: version (1) | length of the key id (1) | key id | nonce (12) | ciphertext and tag.
Nonces are random, which is safe for 2**32 encryptions under one key (NIST SP 800-38D, 8.3); rotate long before.

**Rotation**: put a new key first, restart, run `reencrypt` over every value that `needs_reencryption`, then drop the
old key. **The token hash key is not rotated with it.** `token_hash` finds a payment method again by its token and is
unique in the database; a hash cannot be recomputed without decrypting every token, so a key derived from the
encryption keys would lose all of them at the first rotation. Change it only if it leaks, by recomputing every hash.

    EncryptionError
    ├── KeyringError         the keys themselves are missing or malformed; the process should not start
    ├── UnknownKeyError      the value names a key that the keyring does not hold: it was dropped too early
    └── DecryptionError      the value is damaged, was moved to another row, or its key id holds other bytes
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEYS_VARIABLE = "TOLLBRIDGE_ENCRYPTION_KEYS"
TOKEN_HASH_VARIABLE = "TOLLBRIDGE_TOKEN_HASH_KEY"  # noqa: S105 (a name, not a secret)

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
GENERATE = "`tollbridge keys generate` makes one"


class EncryptionError(Exception):
    """Base: see the tree above. No message ever contains key material or plaintext."""


class KeyringError(EncryptionError):
    """The configured keys cannot be used."""


class UnknownKeyError(EncryptionError):
    """A value was encrypted under a key that is not configured."""


class DecryptionError(EncryptionError):
    """A value does not decrypt where it stands."""


class Keyring:
    """The encryption keys of this deployment. Its repr shows key ids only."""

    __slots__ = ("_ciphers", "_first", "_token_hash_key")

    def __init__(self, keys: Mapping[str, bytes], token_hash_key: bytes) -> None:
        """`keys` in order, the encrypting one first; raises `KeyringError`."""
        if not keys:
            raise KeyringError(f"{KEYS_VARIABLE} holds no key; {GENERATE}")
        for kid, key in keys.items():
            if not KEY_ID.fullmatch(kid):
                raise KeyringError(f"the key id {kid!r} must be 1 to 32 letters, digits, '-' or '_'")
            _check_key(key, f"key {kid!r} of {KEYS_VARIABLE}")
        _check_key(token_hash_key, TOKEN_HASH_VARIABLE)
        if token_hash_key in keys.values():
            raise KeyringError(f"{TOKEN_HASH_VARIABLE} must be a key of its own; {GENERATE}")
        self._first = next(iter(keys))
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}
        self._token_hash_key = token_hash_key

    @classmethod
    def parse(cls, keys: str, token_hash_key: str) -> Self:
        """From the text of the two settings; raises `KeyringError`."""
        ring: dict[str, bytes] = {}
        for entry in filter(None, (part.strip() for part in keys.split(","))):
            kid, colon, text = entry.partition(":")
            if not colon:
                # Not quoted: what stands here may be a key whose id was forgotten.
                raise KeyringError(f"an entry of {KEYS_VARIABLE} lacks its id: write ID:BASE64, separated by commas")
            if kid in ring:
                raise KeyringError(f"{KEYS_VARIABLE} has two keys with the id {kid!r}")
            ring[kid] = _decode(text, f"key {kid!r} of {KEYS_VARIABLE}")
        return cls(ring, _decode(token_hash_key.strip(), TOKEN_HASH_VARIABLE))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """From the two variables; raises `KeyringError` when one is missing or wrong."""
        return cls.parse(environ.get(KEYS_VARIABLE, ""), environ.get(TOKEN_HASH_VARIABLE, ""))

    def __repr__(self) -> str:
        return f"<Keyring {', '.join(self._ciphers)}>"

    @property
    def kids(self) -> tuple[str, ...]:
        """The ids of the keys, the encrypting one first."""
        return tuple(self._ciphers)

    def encrypt(self, plain: bytes, *, table: str, column: str, row: str) -> bytes:
        """Encrypt for one column of one row; its id must be known before (ours are made by us)."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, plain, _place(table, column, row))
        kid = self._first.encode()
        return bytes((VERSION, len(kid))) + kid + nonce + sealed

    def decrypt(self, blob: bytes, *, table: str, column: str, row: str) -> bytes:
        """The plaintext; raises `UnknownKeyError` or `DecryptionError`."""
        kid = self.kid_of(blob)
        where = f"{table}.{column} of row {row}"
        cipher = self._ciphers.get(kid)
        if cipher is None:
            raise UnknownKeyError(
                f"{where} was encrypted under key {kid!r}, which {KEYS_VARIABLE} does not hold "
                f"(it holds {', '.join(self._ciphers)}). Add that key again, then re-encrypt."
            )
        start = 2 + len(kid)
        nonce, sealed = blob[start : start + NONCE_BYTES], blob[start + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, _place(table, column, row))
        except InvalidTag:
            # From nothing: the traceback would carry no more than this message does.
            raise DecryptionError(
                f"{where} does not decrypt under key {kid!r}: the value is damaged, belongs to another row or column, "
                "or the key id was given to other bytes"
            ) from None

    def kid_of(self, blob: bytes) -> str:
        """Id of the key a value was encrypted under; raises `DecryptionError` for what we did not write."""
        if len(blob) < 2 or blob[0] != VERSION:
            raise DecryptionError("this is no value that Tollbridge encrypted: its version byte is unknown")
        end = 2 + blob[1]
        if len(blob) < end + NONCE_BYTES + TAG_BYTES:
            raise DecryptionError("an encrypted value is cut short")
        kid = blob[2:end].decode("ascii", "replace")
        if not KEY_ID.fullmatch(kid):
            raise DecryptionError("this is no value that Tollbridge encrypted: its key id is malformed")
        return kid

    def needs_reencryption(self, blob: bytes) -> bool:
        """True unless the value is under the first key already."""
        return self.kid_of(blob) != self._first

    def reencrypt(self, blob: bytes, *, table: str, column: str, row: str) -> bytes:
        """The same secret under the first key; an up-to-date value comes back unchanged."""
        if not self.needs_reencryption(blob):
            return blob
        plain = self.decrypt(blob, table=table, column=column, row=row)
        return self.encrypt(plain, table=table, column=column, row=row)

    def token_hash(self, connection_id: str, token: str) -> str:
        """HMAC-SHA256 in hex by which a stored token is found again within its connection."""
        if not connection_id or not token:
            raise ValueError("token_hash needs a connection id and a token")
        # The length in front keeps ("a", "bc") and ("ab", "c") apart.
        return self._hash(f"{len(connection_id)}:{connection_id}:{token}")

    def vault_hash(self, adapter: str, token: str) -> str:
        """HMAC-SHA256 in hex by which a stored token is found again over all connections of an adapter."""
        if not adapter or not token:
            raise ValueError("vault_hash needs an adapter's name and a token")
        # No token_hash begins so, whatever a connection is called.
        return self._hash(f"vault:{len(adapter)}:{adapter}:{token}")

    def _hash(self, message: str) -> str:
        return hmac.new(self._token_hash_key, message.encode(), hashlib.sha256).hexdigest()


def generate_key() -> str:
    """A new key as base64, for either variable."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _place(table: str, column: str, row: str) -> bytes:
    if not table or not column or not row or "." in table or ":" in column:
        raise ValueError(f"not a place for a secret: table {table!r}, column {column!r}, row {row!r}")
    return f"{table}.{column}:{row}".encode()


def _decode(text: str, what: str) -> bytes:
    if not text:
        raise KeyringError(f"{what} is empty; {GENERATE}")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise KeyringError(f"{what} is not base64; {GENERATE}") from None


def _check_key(key: bytes, what: str) -> None:
    if len(key) != KEY_BYTES:
        raise KeyringError(f"{what} has {len(key)} bytes where {KEY_BYTES} are needed; {GENERATE}")
