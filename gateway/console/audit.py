"""The audit log: who did what to what, why, and what it changed; as a list and as a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream, Template

from gateway.api.files import CSV, as_file
from gateway.api.paging import After
from gateway.console.desk import Desk, page
from gateway.console.render import shown
from gateway.domain.audit_words import ACTIONS
from gateway.domain.roles import Action
from gateway.readers.audit import Wanted, as_csv, find_entries

ON_A_PAGE: Final = 25
FAR: Final = date(9999, 1, 1)
Actor = Annotated[str, QueryParameter(max_length=255)]
Act = Annotated[str, QueryParameter(name="action", max_length=100)]
Subject = Annotated[str, QueryParameter(name="object", max_length=255)]
First = Annotated[str, QueryParameter(name="from", max_length=10)]
Last = Annotated[str, QueryParameter(name="to", max_length=10)]


@page("/audit", Action.AUDIT)
async def audit(
    desk: NamedDependency[Desk],
    actor: Actor = "",
    act: Act = "",
    subject: Subject = "",
    first: First = "",
    last: Last = "",
    starting_after: After = "",
) -> Template:
    """The log, the newest first."""
    wanted = _wanted(actor, act, subject, first, last)
    found = await find_entries(desk.account, wanted, limit=ON_A_PAGE, starting_after=starting_after)
    asked = {"actor": wanted.actor, "action": act, "object": wanted.subject, "from": first, "to": last}
    return shown(desk, "audit.html", {"found": found, "asked": asked, "actions": ACTIONS})


@page("/audit.csv", Action.AUDIT)
async def audit_file(
    desk: NamedDependency[Desk],
    actor: Actor = "",
    act: Act = "",
    subject: Subject = "",
    first: First = "",
    last: Last = "",
) -> Stream:
    """The same as a file, whole."""
    lines = as_csv(desk.account, _wanted(actor, act, subject, first, last))
    return Stream(lines, media_type=CSV, headers=as_file(f"audit-{desk.seat.name}.csv"))


def _wanted(actor: str, act: str, subject: str, first: str, last: str) -> Wanted:
    """Days are whole ones of UTC; what is no day is no condition."""
    until = _day(last)
    return Wanted(
        actor.strip(), act, subject.strip(), _day(first), None if until is None else until + timedelta(days=1)
    )


def _day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(day, time(), UTC) if day < FAR else None


audit_routes: Final[list[Any]] = [audit, audit_file]
