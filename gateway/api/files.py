"""Answers that are files."""

from __future__ import annotations

from typing import Final

CSV: Final = "text/csv"


def as_file(name: str) -> dict[str, str]:
    """The headers of something to be saved under a name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
