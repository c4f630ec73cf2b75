"""How a path is entered: under its function's name, with what it begins with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tests.crash.beginnings import Begins, nothing
from tests.crash.world import CrashWorld
from tests.support.people import Signup

Plays: TypeAlias = Callable[[CrashWorld, Any], Awaitable[None]]


@dataclass(frozen=True)
class Path:
    """How a path begins, and how it goes on from there."""

    begins: Begins
    plays: Plays


PATHS: Final[dict[str, Path]] = {}


def path(begins: Begins = nothing) -> Callable[[Plays], Plays]:
    """Make a function a path, under its own name."""

    def added(plays: Plays) -> Plays:
        PATHS[plays.__name__] = Path(begins, plays)
        return plays

    return added


def paid(world: CrashWorld, made: Signup, invoices: int) -> None:
    """So many invoices, each paid by one capture."""
    live = world.invoices_of(made.subscription)
    assert [one["status"] for one in live] == ["paid"] * invoices
    taken = sorted(charge.reference.rpartition(".")[0] for charge in world.captures())
    assert taken == sorted(one["id"] for one in live)
    assert len(world.stripe_account().subscriptions) == 1
