"""How long an answer may wait for what was asked for; the work is a worker's."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

MOST_WAIT_S: Final = 30.0

WaitS = Annotated[
    float,
    msgspec.Meta(ge=0, le=MOST_WAIT_S, description="For how long the answer may wait for the result, in seconds."),
]
