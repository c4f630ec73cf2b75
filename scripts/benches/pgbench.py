"""pgbench against the inbox's own table: what PostgreSQL takes with nothing of ours in front of it."""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path
from typing import Final

from db.embedded.binaries import wheel_directory

CLIENTS: Final = 16
SCRIPT: Final = r"""
\set n random(1, 9000000000000000000)
insert into tollbridge.delivery
    (id, account, source, delivery_key, kind, object_id, body, state, received_at)
values ('dlv_' || :client_id || '_' || :n, '{account}', 'stripe', 'evt_' || :client_id || '_' || :n, 'invoice.updated',
    'in_1', '\x{body}'::bytea, 'stored', now());
"""


async def rows_per_s(dsn: str, account: str, size: int, seconds: int, folder: Path) -> float:
    """One row of `size` bytes of body for each transaction, by 16 clients with prepared statements, for so long.

    The bytes are random, as ours are, since they are encrypted: there is nothing to compress.
    """
    return await per_s(dsn, SCRIPT.format(account=account, body=secrets.token_hex(size)), seconds, folder)


async def per_s(dsn: str, script_text: str, seconds: int, folder: Path) -> float:
    """How many of these transactions, by 16 clients with prepared statements, for so long."""
    script = folder / "pgbench.sql"
    script.write_text(script_text)
    process = await asyncio.create_subprocess_exec(
        str(wheel_directory() / "pgbench"),
        *("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-f", str(script), dsn),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, problem = await process.communicate()
    found = re.search(r"tps = ([\d.]+)", out.decode())
    if process.returncode or found is None:
        raise RuntimeError(f"pgbench: {problem.decode()[-500:]}")
    return float(found[1])
