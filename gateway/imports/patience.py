"""Waiting: a bulk job is turned away before anybody else, by our own pace, by Stripe and by processors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway.billing.errors import StripeNotSentError, StripeUnknownError
from gateway.turns.turn import NotYetError
from processors.errors import NotSentError, OutcomeUnknownError

T = TypeVar("T")

MOST_WAITED_S: Final = 60.0
"""So long one call is held back by those who want patience; then its row has failed, and may be applied again."""
SHORTEST_S: Final = 0.5
UNANSWERED_S: Final = (1.0, 4.0)
"""Waits after a call that was not answered."""


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What `call` gives, which may be done again: it asks, or stores what is stored once. Raises its last error."""
    waited_s, unanswered = 0.0, 0
    while True:
        try:
            return await call()
        except (StripeNotSentError, NotYetError, NotSentError) as error:
            wait_s = max(_asked_for(error), SHORTEST_S)
            if waited_s + wait_s > MOST_WAITED_S:
                raise
            waited_s += wait_s
        except (StripeUnknownError, OutcomeUnknownError):
            if unanswered == len(UNANSWERED_S):
                raise
            wait_s = UNANSWERED_S[unanswered]
            unanswered += 1
        await asyncio.sleep(wait_s)


def _asked_for(error: StripeNotSentError | NotYetError | NotSentError) -> float:
    if isinstance(error, NotSentError):
        return error.retry_after.total_seconds() if error.retry_after else 0.0
    return error.retry_after_s
