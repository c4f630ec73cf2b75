"""A Python process that plays histories: each line of its input is one, each line of its output what came of it.

    python -m tests.crash.player DSN

Its loop never runs what is dead, and its end is `os._exit`, so that nothing of the dead is run by way of tidying up.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys

import msgspec
import structlog

from tests.crash.orders import Delivered, Order, deliver
from tests.crash.play import History, Stage, open_stage
from tests.support.process import Loop


async def play_all(dsn: str) -> None:
    """Until the standard input ends."""
    ends: dict[str, str] = {}
    async with open_stage(dsn) as stage:
        gc.freeze()
        for line in sys.stdin.buffer:
            asked = msgspec.json.decode(line, type=History | Order)
            played = await (stage.play(asked) if isinstance(asked, History) else _same_end(stage, asked, ends))
            sys.stdout.buffer.write(msgspec.json.encode(played) + b"\n")
            sys.stdout.buffer.flush()
        os._exit(0)


async def _same_end(stage: Stage, order: Order, ends: dict[str, str]) -> Delivered:
    """Deliver, and compare with the end of the order in which it happened, which each player has seen for itself."""
    if order.cycle not in ends:
        ends[order.cycle] = (await deliver(stage, Order(order.cycle))).end
    delivered = await deliver(stage, order)
    if not delivered.wrong and delivered.end != ends[order.cycle]:
        delivered.wrong = f"another end: {delivered.end} instead of {ends[order.cycle]}"
    return delivered


def main() -> None:
    if not os.environ.get("TOLLBRIDGE_TEST_CRASH_LOGS"):
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        logging.disable(logging.CRITICAL)
    else:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(play_all(sys.argv[1]))


if __name__ == "__main__":
    main()
