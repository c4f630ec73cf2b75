"""Fixtures for the database's own tests: an engine apart from `DB`, and a home for servers of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from db.embedded import EmbeddedPostgres, place
from db.embedded.pidfile import Holder, holder, pid_in
from db.engine import PoolOptions, TollbridgeEngine


@pytest.fixture
async def small(empty_database: str) -> AsyncIterator[TollbridgeEngine]:
    """An engine on an empty database with at most two connections."""
    engine = TollbridgeEngine()
    engine.configure(empty_database, PoolOptions(max_size=2, acquire_timeout_s=0.3))
    await engine.open_pool()
    yield engine
    await engine.close_pool()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for a server; what runs there is killed at the end. Not tmp_path, which root's server cannot enter."""
    directory = Path(tempfile.mkdtemp(prefix="tb-")).resolve()
    directory.chmod(0o755)
    state = directory / "state"
    monkeypatch.setattr(place, "STATE", state)
    monkeypatch.setattr("db.embedded.binaries.STATE", state)
    yield directory / "home"
    for file in directory.rglob("postmaster.pid"):
        if holder(file, file.parent) is Holder.SERVER and (pid := pid_in(file)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
    for record in directory.rglob(place.SOCKET_RECORD):
        shutil.rmtree(record.read_text().strip(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """A data directory that initdb has made, to copy: that takes a tenth of making one."""
    directory = Path(tempfile.mkdtemp(prefix="tb-")).resolve()
    directory.chmod(0o755)
    with EmbeddedPostgres(directory / "home", settings={"fsync": "off"}):
        pass
    yield directory / "home" / "data"
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def made_home(home: Path, initialised: Path) -> Path:
    """A home whose server has run before."""
    home.mkdir()
    subprocess.run(["cp", "-a", initialised, home / "data"], check=True)
    return home
