"""Where the embedded server keeps its data and its socket."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from db.embedded.account import ACCOUNT_VARIABLE, Account
from db.errors import EmbeddedPostgresError

HOME_VARIABLE = "TOLLBRIDGE_HOME"

# For root alone: what the server's account must reach although the checkout is out of its reach, as below /root.
STATE = Path("/usr/local/var/tollbridge" if sys.platform == "darwin" else "/var/lib/tollbridge")

PORT = 5432
# sun_path holds 104 bytes on macOS and 108 on Linux, the terminator included.
SOCKET_PATH_BYTES = 103
SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_RECORD = "socket_directory"


def default_home() -> Path:
    """`$TOLLBRIDGE_HOME/postgres`, else `.tollbridge/postgres` of the checkout around the working directory."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser().resolve() / "postgres"
    here = Path.cwd()
    around = (here, *here.parents)
    for marker in (".tollbridge", ".git"):
        for directory in around:
            if (directory / marker).exists():
                return directory / ".tollbridge" / "postgres"
    return here / ".tollbridge" / "postgres"


def settle(home: Path) -> tuple[Path, Account]:
    """The directory that holds `data` and the locks for a home, and the account that runs its server.

    The home itself, except for root where the server's account cannot enter it: then a directory of its own below
    `STATE`. Once there are data in one of the two, that one is used.
    """
    elsewhere = STATE / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    if _exists(home / "data"):
        account = Account.choose(home / "data")
        if not account.can_enter(home):
            raise EmbeddedPostgresError(
                f"the data in {home / 'data'} belong to account {account.name!r}, which can no longer enter {home}. "
                f"Let it pass through the directories above (chmod o+x), or set {HOME_VARIABLE} to another place."
            )
        return home, account
    if os.geteuid() == 0 and _exists(elsewhere / "data"):
        return elsewhere, Account.choose(elsewhere / "data")
    account = Account.choose(home / "data")
    _make(home)
    if account.can_enter(home):
        return home, account
    _make(elsewhere)
    if not account.can_enter(elsewhere):
        raise EmbeddedPostgresError(
            f"account {account.name!r}, which would run PostgreSQL, can enter neither {home} nor {elsewhere}. "
            f"Set {HOME_VARIABLE} to a directory that it can reach, or {ACCOUNT_VARIABLE} to another account."
        )
    return elsewhere, account


def socket_directory(root: Path, account: Account) -> Path:
    """The directory of the server's socket: the data directory, or a short private one where that cannot be used."""
    data = root / "data"
    if _fits(data):
        return data
    record = root / SOCKET_RECORD
    if record.exists() and _is_private(known := Path(record.read_text().strip()), account):
        return known
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 (a fresh, private directory in it)
        fresh = Path(tempfile.mktemp(prefix="tollbridge-", dir=parent))  # noqa: S306 (mkdir below fails if it exists)
        if _fits(fresh) and account.can_enter(parent):
            account.make_private(fresh)
            record.write_text(f"{fresh}\n")
            return fresh
    raise EmbeddedPostgresError(
        f"no directory for the server's socket: {data} and the temporary directory are longer than the "
        f"{SOCKET_PATH_BYTES} bytes of a socket's path. Set {HOME_VARIABLE} to a shorter one."
    )


def _fits(directory: Path) -> bool:
    # Clients take a comma in a host for the end of it.
    return len(os.fsencode(directory / SOCKET_NAME)) <= SOCKET_PATH_BYTES and "," not in str(directory)


def _is_private(directory: Path, account: Account) -> bool:
    """Still the directory that we made: others can write to the directory above it."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == 0o700


def _exists(data: Path) -> bool:
    try:
        return data.exists()
    except PermissionError as e:
        raise EmbeddedPostgresError(
            f"{data} is out of our reach ({e}). Was it made by root? Run as that account, or set {HOME_VARIABLE}."
        ) from e


def _make(directory: Path) -> None:
    """Create what is missing of a path, open for passing through; directories that exist keep their modes."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        if missing:
            # The home often lies in somebody's checkout, and never belongs into a commit.
            (directory / ".gitignore").write_text("*\n")
    except OSError as e:
        raise EmbeddedPostgresError(
            f"cannot create {directory} for the embedded PostgreSQL: {e}. Set {HOME_VARIABLE} to a directory that can "
            "be written, or TOLLBRIDGE_DATABASE_URL to a server of your own."
        ) from e
