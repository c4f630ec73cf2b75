"""Secrets at rest: bound to their place, rotatable, and never shown."""

from __future__ import annotations

import base64

import pytest

from db.encryption import (
    DecryptionError,
    EncryptionError,
    Keyring,
    KeyringError,
    UnknownKeyError,
    generate_key,
)

# Fixed, since xdist needs the same test ids in every worker.
OLD, NEW, HASH = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
HERE = {"table": "payment_method", "column": "reference", "row": "pm_1"}
SECRET = b"tok_live_4242"


@pytest.fixture
def ring() -> Keyring:
    return Keyring.parse(f"a:{OLD}", HASH)


@pytest.fixture
def rotated() -> Keyring:
    return Keyring.parse(f"b:{NEW},a:{OLD}", HASH)


def test_round_trip(ring: Keyring) -> None:
    blob = ring.encrypt(SECRET, **HERE)
    assert SECRET not in blob
    assert ring.decrypt(blob, **HERE) == SECRET
    assert ring.kid_of(blob) == "a"
    assert ring.encrypt(SECRET, **HERE) != blob, "nonces differ"


def test_the_empty_secret_is_one(ring: Keyring) -> None:
    assert ring.decrypt(ring.encrypt(b"", **HERE), **HERE) == b""


@pytest.mark.parametrize("moved", [{"row": "pm_2"}, {"column": "other"}, {"table": "connection"}])
def test_a_moved_ciphertext_fails(ring: Keyring, moved: dict[str, str]) -> None:
    blob = ring.encrypt(SECRET, **HERE)
    with pytest.raises(DecryptionError, match="does not decrypt"):
        ring.decrypt(blob, **{**HERE, **moved})


def test_every_damaged_byte_is_noticed(ring: Keyring) -> None:
    blob = ring.encrypt(SECRET, **HERE)
    for i in range(len(blob)):
        damaged = blob[:i] + bytes([blob[i] ^ 1]) + blob[i + 1 :]
        with pytest.raises(EncryptionError):
            ring.decrypt(damaged, **HERE)


def test_every_cut_is_noticed(ring: Keyring) -> None:
    blob = ring.encrypt(SECRET, **HERE)
    for i in range(len(blob)):
        with pytest.raises(DecryptionError):
            ring.decrypt(blob[:i], **HERE)


def test_rotation_reads_old_and_writes_new(ring: Keyring, rotated: Keyring) -> None:
    old = ring.encrypt(SECRET, **HERE)
    assert rotated.needs_reencryption(old)
    new = rotated.reencrypt(old, **HERE)
    assert rotated.kid_of(new) == "b"
    assert rotated.decrypt(new, **HERE) == SECRET
    assert not rotated.needs_reencryption(new)
    assert rotated.reencrypt(new, **HERE) is new


def test_a_key_dropped_too_early_is_named(ring: Keyring) -> None:
    blob = ring.encrypt(SECRET, **HERE)
    with pytest.raises(UnknownKeyError, match="key 'a'"):
        Keyring.parse(f"b:{NEW}", HASH).decrypt(blob, **HERE)


def test_reencryption_does_not_heal_a_moved_value(ring: Keyring, rotated: Keyring) -> None:
    with pytest.raises(DecryptionError):
        rotated.reencrypt(ring.encrypt(SECRET, **HERE), **{**HERE, "row": "pm_2"})


def test_token_hash_survives_rotation_and_separates_connections(ring: Keyring, rotated: Keyring) -> None:
    assert ring.token_hash("con_1", "tok") == rotated.token_hash("con_1", "tok")
    assert ring.token_hash("con_1", "tok") != ring.token_hash("con_2", "tok")
    assert ring.token_hash("con_1", "1tok") != ring.token_hash("con_11", "tok")
    assert ring.token_hash("con_1", "tok") != Keyring.parse(f"a:{OLD}", generate_key()).token_hash("con_1", "tok")
    assert len(ring.token_hash("con_1", "tok")) == 64


def test_vault_hash_survives_rotation_and_is_no_token_hash(ring: Keyring, rotated: Keyring) -> None:
    assert ring.vault_hash("adyen", "tok") == rotated.vault_hash("adyen", "tok")
    assert ring.vault_hash("adyen", "tok") != ring.vault_hash("mollie", "tok")
    assert ring.vault_hash("adyen", "1tok") != ring.vault_hash("adyen1", "tok")
    assert ring.vault_hash("adyen", "tok") != ring.token_hash("adyen", "tok")
    with pytest.raises(ValueError, match="token"):
        ring.vault_hash("adyen", "")


@pytest.mark.parametrize(
    ("keys", "token_hash_key", "complaint"),
    [
        ("", HASH, "holds no key"),
        (" , ", HASH, "holds no key"),
        ("a:", HASH, "key 'a' of TOLLBRIDGE_ENCRYPTION_KEYS is empty"),
        (OLD, HASH, "lacks its id"),
        (f"a:{OLD},a:{NEW}", HASH, "two keys with the id 'a'"),
        (f"a b:{OLD}", HASH, "key id 'a b'"),
        ("a:%%%", HASH, "is not base64"),
        ("a:" + base64.b64encode(b"short").decode(), HASH, "has 5 bytes where 32 are needed"),
        (f"a:{OLD}", "", "TOLLBRIDGE_TOKEN_HASH_KEY is empty"),
        (f"a:{OLD}", OLD, "must be a key of its own"),
    ],
)
def test_bad_keys_are_refused_by_name(keys: str, token_hash_key: str, complaint: str) -> None:
    with pytest.raises(KeyringError, match=complaint) as raised:
        Keyring.parse(keys, token_hash_key)
    assert OLD not in str(raised.value)


def test_generated_keys_are_fresh_and_fit() -> None:
    one, two = generate_key(), generate_key()
    assert one != two
    assert repr(Keyring.parse(f"x:{one}", two)) == "<Keyring x>"


def test_from_environment() -> None:
    environ = {"TOLLBRIDGE_ENCRYPTION_KEYS": f"a:{OLD}", "TOLLBRIDGE_TOKEN_HASH_KEY": HASH}
    assert repr(Keyring.from_environment(environ)) == "<Keyring a>"
    with pytest.raises(KeyringError):
        Keyring.from_environment({})


def test_url_safe_base64_is_understood() -> None:
    key = bytes(range(0xE0, 0x100))
    ring = Keyring.parse("a:" + base64.urlsafe_b64encode(key).decode(), HASH)
    assert Keyring({"a": key}, base64.b64decode(HASH)).decrypt(ring.encrypt(SECRET, **HERE), **HERE) == SECRET


def test_nothing_secret_is_shown(ring: Keyring) -> None:
    shown = f"{ring!r} {ring!s}"
    assert OLD not in shown
    assert HASH not in shown


@pytest.mark.parametrize("nowhere", [{"row": ""}, {"table": "a.b"}, {"column": "a:b"}])
def test_a_secret_needs_a_place(ring: Keyring, nowhere: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a place"):
        ring.encrypt(SECRET, **{**HERE, **nowhere})
