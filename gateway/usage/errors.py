"""Why usage is not accepted, where it came alone."""

from __future__ import annotations

from gateway.domain.usage import Refused


class UsageRefusedError(Exception):
    """The one event that was reported is refused."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"{refused.param}: {refused.detail}" if refused.param else refused.detail)
        self.refused = refused
