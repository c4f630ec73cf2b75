"""Client secrets: each opens one session, for a browser. Found by hash, kept encrypted so that it can be given back."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import asyncpg

from db.encryption import Keyring
from db.poke import Kind

PREFIXES: Final = {Kind.CHECKOUT: "tbcs_secret_", Kind.METHOD_SESSION: "tbpm_secret_"}
"""By the kind of session that it opens."""


def new_secret(kind: Kind) -> str:
    """A secret for a new session of this kind."""
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def secret_hash(client_secret: str) -> bytes:
    """How a client secret is found again; the secret itself is stored encrypted only."""
    return hashlib.sha256(client_secret.encode()).digest()


def sealed(keyring: Keyring, kind: Kind, session: str, client_secret: str) -> bytes:
    """The secret as it's stored on its session's row."""
    return keyring.encrypt(client_secret.encode(), table=kind.value, column="client_secret", row=session)


def client_secret(keyring: Keyring, kind: Kind, session: asyncpg.Record) -> str:
    """The secret that opens only this session."""
    place = {"table": kind.value, "column": "client_secret", "row": session["id"]}
    return keyring.decrypt(session["client_secret"], **place).decode()
