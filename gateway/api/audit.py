"""/v1/audit_log: who did what to what in the key's account, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.paging import After, Limit
from gateway.readers.audit import AuditEntry, Wanted, find_entries
from gateway.readers.pages import DEFAULT, LATEST, Page

Callers: Final = requires(Scope.FINANCE, Scope.ADMIN)
Actor = Annotated[
    str, QueryParameter(description="Only by this one: a user's id or mail address, a key's id or name, cli:NAME.")
]
Act = Annotated[str, QueryParameter(name="action", description="Only this, as refund.requested.")]
Subject = Annotated[str, QueryParameter(description="Only what was done to the object of this id.")]
Since = Annotated[
    int | None, QueryParameter(name="created_from", ge=0, lt=LATEST, description="Not before this second (Unix).")
]
Until = Annotated[
    int | None, QueryParameter(name="created_before", ge=0, lt=LATEST, description="Before this second (Unix).")
]


@get("/audit_log", guards=[Callers], responses=problems())
async def list_audit_log(
    principal: NamedDependency[Principal],
    actor: Actor = "",
    act: Act = "",
    subject: Subject = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[AuditEntry]:
    """The account's audit log. Kept for as long as the account is; what people do of no account, as signing in to the
    console, stands in it while they have a role there."""
    wanted = Wanted(actor, act, subject, _time(since), _time(until))
    return await find_entries(principal.account, wanted, limit=limit, starting_after=starting_after)


def _time(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


audit_routes: Final[list[Any]] = [list_audit_log]
