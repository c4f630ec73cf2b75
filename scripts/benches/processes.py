"""CPU time and memory of processes, from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """A process and its living descendants."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(int(stat.parent.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, wanted = [], [pid]
    while wanted:
        found.append(wanted.pop())
        wanted += parents.get(found[-1], [])
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its descendants, those that have ended and were waited for too."""
    total = 0
    for one in family(pid):
        fields = _fields(one)
        if fields:
            total += sum(int(fields[n]) for n in (11, 12, 13, 14))
    return total * TICK_S


def memory_mib(pid: int) -> float:
    """Resident memory of a process and its descendants; what they share counts for each of them."""
    pages = 0
    for one in family(pid):
        try:
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * PAGE_BYTES / (1 << 20)


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name: state, parent, ...; empty once the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
