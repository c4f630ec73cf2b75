"""Sandboxes in a file: all that they know, timers and undelivered webhooks too, so that a restart is no new world.

The file is one line of JSON, which says what it is, and a pickle of the objects. A pickle may name anything that Python
can import, and a file may come from a colleague; so reading it admits only the sandbox's own types, the functions that
its timers ring and a few types of the standard library. It is written beside its place and renamed, so that it is whole
or not there, and only its owner may read it: it holds signing secrets.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pickle
import sys
import time
from collections.abc import Mapping
from enum import EnumType
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec

from gateway.sandbox.kit import clock, letters
from gateway.sandbox.kit.sandbox import Sandbox

log = logging.getLogger(__name__)

FORMAT = 1
"""To be raised whenever an object that is kept changes its shape."""
SAVE_EVERY_S = 3.0
SHARE_OF_TIME = 20
"""Saving takes at most one part in so many: it holds up the calls."""
OURS = "gateway.sandbox."
STRANGERS = {
    "builtins": {"bytearray", "dict", "frozenset", "int", "list", "set", "str"},
    "collections": {"OrderedDict", "defaultdict", "deque"},
    "datetime": {"date", "datetime", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "functools": {"partial"},
    "random": {"Random"},
}


class StateError(ValueError):
    """The file can't be read: what it is instead, and what to do."""


class Stamp(msgspec.Struct):
    """The first line of the file."""

    tollbridge_sandbox: int
    release: str
    saved_at: int


def save(path: Path, sandboxes: Mapping[str, Sandbox]) -> None:
    """Write all of them, whole or not at all; raises OSError."""
    stamp = Stamp(FORMAT, _release(), int(time.time()))
    data = msgspec.json.encode(stamp) + b"\n" + pickle.dumps(dict(sandboxes), pickle.HIGHEST_PROTOCOL)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Sandbox]:
    """The sandboxes of a file; raises FileNotFoundError, OSError, StateError."""
    first, _, rest = path.read_bytes().partition(b"\n")
    try:
        stamp = msgspec.json.decode(first, type=Stamp)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StateError(f"{path} is no state of a sandbox") from None
    if (stamp.tollbridge_sandbox, stamp.release) != (FORMAT, _release()):
        raise StateError(
            f"{path} was saved by release {stamp.release} (state format {stamp.tollbridge_sandbox}), and this is "
            f"release {_release()} (format {FORMAT}): start that release, or begin anew with another file"
        )
    try:
        found = _Reader(io.BytesIO(rest)).load()
    except pickle.UnpicklingError as error:
        raise StateError(f"{path} can't be read: {error}") from None
    except Exception as error:
        raise StateError(f"{path} is damaged ({type(error).__name__}: {error})") from error
    if not isinstance(found, dict) or not all(isinstance(one, Sandbox) for one in found.values()):
        raise StateError(f"{path} is no state of a sandbox")
    return found


class Keeper:
    """Saves some sandboxes into a file: every few seconds when something has changed, and at the end."""

    def __init__(self, path: Path, sandboxes: Mapping[str, Sandbox]) -> None:
        self._path, self._sandboxes = path, sandboxes
        self._saved: object = None

    def save(self) -> float:
        """Save what has changed; how long that took. Raises OSError."""
        began, now = time.monotonic(), [one.version for one in self._sandboxes.values()]
        if now != self._saved:
            save(self._path, self._sandboxes)
            self._saved = now
        return time.monotonic() - began

    async def run(self) -> None:
        """Until it is cancelled. A disk that is full is no reason to stop answering."""
        took_s = 0.0
        while True:
            await asyncio.sleep(max(SAVE_EVERY_S, took_s * SHARE_OF_TIME))
            try:
                took_s = self.save()
            except OSError as error:
                log.error("the sandbox's state can't be saved to %s: %s", self._path, error)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _named
        if module.startswith("msgspec.") and name == "rebuild":
            return _rebuilt
        if name in STRANGERS.get(module, ()):
            return super().find_class(module, name)
        # Only what is loaded already: a file must not make us import anything.
        found = getattr(sys.modules.get(module), name, None) if module.startswith(OURS) else None
        if getattr(found, "__module__", "") != module or not (_is_type(found) or _is_ring(found)):
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not part of a sandbox's state")
        return found


def _is_type(found: Any) -> bool:
    """A type of the sandbox's that holds state; not one that serves."""
    return isinstance(found, type) and not found.__module__.endswith((".app", ".door", ".state"))


def _is_ring(found: Any) -> bool:
    """A function that a timer or a letter may hold: of the servers' own rules, or one of the kit's two."""
    if not isinstance(found, FunctionType) or found.__module__.endswith(".app"):
        return False
    rules = found.__module__.startswith((f"{OURS}stripe.", f"{OURS}practice."))
    return rules or found in (clock.system, letters.nobody)


def _rebuilt(kind: Any, fields: Any) -> Any:
    """What msgspec makes structs with, and nothing else."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        raise pickle.UnpicklingError(f"it makes a {kind!r}, which is no struct")
    return kind(**fields)


def _named(owner: Any, name: str) -> Any:
    """Pickle's way to a bound method is `getattr`, which would reach anything: here it reaches methods of ours.

    Some releases of Python 3.11 go the same way to a member of an enum.
    """
    if isinstance(owner, EnumType) and name in owner.__members__:
        return owner.__members__[name]
    if not type(owner).__module__.startswith(OURS) or name.startswith("__"):
        raise pickle.UnpicklingError(f"it asks for {name} of a {type(owner).__name__}")
    if not isinstance(getattr(type(owner), name, None), FunctionType):
        raise pickle.UnpicklingError(f"it asks for {name} of a {type(owner).__name__}, which is no method")
    return getattr(owner, name)


def _release() -> str:
    try:
        return version("tollbridge")
    except PackageNotFoundError:
        return "unreleased"
