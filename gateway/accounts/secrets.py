"""Where a secret is to be found: `env:NAME` or `file:PATH`. In files and on command lines nothing else is taken."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.accounts.errors import FieldError
from processors.values import Secret

LONGEST: Final = 16_384


def found(reference: str, param: str, *, environ: Mapping[str, str] = os.environ, beside: Path | None = None) -> Secret:
    """The secret that `reference` names; a relative path starts `beside`. Raises FieldError, which never quotes it."""
    kind, colon, place = reference.partition(":")
    if not colon or not place or kind not in ("env", "file"):
        # Not quoted: what stands here may be the secret itself.
        raise FieldError(param, "a secret is given as env:NAME or file:PATH")
    text = _variable(place, param, environ) if kind == "env" else _contents(place, param, beside)
    if not text.strip():
        raise FieldError(param, f"{reference} is empty")
    return Secret(text.strip())


def _variable(name: str, param: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise FieldError(param, f"the environment has no variable {name}")
    return environ[name]


def _contents(place: str, param: str, beside: Path | None) -> str:
    path = (beside or Path()) / Path(place).expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise FieldError(param, f"can't read {place}: {reason}") from None
