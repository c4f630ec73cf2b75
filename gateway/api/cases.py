"""/v1/cases: what a human must look at."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import CaseState
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.cases import add_note, close_case
from gateway.cases import assign as assign_case
from gateway.readers.cases import CaseBody, CaseNoteBody, find_case, find_cases, find_note, find_notes
from gateway.readers.pages import DEFAULT, Page

Callers: Final = requires(Scope.FINANCE)


class CaseClosing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Closing lets go on what the case held up."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000, description="Goes into the audit log.")]


class CaseAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who sees to it."""

    owner: Annotated[
        str | None,
        msgspec.Meta(description="By whatever name your people go, at most 200 letters; null: nobody any more."),
    ]
    seen: Annotated[
        str | msgspec.UnsetType,
        msgspec.Meta(
            description="Who saw to it when you decided that, empty for nobody: where it is somebody else by now, "
            "nothing changes and the answer is 409. Left out: whoever it is."
        ),
    ] = msgspec.UNSET


class NewNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something for whoever looks at the case next."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000, description="It stays as it is.")]


NOTE: Final = example("What the processor said", {"text": "Their support looks into it, ticket 4711."})
ASSIGNMENT: Final = example("To a colleague", {"owner": "ada@shop.example"})
EXAMPLE: Final = example("Closing", {"reason": "Returned to the payer by bank transfer, see ticket 4711."})


CaseId = Annotated[str, PathParameter(description="The case's id: cas_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only about this invoice.")]
OfKind = Annotated[str, QueryParameter(description="Only of this kind.")]
OfOwner = Annotated[str, QueryParameter(description="Only those that this person sees to.")]
Unowned = Annotated[bool, QueryParameter(description="Only those that nobody sees to.")]
State = Annotated[CaseState | None, QueryParameter(name="state", description="Only cases in this state.")]


@get("/cases", guards=[Callers], responses=problems())
async def list_cases(
    principal: NamedDependency[Principal],
    in_state: State = None,
    invoice: OfInvoice = "",
    kind: OfKind = "",
    owner: OfOwner = "",
    unowned: Unowned = False,
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
        unowned=unowned,
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
    seen = None if data.seen is msgspec.UNSET else data.seen
    await assign_case(Author(principal.actor), principal.account, case_id, data.owner or "", seen=seen)
    return await find_case(principal.account, case_id)


@get("/cases/{case_id:str}/notes", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_notes(
    principal: NamedDependency[Principal], case_id: CaseId, limit: Limit = DEFAULT, starting_after: After = ""
) -> Page[CaseNoteBody]:
    """What was written about a case."""
    return await find_notes(principal.account, case_id, limit=limit, starting_after=starting_after)


@post("/cases/{case_id:str}/notes", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def note(principal: NamedDependency[Principal], case_id: CaseId, data: Annotated[NewNote, NOTE]) -> CaseNoteBody:
    """Write something about a case, open or closed."""
    written = await add_note(Author(principal.actor), principal.account, case_id, data.text)
    return await find_note(principal.account, written)


case_routes: Final[list[Any]] = [list_cases, show_case, assign, list_notes, note, close]
