"""`tollbridge migrate` by several at once: as when all machines of a deployment start together."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from db.migrate import pending

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


@pytest.mark.timeout(120)
async def test_three_at_once_on_an_empty_database(empty_database: str) -> None:
    """All end well, each migration was applied by exactly one, and nothing is pending."""
    wanted = await pending(empty_database)
    environment = {**os.environ, "TOLLBRIDGE_DATABASE_URL": empty_database}
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", "migrate", "--json"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    applied = [json.loads(out)["applied"] for out, _ in outputs]
    assert sorted(name for names in applied for name in names) == sorted(wanted)
    assert await pending(empty_database) == []
