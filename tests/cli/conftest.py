"""The command line as it is used: a process, an environment, a directory of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from db.encryption import generate_key
from gateway.cli.servers import free_ports

KEYS = {"TOLLBRIDGE_ENCRYPTION_KEYS": f"one:{generate_key()}", "TOLLBRIDGE_TOKEN_HASH_KEY": generate_key()}
TIMEOUT_S = 60


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return msgspec.json.decode(self.out)


Tollbridge = Callable[..., Awaitable[Result]]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Ours without any setting of this machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    return {**kept, "TOLLBRIDGE_HOME": str(home), **variables}


@pytest.fixture(scope="session")
async def zygote() -> AsyncIterator[asyncio.subprocess.Process]:
    """See `tests.cli.zygote`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.cli.zygote",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    yield process
    process.kill()
    await process.wait()


@pytest.fixture
def tollbridge(database_url: str, database: str, tmp_path: Path, zygote: asyncio.subprocess.Process) -> Tollbridge:
    """Run a command against this test's database."""

    async def run(*arguments: str, **variables: str) -> Result:
        settings = KEYS | {"TOLLBRIDGE_DATABASE_URL": database_url} | variables
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        zygote.stdin.write(msgspec.json.encode((arguments, environment(tmp_path, **settings))) + b"\n")
        await zygote.stdin.drain()
        return msgspec.json.decode(await asyncio.wait_for(zygote.stdout.readline(), TIMEOUT_S), type=Result)

    return run


@pytest.fixture
def free_port() -> Callable[[], int]:
    return lambda: free_ports(1)[0]
