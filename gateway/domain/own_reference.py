"""Which references are ours: `{invoice}.{n}` of a charge, as `collect/charge` gives them (law 2). Pure."""

from __future__ import annotations

import re
from typing import Final

OURS: Final = re.compile(r"in_[A-Za-z0-9_-]+\.[0-9]+")


def is_anothers(reference: str) -> bool:
    """Whether a charge has a reference, and none that any gateway like this one gives: a shop's order number, say."""
    return reference != "" and OURS.fullmatch(reference) is None
