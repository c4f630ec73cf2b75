"""The account that PostgreSQL runs under. It refuses to run as root, so root hands it to somebody without rights."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from db.errors import EmbeddedPostgresError

ACCOUNT_VARIABLE = "TOLLBRIDGE_POSTGRES_USER"
UNPRIVILEGED = "nobody"

# Nothing of ours reaches the server: PGHOST, PGDATA and the like would redirect its tools.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server; `foreign` when that is not us, which only root can have."""

    name: str
    uid: int
    gid: int
    foreign: bool

    @classmethod
    def choose(cls, data: Path) -> Self:
        """Ourselves; for root the owner of existing data, else TOLLBRIDGE_POSTGRES_USER, else nobody."""
        if os.geteuid() != 0:
            return cls("", os.geteuid(), os.getegid(), foreign=False)
        try:
            owner = data.stat().st_uid if data.exists() else 0
            entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(os.environ.get(ACCOUNT_VARIABLE, UNPRIVILEGED))
        except KeyError as e:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and the account it should run under does not exist ({e}). "
                f"Set {ACCOUNT_VARIABLE} to an account without rights, or start Tollbridge as an ordinary user."
            ) from e
        if entry.pw_uid == 0:
            raise EmbeddedPostgresError(
                f"{ACCOUNT_VARIABLE} names root, which PostgreSQL refuses: name another account"
            )
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, foreign=True)

    def popen(self, command: Sequence[str | Path], output: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start a program under this account, without input and from `/`. Raises `EmbeddedPostgresError`."""
        try:
            return subprocess.Popen(  # noqa: S603 (fixed programs, no shell)
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                errors="replace",
                cwd="/",
                env=ENVIRONMENT,
                user=self.uid if self.foreign else None,
                group=self.gid if self.foreign else None,
                extra_groups=[] if self.foreign else None,
            )
        except PermissionError as e:
            raise self._refused(e) from e

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as `popen` does; its output comes back."""
        with self.popen(command, subprocess.PIPE) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def can_enter(self, directory: Path) -> bool:
        """Whether this account can use a directory. Tried, not computed: modes do not tell of ACLs or mounts."""
        return not self.foreign or self.run(["/bin/sh", "-c", 'cd "$1"', "sh", directory]).returncode == 0

    def can_execute(self, program: Path) -> bool:
        """Whether this account can run a program (asked for its version)."""
        try:
            return self.run([program, "--version"]).returncode == 0
        except EmbeddedPostgresError as e:
            if isinstance(e.__cause__, PermissionError) and e.__cause__.errno == errno.EACCES:
                return False
            raise

    def make_private(self, directory: Path) -> None:
        """Create a directory that nobody else can enter."""
        directory.mkdir(mode=0o700)
        if self.foreign:
            os.chown(directory, self.uid, self.gid)

    def _refused(self, error: PermissionError) -> EmbeddedPostgresError:
        if error.errno == errno.EACCES:
            return EmbeddedPostgresError(f"account {self.name or 'ours'} may not run {error.filename}")
        return EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and this root may not change to account {self.name!r} ({error}); "
            "containers without CAP_SETUID and CAP_SETGID forbid it. Start Tollbridge as an ordinary user, or set "
            "TOLLBRIDGE_DATABASE_URL to a server of your own."
        )
