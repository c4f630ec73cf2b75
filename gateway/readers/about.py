"""What a field that is shown means, in the words of the API's description."""

from __future__ import annotations

import msgspec


def about(description: str) -> msgspec.Meta:
    """What a field means: `name: Annotated[str, about("…")]`."""
    return msgspec.Meta(description=description)
