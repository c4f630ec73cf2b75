"""The ground of a benchmark: a home of its own with an embedded PostgreSQL, keys, and processes that end with it."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from db.embedded import EmbeddedPostgres
from db.encryption import Keyring
from db.errors import EmbeddedPostgresError
from gateway.cli.dev import launched
from gateway.cli.home import local_keyring
from gateway.cli.servers import free_ports
from gateway.cli.tree import Tree
from gateway.cli.wiring import Wired
from gateway.settings import Settings

ROLES = ("gateway", "stripe", "practice", "shop")


@dataclass
class Ground:
    """Everything that `tollbridge dev` runs, and what a benchmark needs to know of it."""

    home: Path
    urls: dict[str, str]
    tree: Tree
    wired: Wired
    settings: Settings
    keyring: Keyring

    @property
    def dsn(self) -> str:
        return self.settings.database_url

    def pid(self, name: str) -> int:
        return self.tree.child(name).pid

    def postgres_pid(self) -> int:
        """The postmaster's."""
        pid = EmbeddedPostgres(self.home / "postgres").postmaster_pid()
        assert pid is not None
        return pid

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """One statement on a connection of its own."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()


@contextmanager
def ground(**settings: Any) -> Iterator[Ground]:
    """A running house in a new home; `settings` are those of `gateway.settings` that differ from the defaults."""
    home = Path(tempfile.mkdtemp(prefix="tollbridge-bench-"))
    home.chmod(0o755)  # for the account that runs PostgreSQL, where that is not ours
    urls = {role: f"http://127.0.0.1:{port}" for role, port in zip(ROLES, free_ports(len(ROLES)), strict=True)}
    wanted = Settings(home=str(home), port=int(urls["gateway"].rpartition(":")[2]), log_level="warning", **settings)
    try:
        with launched(wanted, urls) as (tree, wired, found):
            keyring = local_keyring(home)
            assert keyring is not None
            yield Ground(home, urls, tree, wired, found, keyring)
    finally:
        with suppress(EmbeddedPostgresError):
            EmbeddedPostgres(home / "postgres").discard()
        shutil.rmtree(home, ignore_errors=True)


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of them lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
