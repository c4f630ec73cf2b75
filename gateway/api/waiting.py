"""How long an answer may wait for what was asked for; the work is a worker's."""

from __future__ import annotations

from typing import Annotated, Final, Protocol, TypeVar

import msgspec
from litestar import Response

MOST_WAIT_S: Final = 30.0

WaitS = Annotated[
    float,
    msgspec.Meta(ge=0, le=MOST_WAIT_S, description="For how long the answer may wait for the result, in seconds."),
]


class _Standing(Protocol):
    @property
    def status(self) -> str: ...


S = TypeVar("S", bound=_Standing)


def so_far(session: S) -> Response[S]:
    """The session as it stands: 202 while what was asked for goes on."""
    return Response(session, status_code=202 if session.status == "processing" else 200)
