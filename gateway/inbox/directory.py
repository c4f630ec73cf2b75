"""Names in webhook addresses to ids and signing secrets: a small cache that notices changes within seconds.

Secrets are decrypted once for each refresh and not for each delivery. A secret that was added a moment ago must not
cost a delivery: where a signature did not hold, `fresh` gives what is read after that, five times a second at most for
each account, so that it may take a moment.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final, TypeVar

import msgspec

from db import sql
from db.encryption import Keyring

FRESH_S: Final = 3.0
AGAIN_S: Final = 0.2
MOST: Final = 10_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

ACCOUNT = "select id, livemode from tollbridge.account where name = $1"
SECRETS = "select id, secret from tollbridge.webhook_secret where account = $1 order by created_at desc, id"
CONNECTION = """
    select c.id, c.account from tollbridge.connection c join tollbridge.account a on a.id = c.account
    where a.name = $1 and c.name = $2
"""


class Door(msgspec.Struct, frozen=True):
    """An account as its webhook address needs it, disabled or not: a disabled one loses nothing."""

    id: str
    livemode: bool
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Door({self.id})"


T = TypeVar("T")


class Directory:
    """Accounts and connections by name."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._accounts: dict[str, tuple[float, Door]] = {}
        self._connections: dict[tuple[str, str], tuple[float, tuple[str, str]]] = {}

    async def account(self, name: str) -> Door | None:
        """The account of this name. Raises the database's errors."""
        kept = _kept(self._accounts.get(name), FRESH_S)
        return kept if kept is not None else await self._read_account(name)

    async def fresh(self, name: str) -> Door | None:
        """The same as it is from now on. Whoever asks at the same time shares a reading."""
        asked, entry = time.monotonic(), self._accounts.get(name)
        if entry is not None:
            await asyncio.sleep(entry[0] + AGAIN_S - asked)
        newer = self._accounts.get(name)
        return newer[1] if newer is not None and newer[0] > asked else await self._read_account(name)

    async def connection(self, account: str, name: str) -> tuple[str, str] | None:
        """The ids of the account and of its connection of these names. Raises the database's errors."""
        kept = _kept(self._connections.get((account, name)), FRESH_S)
        if kept is not None:
            return kept
        self._connections.pop((account, name), None)
        if not (_NAME.fullmatch(account) and _NAME.fullmatch(name)):
            return None
        row = await sql.row(CONNECTION, account, name)
        if row is None:
            return None
        _keep(self._connections, (account, name), (row["account"], row["id"]))
        return row["account"], row["id"]

    async def _read_account(self, name: str) -> Door | None:
        self._accounts.pop(name, None)
        if not _NAME.fullmatch(name):
            return None
        row = await sql.row(ACCOUNT, name)
        if row is None:
            return None
        door = Door(
            row["id"],
            row["livemode"],
            tuple(
                self._keyring.decrypt(kept["secret"], table="webhook_secret", column="secret", row=kept["id"])
                for kept in await sql.rows(SECRETS, row["id"])
            ),
        )
        _keep(self._accounts, name, door)
        return door


K = TypeVar("K")


def _kept(entry: tuple[float, T] | None, for_s: float) -> T | None:
    if entry is None or time.monotonic() - entry[0] > for_s:
        return None
    return entry[1]


def _keep(kept: dict[K, tuple[float, T]], key: K, value: T) -> None:
    if len(kept) >= MOST:
        kept.clear()
    kept[key] = (time.monotonic(), value)
