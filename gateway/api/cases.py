"""/v1/cases: what a human must look at."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db import sql
from db.states import CaseState
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import DEFAULT, After, Limit, Page, listed, page, unix
from gateway.api.problems import Code
from gateway.cases import assign as assign_case
from gateway.cases import close_case

Callers: Final = requires(Scope.FINANCE)
SELECT: Final = "select t.* from tollbridge.review_case t"


class CaseBody(msgspec.Struct, frozen=True):
    """One case: `subject` is the object it is about, `action` says in words what to do, `owner` sees to it."""

    id: str
    kind: str
    subject: str
    invoice: str | None
    reason: str
    action: str
    owner: str | None
    state: CaseState
    created: int
    closed: int | None
    closed_by: str | None
    closed_reason: str | None
    object: Literal["case"] = "case"


class CaseClosing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Closing lets go on what the case held up."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000, description="Goes into the audit log.")]


class CaseAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who sees to it."""

    owner: Annotated[
        str | None,
        msgspec.Meta(description="By whatever name your people go, at most 200 letters; null: nobody any more."),
    ]


ASSIGNMENT: Final = example("To a colleague", {"owner": "ada@shop.example"})
EXAMPLE: Final = example("Closing", {"reason": "Returned to the payer by bank transfer, see ticket 4711."})


CaseId = Annotated[str, PathParameter(description="The case's id: cas_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only about this invoice.")]
OfKind = Annotated[str, QueryParameter(description="Only of this kind.")]
OfOwner = Annotated[str, QueryParameter(description="Only those that this person sees to.")]
State = Annotated[CaseState | None, QueryParameter(name="state", description="Only cases in this state.")]


@get("/cases", guards=[Callers], responses=problems())
async def list_cases(
    principal: NamedDependency[Principal],
    in_state: State = None,
    invoice: OfInvoice = "",
    kind: OfKind = "",
    owner: OfOwner = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[CaseBody]:
    """The account's cases."""
    return await find_cases(
        principal.account,
        in_state,
        invoice=invoice,
        kind=kind,
        owner=owner,
        limit=limit,
        starting_after=starting_after,
    )


@get("/cases/{case_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_case(principal: NamedDependency[Principal], case_id: CaseId) -> CaseBody:
    """One case."""
    return await find_case(principal.account, case_id)


@post(
    "/cases/{case_id:str}/close",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
)
async def close(
    principal: NamedDependency[Principal], case_id: CaseId, data: Annotated[CaseClosing, EXAMPLE]
) -> CaseBody:
    """Close a case, and let what it held up go on."""
    await close_case(Author(principal.actor), principal.account, case_id, data.reason)
    return await find_case(principal.account, case_id)


@post(
    "/cases/{case_id:str}/assign",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
)
async def assign(
    principal: NamedDependency[Principal], case_id: CaseId, data: Annotated[CaseAssignment, ASSIGNMENT]
) -> CaseBody:
    """Say who sees to an open case."""
    await assign_case(Author(principal.actor), principal.account, case_id, data.owner or "")
    return await find_case(principal.account, case_id)


async def find_cases(
    account: str,
    state: CaseState | None = None,
    *,
    invoice: str = "",
    kind: str = "",
    owner: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[CaseBody]:
    """A page of an account's cases."""
    where = {"state": state, "invoice": invoice, "kind": kind, "owner": owner}
    return listed(*await page(account, SELECT, "opened_at", where, limit=limit, starting_after=starting_after), shown)


async def find_case(account: str, case: str) -> CaseBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, case)
    if row is None:
        raise NotThereError("case", case)
    return shown(row)


def shown(row: asyncpg.Record) -> CaseBody:
    """A case's row as it stands in JSON."""
    return CaseBody(
        id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        invoice=row["invoice"] or None,
        reason=row["reason"],
        action=row["action"],
        owner=row["owner"] or None,
        state=CaseState(row["state"]),
        created=unix(row["opened_at"]),
        closed=unix(row["closed_at"]),
        closed_by=row["closed_by"] or None,
        closed_reason=row["closed_reason"] or None,
    )


case_routes: Final[list[Any]] = [list_cases, show_case, assign, close]
