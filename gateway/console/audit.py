"""The audit log: who did what to what, why, and what it changed; as a list and as a file."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream, Template

from gateway.accounts.errors import FieldError
from gateway.api.files import CSV, as_file
from gateway.api.paging import After
from gateway.console.dates import begin_of_day, end_of_day
from gateway.console.desk import Desk, page
from gateway.console.errors import said_of
from gateway.console.forms import ON_A_PAGE
from gateway.console.render import shown
from gateway.domain.audit_words import ACTIONS
from gateway.domain.roles import Action
from gateway.readers.audit import AuditEntry, Wanted, as_csv, find_entries
from gateway.readers.pages import Page

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
    found: Page[AuditEntry] = Page([], has_more=False)
    problem, status = "", 200
    try:
        wanted = _wanted(actor, act, subject, first, last)
        found = await find_entries(desk.account, wanted, limit=ON_A_PAGE, starting_after=starting_after)
    except FieldError as error:
        problem, status = said_of(error)
    asked = {"actor": actor.strip(), "action": act, "object": subject.strip(), "from": first, "to": last}
    context = {"found": found, "asked": asked, "actions": ACTIONS, "problem": problem}
    return shown(desk, "audit.html", context, status=status)


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
    """Days are whole ones of UTC. Raises FieldError."""
    return Wanted(actor.strip(), act, subject.strip(), begin_of_day(first, "from"), end_of_day(last, "to"))


audit_routes: Final[list[Any]] = [audit, audit_file]
