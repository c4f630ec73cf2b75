"""Starts the gateway's processes with everything imported, so that a hundred of them can be killed in minutes.

    python -m tests.processes.nursery

A line of JSON in (arguments, environment, where its output goes), a line out: the process id. Each child has a session
of its own, and ends when this one does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from gateway.cli import COMMANDS, main
from gateway.cli.tree import SET_PARENT_DEATH_SIGNAL

FURTHER: Final = ("gateway.app", "gateway.cli.factory", "gateway.workers.run", "uvicorn", "uvloop", "httptools")


class Nursery:
    """The other end: asks for processes."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self._environment, self._logs = environment, logs

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def start(self, *arguments: str) -> int:
        """Start `tollbridge ARGUMENTS`; its process id."""
        assert self._process.stdin
        assert self._process.stdout
        self._logs.mkdir(parents=True, exist_ok=True)
        log = str(self._logs / f"{arguments[0]}-born.log")
        self._process.stdin.write(msgspec.json.encode((arguments, self._environment, log)) + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def serve() -> None:
    """Fork for each line."""
    for place in (*(place.partition(":")[0] for place in COMMANDS.values()), *FURTHER):
        import_module(place)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they end
    for line in sys.stdin.buffer:
        arguments, environment, log = msgspec.json.decode(line, type=tuple[list[str], dict[str, str], str])
        pid = os.fork()
        if pid == 0:
            _become(arguments, environment, log)
        print(pid, flush=True)


def _become(arguments: list[str], environment: dict[str, str], log: str) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(environment)
        main(arguments, prog_name="tollbridge")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
