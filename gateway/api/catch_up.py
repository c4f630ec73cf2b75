"""/v1/catch_up: how far the walks have come that bring what webhooks did not."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency

from db.states import Walk
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.readers.about import about
from gateway.readers.pages import Page, unix
from gateway.reconcile import cursor as cursors
from gateway.reconcile.cursor import Standing

Callers: Final = requires(Scope.FINANCE, Scope.ADMIN)


class WalkBody(msgspec.Struct, frozen=True):
    """One walk through a list at Stripe, or through what a connection's processor tells to whoever asks."""

    walk: Walk
    connection: Annotated[str | None, about("Its name; null for Stripe's lists.")]
    state: Annotated[
        Literal["waiting", "running", "failing"], about("Between two walks, in the middle of one, or failing since.")
    ]
    done_to: Annotated[int, about("Everything from before this is here.")]
    running_since: int | None
    failing_since: Annotated[int | None, about("The first failure since it last came to its end.")]
    failures: int
    error: str | None
    object: Literal["walk"] = "walk"


@get("/catch_up", guards=[Callers], responses=problems())
async def show_catch_up(principal: NamedDependency[Principal]) -> Page[WalkBody]:
    """The walks of the account. They begin by themselves, every few minutes or hours."""
    return Page([_shown(one) for one in await cursors.standing(principal.account)], has_more=False)


def _shown(one: Standing) -> WalkBody:
    running: Literal["waiting", "running"] = "waiting" if one.began_at is None else "running"
    return WalkBody(
        walk=one.walk,
        connection=one.connection_name or None,
        state=running if one.failing_since is None else "failing",
        done_to=unix(one.done_to),
        running_since=unix(one.began_at),
        failing_since=unix(one.failing_since),
        failures=one.failures,
        error=one.error or None,
    )


catch_up_routes: Final[list[Any]] = [show_catch_up]
