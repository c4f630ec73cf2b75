"""Who stands in a pid file of PostgreSQL: the server, somebody else by now, or nobody.

PostgreSQL itself trusts a pid file whose process lives and belongs to its account. After a restart of the machine or
the container that pid is often another program, and a killed server stays a zombie where process 1 does not reap; both
keep it from starting. A file whose process is gone is left to PostgreSQL, which then checks for orphaned children.
"""

from __future__ import annotations

import os
import subprocess
from enum import Enum
from pathlib import Path

# macOS has none.
PROC = Path("/proc")


class Holder(Enum):
    """Whom a pid file names."""

    NOBODY = "no file, or a process that is gone"
    SERVER = "the server of this data directory"
    ZOMBIE = "a server that was killed and is not reaped"
    STRANGER = "a living process that is not this server"
    GARBAGE = "an empty or broken file, left by a crash of the machine"


def pid_in(file: Path) -> int | None:
    """The pid in a pid file; None without a file, 0 if it is broken."""
    try:
        first = file.read_text(errors="replace").split("\n", 1)[0]
    except FileNotFoundError:
        return None
    try:
        return abs(int(first))
    except ValueError:
        return 0


def holder(file: Path, data: Path) -> Holder:
    """Whom `postmaster.pid` or a socket's lock file names."""
    pid = pid_in(file)
    if pid is None:
        return Holder.NOBODY
    if pid == 0:
        return Holder.GARBAGE
    if not _alive(pid):
        return Holder.NOBODY
    state, command = _process(pid)
    if state == "Z":
        return Holder.ZOMBIE
    # pg_ctl starts it as ".../bin/postgres -D DATA -c ...".
    return Holder.SERVER if f"/postgres -D {data} -c " in command else Holder.STRANGER


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process(pid: int) -> tuple[str, str]:
    """State letter and command line of a process; empty when it ends meanwhile."""
    if PROC.is_dir():
        try:
            state = (PROC / f"{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            command = os.fsdecode((PROC / f"{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        except (OSError, IndexError):
            return "", ""
        return state, command
    found = subprocess.run(  # noqa: S603 (a fixed program and a number)
        ["/bin/ps", "-ww", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, command = found.stdout.strip().partition(" ")
    return state[:1], command
