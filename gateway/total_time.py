"""The total time of a call to a processor: whatever its own time-outs are, an adapter may page, or hang."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.runtime import Runtime
from processors.errors import OutcomeUnknownError
from processors.interface import ProcessorAdapter

T = TypeVar("T")


def total_timeout_s(runtime: Runtime, adapter: ProcessorAdapter) -> float:
    """The total time of one call, in seconds: the adapter's own, within the setting."""
    return min(adapter.capabilities.call_timeout.total_seconds(), runtime.settings.processor_timeout_s)


async def within(call: Awaitable[T], timeout_s: float) -> T:
    """A call that moves no money, of which the caller wants to hear how it failed; raises CallError where no answer
    comes in time, and what the adapter raises."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except TimeoutError as error:
        raise OutcomeUnknownError(f"no answer within {timeout_s:g} s") from error
