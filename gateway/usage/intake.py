"""Usage's way into the database: stored in groups (`group_commit.py`), and answered after COMMIT.

Every report raises the poke of its account's one stream: alone, each would wait for the COMMIT of the one before. An
account shares with nobody but itself, and what holds its stream up holds up no other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from gateway.domain.usage import Reported
from gateway.group_commit import GroupCommit, Limits
from gateway.runtime import Runtime
from gateway.usage import meters
from gateway.usage.accept import NOT_READ, Report, Result, accept
from gateway.usage.errors import UsageRefusedError

MOST: Final = 1000
"""Events in one batch."""
EVENT_BYTES: Final = 500
"""About what an event takes beside its texts."""
LIMITS: Final = Limits(
    lane=1_000,
    waiting_bytes=128 << 20,
    batch=500,
    batch_bytes=1 << 20,
    at_once=1,  # a second one would wait for the first at the stream's row
    in_all=4,  # of the pool's ten connections
)


class UsageIntake:
    """The accepting of usage in one process: `async with UsageIntake(runtime) as usage`, in the loop that serves."""

    def __init__(self, runtime: Runtime, *, limits: Limits = LIMITS) -> None:
        self._runtime = runtime
        self._group: GroupCommit[_Put, list[Result] | None] = GroupCommit(_commit, limits, _size)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._group.__aexit__(exception_type, exception, traceback)

    async def accept_one(self, account: str, told: Reported) -> Result:
        """Accept what came alone; raises UsageRefusedError, NotCommittedError."""
        [result] = await self.accept(account, [told])
        if result.refused is not None:
            raise UsageRefusedError(result.refused)
        return result

    async def accept(self, account: str, told: Sequence[Reported]) -> list[Result]:
        """Accept what is right of these; one result for each, in their order.

        Raises UsageRefusedError where one could not be judged, since Stripe can't be asked: what is right is stored all
        the same, and the whole may be reported again. NotCommittedError: what of it is stored is not known, and it may
        be reported again, too.
        """
        results = await self._put(account, Report(told))
        if results is None:
            asked = await meters.asked(self._runtime, account)
            results = await self._put(account, Report(told, asked))
        assert results is not None, "Stripe was asked already"
        if any(result.refused is NOT_READ for result in results):
            raise UsageRefusedError(NOT_READ)
        return results

    async def _put(self, account: str, report: Report) -> list[Result] | None:
        return await self._group.put((account, report), lane=account)


_Put = tuple[str, Report]


async def _commit(put: Sequence[_Put]) -> list[list[Result] | None]:
    account = put[0][0]
    assert all(one == account for one, _ in put), "an account's lane holds its own reports"
    return await accept(account, [report for _, report in put])


def _size(put: _Put) -> int:
    return sum(EVENT_BYTES + sum(len(str(text)) for text in _texts(one)) for one in put[1].told)


def _texts(one: Reported) -> tuple[object, ...]:
    return one.identifier, one.event_name, one.customer, one.subscription, one.value
