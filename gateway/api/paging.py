"""Lists in Stripe's manner: `limit`, `starting_after`, and `{"object": "list", "data": [...], "has_more": bool}`."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many at most, 1 to 100.")]
After = Annotated[str, QueryParameter(max_length=255, description="The id of the last object of the page before.")]
