"""What is asked of the database while something is done: every statement, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import asyncpg

ASKING: Final = ("fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor")
BRACKETS: Final = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
"""They are round trips too, but no questions."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement of any connection of this process, but the ends of transactions."""
    asked: list[str] = []
    with ExitStack() as stack:
        for name in ASKING:
            noted = _noted(getattr(asyncpg.Connection, name), asked)
            stack.enter_context(patch.object(asyncpg.Connection, name, noted))
        yield asked


def _noted(ask: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def note(self: Any, query: str, *args: Any, **options: Any) -> Any:
        if query not in BRACKETS:
            asked.append(" ".join(query.split()))
        return ask(self, query, *args, **options)

    return note
