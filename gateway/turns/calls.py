"""Calls to a processor, each within a total time of ours: whatever its own time-outs are, an adapter may page, or hang.

What an adapter raises is its own fault, and must not look like "nothing happened": a call that moves money has an
unknown outcome then, and a look-up has failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from db.errors import TransactionMisuseError
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.errors import OutcomeUnknownError
from processors.interface import ProcessorAdapter
from processors.outcome import LookupFailed, NotSent, Unknown

T = TypeVar("T")
Outcome = TypeVar("Outcome")


class Sent(msgspec.Struct, Generic[Outcome], frozen=True):
    """What a call came to, and whether it went out at all. `late`: the claim that covered it may be gone meanwhile."""

    outcome: Outcome
    went_out: bool
    late: bool


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


async def send(began: float, call: Callable[[], Awaitable[T]], timeout_s: float) -> Sent[T | NotSent | Unknown]:
    """Send once what moves money. `began`: the monotonic time at which its claim began to be lengthened for it.

    Whoever was held up since then can't be sure that the claim outlasts the call: nothing goes out.
    """
    went_out = time.monotonic() - began < CLAIM_MARGIN_S / 2
    outcome: T | NotSent | Unknown = NotSent("the worker was held up before the call")
    if went_out:
        outcome = await _outcome(call, timeout_s)
    return Sent(outcome, went_out, late=time.monotonic() - began > timeout_s + CLAIM_MARGIN_S / 2)


async def _outcome(call: Callable[[], Awaitable[T]], timeout_s: float) -> T | Unknown:
    try:
        async with asyncio.timeout(timeout_s):
            return await call()
    except TimeoutError:
        return Unknown(f"no answer within {timeout_s:g} s")
    except TransactionMisuseError:
        raise
    except Exception as error:
        return Unknown(f"the adapter failed: {type(error).__name__}")


async def ask(question: Awaitable[T], timeout_s: float) -> T | LookupFailed:
    """Ask how a call ended; it moves no money."""
    try:
        async with asyncio.timeout(timeout_s):
            return await question
    except TimeoutError:
        return LookupFailed(f"no answer within {timeout_s:g} s")
    except TransactionMisuseError:
        raise
    except Exception as error:
        return LookupFailed(f"the adapter failed: {type(error).__name__}")
