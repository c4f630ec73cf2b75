"""The home directory: encryption keys that `dev` and `demo` make for themselves, and notes of what runs where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from db.encryption import KEYS_VARIABLE, TOKEN_HASH_VARIABLE, Keyring, generate_key

KEYS: Final = "keys.json"
NOTES: Final = "dev.json"
PRIVATE: Final = 0o600


class LocalKeys(msgspec.Struct, frozen=True):
    """Both variables, for an environment that has neither."""

    encryption_keys: str
    token_hash_key: str

    def environment(self) -> dict[str, str]:
        return {KEYS_VARIABLE: self.encryption_keys, TOKEN_HASH_VARIABLE: self.token_hash_key}

    def __repr__(self) -> str:
        return "LocalKeys(***)"


def make_keys(home: Path) -> LocalKeys:
    """The keys of this home, made where there are none. For trying things out: production's come from outside."""
    found = _read_keys(home)
    if found is not None:
        return found
    made = LocalKeys(f"local:{generate_key()}", generate_key())
    write_private(home / KEYS, msgspec.json.encode(made), replace=False)
    return _read_keys(home) or made


def local_keyring(home: Path) -> Keyring | None:
    """The home's keyring, where the environment names none and the home has one; raises KeyringError."""
    if os.environ.get(KEYS_VARIABLE):
        return None
    found = _read_keys(home)
    return None if found is None else Keyring.parse(found.encryption_keys, found.token_hash_key)


def read_notes(home: Path) -> dict[str, Any]:
    """What `dev` and `sandbox` last wrote down."""
    try:
        return msgspec.json.decode((home / NOTES).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}


def write_notes(home: Path, **notes: Any) -> None:
    """Add to the notes. They hold a test key, so nobody else may read them."""
    write_private(home / NOTES, msgspec.json.encode(read_notes(home) | notes), replace=True)


def write_private(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a file that only its owner may read, whole or not at all; with `replace` off an existing one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
        file.write(data)
    try:
        if replace:
            fresh.replace(path)
        else:
            path.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink(missing_ok=True)


def _read_keys(home: Path) -> LocalKeys | None:
    try:
        return msgspec.json.decode((home / KEYS).read_bytes(), type=LocalKeys)
    except FileNotFoundError:
        return None
