"""What the calls of most adapters share, over `transport`: ids in paths, and what a 404 and a 409 say."""

from __future__ import annotations

import re

from processors.errors import RefusedError


def segment(value: str) -> str:
    """One path segment; an id that would lead to another path is refused before anything is sent."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", value):
        raise RefusedError("an id has letters that no id at a processor has", 400, "id_malformed")
    return value
