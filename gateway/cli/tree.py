"""A tree of processes: started in order, watched, stopped in the opposite order, and none left over.

    with Tree(environment) as tree:
        tree.start("serve", "serve", ready="http://127.0.0.1:8250/health/live")
        tree.watch()

Each child has a session of its own, so that Ctrl-C reaches the parent alone, which then stops them one by one. On Linux
the kernel ends a child whose parent dies, however it dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Final, Self

import click

READY_S: Final = 30.0
STOP_S: Final = 30.0
POLL_S: Final = 0.05
SET_PARENT_DEATH_SIGNAL: Final = 1


class Tree:
    """The children of one command. SIGTERM and SIGHUP end it as Ctrl-C does."""

    def __init__(self, environment: Mapping[str, str], logs: Path | None = None) -> None:
        """`environment` is added to ours; with `logs`, each child writes to NAME.log there instead of our terminal."""
        self._environment = {**os.environ, **environment}
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._files: list[IO[bytes]] = []
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, _interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Stopping takes its time, and a second Ctrl-C must not leave half of them running.
        before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            self.stop()
        finally:
            before.update(self._handlers)
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(
        self, name: str, *arguments: str, ready: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `tollbridge ARGUMENTS`; with `ready`, wait until that address answers 200.

        Raises click.ClickException where it ends, or is not ready within 30 s.
        """
        child = subprocess.Popen(  # noqa: S603 (our own command line)
            [sys.executable, "-m", "gateway.cli", *arguments],
            env={**self._environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._output(name),
            stderr=subprocess.STDOUT if self._logs else None,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads run yet)
        )
        self._children[name] = child
        if ready:
            self._wait(name, child, ready)
        return child

    def child(self, name: str) -> subprocess.Popen[bytes]:
        """A child by its name."""
        return self._children[name]

    def watch(self) -> None:
        """Wait until we are interrupted; raises click.ClickException when a child ends by itself."""
        try:
            while True:
                self.raise_if_ended()
                time.sleep(POLL_S * 4)
        except KeyboardInterrupt:
            return

    def raise_if_ended(self) -> None:
        """Raises click.ClickException for a child that has ended."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise click.ClickException(f"{name} has ended with exit code {child.returncode}{self._where(name)}")

    def stop(self) -> None:
        """Stop all, the last started first; what does not end within 30 s is killed."""
        for child in reversed(self._children.values()):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
        self._children.clear()
        for file in self._files:
            file.close()
        self._files.clear()

    def _wait(self, name: str, child: subprocess.Popen[bytes], url: str) -> None:
        deadline = time.monotonic() + READY_S
        while not _answers(url):
            if child.poll() is not None:
                raise click.ClickException(f"{name} ended before it was ready{self._where(name)}")
            if time.monotonic() > deadline:
                raise click.ClickException(f"{name} does not answer at {url} after {READY_S:g} s{self._where(name)}")
            time.sleep(POLL_S)

    def _output(self, name: str) -> IO[bytes] | None:
        if self._logs is None:
            return None
        self._logs.mkdir(parents=True, exist_ok=True)
        file = (self._logs / f"{name}.log").open("wb")
        self._files.append(file)
        return file

    def _where(self, name: str) -> str:
        return f"; see {self._logs / f'{name}.log'}" if self._logs else ""


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    # prctl(PR_SET_PDEATHSIG, SIGTERM), between fork and exec.
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
