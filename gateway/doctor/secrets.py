"""What is encrypted: whether it still can be read, and which keys are in use.

A sample, the oldest and the newest of each table: what is oldest is under the oldest key, since every value is written
under the key that stood first then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from db import sql
from db.encryption import EncryptionError, Keyring
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, few, notice, ok, wrong

CHECK: Final = "encryption"
SAMPLE: Final = 20
AMONG: Final = 1_000
COLUMNS: Final = (
    ("account", "api_key", "id"),
    ("webhook_secret", "secret", "account"),
    ("connection", "credentials", "account"),
    ("payment_method", "reference", "account"),
    ("attempt", "request", "account"),
    ("refund_part", "request", "account"),
    ("checkout_session", "client_secret", "account"),
    ("payment_method_session", "client_secret", "account"),
    ("payment_setup", "processor_ref", "account"),
    ("webhook_endpoint_secret", "secret", "account"),
    ("delivery", "body", "account"),
    ("console_user", "totp_secret", "''"),
    ("console_session", "totp_secret", "''"),
)
"""Table, column, and the column that names the account (a literal: it is of none). Replies to repeated requests live
for a day: left out."""

# Erased values are empty. Where most are, as in resolved attempts, the oldest and the newest rows alone are looked at.
SOME: Final = """
    (select id, sealed from (select id, {column} as sealed from tollbridge.{table} where $1 = '' or {owner} = $1
                             order by id limit $3) t where sealed <> '' limit $2)
    union
    (select id, sealed from (select id, {column} as sealed from tollbridge.{table} where $1 = '' or {owner} = $1
                             order by id desc limit $3) t where sealed <> '' limit $2)
"""


class _Sample(msgspec.Struct):
    """What was met in one column."""

    kids: Counter[str]
    broken: list[str]
    error: str = ""


async def look(patient: Patient) -> list[Finding]:
    """Whether what the account has encrypted can be read."""
    told, read = [], 0
    for table, column, _ in COLUMNS:
        sample = await _sample(patient.runtime.keyring, table, column, patient.id)
        read += sum(sample.kids.values())
        if sample.broken:
            what = f"{len(sample.broken)} values of {table}.{column} can't be read: {sample.error}"
            why = "their key was dropped too early, or the rows were changed by hand"
            to_do = "put the key back into TOLLBRIDGE_ENCRYPTION_KEYS, after the first"
            told.append(wrong(CHECK, what, why, to_do, concerns=sample.broken[0]))
    return told or [ok(CHECK, f"{read} encrypted values were tried, the oldest and the newest, and all can be read")]


async def look_at_keys(keyring: Keyring) -> list[Finding]:
    """Which keys the whole installation uses, of all accounts."""
    met: dict[str, list[str]] = {kid: [] for kid in keyring.kids}
    for table, column, _ in COLUMNS:
        for kid in (await _sample(keyring, table, column, "")).kids:
            met.setdefault(kid, []).append(f"{table}.{column}")
    return list(_keys(keyring.kids, met))


def _keys(kids: tuple[str, ...], met: dict[str, list[str]]) -> Iterator[Finding]:
    check = f"{CHECK}.keys"
    yield ok(check, f"new values are encrypted under {kids[0]}", concerns=kids[0])
    for kid in kids[1:]:
        if met[kid]:
            yield ok(check, f"older values are under {kid}: {few(met[kid])}", concerns=kid)
        else:
            what = f"no value that was tried is under {kid}"
            why = "the oldest and the newest of each table were tried, not all"
            yield notice(check, what, why, "keep it for a month more, then drop it", concerns=kid)


async def _sample(keyring: Keyring, table: str, column: str, account: str) -> _Sample:
    owner = next(owner for t, c, owner in COLUMNS if (t, c) == (table, column))
    found = _Sample(Counter(), [])
    for row in await sql.rows(SOME.format(table=table, column=column, owner=owner), account, SAMPLE, AMONG):
        try:
            found.kids[keyring.kid_of(row["sealed"])] += 1
            keyring.decrypt(row["sealed"], table=table, column=column, row=row["id"])
        except EncryptionError as error:
            found.broken.append(row["id"])
            found.error = str(error)
    return found
